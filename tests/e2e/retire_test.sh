# What a renewal replaces: a token with room for two keys rotates, one with room for one says what to configure; generations are kept as the
# policy says, and what was superseded is revoked when it says so.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
expect() { [ "$2" = "$3" ] || fail "$1: \"$2\", not \"$3\""; }
# The HSM behind the proxy: it has room for so many private keys.
room() { printf 'max-keys %s\n' "$1" >"$LAB/new.script"; mv "$LAB/new.script" "$LAB/proxy.so.script"; }
keys() { hwacme token keys --json | jq '[.keys[] | select(.token == "hsm")] | length'; }
revoked() { curl -sS --cacert "$LAB/trust.pem" "https://localhost:$LAB_ACME_MANAGEMENT/cert-status-by-serial/$1" | jq -r .Status; }
policy() { sed -i "s/^    retire-after:.*/    retire-after: $1/" "$LAB/hwacme.yaml"; }
age_archive() {
	touch -d '-2 minutes' "$LAB"/state/archive/*/*
	python3 -c 'import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE service SET prune_at = 1 WHERE prune_at > 0")
database.commit()' "$LAB/state/hwacme.db"
	hwacme renew smf >/dev/null
}
# As if retire-after were over: a machine may need longer for a renewal than any that a test could wait for.
age_superseded() {
	python3 -c 'import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE service SET revoke_at = 1 WHERE revoke_at > 0")
database.commit()' "$LAB/state/hwacme.db"
}
generations() { ls "$LAB/state/archive/smf" | sort -n | paste -sd' '; }

lab_up
cp "$BUILD/tests/libp11_proxy.so" "$LAB/proxy.so"
room 2
LAB_ACCOUNT_TOKEN=tpm LAB_RETIRE_AFTER=0s lab_config
sed -i "s|module: $LAB_MODULE|module: $LAB/proxy.so|" "$LAB/hwacme.yaml"
hwacme renew smf >/dev/null
for turn in 1 2 3 4; do
	hwacme renew --force smf >/dev/null || fail "turn $turn with room for two: $(tail -n 2 "$LAB/hwacme.log")"
	expect "keys after turn $turn" "$(keys)" 1
done

# A token that refuses to erase: the key is not forgotten, and two hours later `status` needs attention until it is gone.
printf 'max-keys 2\nC_DestroyObject * return CKR_ACTION_PROHIBITED\n' >"$LAB/new.script"
mv "$LAB/new.script" "$LAB/proxy.so.script"
hwacme renew --force smf >/dev/null || fail "renewal where nothing is erased: $(tail -n 2 "$LAB/hwacme.log")"
grep -q 'superseded keys are kept for now: .*CKR_ACTION_PROHIBITED' "$LAB/hwacme.log" || fail "$(tail -n 2 "$LAB/hwacme.log")"
! grep 'erase key .*erase key ' "$LAB/hwacme.log" || fail "the same is said twice"
hwacme status smf >/dev/null || fail "status of a key that is to go within the hour"
python3 -c 'import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE retired SET erase_at = erase_at - 7201")
database.commit()' "$LAB/state/hwacme.db"
got=0
hwacme status smf >"$LAB/status.txt" || got=$?
[ $got = 5 ] && grep -q 'erase *key "hwacme-smf-.*should be gone since' "$LAB/status.txt" || fail "status: exit $got: $(cat "$LAB/status.txt")"
room 2
hwacme renew smf >/dev/null || fail "renew when the token erases again"
expect "keys when it could be erased" "$(keys)" 1
hwacme status smf >"$LAB/status.txt" || fail "status when it is gone: $(cat "$LAB/status.txt")"

# With a day of grace the third key finds no room: said with the time at which there is, and nothing is lost.
policy 24h
hwacme renew --force smf >/dev/null
live=$(lab_live_serial smf) got=0
hwacme renew --force smf >/dev/null || got=$?
expect "status without room" "$got" 3
tail -n 1 "$LAB/hwacme.log" | grep -q 'token "hsm" has no room beside 1 superseded key of this certificate.*shorten retire-after' || fail "$(tail -n 1 "$LAB/hwacme.log")"
expect "live" "$(lab_live_serial smf)" "$live"
# The first that finds no room clears away what may go now, and goes on.
python3 -c 'import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE retired SET erase_at = 1")
database.commit()' "$LAB/state/hwacme.db"
hwacme renew smf >/dev/null || fail "with a superseded key that may go: $(tail -n 2 "$LAB/hwacme.log")"
[ "$(lab_live_serial smf)" != "$live" ] || fail "nothing was renewed"
policy 0s
hwacme renew smf >/dev/null
python3 -c 'import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE retired SET erase_at = 1")
database.commit()' "$LAB/state/hwacme.db"
hwacme renew smf >/dev/null
expect "keys" "$(keys)" 1

# Room for one: rotation is impossible, and what to write is said; with that it is renewed.
room 1
live=$(lab_live_serial smf) got=0
hwacme renew --force smf >/dev/null || got=$?
expect "status with room for one" "$got" 3
tail -n 1 "$LAB/hwacme.log" | grep -q 'rotation is impossible there; write rotate: never after key:, or name another token' || fail "$(tail -n 1 "$LAB/hwacme.log")"
expect "live" "$(lab_live_serial smf)" "$live"
sed -i '/token: hsm, type: ec-p256, rotate: always/s/always/never/' "$LAB/hwacme.yaml"
# The key that was reserved in vain is not needed any more.
hwacme renew --force smf >/dev/null || fail "rotate: never with room for one: $(tail -n 2 "$LAB/hwacme.log")"
[ "$(lab_live_serial smf)" != "$live" ] || fail "nothing was renewed"
expect "keys" "$(keys)" 1

# One generation more is kept, key and archive; with the default only the live one.
room 9
sed -i '/token: hsm, type: ec-p256, rotate: never/s/never/always/; s/^    retire-after:.*/&\n    keep: 2/' "$LAB/hwacme.yaml"
for turn in 1 2 3; do hwacme renew --force smf >/dev/null; done
expect "keys with keep: 2" "$(keys)" 2
age_archive
live=$(basename "$(readlink "$LAB/state/live/smf")")
expect "generations with keep: 2" "$(generations)" "$((live - 1)) $live"
sed -i '/^    keep: 2/d' "$LAB/hwacme.yaml"
hwacme renew smf >/dev/null
expect "keys with keep: 1" "$(keys)" 1

# Revoked when its successor is in service, and not before.
sed -i 's/^    retire-after:.*/&\n    revoke-superseded: true/' "$LAB/hwacme.yaml"
old=$(lab_live_serial smf)
printf '#!/bin/sh\nexit 1\n' >"$LAB/reload"
hwacme renew --force smf >/dev/null && fail "a failing hook is no failure"
expect "the superseded one while the hook fails" "$(revoked "$old")" Valid
printf '#!/bin/sh\nexit 0\n' >"$LAB/reload"
hwacme renew smf >/dev/null
expect "the superseded one" "$(revoked "$old")" Revoked
expect "the live one" "$(revoked "$(lab_live_serial smf)")" Valid
grep -q "superseded serial $old is revoked" <<<"$(hwacme status smf)" || fail "the journal: $(hwacme status smf)"
# Turned off meanwhile: what was superseded before stays as it is.
old=$(lab_live_serial smf)
policy 1h
hwacme renew --force smf >/dev/null
sed -i 's/revoke-superseded: true/revoke-superseded: false/' "$LAB/hwacme.yaml"
age_superseded
hwacme renew smf >/dev/null
grep -q "superseded serial $old is not revoked: the policy" <<<"$(hwacme status smf)" || fail "no word about serial $old: $(hwacme status smf)"
expect "the superseded one of a policy that revokes no more" "$(revoked "$old")" Valid
sed -i 's/revoke-superseded: false/revoke-superseded: true/' "$LAB/hwacme.yaml"
policy 0s
# One that the operator revoked is not revoked again, and a CA that is away is asked again later: no failure of the service.
old=$(lab_live_serial smf)
policy 1h
hwacme renew --force smf >/dev/null
lab_stop pebble
age_superseded
got=0
hwacme renew smf >/dev/null || got=$?
expect "status without a CA" "$got" 4
hwacme status smf >"$LAB/status.txt" || fail "an authority that is away is no failure of the service: $(cat "$LAB/status.txt")"
grep -q 'revoke *of what it replaced failed 1 in a row' "$LAB/status.txt" || fail "status: $(cat "$LAB/status.txt")"
expect "state" "$(hwacme status smf --json | jq -r '.certificates[0].state')" "in service"
