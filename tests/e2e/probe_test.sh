# In service: a renewal is over when the service presents the new certificate. Until then the state is "not in service", the hook is tried again,
# the old key stays and no order is made; a service that presents another certificate later is noticed. Keys in the HSM and in the TPM, behind nginx.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
# of NAME KEY: what status tells, whether it needs attention or not.
of() { { hwacme status "$1" --json || true; } 2>/dev/null | jq -r ".certificates[0].$2"; }
state() { of "$1" state; }
service() { of "$1" "service.$2"; }
keys_of() { hwacme token keys --json | jq "[.keys[] | select(.owner // \"\" | test(\"certificate $1 \"))] | length"; }
orders() { grep -c 'There are now .* orders in the db' "$LAB/pebble.log" || true; }
expect() { [ "$2" = "$3" ] || fail "$1: \"$2\", not \"$3\""; }
journal() { hwacme status "$1" >"$LAB/journal.txt" || true; grep -q -- "$2" "$LAB/journal.txt" || fail "the journal of $1 lacks \"$2\": $(cat "$LAB/journal.txt")"; }
# fails COMMAND...: with status 1.
fails() { local got=0; "$@" >/dev/null || got=$?; [ $got = 1 ] || fail "$*: exit $got"; }
attention() { local got=0; hwacme status "$@" >"$LAB/status.txt" || got=$?; [ $got = 5 ] || fail "status $*: exit $got: $(cat "$LAB/status.txt")"; }
broken_hook() { printf '#!/bin/sh\n%s\n' "$1" >"$LAB/reload"; }

lab_up
LAB_RETIRE_AFTER=0s lab_config ec-p256 rsa-2048
port=$(lab_port)
echo "metrics: { listen: \"127.0.0.1:$port\" }" >>"$LAB/hwacme.yaml"
cp "$LAB/reload" "$LAB/reload.good"
hwacme renew
hwacme status --probe >"$LAB/status.txt" || fail "status --probe without a probe: $(cat "$LAB/status.txt")"
expect "probes that there are not" "$(grep -c 'probe *none is configured' "$LAB/status.txt")" 2
for name in amf smf; do
	lab_nginx $name
	variable=LAB_PORT_$name
	sed -i "/run: \[.*reload, $name\]/a\\    probe: { connect: \"127.0.0.1:${!variable}\", server-name: $name.5gc.mnc001.mcc001.3gppnetwork.org, timeout: 10s, grace: 30s }" "$LAB/hwacme.yaml"
done
hwacme status --probe >"$LAB/status.txt" || fail "status --probe of what is in service: $(cat "$LAB/status.txt")"
expect "probes that passed" "$(grep -c 'probe *passed now' "$LAB/status.txt")" 2

# The whole way: reload, probe, and the old key goes.
hwacme renew --force
for name in amf smf; do
	expect "$name after its renewal" "$(state $name)" "in service"
	expect "keys of $name" "$(keys_of $name)" 1
	journal $name "in service: the probe has passed"
	[ "$(service $name probed_at)" != null ] || fail "no time of the probe of $name"
done

# A hook that says all is well and reloads nothing: only the handshake shows it.
sed -i 's/grace: 30s/grace: 2s/' "$LAB/hwacme.yaml"
broken_hook 'echo "as if it were reloaded"; exit 0'
before=$(lab_served smf)
fails hwacme renew --force smf
expect "smf that was not reloaded" "$(state smf)" "not in service"
grep -q "127.0.0.1:$LAB_PORT_smf presents serial $before" "$LAB/hwacme.log" || fail "what is presented is not told: $(tail -n 2 "$LAB/hwacme.log")"
expect "keys of smf, whose old one is in use" "$(keys_of smf)" 2
expect "served meanwhile" "$(lab_get smf)" "smf is served"
attention smf
grep -q 'service *failed 1 in a row' "$LAB/status.txt" || fail "status: $(cat "$LAB/status.txt")"
attention smf --probe
journal smf "as if it were reloaded"
# Tried again without an order, also by another process; the renewal's own back-off is not touched.
live=$(lab_live_serial smf) made=$(orders)
fails hwacme renew smf
expect "attempts" "$(service smf attempts)" 2
expect "attempts of the renewal" "$(of smf attempts)" 0
expect "orders" "$(orders)" "$made"
expect "live" "$(lab_live_serial smf)" "$live"
# A coming renewal is not held back, and no key that may be in use goes.
fails hwacme renew --force smf
[ "$(lab_live_serial smf)" != "$live" ] || fail "a broken hook holds back the renewal"
expect "keys of smf, whose oldest one is in use" "$(keys_of smf)" 3
expect "served meanwhile" "$(lab_get smf)" "smf is served"
cp "$LAB/reload.good" "$LAB/reload"
hwacme renew smf >"$LAB/renew.txt"
grep -q '^smf: deployed' "$LAB/renew.txt" || fail "the hook that is owed: $(cat "$LAB/renew.txt")"
expect "smf after its reload" "$(state smf)" "in service"
expect "served" "$(lab_served smf)" "$(lab_live_serial smf)"
expect "keys of smf" "$(keys_of smf)" 1
hwacme status smf --probe >/dev/null || fail "status --probe of what is in service again"

