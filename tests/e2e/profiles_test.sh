# Profiles (draft-ietf-acme-profiles): ordered by name when the CA has it; one it has not is refused with those it has, before anything is
# ordered; a changed profile is a reason to renew.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
# refused STATUS WORD...: `renew --force` ends so and says so; no order is made.
refused() {
	local status=$1 got=0 said word before
	shift
	before=$(ra orders | jq length)
	said=$("$HWACME" -c "$LAB/hwacme.yaml" renew --force 2>&1) || got=$?
	[ $got = "$status" ] || fail "exit $got instead of $status: $said"
	for word in "$@"; do grep -qF -- "$word" <<<"$said" || fail "no \"$word\" in: $said"; done
	[ "$(ra orders | jq length)" = "$before" ] || fail "an order was made"
}
profile() { ra orders | jq -r '.[-1].profile'; }

lab_ra_up --set 'profiles={"nf-tls": "for NFs", "short": {"description": "six days", "validity": 518400}}'
for name in amf amf-2; do
	ra preauthorised "{\"identifier\": \"$name.5gc.mnc001.mcc001.3gppnetwork.org\", \"hours\": 336, \"issued_at\": \"now\"}" >/dev/null
done
lab_ra_config
hwacme check | grep -q 'profiles: nf-tls, short' || fail "check does not show the profiles"
hwacme renew >/dev/null
[ "$(profile)" = null ] || fail "a profile was ordered that nobody configured"

sed -i 's|    terms-agreed: true|&\n    profile: nf-tls|' "$LAB/hwacme.yaml"
grep -q 'renewed (.*profile' <<<"$(hwacme renew)" || fail "not renewed although the profile was changed"
[ "$(profile)" = nf-tls ] || fail "the authority's profile was not ordered: $(profile)"
grep -q 'not due' <<<"$(hwacme renew)" || fail "renewed without end"
sed -i 's|    policy: sba|&\n    profile: short|' "$LAB/hwacme.yaml"
grep -q 'renewed' <<<"$(hwacme renew)" || fail "not renewed although the certificate has a profile of its own now"
[ "$(profile)" = short ] || fail "the certificate's profile was not ordered: $(profile)"
[ "$(hwacme status --json | jq -r '.certificates[0].profile')" = short ] || fail "status does not show the profile"

sed -i 's|    profile: short|    profile: shorter|' "$LAB/hwacme.yaml"
refused 2 '"shorter"' 'nf-tls, short'
got=0
said=$("$HWACME" -c "$LAB/hwacme.yaml" check 2>&1) || got=$?
{ [ $got = 2 ] && grep -q 'BAD .*"shorter".*nf-tls, short' <<<"$said"; } || fail "check: exit $got: $said"
# A fallback is asked for the same one, when the first is away: that is too late to learn that it has none of that name.
lab_ra_fallback
got=0
said=$("$HWACME" -c "$LAB/backup.yaml" check 2>&1) || got=$?
{ [ $got = 2 ] && grep -q 'BAD .*backup: .*certificate "amf".*"shorter".*nf-tls, short' <<<"$said"; } || fail "check of a fallback: exit $got: $said"
# What it did not have this morning it may have now: the kept directory is not the last word.
ra settings '{"profiles": {"shorter": "five days"}}' >/dev/null
hwacme renew --force >/dev/null
[ "$(profile)" = shorter ] || fail "a profile that is new was not ordered"
# It has them no more, or refuses one it had: explained.
ra settings '{"profiles": {}}' >/dev/null
refused 4 invalidProfile 'hwacme check'
lab_age_directories 86400
refused 2 'has no profiles'
ra violations | jq -e '.violations == []' >/dev/null || fail "the client broke the protocol"
