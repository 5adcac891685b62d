# /metrics of the daemon: every FIXED name, in the form that Prometheus reads, told by another program; numbers that agree with status.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"

lab_up
LAB_RETIRE_AFTER=0s lab_config
port=$(lab_port)
echo "metrics: { listen: \"127.0.0.1:$port\" }" >>"$LAB/hwacme.yaml"
lab_start run "$HWACME" -c "$LAB/hwacme.yaml" run
all_in_service() { hwacme status --json | jq -e 'all(.certificates[]; .state == "in service")'; }
lab_wait 30 "both certificates" all_in_service
get() { curl -sS --max-time 10 "http://127.0.0.1:$port$1"; }
# RFC 9110, 15.5.20: a page that has its own name resolve to the loopback reads nothing.
lab_wait 10 "an answer" get /metrics
for host in 127.0.0.1 localhost "localhost:$port" "$(hostname)"; do
	curl -sSf --max-time 10 -H "Host: $host" -o /dev/null "http://127.0.0.1:$port/" || fail "refused: $host"
done
for path in / /metrics /style.css; do
	got=$(curl -sS --max-time 10 -H "Host: evil.example:$port" -o "$LAB/refused" -w '%{http_code}' "http://127.0.0.1:$port$path")
	[ "$got" = 421 ] && grep -q 'write localhost' "$LAB/refused" && ! grep -q 'amf' "$LAB/refused" || fail "$path for another host: $got"
done
# Lines of a name stand together, after its type; a value is a number; no series twice.
read_metrics() {
	get /metrics | python3 -c '
import re, sys
types, seen, last, values = {}, set(), None, {}
for line in sys.stdin.read().splitlines():
    if line.startswith("# HELP "):
        continue
    if line.startswith("# TYPE "):
        name, kind = line.split()[2:]
        assert name not in types, f"{name} comes twice"
        types[name] = kind
        continue
    found = re.fullmatch(r"([a-z_]+)(\{(?:[a-z]+=\"(?:[^\"\\\\]|\\\\.)*\",?)+\})? (-?[0-9.]+)", line)
    assert found, f"not in the format: {line}"
    name = re.sub("_(bucket|sum|count)$", "", found[1]) if found[1] not in types else found[1]
    assert name in types, f"{line}: no type"
    assert name == last or name not in seen, f"{name} is not together"
    seen.add(name)
    last = name
    assert found[1] + (found[2] or "") not in values, f"twice: {line}"
    values[found[1] + (found[2] or "")] = found[3]
for series in sys.argv[1:]:
    print(values[series])' "$@"
}
value() { read_metrics "$1"; }
lab_wait 10 "the metrics" value 'hwacme_renewals_total{result="enrolled"}'
wanted=$(hwacme status --json | jq -r '.certificates[] | select(.name == "amf").not_after')
[ "$(value 'hwacme_certificate_not_after_seconds{name="amf"}')" = "$(date -d "$wanted" +%s)" ] || fail "not_after is not status's"
[ "$(value 'hwacme_certificate_state{name="smf",state="in service"}')" = 1 ] || fail "state"
[ "$(value 'hwacme_certificate_next_renewal_seconds{name="smf"}')" -gt "$(date +%s)" ] || fail "next renewal"
[ "$(value 'hwacme_certificate_failures{name="smf"}') $(value 'hwacme_certificate_service_failures{name="smf"}')" = "0 0" ] || fail "failures"
[ "$(value 'hwacme_renewals_total{result="enrolled"}')" = 2 ] || fail "renewals"
[ "$(value 'hwacme_acme_requests_total{endpoint="newOrder",code="201"}')" = 2 ] || fail "requests"
[ "$(value 'hwacme_token_up{token="hsm"}') $(value 'hwacme_token_up{token="tpm"}')" = "1 1" ] || fail "token up"
# The account's key and one certificate's were made in the HSM.
[ "$(value 'hwacme_token_operation_seconds_count{token="hsm",op="generate"}')" = 2 ] || fail "operations"
value 'hwacme_token_operations_total{token="hsm",op="sign",result="ok"}' >/dev/null
value "hwacme_build_info{version=\"$("$HWACME" version | sed 's/^hwacme //')\"}" >/dev/null

# Nothing else is there, nothing can be changed, and no secret is told.
[ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/hwacme.db")" = 404 ] || fail "another path"
[ "$(curl -s -o /dev/null -w '%{http_code}' --data x "http://127.0.0.1:$port/metrics")" = 405 ] || fail "POST"
get /metrics >"$LAB/metrics"
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$LAB_PIN" "$LAB/metrics"

# The page is no reason not to renew. On a port that is taken it is not there, which is told once, and the daemon works; when the port is
# free, it is there at the daemon's next look.
checked() {
	local got=0
	hwacme check >"$LAB/checked" || got=$?
	[ $got = "$1" ] && grep -q "$2" "$LAB/checked" || fail "check: exit $got, $(grep metrics "$LAB/checked")"
}
hold() {
	lab_start holder python3 -c 'import socket, sys, time; s = socket.create_server(("127.0.0.1", int(sys.argv[1]))); time.sleep(600)' "$1"
	lab_wait 10 "the holder of the port" bash -c "exec 3<>/dev/tcp/127.0.0.1/$1"
}
told() { grep -c "no status page and no metrics for now.*metrics: cannot listen on 127.0.0.1:$port: Address already in use; free the port" "$LAB/run.log" || true; }
is_told() { [ "$(told)" = "$1" ]; }
# Once a minute by itself; a signal has it look at once.
look() { kill -CHLD "$(lab_named_below "${LAB_PIDS[run]}" hwacme-engine)"; }
page_is_there() { look && value "hwacme_build_info{version=\"$("$HWACME" version | sed 's/^hwacme //')\"}"; }
checked 0 "^ok *metrics *127.0.0.1:$port: served by the daemon that runs"
sed -i "s/:$port\"/:$(lab_port)\"/" "$LAB/hwacme.yaml"
port=$(sed -n 's/^metrics: .*:\([0-9]*\)".*/\1/p' "$LAB/hwacme.yaml")
checked 0 "^ok *metrics *127.0.0.1:$port: free"
hold "$port"
checked 1 "^BAD *metrics *127.0.0.1:$port: metrics: cannot listen on 127.0.0.1:$port: Address already in use; free the port"
kill -HUP "${LAB_PIDS[run]}"
lab_wait 20 "the word on the port that is taken" is_told 1
live=$(lab_live_serial amf)
lab_wait 20 "a revocation beside the daemon" hwacme revoke amf --reason superseded
is_replaced() { look && [ "$(lab_live_serial amf)" != "$live" ] && all_in_service; }
lab_wait 60 "the successor of a revoked certificate" is_replaced
checked 1 "^BAD *metrics *127.0.0.1:$port: "
lab_stop holder
lab_wait 30 "the page, when the port is free" page_is_there
grep -q "the status page and the metrics are there now, at 127.0.0.1:$port" "$LAB/run.log" || fail "that it listens was not told"
is_told 1 || fail "told $(told) times"
checked 0 "^ok *metrics *127.0.0.1:$port: served by the daemon that runs"
# So it is at a start by hand.
lab_stop run
hold "$port"
lab_start run "$HWACME" -c "$LAB/hwacme.yaml" run
lab_wait 20 "the word on the port that is taken" is_told 2
hwacme renew --force smf >"$LAB/renewed" && grep -q "smf: renewed" "$LAB/renewed" || fail "renew: $(cat "$LAB/renewed") $(tail -n 2 "$LAB/hwacme.log")"
lab_stop holder
lab_wait 30 "the page, when the port is free" page_is_there