# A hook that fails for ever, and prints without end: its last words are kept, not more.
broken_hook 'head -c 1073741824 /dev/zero; echo; echo "the reload is refused"; exit 1'
fails hwacme renew --force amf
expect "amf whose hook failed" "$(state amf)" installed
grep -q 'exited with 1: the reload is refused' <<<"$(service amf last_error)" || fail "the error: $(service amf last_error)"
expect "keys of amf, whose old one is in use" "$(keys_of amf)" 2
cp "$LAB/reload.good" "$LAB/reload"
hwacme renew amf
expect "amf after its reload" "$(state amf)" "in service"
expect "keys of amf" "$(keys_of amf)" 1

# What a hook leaves behind ends with it, wherever it went; and a hook that forks as it can.
mark=4242.$$
broken_hook "setsid sh -c 'setsid sleep $mark & exec sleep $mark' & exec sh '$LAB/reload.good' amf"
hwacme renew --force amf || fail "a hook with children: $(tail -n 2 "$LAB/hwacme.log")"
[ -z "$(pgrep -f "sleep $mark" || true)" ] || fail "children of a hook are left"
# Also when it has killed who would have ended them.
broken_hook "setsid sleep $mark & kill -9 \$PPID; exec sleep $mark"
fails hwacme renew --force amf
nothing_left() { [ -z "$(pgrep -f "sleep $mark" || true)" ]; }
lab_wait 10 "the end of what a hook left that killed its parent" nothing_left
sed -i 's/run: \[\(.*\)reload, amf\], timeout: 30s/run: [\1reload, amf], timeout: 2s/' "$LAB/hwacme.yaml"
broken_hook "bomb() { [ \$1 -gt 6 ] || { bomb \$((\$1 + 1)) & setsid \"\$0\" \$((\$1 + 1)) & }; sleep $mark; }; bomb \${1#amf}"
sed -i 's/reload, amf\], timeout: 2s/reload, 1], timeout: 2s/' "$LAB/hwacme.yaml"
fails hwacme renew --force amf
grep -q 'did not end within 2 s and was killed' <<<"$(service amf last_error)" || fail "the error: $(service amf last_error)"
[ -z "$(pgrep -f "sleep $mark" || true)" ] || fail "a fork bomb is left"
sed -i 's/reload, 1\], timeout: 2s/reload, amf], timeout: 30s/' "$LAB/hwacme.yaml"
cp "$LAB/reload.good" "$LAB/reload"
hwacme renew amf
# A user who does not exist is told by check, and before a hook is run as anybody else.
cp "$LAB/hwacme.yaml" "$LAB/hwacme.good"
sed -i 's/reload, amf\], timeout: 30s/reload, amf], timeout: 30s, user: no-such-user/' "$LAB/hwacme.yaml"
got=0
hwacme check >"$LAB/check.txt" || got=$?
[ $got = 2 ] && grep -q 'no user "no-such-user"' "$LAB/check.txt" || fail "check: exit $got: $(cat "$LAB/check.txt")"
mv "$LAB/hwacme.good" "$LAB/hwacme.yaml"
# A hook that is not there, that is no program, or that anybody may change: told by check too.
hwacme check >"$LAB/check.txt" || fail "check: $(cat "$LAB/check.txt")"
checked_hook() { # COMMAND WORDS
	local got=0
	eval "$1"
	hwacme check >"$LAB/check.txt" || got=$?
	[ $got = 2 ] && grep -q "^BAD *program *amf: .*$2" "$LAB/check.txt" || fail "check after $1: exit $got: $(cat "$LAB/check.txt")"
}
checked_hook 'rm "$LAB/reload"' "No such file"
broken_hook 'exit 0'
checked_hook 'chmod 644 "$LAB/reload"' "chmod +x"
checked_hook 'chmod 777 "$LAB/reload"' "everybody may write"
chmod 755 "$LAB/reload"
cp "$LAB/reload.good" "$LAB/reload"

