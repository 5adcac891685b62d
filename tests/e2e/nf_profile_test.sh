# A 5G network function enrols at the test RA: what TS 33.310, 6.1.3c and RFC 9310 want is in the certificate, read there by another
# implementation; what lacks a part of it does not go live, unless the operator takes it so; a changed profile is a reason to renew.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
. "$SOURCE/tests/support/refused.sh"
renew() { hwacme renew "$@" >/dev/null || { tail -n 3 "$LAB/hwacme.log" >&2; fail "renew"; }; }
leaf() { PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$SOURCE/tests/support/read_certificate.py" "$LAB/state/live/amf/cert.pem"; }
# has FILTER: the live certificate is so
has() { leaf | jq -e "$1" >/dev/null || fail "not $1: $(leaf)"; }
# profile LINE...: rewrites the configuration, with these lines for the authority
profile() {
	lab_ra_config "nf: { types: [SMF, AMF], instance: 4ACE9D34-2C69-4F99-92D5-A73A3FE8E23B }"
	printf '    %s\n' "$@" >"$LAB/lines"
	sed -i "/account-key:/r $LAB/lines" "$LAB/hwacme.yaml"
}
defect() { ra settings "{\"certificate_defect\": \"$1\"}" >/dev/null; }

lab_ra_up --set 'uri_names="any"' --set 'new_authz="on"'
for name in amf.5gc.mnc001.mcc001.3gppnetwork.org amf-2.5gc.mnc001.mcc001.3gppnetwork.org; do
	ra preauthorised "{\"identifier\": \"$name\", \"hours\": 336, \"issued_at\": \"now\"}" >/dev/null
done

# The instance is upper case in the configuration and lower case on the wire (TS 29.571, 5.3.2); types are sorted (RFC 9310, 3).
profile 'certificate-profile: { country: DE }'
said=$(hwacme check) || fail "check: $said"
grep -q '^ok  *profile  *amf: as TS 33.310' <<<"$said" || fail "check: $said"
renew
has '.subject == "O=5gc.mnc001.mcc001.3gppnetwork.org,C=DE"'
has '.dns == ["amf.5gc.mnc001.mcc001.3gppnetwork.org", "amf-2.5gc.mnc001.mcc001.3gppnetwork.org"]'
has '.uri == ["urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"]'
has '.signs and (.encipherment | not) and .usages == ["client", "server"]'
has '.nf == ["AMF", "SMF"] and (.nf_critical | not)'
grep -q 'subjectAltName not critical' <<<"$(hwacme status amf)" || fail "what the RA does otherwise is not in the journal"
clean "until here"

# It looks like the certificate that was asked for, and is not: it does not go live.
live=$(lab_live_serial amf)
while read -r name words; do
	defect "$name"
	got=0
	said=$("$HWACME" -c "$LAB/hwacme.yaml" renew --force 2>&1) || got=$?
	[ $got = 4 ] || fail "$name: exit $got: $said"
	grep -q -- "$words" <<<"$said" || fail "$name: no \"$words\" in: $said"
	[ "$(lab_live_serial amf)" = "$live" ] || fail "$name: the live certificate changed"
	case $name in
	expired | future)
		# It may be our clock: the same certificate is judged again, and no other is ordered. Or the CA's: not for ever.
		orders=$(ra orders | jq length) attempts=1
		again=$("$HWACME" -c "$LAB/hwacme.yaml" renew --force 2>&1) || true
		grep -q -- "$words" <<<"$again" || fail "$name: not judged again: $again"
		[ "$(ra orders | jq length)" = "$orders" ] || fail "$name: another was ordered"
		defect ""
		until "$HWACME" -c "$LAB/hwacme.yaml" renew --force >/dev/null 2>&1; do
			[ $((++attempts)) -le 8 ] || fail "$name: never ordered anew"
		done
		[ "$(ra orders | jq length)" = $((orders + 1)) ] || fail "$name: $(ra orders | jq length) orders, not $orders and one"
		live=$(lab_live_serial amf)
		;;
	esac
	echo "$name: refused"
done <<-TABLE
	no-nf-types it lacks the nfTypes.*accept-without: \[nf-types\]
	no-uri it lacks uri:urn:uuid:4ace9d34.*accept-without: \[uri\]
	no-usages extended key usage serverAuth and clientAuth.*accept-without: \[extended-key-usage\]
	no-names it lacks the name
	missing-name it lacks
	extra-name not ordered: dns:extra.example
	other-key another key
	ca certificate of a CA
	expired expired
	future not valid before
	foreign-issuer certificate 1 on the way to the roots .*: certificate signature failure
