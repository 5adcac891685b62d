# A wrong PIN and 1,000 restarts leave a token that locks at the third failure unlocked: C_Login is counted at the module.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/module.sh"

lab_begin
lab_token opencryptoki
LAB_DIRECTORY=https://localhost:1/dir LAB_HTTP01=80
: >"$LAB/roots.pem"
lab_token_config
SPY=$(dpkg -L opensc-pkcs11 | grep -m 1 '/pkcs11-spy.so$')
export PKCS11SPY=$TOKEN_MODULE PKCS11SPY_OUTPUT=$LAB/spy.log
sed -i "s|$TOKEN_MODULE|$SPY|" "$LAB/hwacme.yaml"
logins() { grep -c '^[0-9]*: C_Login' "$LAB/spy.log" || true; }
flags() { $TOKEN_ENTER pkcsconf -t | sed -n 's/.*Flags: [^(]*(\(.*\)).*/\1/p'; }
expect_logins() { [ "$(logins)" = "$1" ] || fail "$2: $(logins) logins in all where $1 belong"; }
expect_flag() { [[ $(flags) = *"$1"* ]] || fail "$2: $(flags)"; }
expect_no_flag() { [[ $(flags) != *"$1"* ]] || fail "$2: $(flags)"; }
pin() { (umask 077; printf %s "$1" >"$TOKEN_PIN_FILE"); }

# Several at a time: none of them slips in before the first has its answer.
pin 7654321
export LAB HWACME TOKEN_ENTER
restart() { ASAN_OPTIONS=detect_leaks=0 $TOKEN_ENTER "$HWACME" -c "$LAB/hwacme.yaml" token list >/dev/null 2>>"$LAB/said.$1" || [ $? = 3 ] || echo "exit $?" >>"$LAB/other"; }
export -f restart
seq 1000 | xargs -P 4 -I{} bash -c 'restart $(({} % 4))'
[ ! -e "$LAB/other" ] || fail "other exits: $(sort "$LAB/other" | uniq -c)"
expect_logins 1 "1,000 restarts with a wrong PIN"
expect_flag USER_PIN_COUNT_LOW "one attempt"
expect_no_flag USER_PIN_FINAL_TRY "one attempt"
[ "$(cat "$LAB"/said.* | grep -c "PIN in file $TOKEN_PIN_FILE")" = 1000 ] || fail "the operator was told $(cat "$LAB"/said.* | grep -c 'PIN in file') times"
[ "$(cat "$LAB"/said.* | grep -c 'was refused (CKR_PIN_INCORRECT)')" = 1 ] || fail "who was refused?"
! grep -q 7654321 "$LAB"/said.* "$TOKEN_DIR/../state/keys/.refused" || fail "the PIN is shown"

# The operator corrects it: it is tried, once, and the token is well again.
pin "$TOKEN_PIN"
hwacme token list >"$LAB/list.txt" || fail "the right PIN: $(tail -n 1 "$LAB/hwacme.log")"
expect_logins 2 "the right PIN"
expect_no_flag USER_PIN_COUNT_LOW "after the right PIN"
# The old mistake again is known; two new ones are two attempts, and then nothing is sent: a third would lock it.
for wrong in 7654321 7654322 7654323 7654324 "$TOKEN_PIN"; do
	pin $wrong
	! hwacme token list >/dev/null || fail "$wrong was accepted"
done
expect_logins 4 "two new mistakes"
expect_flag USER_PIN_FINAL_TRY "two new mistakes"
expect_no_flag USER_PIN_LOCKED "two new mistakes"
grep -q 'one more wrong PIN locks it, so none was sent; check the PIN in file .* and log in once by hand' "$LAB/hwacme.log" || fail "not told what to do: $(tail -n 2 "$LAB/hwacme.log")"
# A PIN of a length that it does not take counts as a failure too when it is sent.
pin 123456789
! hwacme token list >/dev/null || fail "a PIN of nine was accepted"
# As told: by hand, once.
$TOKEN_ENTER pkcs11-tool --module "$TOKEN_MODULE" --login --pin "$TOKEN_PIN" -O >/dev/null 2>&1 || fail "the token is locked"
pin "$TOKEN_PIN"
hwacme token list >"$LAB/list.txt" || fail "after the login by hand: $(tail -n 1 "$LAB/hwacme.log")"
expect_logins 5 "after the login by hand"
