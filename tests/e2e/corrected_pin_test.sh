# A wrong PIN costs `hwacme run` one C_Login however often it is asked and started; corrected in its file, it is taken without a signal, by
# itself and at `hwacme renew`: C_Login is counted at the module.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
lab_ra_up
cp "$(find "$BUILD/tests" -name '*p11_proxy.so' | head -n 1)" "$LAB/proxy.so"
echo "log $LAB/calls" >"$LAB/proxy.so.script"
LAB_MODULE=$LAB/proxy.so lab_ra_config
pin() { (umask 077; printf %s "$1" >"$LAB/hsm.pin.new"); mv "$LAB/hsm.pin.new" "$LAB/hsm.pin"; }
logins() { grep -c ' C_Login ' "$LAB/calls" || true; }
expect_logins() { [ "$(logins)" = "$1" ] || fail "$2: $(logins) logins in all where $1 belong"; }
run_start() { lab_start run "$HWACME" -c "$LAB/hwacme.yaml" run; }
last_error_says() { { hwacme status --json || true; } | jq -e --arg text "$1" '.certificates[0].last_error | contains($text)'; }
is_enrolled() { [ -e "$LAB/state/live/amf/cert.pem" ]; }
refused() {
	local got=0
	hwacme renew >/dev/null || got=$?
	[ $got = 3 ] || fail "renew with a wrong PIN: exit $got"
	tail -n 1 "$LAB/hwacme.log" | grep -q "the PIN in file $LAB/hsm.pin: it was refused before and is not sent again; correct it there" ||
		fail "the operator is told: $(tail -n 1 "$LAB/hwacme.log")"
}

# It stays wrong: known again at each try, also by another daemon.
pin 76543210
run_start
lab_wait 30 "the refusal" last_error_says "the PIN in file $LAB/hsm.pin was refused (CKR_PIN_INCORRECT)"
refused
refused
lab_stop run
run_start
lab_wait 30 "the daemon" test -S "$LAB/state/control"
refused
refused
expect_logins 1 "a wrong PIN for the life of two daemons"

# Another that is wrong is one attempt more; the old one again is none.
pin 76543211
! hwacme renew >/dev/null || fail "another wrong PIN was accepted"
refused
pin 76543210
refused
expect_logins 2 "another wrong PIN"

# Corrected: whoever asks has it at once.
daemon=${LAB_PIDS[run]}
pin "$LAB_PIN"
hwacme renew >/dev/null || fail "renew with the right PIN: $(tail -n 1 "$LAB/hwacme.log")"
is_enrolled || fail "renew enrolled nothing"
expect_logins 3 "the right PIN"
[ "$(lab_named_below "$daemon" hwacme-engine | wc -l)" = 1 ] || fail "the daemon is not what it was"
lab_stop run

# And nobody has to ask: the first try after a failure is a minute later.
rm -rf "$LAB/state"
pin 76543212
run_start
lab_wait 30 "the refusal" last_error_says "was refused (CKR_PIN_INCORRECT)"
pin "$LAB_PIN"
lab_wait 100 "the certificate, by itself" is_enrolled
expect_logins 5 "a wrong PIN, then the right one"
! grep -q '7654321[0-2]' "$LAB/run.log" "$LAB/hwacme.log" "$LAB/state/keys/.refused" || fail "the PIN is shown"

# Where the token was wrong, and not the file, what it refused is forgotten by hand, as the refusal says.
lab_stop run
pin 76543212
pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label nf-appliance --login --pin "$LAB_PIN" --change-pin --new-pin 76543212 >/dev/null
! hwacme renew --force >/dev/null || fail "a PIN that was refused was sent again"
tail -n 1 "$LAB/hwacme.log" | grep -q "when the token is what was corrected, remove $LAB/state/keys/.refused" ||
	fail "the way out: $(tail -n 1 "$LAB/hwacme.log")"
rm "$LAB/state/keys/.refused"
hwacme renew --force >/dev/null || fail "renew with the token's new PIN: $(tail -n 1 "$LAB/hwacme.log")"
expect_logins 6 "a PIN that became right"
clean "a PIN that was wrong"
