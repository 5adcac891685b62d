# The renewal daemon: enrols, renews what was changed, revoked or cut off, beside other commands; SIGHUP, a killed engine, SIGTERM; what a
# service manager is told.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"

lab_up
LAB_RETIRE_AFTER=0s lab_config
# What systemd would hear, a line a datagram.
lab_start manager python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode().replace("\n", " "), flush=True)' "$LAB/notify"
lab_wait 10 "the service manager" test -S "$LAB/notify"
said() { grep -c -- "$1" "$LAB/manager.log" || true; }
run_start() { lab_start run env NOTIFY_SOCKET="$LAB/notify" "$HWACME" -c "$LAB/hwacme.yaml" run; }
engine() { lab_named_below "${LAB_PIDS[run]}" hwacme-engine; }
all_in_service() { hwacme status --json | jq -e '[.certificates[] | select(.state == "in service")] | length == '"$1"; }
has_said() { [ "$(said "$1")" -ge "$2" ]; }
logged() { grep -q -- "$1" "$LAB/run.log"; }

run_start
lab_wait 30 "both certificates" all_in_service 2
lab_wait 10 "READY" has_said READY=1 1
lab_wait 10 "what it is doing" has_said 'STATUS=at work with the configuration that was read 20' 1
[ "$(engine | wc -l)" = 1 ] || fail "engines: $(engine)"

# A second daemon has nothing to do here; other commands have, while it is idle.
got=0
hwacme run || got=$?
[ $got = 1 ] && grep -q 'is the renewal daemon of this state directory' "$LAB/hwacme.log" || fail "a second daemon: exit $got, $(tail -n 1 "$LAB/hwacme.log")"
live=$(lab_live_serial smf)
# A renewal that is asked for is the daemon's, also while it works, and is followed on the terminal.
hwacme renew --force smf >"$LAB/renewed" || fail "renew beside the daemon: $(tail -n 2 "$LAB/hwacme.log")"
[ "$(lab_live_serial smf)" != "$live" ] || fail "renew beside the daemon renewed nothing"
grep -q "smf: renewed (the operator asked); serial $(lab_live_serial smf)" "$LAB/renewed" || fail "renew says: $(cat "$LAB/renewed")"
logged "smf: live is generation 2" || fail "it was not the daemon that renewed"
grep -q "smf: live is generation 2" "$LAB/hwacme.log" || fail "the steps were not shown"
[ "$(stat -c %a "$LAB/state/control")" = 600 ] || fail "STATE/control has mode $(stat -c %a "$LAB/state/control")"
hwacme renew --json | jq -e '[.certificates[] | .result] == ["not due", "not due"]' >/dev/null || fail "nothing was due"
[ "$(hwacme renew | grep -c 'not due; next renewal 20')" = 2 ] || fail "nothing was due: $(hwacme renew)"
hwacme renew --force amf >"$LAB/one" & one=$!
hwacme renew --force >"$LAB/both" || fail "two who ask: $(tail -n 2 "$LAB/hwacme.log")"
wait $one || fail "two who ask: $(tail -n 2 "$LAB/hwacme.log")"
[ "$(grep -c renewed "$LAB/both")" = 2 ] && grep -q "amf: renewed" "$LAB/one" || fail "$(cat "$LAB/one" "$LAB/both")"
hwacme check >/dev/null || fail "check beside the daemon"

# Another command's turn is waited for: that is said once, and nothing has failed.
waiting() { grep -c 'info: waiting: another hwacme (process [0-9]*) is renewing in this state directory$' "$LAB/run.log" || true; }
waits() { [ "$(waiting)" -gt 0 ]; }
exec {lock}<"$LAB/state/lock"
flock "$lock"
hwacme renew --force smf >"$LAB/renewed" {lock}<&- &
lab_wait 20 "the daemon to wait" waits
sleep 7 # it has tried again
flock --unlock "$lock"
wait $! || fail "after another command's turn: $(tail -n 2 "$LAB/hwacme.log")"
[ "$(waiting)" = 1 ] && ! logged 'error: .*another hwacme' || fail "$(grep 'another hwacme' "$LAB/run.log")"

