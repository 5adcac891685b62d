# A valid authorisation costs no challenge (RFC 8555, 7.5); without one every order is challenged; half of the nonces refused changes nothing.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
challenges() { grep -c 'POST /chalZ/' "$LAB/pebble.log" || true; }

PEBBLE_AUTHZREUSE=100 PEBBLE_WFE_NONCEREJECT=50 lab_up
lab_config
hwacme renew
first=$(challenges)
[ "$first" -ge 3 ] || fail "$first challenges at the enrolment of three names"
hwacme renew --force
[ "$(challenges)" = "$first" ] || fail "a valid authorisation was challenged again"

lab_stop pebble
PEBBLE_AUTHZREUSE=0 PEBBLE_WFE_NONCEREJECT=50 lab_pebble_run
# This Pebble is new and knows no account and no order: the account is registered again with the same key.
hwacme renew --force || hwacme renew --force
again=$(challenges)
[ "$again" -gt "$first" ] || fail "no challenge although no authorisation is valid"
hwacme renew --force
[ "$(challenges)" -gt "$again" ] || fail "no challenge in the second renewal"
grep -qi 'badNonce\|nonce' "$LAB/pebble.log" || fail "no nonce was refused: the test tests nothing"
