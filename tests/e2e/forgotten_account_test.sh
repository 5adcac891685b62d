# A CA that lost its data knows the account no more: whichever command is refused for that, the next one makes the account anew with its
# key, also when that key was just to be replaced, and renewals go on.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/refused.sh"
# Pebble keeps nothing. It is another CA then: its roots are, too.
forgotten() { lab_stop pebble; lab_pebble_run; }
shown() { hwacme account show --json | jq -r ".$1"; }
accounts() { grep -o 'There are now [0-9]* accounts' "$LAB/pebble.log" | tail -n 1; }
keys() { hwacme token keys --json | jq -r '[.keys[].owner | select(. != null and test("account"))] | length'; }
# again WHAT: there is one account, which works, and no key is left of another or of nobody
again() {
	[ "$(shown status)" = valid ] || fail "the account after $1: $(hwacme account show)"
	[ "$(accounts)" = "There are now 1 accounts" ] || fail "accounts after $1: $(accounts)"
	hwacme renew --force >/dev/null || fail "renewal after $1: $(tail -n 3 "$LAB/hwacme.log")"
	[ "$(keys)" = 1 ] || fail "keys left after $1: $(hwacme token keys)"
	hwacme token keys --json | jq -e '[.keys[] | select(.owner == null or (.owner | test("an account")))] == []' >/dev/null || fail "keys left after $1: $(hwacme token keys)"
}

lab_up
LAB_RETIRE_AFTER=0s lab_config
hwacme renew >/dev/null || fail "enrolment"
key=$(shown key)
for command in "account show" "account rollover" "account deactivate --yes" "revoke amf"; do
	for next in "account show" "renew --force"; do
		forgotten
		refused 4 accountDoesNotExist $command
		hwacme $next >/dev/null || fail "$next after $command was refused: $(tail -n 3 "$LAB/hwacme.log")"
		again "$command and $next"
		[ "$(shown key)" = "$key" ] || fail "another key after $command was refused: $(hwacme account show)"
	done
done
# The command that was refused may be the next one itself.
for command in "account show" "account rollover"; do
	forgotten
	refused 4 accountDoesNotExist $command
	hwacme $command >/dev/null || fail "$command after it was refused: $(tail -n 3 "$LAB/hwacme.log")"
	again "$command, twice"
done
# A rollover of an account at a CA that is away leaves nothing to settle with it, should it come back without the account.
lab_stop pebble
refused 4 newNonce account rollover
lab_pebble_run
refused 4 accountDoesNotExist renew --force
hwacme renew --force >/dev/null || fail "renewal after a rollover without a CA: $(tail -n 3 "$LAB/hwacme.log")"
again "a rollover without a CA"
# That is what it is for; nothing is lost that the key, which works, cannot have made again.
key=$(shown key)
forgotten
refused 2 "account register operator-ra" account register --new-key
hwacme account register >/dev/null || fail "register: $(tail -n 3 "$LAB/hwacme.log")"
again "register"
[ "$(shown key)" = "$key" ] || fail "register made another key: $(hwacme account show)"
# So is an account whose key is another one by now, as an older copy of the records does not know: its key has one made anew.
lab_stop pebble
lab_pebble_run
hwacme account show >/dev/null 2>&1 || true
hwacme renew --force >/dev/null || fail "renewal at another CA: $(tail -n 3 "$LAB/hwacme.log")"
LAB_RETIRE_AFTER=24h lab_config
cp -a "$LAB/state/hwacme.db" "$LAB/older.db"
hwacme account rollover >/dev/null || fail "rollover: $(tail -n 3 "$LAB/hwacme.log")"
rm "$LAB/state/hwacme.db"*
cp -a "$LAB/older.db" "$LAB/state/hwacme.db"
refused 4 'newOrder (`hwacme account show` tells' renew --force
refused 4 'if it has another key by now: `hwacme account register AUTHORITY`' account show
hwacme account register >/dev/null || fail "an account for the key that had one: $(tail -n 3 "$LAB/hwacme.log")"
[ "$(shown status)" = valid ] || fail "the account: $(hwacme account show)"
hwacme renew --force >/dev/null || fail "renewal: $(tail -n 3 "$LAB/hwacme.log")"