TABLE

# The operator takes less, and reads so in the journal.
profile 'certificate-profile: { country: DE, accept-without: [nf-types, uri, extended-key-usage] }'
said=$(hwacme check) || fail "a warning changed the status of check: $said"
grep -q '^warn profile  *amf: .*accepted without: uri extended-key-usage nf-types' <<<"$said" || fail "check: $said"
# So may a fallback's operator alone, and what is told of both is told once.
lab_ra_fallback "certificate-profile: { accept-without: [subject] }"
sed -i 's|types: \[SMF, AMF\]|types: [SMF, AMFF]|' "$LAB/backup.yaml"
said=$("$HWACME" -c "$LAB/backup.yaml" check 2>&1) || fail "check with a fallback: $said"
grep -q '^warn profile  *amf: at fallback "backup": .*accepted without: subject' <<<"$said" || fail "check of a fallback: $said"
[ "$(grep -c '^warn profile.*AMFF' <<<"$said")" = 1 ] || fail "told of the certificate more than once: $said"
while read -r name part; do
	defect "$name"
	renew --force
	grep -q "accepted and staged, without $part" <<<"$(hwacme status amf)" || fail "$name: not in the journal"
done <<-TABLE
	no-nf-types nf-types
	no-uri uri
	no-usages extended-key-usage
TABLE
defect ""

# What the authority is not asked for is not in the request; and a changed profile makes the certificate due.
profile 'certificate-profile: { ask: [extended-key-usage], usages: [client] }'
grep -q 'configuration' <<<"$(hwacme status amf)" || fail "a changed profile is no reason to renew: $(hwacme status amf)"
renew
has '.subject == "" and .uri == [] and .nf == [] and .usages == ["client"]'
[ "$(hwacme renew | grep -c 'not due')" = 1 ] || fail "due again without a change"
hwacme check | grep -q '^warn profile  *amf: .*not asked for: subject uri key-usage nf-types' || fail "check: $(hwacme check)"
hwacme --json check | jq -e '[.checks[] | select(.check == "profile") | .ok and .warning] | all' >/dev/null || fail "check --json"
clean "until here"

# An RA that takes names alone, and does not say what it was that it did not take: we say what was asked for, and without it the same order
# goes on.
ra settings '{"uri_names": "identifiers"}' >/dev/null
profile 'certificate-profile: { country: DE }'
refused 4 "asks for C=DE O=5gc.mnc001.mcc001.3gppnetwork.org uri key-usage server client nf:AMF nf:SMF; certificate-profile: { ask: [...] }" renew
orders=$(ra orders | jq length)
profile 'certificate-profile: { ask: [key-usage] }'
renew
[ "$(ra orders | jq length)" = "$orders" ] || fail "another order was placed for a CSR that could be mended"
# Where names alone are asked for, there is nothing to leave out.
profile 'certificate-profile: { ask: [] }'
ra faults '{"endpoint": "finalize", "status": 400, "type": "badCSR"}' >/dev/null
said=$(hwacme renew 2>&1 && fail "renewed in spite of badCSR"; tail -n 1 "$LAB/hwacme.log")
grep -q badCSR <<<"$said" && ! grep -q certificate-profile <<<"$said" || fail "advice without use: $said"
ra settings '{"uri_names": "any"}' >/dev/null
renew
fresh # the RA calls a CSR that it does not take a mistake of ours

# A URI is no identifier: it is not authorised ahead of an order either (RFC 8555, 7.4.1).
grep -q 'amf: 2 identifiers authorised' <<<"$(hwacme authorize amf)" || fail "authorize: $(tail -n 2 "$LAB/hwacme.log")"
clean "until here"

# TS 33.310, annex J: with tkauth-01 the instance is an identifier, proved with a token of the OAM; at an RA that takes no other URI.
ra settings '{"uri_names": "identifiers"}' >/dev/null
lab_ra_config "nf: { types: [SMF, AMF], instance: 4ACE9D34-2C69-4F99-92D5-A73A3FE8E23B }"
sed -i "s|challenge: { |challenge: { tkauth-01: { authority: \"$LAB_TOKEN_AUTHORITY\", trust: $LAB/trust.pem }, |" "$LAB/hwacme.yaml"
renew
has '.uri == ["urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"] and .nf == ["AMF", "SMF"] and .usages == ["client", "server"]'
[ "$(ra orders | jq '[.[-1].identifiers[] | select(.type == "NfInstanceId")] | length')" = 1 ] || fail "the instance is no identifier of the order"
clean "until here"
