# NSS softokn gives out keys that it calls unextractable: refused, unless it is accepted by name; then contract and renewal.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/module.sh"

module_up nss
lab_token_config "" "${TOKEN_OPTIONS%, accept-wrapping*}"
status=0
hwacme renew >/dev/null || status=$?
[ $status = 3 ] || fail "exit $status without accept-wrapping"
grep -q 'gives out by C_WrapKey.*accept-wrapping: true' "$LAB/hwacme.log" || fail "not told why: $(tail -n 2 "$LAB/hwacme.log")"

lab_token_config
module_contract
module_renewal
hwacme token keys | grep -q 'but this token gives out such keys' || fail "custody does not say so: $(hwacme token keys)"
