# A database that is damaged is not taken for one that is empty: each command says what is wrong with it and what to do, nothing is
# ordered, and what is live stays live. Moved away, everything is enrolled anew. A clock that is behind is told of too.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
lab_up
LAB_RETIRE_AFTER=0s lab_config
hwacme renew >/dev/null
live=$(lab_live_serial amf)
hwacme check >"$LAB/checked" || fail "check: $(cat "$LAB/checked")"
grep -q '^ok   database .*: read whole$' "$LAB/checked" || fail "check says: $(cat "$LAB/checked")"
cp -a "$LAB/state" "$LAB/kept"

# says_so COMMAND...: fails, and tells what to do.
says_so() {
	local got=0
	: >"$LAB/hwacme.log"
	hwacme "$@" >"$LAB/said" || got=$?
	[ $got = 1 ] || fail "hwacme $*: exit $got, $(cat "$LAB/said")"
	grep -q 'hwacme.db.*; put a copy of it back, or move it away' "$LAB/hwacme.log" "$LAB/said" || fail "hwacme $*: $(cat "$LAB/hwacme.log" "$LAB/said")"
	! grep -q 'never issued' "$LAB/said" || fail "hwacme $*: $(cat "$LAB/said")"
	[ "$(lab_live_serial amf)" = "$live" ] || fail "hwacme $*: live is another"
}
# A clock that is behind: as a certificate says that was issued in what is the future here.
python3 -c 'import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE certificate SET not_before = not_before + 7200")
database.commit()' "$LAB/state/hwacme.db"
got=0
hwacme check >"$LAB/checked" || got=$?
[ $got = 1 ] && grep -q '^BAD  clock .*: it says 20.*, but "amf" is valid only from 20.*: set it' "$LAB/checked" || fail "check: exit $got, $(cat "$LAB/checked")"
got=0
hwacme status amf >"$LAB/said" || got=$?
[ $got = 5 ] && grep -q 'plan .*: the clock of this machine is behind$' "$LAB/said" || fail "status: exit $got, $(cat "$LAB/said")"
rm -rf "$LAB/state"
cp -a "$LAB/kept" "$LAB/state"

# All but its first page, and then that one: SQLite opens the one and not the other.
for first in 1 0; do
	dd if=/dev/zero of="$LAB/state/hwacme.db" conv=notrunc bs=4096 seek=$first count=$((1 + 23 * first)) 2>/dev/null
	for words in status "status amf" "status --json" plan renew "renew --force" run; do
		# shellcheck disable=SC2086
		says_so $words
	done
	[ $first = 0 ] || says_so check
	rm -rf "$LAB/state"
	cp -a "$LAB/kept" "$LAB/state"
done
hwacme status >/dev/null || fail "the copy that was put back: $(hwacme status)"
rm "$LAB/state/hwacme.db"*
hwacme renew >/dev/null || fail "renew without the database: $(tail -n 2 "$LAB/hwacme.log")"
[ "$(lab_live_serial amf)" != "$live" ] || fail "nothing was enrolled anew"
# What was said of the keys of before: they are ours still, and `token gc` erases them an hour after they were made.
[ "$(hwacme token keys | grep -c ', of no record here any more$')" = 3 ] || fail "the keys of before: $(hwacme token keys)"

# A copy of the database that is older than what is live: that is told, the key in service has an owner, and a renewal makes both agree.
sqlite3_backup() { python3 -c 'import sqlite3, sys
sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))' "$@"; }
sqlite3_backup "$LAB/state/hwacme.db" "$LAB/older.db"
hwacme renew --force >/dev/null || fail "renew --force: $(tail -n 2 "$LAB/hwacme.log")"
generation=$(basename "$(readlink "$LAB/state/live/amf")")
rm "$LAB/state/hwacme.db"*
install -m 600 "$LAB/older.db" "$LAB/state/hwacme.db"
got=0
hwacme status amf >"$LAB/said" || got=$?
[ $got = 5 ] && grep -q "leads to generation $generation, and the records end with $((generation - 1)).*\`hwacme renew --force amf\`" "$LAB/said" || fail "status: exit $got, $(cat "$LAB/said")"
[ "$(hwacme token keys | grep -c ' of live/[as]mf, which no record describes$')" = 2 ] || fail "whose keys are live? $(hwacme token keys)"
hwacme renew --force >/dev/null || fail "renew --force: $(tail -n 2 "$LAB/hwacme.log")"
[ "$(basename "$(readlink "$LAB/state/live/amf")")" = $((generation + 1)) ] || fail "live is $(readlink "$LAB/state/live/amf")"
hwacme status amf >"$LAB/said" || fail "status: $(cat "$LAB/said")"

# The same with a copy in which an order is under way: its certificate may be had still, but no set that was live is written over.
copy_order() { # killed after ever longer, until a run is cut off with an order in its records
	local after pid
	for after in 0.03 0.04 0.05 0.06 0.07 0.08 0.1 0.12 0.15 0.2 0.25 0.3 0.4 0.5; do
		"$HWACME" -c "$LAB/hwacme.yaml" renew --force amf >/dev/null 2>>"$LAB/hwacme.log" &
		pid=$!
		sleep $after
		lab_keyd_halt $pid >/dev/null
		kill -9 $pid 2>/dev/null || true
		wait $pid 2>/dev/null || true
		hwacme status amf --json | jq -e '.certificates[0].order_url != null' >/dev/null || continue
		sqlite3_backup "$LAB/state/hwacme.db" "$LAB/ordered.db"
		return
	done
	fail "no run was cut off with an order: $(hwacme status amf)"
}
copy_order
for flags in "" --force; do
	# shellcheck disable=SC2086
	hwacme renew $flags amf >/dev/null || fail "renew $flags: $(tail -n 2 "$LAB/hwacme.log")"
done
generation=$(basename "$(readlink "$LAB/state/live/amf")")
made=$(stat -c '%n %i %y' "$LAB/state/archive/amf"/*/cert.pem)
rm "$LAB/state/hwacme.db"*
install -m 600 "$LAB/ordered.db" "$LAB/state/hwacme.db"
hwacme renew amf >"$LAB/said" || fail "renew: $(cat "$LAB/said"; tail -n 9 "$LAB/hwacme.log")"
[ "$(basename "$(readlink "$LAB/state/live/amf")")" = $((generation + 1)) ] || fail "live is $(readlink "$LAB/state/live/amf"), and $generation was"
while read -r file inode time; do
	[ "$(stat -c '%n %i %y' "$file" 2>&1)" = "$file $inode $time" ] || fail "$file was made anew"
done <<<"$made"
hwacme status amf >"$LAB/said" || fail "status: $(cat "$LAB/said")"