# SIGHUP: a broken configuration is refused and changes nothing; a good one is obeyed at once.
cp "$LAB/hwacme.yaml" "$LAB/good.yaml"
before=$(engine)
hwacme check --config-only | grep -q "^ok *config" || fail "check --config-only of a good configuration"
echo "nonsense: true" >>"$LAB/hwacme.yaml"
got=0
hwacme check --config-only || got=$?
[ $got = 2 ] && tail -n 1 "$LAB/hwacme.log" | grep -q nonsense || fail "check --config-only: exit $got, $(tail -n 1 "$LAB/hwacme.log")"
kill -HUP "${LAB_PIDS[run]}"
lab_wait 10 "the refusal of a broken configuration" logged 'changed configuration is not taken'
lab_wait 10 "the refusal in the status" has_said 'STATUS=the changed configuration is not taken' 1
[ "$(engine)" = "$before" ] || fail "a broken configuration ended the engine"
sed 's/name: smf/name: upf/' "$LAB/good.yaml" >"$LAB/hwacme.yaml"
got=0
hwacme renew upf || got=$?
[ $got = 2 ] && grep -q "upf is not in the configuration that the daemon has; reload it" "$LAB/hwacme.log" || fail "exit $got: $(tail -n 1 "$LAB/hwacme.log")"
sed 's/dns:smf-2\./dns:smf-3./' "$LAB/good.yaml" >"$LAB/hwacme.yaml"
kill -HUP "${LAB_PIDS[run]}"
has_name() { openssl x509 -in "$LAB/state/live/smf/cert.pem" -noout -ext subjectAltName | grep -q smf-3; }
lab_wait 30 "the changed names" has_name
lab_wait 10 "READY after the reload" has_said READY=1 2
has_said RELOADING=1 1 || fail "no RELOADING=1"

# An engine that is killed is followed by another, with the configuration that is in force: the file is in the midst of being edited. A
# service manager need not know.
before=$(engine)
echo "half-edited: true" >>"$LAB/hwacme.yaml"
kill -9 "$before"
# Looked at once: between two looks the one that was killed would be gone, and none is not another.
another() {
	local now
	now=$(engine)
	[ -n "$now" ] && [ "$now" != "$before" ]
}
lab_wait 20 "another engine" another
logged 'the engine ended by signal 9; another is started' || fail "the end of the engine was not told"
sed -i '/^half-edited/d' "$LAB/hwacme.yaml"
hwacme renew --json | jq -e '[.certificates[] | .result] == ["not due", "not due"]' >/dev/null || fail "the engine after the one that was killed: $(tail -n 2 "$LAB/run.log")"
# Between two engines nobody renews in the daemon's place: whoever asks may be root, without its PIN. A supervisor that is stopped starts none.
live=$(lab_live_serial smf)
kill -STOP "${LAB_PIDS[run]}"
kill -9 "$(engine)"
got=0
hwacme renew --force smf || got=$?
[ $got = 1 ] && grep -q "the daemon: its engine is not there, and was waited for" "$LAB/hwacme.log" || fail "renew without an engine: exit $got, $(tail -n 1 "$LAB/hwacme.log")"
[ "$(lab_live_serial smf)" = "$live" ] || fail "renew renewed in the place of the daemon"
kill -CONT "${LAB_PIDS[run]}"
hwacme renew --force smf >"$LAB/renewed" || fail "renew before the next engine: $(tail -n 2 "$LAB/hwacme.log")"
logged "smf: live is generation $(basename "$(readlink "$LAB/state/live/smf")")" || fail "it was not the next engine that renewed"
! logged half-edited || fail "an engine read a file that nobody had told it to read: $(tail -n 3 "$LAB/run.log")"

# Whoever tidies up lock files lets no second daemon in, nor a command beside it: that a file of its own is gone it notices at its next look,
# and makes it again.
for lock in lock lock-daemon; do
	before=$(engine)
	rm "$LAB/state/$lock"
	kill -CHLD "$before" # its next look is now
	lab_wait 20 "another engine" another
	logged "run: .*/$lock was removed or replaced by somebody else while it was in use" || fail "$(tail -n 3 "$LAB/run.log")"
	lab_wait 20 "$lock" test -e "$LAB/state/$lock"
