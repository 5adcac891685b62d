# A CA that lost its data knows the account no more: whichever command is refused for that, the next one makes the account anew with its
# key, also when that key was just to be replaced, and renewals go on.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/refused.sh"
# Pebble keeps nothing. It is another CA then: its roots are, too.
forgotten() { lab_stop pebble; lab_pebble_run; }
keys() { hwacme token keys --json | jq -r '[.keys[].owner | select(. != null and test("account"))] | length'; }

lab_up
LAB_RETIRE_AFTER=0s lab_config
hwacme renew >/dev/null || fail "enrolment"
for command in "account show" "account rollover" "revoke amf"; do
	forgotten
	refused 4 accountDoesNotExist $command
	hwacme renew --force >/dev/null || fail "renewal after $command was refused: $(tail -n 3 "$LAB/hwacme.log")"
	[ "$(keys)" = 1 ] || fail "keys left after $command was refused: $(hwacme token keys)"
	forgotten
	refused 4 accountDoesNotExist $command
	case $command in
	revoke*) hwacme account show >/dev/null || fail "the account after $command was refused: $(tail -n 3 "$LAB/hwacme.log")" ;;
	*) hwacme $command >/dev/null || fail "$command after it was refused: $(tail -n 3 "$LAB/hwacme.log")" ;;
	esac
	[ "$(hwacme account show --json | jq -r .status)" = valid ] || fail "the account after $command: $(hwacme account show)"
done
# A rollover of an account at a CA that is away leaves nothing to settle with it, should it come back without the account.
lab_stop pebble
refused 4 newNonce account rollover
lab_pebble_run
refused 4 accountDoesNotExist renew --force
hwacme renew --force >/dev/null || fail "renewal after a rollover without a CA: $(tail -n 3 "$LAB/hwacme.log")"
[ "$(keys)" = 1 ] || fail "keys left after a rollover without a CA: $(hwacme token keys)"
# That is what it is for.
forgotten
hwacme account register >/dev/null || fail "register: $(tail -n 3 "$LAB/hwacme.log")"
[ "$(hwacme account show --json | jq -r .status)" = valid ] || fail "the account after register: $(hwacme account show)"
