# Started without standard input, output or error, as some init scripts and cron wrappers do: no file or socket of ours gets one of these
# numbers, where log lines and results would be written into it.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"

lab_ra_up
lab_ra_config "deploy: { run: [$(command -v touch), $LAB/deployed] }"
run="$HWACME -c $LAB/hwacme.yaml"
# What stands at 0, 1 and 2 of process $1 is nothing of ours.
harmless() {
	local at
	for at in 0 1 2; do
		case $(readlink "/proc/$1/fd/$at" || echo closed) in
		/dev/null | closed) ;;
		*) fail "descriptor $at of $2 is $(readlink "/proc/$1/fd/$at")" ;;
		esac
	done
}

timeout 60 $run renew 2>&- >"$LAB/out" || fail "renew without standard error: exit $?"
grep -q '^amf: enrolled' "$LAB/out" || fail "no result: $(cat "$LAB/out")"
[ -e "$LAB/deployed" ] || fail "the hook was not run"
rm "$LAB/deployed"
for command in version status; do
	got=0
	$run $command >&- 2>/dev/null || got=$?
	[ $got != 0 ] || fail "$command: a result that nobody can have seen is a success"
done

$run run <&- >&- 2>&- &
LAB_PIDS[run]=$!
lab_wait 20 "the daemon" test -S "$LAB/state/control"
engine() { cat "$LAB/state/lock-daemon"; }
before=$(engine)
for try in 1 2 3; do
	hwacme renew --force >/dev/null || fail "renewal $try by the daemon: $(tail -n 3 "$LAB/hwacme.log")"
	[ -e "$LAB/deployed" ] || fail "the hook was not run by the daemon"
	rm "$LAB/deployed"
done
harmless "${LAB_PIDS[run]}" "the daemon"
for pid in $(pgrep -P "${LAB_PIDS[run]}"); do harmless "$pid" "a process of the daemon"; done
[ "$(engine)" = "$before" ] || fail "the engine ended meanwhile, and another was started"
lab_stop run
