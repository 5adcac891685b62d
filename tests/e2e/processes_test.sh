# Who has what: the module and the PIN are keyd's alone, the network's socket the engine's; keyd is killed again and again, and renewals go on.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
maps_module() { grep -q "$(basename "$LAB_MODULE")" "/proc/$1/maps"; }

lab_up
lab_config
"$HWACME" -c "$LAB/hwacme.yaml" renew >/dev/null 2>>"$LAB/hwacme.log"

# A renewal that is held in its deploy hook can be looked at; the PIN comes from the environment.
mkfifo "$LAB/hold"
cat >"$LAB/hold.sh" <<-HOOK
	#!/bin/sh
	touch "$LAB/held"
	read -r line <"$LAB/hold"
HOOK
chmod +x "$LAB/hold.sh"
sed "s|pin: { file: $LAB/hsm.pin }|pin: { env: CANARY_PIN }|; s|run: \[[^]]*\]|run: [\"$LAB/hold.sh\"]|" "$LAB/hwacme.yaml" >"$LAB/held.yaml"
grep -q CANARY_PIN "$LAB/held.yaml" && grep -q hold.sh "$LAB/held.yaml" || fail "the configuration was not changed"
# A socket that systemd handed over, for anybody's answers.
cat >"$LAB/activate" <<-'PY'
	import os, socket, sys
	server = socket.create_server(("127.0.0.1", 0))
	os.dup2(os.dup2(server.fileno(), 50, inheritable=False), 3)
	with open(sys.argv[1], "w") as file:
	    file.write(os.readlink("/proc/self/fd/3"))
	os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="http-01")
	os.execv(sys.argv[2], sys.argv[2:])
PY
CANARY_PIN=$LAB_PIN python3 "$LAB/activate" "$LAB/socket" "$HWACME" -c "$LAB/held.yaml" renew --force smf >/dev/null 2>>"$LAB/hwacme.log" &
engine=$!
lab_wait 30 "the hook" test -e "$LAB/held"
spawner=$(pgrep -P $engine)
keyd=$(lab_named_below $engine hwacme-keyd)
[ "$(wc -w <<<"$keyd")" = 1 ] || fail "keyd: $keyd"
maps_module "$keyd" || fail "keyd has not loaded the module"
for process in $engine $spawner; do
	! maps_module $process || fail "process $process has loaded the module"
done
grep -q '^Seccomp:.*2$' /proc/$engine/status || fail "no seccomp in the engine"
grep -q '^Seccomp:.*2$' "/proc/$keyd/status" || fail "no seccomp in keyd"
! grep -q '^Seccomp:.*2$' "/proc/$spawner/status" || fail "the spawner's children would inherit its filter"
for process in $engine $keyd; do
	[ "$(stat -c %U "/proc/$process/fd" 2>/dev/null || echo root)" = root ] || fail "process $process can be dumped"
done
# Only root can see whose descriptors keyd and the engine have.
has_socket() { grep -qxF "$(cat "$LAB/socket")" <<<"$(find "/proc/$1/fd" -printf '%l\n' 2>/dev/null || true)"; }
[ "$(id -u)" != 0 ] || has_socket $engine || fail "the engine has not got what systemd handed over"
for process in $spawner $(pgrep -P "$spawner"); do
	! has_socket "$process" || fail "process $process ($(cat "/proc/$process/comm")) could answer in the engine's place"
done
# The PIN is in no environment that the engine could read, on no command line, in no log.
for file in /proc/$engine/environ /proc/$engine/cmdline "/proc/$keyd/cmdline" /proc/$spawner/cmdline; do
	! tr '\0' '\n' <"$file" | grep -qF "$LAB_PIN" || fail "the PIN is in $file"
done
# keyd may be gone for good while nobody needs it: the renewal ends well.
kill -9 "$keyd"
echo go >"$LAB/hold"
wait $engine || fail "the renewal failed after keyd was killed: $(tail -n 3 "$LAB/hwacme.log")"
grep -q 'keyd (process [0-9]*) was ended by signal 9' "$LAB/hwacme.log" || fail "nobody said that keyd was killed"
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$LAB_PIN" "$LAB/hwacme.log" "$LAB/pebble.log" || fail "secrets on disk"

# keyd killed at random through renewals: each costs a retry, none the renewal.
kills=0
progress() { grep -c 'info:' "$LAB/hwacme.log"; }
is_gone() { [ -z "$1" ] || ! grep -q '^State:.[^Z]' "/proc/$1/status" 2>/dev/null; }
is_halted() { is_gone "$1" || grep -q '^State:.T' "/proc/$1/status" 2>/dev/null; }
moved_on() { [ "$(progress)" -gt "$2" ] || ! kill -0 "$1" 2>/dev/null; }
# A renewal is over before its killer comes, now and then.
for ((turn = 1; turn <= 6 || (kills < 6 && turn <= 40); turn++)); do
	"$HWACME" -c "$LAB/hwacme.yaml" renew --force >/dev/null 2>>"$LAB/hwacme.log" &
	engine=$!
	while kill -0 $engine 2>/dev/null; do
		sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
		keyd=$(lab_keyd_halt $engine)
		# A crash that no other signal can be taken for: each must be told, also where the engine sees it first.
		lab_wait 30 "the halt of keyd" is_halted "$keyd"
		is_gone "$keyd" || { kill -ABRT "$keyd" && kill -CONT "$keyd" && kills=$((kills + 1)); }
		# One death in a call is survived, not two: the next comes when the renewal has moved on.  What it says between the halt
		# and the death may be said before a call that this death ends: counted is what comes after.
		lab_wait 30 "the end of keyd" is_gone "$keyd"
		before=$(progress)
		lab_wait 30 "the next step of the renewal" moved_on $engine "$before"
	done
	wait $engine || fail "turn $turn: exit $?: $(tail -n 5 "$LAB/hwacme.log")"
done
told=$(grep -c 'keyd (process [0-9]*) was ended by signal 6' "$LAB/hwacme.log")
[ "$told" = $kills ] || fail "keyd died $kills times and $told times somebody said so"
[ $kills -ge 6 ] || fail "keyd was killed $kills times only: the test tests nothing"
echo "keyd was killed $kills times"
# Nothing was lost and nothing is left.
"$HWACME" -c "$LAB/hwacme.yaml" token keys --json >"$LAB/keys.json" 2>>"$LAB/hwacme.log" || fail "token keys: $(tail -n 3 "$LAB/hwacme.log")"
# Killed while it makes a key, SoftHSM leaves an object with neither label nor id: its own debris, and nobody can know whose.
owners=$(jq -r '.keys[] | select(.label != "") | .owner' "$LAB/keys.json")
! grep -q nobody <<<"$owners" || fail "keys without an owner: $owners"
[ -z "$(pgrep -f "$LAB/hwacme.yaml" || true)" ] || fail "processes are left: $(pgrep -af "$LAB/hwacme.yaml")"
