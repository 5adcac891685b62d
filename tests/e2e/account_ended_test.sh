# The CA has ended the account: its key works and nothing that it signs is taken.  What there is to do is said where that is seen, one
# command does it on purpose, also after a rollover that came to nothing, and no certificate is lost.  Or the CA has lost it in the middle of
# a rollover.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
. "$SOURCE/tests/support/refused.sh"
accounts() { ra accounts | jq "$1"; }
shown() { hwacme account show --json | jq -r ".$1"; }
ended() { ra accounts "{\"url\": \"$1\", \"become\": \"$2\"}" >/dev/null; }
# anew NUMBER URL: so many accounts, of which URL is told to be left; certificates renew; keys of nobody are not left
anew() {
	[ "$(accounts length)" = "$1" ] || fail "not $1 accounts: $(accounts .)"
	for told in "$(tail -n 20 "$LAB/hwacme.log")" "$(hwacme status amf || [ $? = 5 ])"; do
		grep -qF "account $2 is left, for the CA has ended it" <<<"$told" || fail "the old account is not told of: $told"
	done
	live=$(lab_live_serial amf)
	hwacme renew --force >/dev/null || fail "renewal with the new account: $(tail -n 3 "$LAB/hwacme.log")"
	[ "$(lab_live_serial amf)" != "$live" ] || fail "not renewed"
	hwacme token keys --json | jq -e '[.keys[] | select(.owner == null)] == []' >/dev/null || fail "keys left: $(hwacme token keys)"
}

lab_ra_up
lab_ra_config
hwacme renew >/dev/null || fail "enrolment"
first=$(shown url)
ended "$first" revoked
live=$(lab_live_serial amf)
for command in "account show" "account register"; do
	refused 4 'account register AUTHORITY --new-key' $command
done
refused 4 "the account is revoked" renew --force
refused 4 '`hwacme account show` tells' renew --force
[ "$(lab_live_serial amf)" = "$live" ] && [ "$(accounts length)" = 1 ] || fail "another account was made unasked"
# What is said by whoever stands before the CA ends no account.
ra faults '{"endpoint": "newAccount", "status": 503, "type": "serverInternal"}' >/dev/null
refused 4 "serverInternal" account register --new-key
[ "$(accounts length)" = 1 ] || fail "an account was left for a CA that was away"
hwacme account register --new-key >/dev/null || fail "register --new-key: $(tail -n 3 "$LAB/hwacme.log")"
# What the old account ordered, the new one may not revoke.
refused 4 "--with-certificate-key" revoke amf
anew 2 "$first"
refused 2 "account rollover" account register --new-key

# A rollover is what somebody may try first.
second=$(shown url)
ended "$second" deactivated
refused 4 'account register AUTHORITY --new-key' account rollover
refused 4 "the account is deactivated" renew --force
hwacme account register --new-key >/dev/null || fail "after a rollover: $(tail -n 3 "$LAB/hwacme.log")"
anew 3 "$second"

# The CA has lost its data in the middle of a rollover: which of the two keys has the account nobody knows any more, and the word of a backend
# that knows nothing is not enough to give one of them up. The way out is said, and works.
third=$(shown url)
ra faults '{"endpoint": "keyChange", "status": 500, "type": "serverInternal"}' >/dev/null
hwacme account rollover >/dev/null && fail "an error was not noticed"
ra accounts '{"all": true, "forget": true}' >/dev/null
live=$(lab_live_serial amf)
for command in "renew --force" "account show" "account register"; do
	refused 4 "neither key has account $third (if the CA has lost it, or both keys are lost: \`hwacme account register operator-ra --new-key\`)" $command
done
[ "$(lab_live_serial amf)" = "$live" ] && [ "$(accounts length)" = 0 ] || fail "another account was made unasked"
hwacme account register --new-key >/dev/null || fail "after half a rollover: $(tail -n 3 "$LAB/hwacme.log")"
[ "$(accounts length)" = 1 ] || fail "not one account: $(accounts .)"
hwacme renew --force >/dev/null || fail "renewal after half a rollover: $(tail -n 3 "$LAB/hwacme.log")"
[ "$(lab_live_serial amf)" != "$live" ] || fail "not renewed"
hwacme token keys --json | jq -e '[.keys[] | select(.owner == null or (.owner | test("an account")))] == []' >/dev/null || fail "keys left: $(hwacme token keys)"
