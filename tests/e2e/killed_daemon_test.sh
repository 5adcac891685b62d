# kill -9 of the engine, keyd, the spawner and the supervisor of `hwacme run` in the middle of renewals: the daemon is whole again by itself
# (or ends, without its supervisor), nothing of ours runs on, the live pair is valid, no key is left. KILLS=50 for a long run, of each.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
lab_up
LAB_RETIRE_AFTER=0s lab_config
printf '#!/bin/sh\nsleep 0.2\n' >"$LAB/reload"
KILLS=${KILLS:-2}
PIDFILE=$LAB/daemon.pid
ours() { pgrep -f "$LAB/hwacme.yaml|$LAB/reload" || true; }
nobody_left() { [ -z "$(ours)" ]; }
run_start() {
	# In a session of its own, so that who is left can be told from who is there.
	lab_start run setsid "$HWACME" -c "$LAB/hwacme.yaml" run
	lab_wait 30 "the daemon" is_whole
}
supervisor() { echo "${LAB_PIDS[run]}"; }
engine() { lab_named_below "$(supervisor)" hwacme-engine; }
spawner() { lab_named_below "$(supervisor)" hwacme-spawner; }
keyd() { lab_named_below "$(supervisor)" hwacme-keyd; }
# One of each and no more, wherever they hang in the tree.
is_whole() {
	[ "$(engine | wc -w)" = 1 ] && [ "$(spawner | wc -w)" = 1 ] && [ -S "$LAB/state/control" ] || return 1
	local pid names=""
	for pid in $(ours); do
		case $(cat "/proc/$pid/comm" 2>/dev/null) in
		hwacme-engine) names+=e ;;
		hwacme-keyd) names+=k ;;
		esac
	done
	[ "${names//k/}" = e ] && [ ${#names} -le 2 ]
}
live_is_valid() {
	local name
	for name in amf smf; do
		openssl verify -CAfile "$LAB/roots.pem" -untrusted "$LAB/state/live/$name/chain.pem" "$LAB/state/live/$name/cert.pem" >/dev/null ||
			fail "live/$name is broken after $1"
	done
}
kill_one() {
	local who=$1 pid halted
	# SoftHSM loses its token when it is killed in the middle of a login: with whoever takes keyd along, keyd is halted outside of one.
	halted=$(lab_keyd_halt "$(supervisor)")
	pid=$($who)
	[ -n "$pid" ] || { [ -z "$halted" ] || kill -CONT $halted; return 1; }
	kill -9 $pid 2>/dev/null || true
	[ -z "$halted" ] || kill -CONT $halted 2>/dev/null || true
}
renewed() { hwacme renew --force >/dev/null; }
run_start
renewed || fail "the first renewal"
declare -A killed
for turn in $(seq 1 $KILLS); do
	for who in engine keyd spawner supervisor; do
		for try in 1 2 3 4 5; do
			{ hwacme renew --force >/dev/null || true; } & asking=$!
			sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
			done=0
			kill_one $who && done=1
			wait $asking || true
			[ $done = 0 ] || break
		done
		killed[$who]=$((${killed[$who]:-0} + done))
		live_is_valid "the $who was killed"
		if [ $who = supervisor ]; then
			wait "${LAB_PIDS[run]}" 2>/dev/null || true
			lab_wait 6 "the end of all without a supervisor" nobody_left
			unset "LAB_PIDS[run]"
			run_start
		else
			lab_wait 20 "a whole daemon after its $who was killed" is_whole
		fi
		lab_wait 60 "a renewal after the $who was killed" renewed
		live_is_valid "the renewal after the $who was killed"
	done
done
for who in "${!killed[@]}"; do
	echo "$who was killed ${killed[$who]} times"
	[ "${killed[$who]}" = "$KILLS" ] || fail "the test tests too little"
done
# A spawner that is killed while nothing is to be done is missed at once, not at the next renewal.
before=$(engine)
kill_one spawner
another() { [ "$(engine)" != "$before" ] && is_whole; }
lab_wait 10 "another engine, with another spawner" another
# So it is while the CA does not answer: the engine cannot wait for that, and says all the same why it ends.
kill -STOP "${LAB_PIDS[pebble]}"
{ hwacme renew --force amf >/dev/null || true; } & asking=$!
sleep 2
before=$(engine) told=$(grep -c 'error: run: ' "$LAB/run.log")
kill_one spawner
lab_wait 20 "another engine, with the CA away" another
kill -CONT "${LAB_PIDS[pebble]}"
wait $asking || true
[ "$(grep -c 'error: run: ' "$LAB/run.log")" -gt "$told" ] && ! grep 'the engine ended with status 0' "$LAB/run.log" || fail "an engine that did not say why it ended: $(tail -n 3 "$LAB/run.log")"
lab_wait 60 "a renewal after the CA was away" renewed
# Nobody is there to kill an engine that waits for a hook: it ends all the same, and the hook with it.
printf '#!/bin/sh\ntouch "%s/hanging"\nexec sleep %s\n' "$LAB" $((100000 + $$)) >"$LAB/reload"
{ hwacme renew --force amf >/dev/null || true; } & asking=$!
lab_wait 30 "the hook that hangs" test -e "$LAB/hanging"
kill -9 "$(supervisor)"
wait "${LAB_PIDS[run]}" 2>/dev/null || true
unset "LAB_PIDS[run]"
no_hook_left() { nobody_left && ! pgrep -f "^sleep $((100000 + $$))"; }
wait $asking || true
lab_wait 6 "the end of the hook" no_hook_left
printf '#!/bin/sh\n' >"$LAB/reload"
run_start
lab_wait 60 "the last renewal" renewed
# Killed while it makes a key, SoftHSM leaves an object with neither label nor id (exit 1): its own debris, and nobody can know whose.
owners() { { hwacme token keys --json || [ $? = 1 ]; } | jq -r '[.keys[] | select(.label != "") | .owner] | sort | join(", ")'; }
only_the_live() { [ "$(owners)" = "account at operator-ra, certificate amf (live), certificate smf (live)" ]; }
lab_wait 20 "the end of what was superseded ($(owners))" only_the_live
lab_stop run
lab_wait 5 "the end" nobody_left
only_the_live || fail "keys left: $(owners)"
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$LAB_PIN" "$LAB/hwacme.log" "$LAB/run.log"