# Weeks later another certificate is presented: the daemon's daily look sees it.
lab_stop nginx-smf
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=impostor -keyout "$LAB/impostor.key" -out "$LAB/impostor.pem" 2>/dev/null
lab_start impostor openssl s_server -accept "127.0.0.1:$LAB_PORT_smf" -cert "$LAB/impostor.pem" -key "$LAB/impostor.key" -quiet
lab_wait 20 "the impostor" lab_serves smf "$(openssl x509 -in "$LAB/impostor.pem" -noout -serial | cut -d= -f2)"
attention smf --probe
expect "smf before the daemon looks" "$(state smf)" "in service"
python3 -c 'import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE service SET probed_at = probed_at - 86400")
database.commit()' "$LAB/state/hwacme.db"
made=$(orders)
lab_start run "$HWACME" -c "$LAB/hwacme.yaml" run
is_state() { [ "$(state "$1")" = "$2" ]; }
metric() { curl -sS --max-time 10 "http://127.0.0.1:$port/metrics" | grep -qF "$1"; }
lab_wait 60 "the notice of another certificate" is_state smf "not in service"
lab_wait 10 "its metric" metric 'hwacme_certificate_state{name="smf",state="not in service"} 1'
metric 'hwacme_certificate_service_failures{name="smf"} 1' || fail "no failures in the metrics"
metric 'hwacme_certificate_service_failures{name="amf"} 0' || fail "amf is in service"
metric 'hwacme_probes_total{result="failed"}' || fail "no probe that failed in the metrics"
! metric 'hwacme_renewals_total' || ! metric 'hwacme_renewals_total{result="failed"}' || fail "a probe is counted as a renewal"
grep -q 'error: smf.*not in service: 127.0.0.1' "$LAB/run.log" || fail "it is not logged"
journal smf "not in service: 127.0.0.1"
expect "orders" "$(orders)" "$made"
# The service is repaired: the next try of the daemon sees it, a minute later.
lab_stop impostor
rm -f "$LAB/nginx-smf.pid"
lab_start nginx-smf env PKCS11_MODULE_PATH="$LAB_MODULE" nginx -p "$LAB" -c "$LAB/nginx-smf.conf"
lab_wait 20 "nginx for smf" lab_get smf
lab_wait 100 "smf in service again" is_state smf "in service"
expect "orders" "$(orders)" "$made"
lab_stop run

# A program in place of a handshake.
printf '#!/bin/sh\ntest "$HWACME_HOOK" = probe && test -e "$HWACME_LIVE/cert.pem" && test -e "%s/well" && echo "looks well"\n' "$LAB" >"$LAB/look"
chmod 755 "$LAB/look"
sed -i "s|probe: { connect: \"127.0.0.1:$LAB_PORT_amf\".*|probe: { run: [$LAB/look], grace: 0s }|" "$LAB/hwacme.yaml"
fails hwacme renew --force amf
expect "amf whose program says no" "$(state amf)" "not in service"
attention amf --probe
touch "$LAB/well"
hwacme renew amf
expect "amf whose program says yes" "$(state amf)" "in service"
journal amf "the probe has passed: looks well"
# Who wants no probe any more needs none.
rm "$LAB/well"
fails hwacme renew --force amf
sed -i '/probe: { run:/d' "$LAB/hwacme.yaml"
cp "$LAB/reload.good" "$LAB/reload"
hwacme renew amf
expect "amf without a probe" "$(state amf)" "in service"
hwacme status >/dev/null || fail "status: $(hwacme status || true)"
[ -z "$(pgrep -f "$LAB/hwacme.yaml" || true)" ] || fail "processes are left: $(pgrep -af "$LAB/hwacme.yaml")"
