# Every signature algorithm of an account and every key type of a certificate, verified by an implementation that is not ours: the
# test RA takes exact signatures only, and what Pebble does not take at all.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
# SoftHSM 2.6.1 leaks with Ed25519; tests/support/softhsm.h says why this is needed to see that it is SoftHSM's.
export ASAN_OPTIONS=fast_unwind_on_malloc=0:malloc_context_size=12

lab_ra_up
echo leak:libsofthsm2.so >"$LAB/leaks"
export LSAN_OPTIONS=suppressions=$LAB/leaks:print_suppressions=0
for name in amf.5gc.mnc001.mcc001.3gppnetwork.org amf-2.5gc.mnc001.mcc001.3gppnetwork.org; do
	ra preauthorised "{\"identifier\": \"$name\", \"hours\": 336, \"issued_at\": \"now\"}" >/dev/null
done
# type and algorithm of the account, type of the certificate
while read -r account algorithm key; do
	rm -rf "$LAB/state"
	LAB_ACCOUNT_TYPE=$account LAB_ACCOUNT_ALGORITHM=$algorithm LAB_KEY_TYPE=$key lab_ra_config
	"$HWACME" -c "$LAB/hwacme.yaml" renew >>"$LAB/hwacme.log" 2>&1 || fail "$account $algorithm $key: $(tail -n 3 "$LAB/hwacme.log")"
	got=$(ra accounts | jq -r '.[-1].algorithm')
	[ "$got" = "$algorithm" ] || fail "$account $algorithm: the RA saw $got"
	clean "$account $algorithm $key"
	echo "$account $algorithm, certificate $key: accepted"
done <<-TABLE
	ec-p256  ES256 ec-p384
	ec-p384  ES384 ec-p521
	ec-p521  ES512 rsa-2048
	ed25519  EdDSA ed25519
	rsa-2048 RS256 rsa-3072
	rsa-2048 RS384 rsa-4096
	rsa-3072 RS512 ec-p256
	rsa-4096 PS256 ec-p256
TABLE

# A server that takes other algorithms says which: that is what the operator reads.
ra settings '{"algorithms": ["ES384"]}' >/dev/null
rm -rf "$LAB/state"
lab_ra_config
got=0
said=$("$HWACME" -c "$LAB/hwacme.yaml" renew 2>&1) || got=$?
{ [ $got = 4 ] && grep -q ES256 <<<"$said"; } || fail "exit $got: $said"