done
lab_wait 20 "its lock" test -s "$LAB/state/lock-daemon"
got=0
hwacme run || got=$?
[ $got = 1 ] || fail "a second daemon beside one whose lock was removed: exit $got"

# What another command did is noticed within a minute: a revoked certificate is replaced.
live=$(lab_live_serial amf)
lab_wait 20 "a revocation beside the daemon" hwacme revoke amf --reason superseded
is_replaced() { [ "$(lab_live_serial amf)" != "$live" ] && all_in_service 2; }
lab_wait 90 "the successor of a revoked certificate" is_replaced

# SIGTERM ends it within five seconds wherever it is: here, in a deploy hook that hangs.
printf '#!/bin/sh\ntouch "%s/hanging"\nexec sleep 600\n' "$LAB" >"$LAB/reload"
sed 's/dns:smf-2\./dns:smf-4./' "$LAB/good.yaml" >"$LAB/hwacme.yaml"
kill -HUP "${LAB_PIDS[run]}"
lab_wait 30 "the hook that hangs" test -e "$LAB/hanging"
pid=${LAB_PIDS[run]} before=$(engine)
unset "LAB_PIDS[run]"
kill -TERM "$pid"
began=$(date +%s%N)
wait "$pid" || fail "SIGTERM: exit $?"
took=$((($(date +%s%N) - began) / 1000000))
[ $took -lt 5000 ] || fail "SIGTERM took $took ms"
[ "$(said STOPPING=1)" = 1 ] || fail "no STOPPING=1"
is_gone() { ! kill -0 "$before"; }
lab_wait 10 "the end of the engine" is_gone
# What was cut off goes on at the next start: the hook was owed.
printf '#!/bin/sh\ntouch "%s/reloaded-$1"\n' "$LAB" >"$LAB/reload"
run_start
lab_wait 30 "the hook that was owed" test -e "$LAB/reloaded-smf"
lab_wait 30 "both certificates" all_in_service 2
# The keys of all the certificates that were replaced are gone.
owners() { hwacme token keys --json | jq -r '[.keys[].owner] | sort | join(", ")'; }
only_the_live() { [ "$(owners)" = "account at operator-ra, certificate amf (live), certificate smf (live)" ]; }
lab_wait 30 "the end of the superseded keys" only_the_live
before=$(date +%s%N)
lab_stop run
[ $((($(date +%s%N) - before) / 1000000)) -lt 5000 ] || fail "an idle daemon took its time to end"
only_the_live || fail "keys: $(hwacme token keys --json | jq -c '.keys[]') $(cat "$LAB/run.log")"
# In the midst of a renewal: who follows it hears its end from the engine that comes after, and nothing is issued twice; and who asks at once
# for what is new in the configuration is not told to reload it.
ready=$(said READY=1)
printf '#!/bin/sh\ntouch "%s/slow"\nexec sleep 2\n' "$LAB" >"$LAB/reload"
run_start
lab_wait 30 "the daemon" has_said READY=1 $((ready + 1))
generation() { basename "$(readlink "$LAB/state/live/smf")"; }
before=$(generation)
hwacme renew --force smf >"$LAB/followed" & one=$!
lab_wait 30 "the slow hook" test -e "$LAB/slow"
sed -n '/- name: smf/,$p' "$LAB/good.yaml" | sed 's/smf/upf/g' >>"$LAB/hwacme.yaml"
kill -HUP "${LAB_PIDS[run]}"
hwacme renew upf >"$LAB/new" || fail "renew of a new name after a reload: $(tail -n 2 "$LAB/hwacme.log")"
wait $one || fail "renew that was under way at a reload: $(tail -n 2 "$LAB/hwacme.log")"
grep -q "^smf: renewed (" "$LAB/followed" && grep -q "^upf: enrolled (" "$LAB/new" || fail "told: $(cat "$LAB/followed" "$LAB/new")"
[ "$(generation)" = $((before + 1)) ] || fail "smf was generation $before, and is $(generation)"
grep -q "info: the daemon ended, or was reloaded; the next one is asked" "$LAB/hwacme.log" || fail "it was not told that the daemon was lost"
lab_stop run
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$LAB_PIN" "$LAB/hwacme.log" "$LAB/run.log"
