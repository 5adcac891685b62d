# RFC 8555, 7.4.2: of several chains of one certificate the first that ends in our roots is taken, and no more are fetched than it
# takes; at the test RA and at Pebble.
set -euo pipefail
export PEBBLE_ALTERNATE_ROOTS=2 PEBBLE_WFE_NONCEREJECT=0
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
renew() { hwacme renew "$@" >/dev/null || { tail -n 3 "$LAB/hwacme.log" >&2; fail "renew $*"; }; }
# ends_in FILE: the chain that is served verifies up to this root, and up to no other
ends_in() {
	openssl verify -CAfile "$1" -untrusted "$LAB/state/live/amf/chain.pem" "$LAB/state/live/amf/cert.pem" >/dev/null 2>&1 ||
		fail "the chain does not end in $1"
}
issuer() { openssl crl2pkcs7 -nocrl -certfile "$LAB/state/live/amf/chain.pem" | openssl pkcs7 -print_certs -noout | grep '^issuer' | tail -n 1; }

lab_ra_up --set alternate_chains=3
for name in amf.5gc.mnc001.mcc001.3gppnetwork.org amf-2.5gc.mnc001.mcc001.3gppnetwork.org; do
	ra preauthorised "{\"identifier\": \"$name\", \"hours\": 336, \"issued_at\": \"now\"}" >/dev/null
done
lab_ra_config

# Roots that cannot be read would be noticed when a certificate is issued already: `check` tells of them before.
hwacme check --json | jq -e '.checks[] | select(.check == "roots") | .ok' >/dev/null || fail "check does not look at roots: $(hwacme check)"
for content in none empty nonsense; do
	sed "s|roots: .*|roots: $LAB/roots.$content|" "$LAB/hwacme.yaml" >"$LAB/changed.yaml"
	case $content in empty) : >"$LAB/roots.$content" ;; nonsense) echo x >"$LAB/roots.$content" ;; esac
	got=0
	said=$("$HWACME" -c "$LAB/changed.yaml" check 2>&1) || got=$?
	[ $got = 2 ] && grep -q "^BAD *roots *operator-ra: .*$LAB/roots.$content" <<<"$said" || fail "roots: $content: exit $got: $said"
done

# number of the root, requests for chains: the default one costs no more than before.
for case in "0 1" "1 2" "3 4"; do
	root=${case% *}
	ra roots/"$root" >"$LAB/roots.pem"
	fresh
	renew --force
	ends_in "$LAB/roots.pem"
	issuer | grep -q "root $root" || fail "root $root: $(issuer)"
	[ "$(ra_count certificate)" = "${case#* }" ] || fail "root $root: $(ra_count certificate) chains fetched"
	clean "root $root"
done

# One that is not there any more is passed over; a lost answer is asked for again, and nothing is ordered anew.
fresh
ra roots/2 >"$LAB/roots.pem"
ra faults '{"endpoint": "certificate", "nth": 2, "status": 404, "type": "malformed"}' >/dev/null
renew --force
ends_in "$LAB/roots.pem"
fresh
ra faults '{"endpoint": "certificate", "nth": 2, "lost": true}' >/dev/null
! hwacme renew --force >/dev/null || fail "a lost answer went unnoticed"
renew
ends_in "$LAB/roots.pem"
[ "$(ra_count newOrder)" = 1 ] || fail "a lost chain: $(ra_count newOrder) orders"

# None of them ends there: all were looked at, the live one stays.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=root 0" -keyout "$LAB/other.key" \
	-out "$LAB/roots.pem" 2>/dev/null
live=$(lab_live_serial amf)
fresh
got=0
said=$("$HWACME" -c "$LAB/hwacme.yaml" renew --force 2>&1) || got=$?
{ [ $got = 4 ] && grep -q 'neither this chain nor one of 3 others' <<<"$said"; } || fail "exit $got: $said"
[ "$(lab_live_serial amf)" = "$live" ] || fail "the live certificate changed"
[ "$(ra_count certificate)" = 4 ] || fail "$(ra_count certificate) chains fetched"

# Pebble has its own three.
lab_stop ra
rm -rf "$LAB/state"
lab_pebble
curl -sf --cacert "$LAB/trust.pem" "https://localhost:$LAB_ACME_MANAGEMENT/roots/2" >"$LAB/roots.pem"
lab_ra_config
renew
ends_in "$LAB/roots.pem"
echo "Pebble: $(issuer)"
