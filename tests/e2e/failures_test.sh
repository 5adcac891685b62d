# What is missing or wrong is named, has its exit status, leaves the live files alone, and is mended by the next run.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
# refused STATUS WORD...: `renew --force smf amf` with the changed configuration ends so and says so; nothing live moves.
refused() {
	local status=$1 word said got=0
	shift
	said=$("$HWACME" -c "$LAB/changed.yaml" renew --force $NAMES 2>&1) || got=$?
	[ $got = "$status" ] || fail "exit $got instead of $status: $said"
	for word in "$@"; do grep -qF -- "$word" <<<"$said" || fail "no \"$word\" in: $said"; done
	! grep -qF "$LAB_PIN" <<<"$said" || fail "the PIN is in: $said"
	[ "$(lab_live_serial amf) $(lab_live_serial smf)" = "$live" ] || fail "the live files changed"
}
change() { sed "$1" "$LAB/hwacme.yaml" >"$LAB/changed.yaml"; }
mended() { "$HWACME" -c "$LAB/hwacme.yaml" renew $NAMES >/dev/null 2>>"$LAB/hwacme.log" || fail "not mended: $(tail -n 3 "$LAB/hwacme.log")"; live="$(lab_live_serial amf) $(lab_live_serial smf)"; }

lab_up
lab_config
"$HWACME" -c "$LAB/hwacme.yaml" renew 2>>"$LAB/hwacme.log"
live="$(lab_live_serial amf) $(lab_live_serial smf)"

NAMES=smf
printf 99999999 >"$LAB/wrong.pin"
change "s|$LAB/hsm.pin|$LAB/wrong.pin|"
refused 3 '"hsm"' "$LAB/wrong.pin"
# Counted at the module itself: one C_Login, although the account's key and the certificate's are both in that token.
SPY=$(dpkg -L opensc-pkcs11 | grep -m 1 '/pkcs11-spy.so$')
printf 99999998 >"$LAB/wrong.pin"
change "s|$LAB/hsm.pin|$LAB/wrong.pin|; s|$LAB_MODULE|$SPY|"
# The spy itself leaks a little; that is not what is looked for here.
export PKCS11SPY=$LAB_MODULE PKCS11SPY_OUTPUT=$LAB/spy.log ASAN_OPTIONS=detect_leaks=0
NAMES="smf smf"
refused 3 '"hsm"' "$LAB/wrong.pin"
# Nor by the next process: what was refused is known on disk.
refused 3 '"hsm"' "$LAB/wrong.pin" "not sent again"
unset PKCS11SPY PKCS11SPY_OUTPUT ASAN_OPTIONS
NAMES=smf
tries=$(grep -c '^[0-9]*: C_Login' "$LAB/spy.log" || true)
[ "$tries" = 1 ] || fail "$tries attempts with a refused PIN: $(grep C_Log "$LAB/spy.log")"
change "s|$LAB/hsm.pin|$LAB/no.pin|"
refused 3 "$LAB/no.pin"
change "s|$LAB_MODULE|/nowhere/module.so|"
refused 3 /nowhere/module.so
change 's|token: nf-appliance|token: other|'
refused 3 other
mended

NAMES=amf
change "s|$LAB/tpm.sock|$LAB/no.sock|"
refused 3 "$LAB/no.sock"
lab_stop swtpm
change ''
refused 3 "$LAB/tpm.sock"
lab_swtpm
mended

NAMES="amf smf"
lab_stop pebble
refused 4 "localhost:$LAB_ACME"
"$HWACME" -c "$LAB/hwacme.yaml" status >/dev/null 2>&1 && fail "status is 0 although a renewal failed" || [ $? = 5 ] || fail "status"
lab_pebble_run
# A new Pebble knows neither the account nor the orders that were under way.
"$HWACME" -c "$LAB/hwacme.yaml" renew >/dev/null 2>&1 || true
# and has another root
mended
change 's|https://localhost|http://localhost|'
refused 4 http://
change "s|trust: $LAB/trust.pem|trust: $LAB/roots.pem|"
refused 4 certificate
change "s|$LAB_DIRECTORY|https://localhost:$LAB_ACME_MANAGEMENT/roots/0|"
refused 4 roots/0
mended

# Configuration and usage
check() { "$HWACME" -c "$1" check 2>&1 || [ $? = 2 ] || echo "exit $?"; }
change 's|renew-after|renew-aftr|'
check "$LAB/changed.yaml" | grep -q 'changed.yaml:[0-9]*: unknown option "renew-aftr"; write "renew-after"' || fail "no suggestion"
"$HWACME" -c "$LAB/changed.yaml" renew >/dev/null 2>&1 && fail "wrong option accepted" || [ $? = 2 ] || fail "exit status of a wrong option"
"$HWACME" -c "$LAB/hwacme.yaml" renew nobody >/dev/null 2>&1 && fail "unknown name" || [ $? = 2 ] || fail "exit status of an unknown name"
for command in check plan run version; do # what is not looked at was meant for something
	said=$("$HWACME" -c "$LAB/hwacme.yaml" "$command" web 2>&1) && fail "$command web: accepted" || [ $? = 2 ] || fail "$command web: $said"
	grep -q "$command takes no names, and was given \"web\"" <<<"$said" || fail "$command web: $said"
done
"$HWACME" nonsense >/dev/null 2>&1 && fail "unknown command" || [ $? = 2 ] || fail "exit status of an unknown command"
