# What a daemon tells when a CA refuses: its log as JSON and with journald's priorities, a line an event whatever the CA said; then `status NAME`,
# which needs no log: what was tried, the CA's own words, what comes next.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"

lab_up
LAB_RETIRE_AFTER=0s
odd=$(lab_port)
echo none >"$LAB/fault"
lab_start faulty_ca python3 "$SOURCE/tests/support/faulty_ca.py" "$odd" "$LAB_ACME" "$LAB/pebble/server.pem" "$LAB/pebble/server.key" \
	"$LAB/trust.pem" "$LAB/fault"
LAB_DIRECTORY=https://localhost:$odd/dir
lab_wait 20 "the odd CA" curl -sf --cacert "$LAB/trust.pem" "$LAB_DIRECTORY"
lab_config
echo "log: { format: json }" >>"$LAB/hwacme.yaml"
status() { hwacme status "$@" || [ $? = 5 ]; }

hwacme renew smf >/dev/null || fail "enrolment"
# A command's lines are JSON too where a file reads them.
[ "$(jq -r 'select(.certificate == "smf") | .message' "$LAB/hwacme.log" | grep -c .)" -gt 3 ] || fail "no events: $(cat "$LAB/hwacme.log")"

# As systemd starts it: stderr is what JOURNAL_STREAM names.
echo markup >"$LAB/fault"
: >"$LAB/run.log"
lab_start run env JOURNAL_STREAM="$(stat -c %d:%i "$LAB/run.log")" "$HWACME" -c "$LAB/hwacme.yaml" run
refused() { status --json amf | jq -e '.certificates[0].attempts > 0'; }
lab_wait 30 "the refusal" refused
has_told() { grep -q 'next look' "$LAB/run.log"; }
lab_wait 10 "the log" has_told
lab_stop run
bad=$(grep -vE '^<[3467]>\{"time":"20[0-9-]+T[0-9:.]+Z","level":"(error|warning|info|debug)",("certificate":"[^"]+",)?"message":".*\}$' "$LAB/run.log" || true)
[ -z "$bad" ] || fail "lines: $bad"
sed 's/^<.>//' "$LAB/run.log" | jq -es 'map(select(.certificate == "amf" and .level == "error")) | length == 1 and
	(.[0] | (.message | test("rejectedIdentifier: <script>.*\"level\":\"info\"")) and .origin == "acme" and .code == 403)' >/dev/null ||
	fail "the refusal: $(cat "$LAB/run.log")"
grep -q '^<3>.*rejectedIdentifier' "$LAB/run.log" || fail "its priority"
# Another stderr than the one that it names is no journal.
got=$(JOURNAL_STREAM=1:1 "$HWACME" -c "$LAB/none" status 2>&1) || true
[[ $got == "hwacme: error: "* ]] || fail "no journal: $got"

# It is told before the token has made it, which may refuse.
grep -qE '"message":"new key \\"hwacme-amf-[0-9a-f]*\\" for token \\"tpm\\""' "$LAB/run.log" || fail "the key: $(cat "$LAB/run.log")"

# Without a log.
said=$(status amf)
grep -q '^amf: keyed' <<<"$said" || fail "$said"
grep -q 'plan .*: back-off after 1 failed attempt' <<<"$said" || fail "when: $said"
grep -q 'then .*an order is sent' <<<"$said" || fail "what comes next: $said"
grep -q "failed .*1 in a row, last .*rejectedIdentifier: <script>document.title='taken'</script>" <<<"$said" || fail "its words: $said"
grep -qE '^      20[0-9TZ:-]+  failed: enrol amf: .*rejectedIdentifier' <<<"$said" || fail "the journal: $said"
grep -qE '^      20[0-9TZ:-]+  ordering' <<<"$said" || fail "what was tried: $said"
status --json amf | jq -e '.certificates[0] | .next_step != null and .failed_at != null and (.last_error | test("rejectedIdentifier")) and
	(.journal | (map(.text | startswith("failed: ")) | index(true) == 0) and all(.[]; .at and .text) and length >= 3)' >/dev/null || fail "$(status --json amf)"
status --json | jq -e 'all(.certificates[]; has("journal") | not)' >/dev/null || fail "journals of all"

# All that is kept of it is shown: more than one attempt's worth.
for i in 1 2 3 4 5; do
	! hwacme renew amf >/dev/null || fail "a refused renewal succeeded"
done
[ "$(status amf | grep -c ' failed: ')" = 6 ] || fail "six failures: $(status amf)"
echo none >"$LAB/fault"
hwacme renew amf >/dev/null || fail "the CA is well again"
hwacme status --json amf | jq -e '.certificates[0] | .last_error == null and .failed_at == null and .next_step == null and
	(.journal | map(select(.text | startswith("failed: "))) | length == 6)' >/dev/null || fail "$(status --json amf)"

# Why is it not renewed, although it is due?  Because its CA is away, which another renewal has found out.
lab_stop faulty_ca
for i in 1 2; do
	! hwacme renew --force amf >/dev/null || fail "renewed without a CA"
done
sed -i 's/"dns:smf-2[^"]*"/"dns:smf-3.example"/' "$LAB/hwacme.yaml"
said=$(status smf)
grep -q '^    plan      due now: its names' <<<"$said" || fail "due: $said"
grep -qE '^    waits     for "operator-ra" until 20[0-9TZ:-]+, which has not answered since 20' <<<"$said" || fail "why not yet: $said"
status --json smf | jq -e '.certificates[0].waits | .authority == "operator-ra" and .until != null and .failures == 2' >/dev/null || fail "$(status --json smf)"
status --json amf | jq -e '.certificates[0].waits == null' >/dev/null || fail "what waits for its own back-off: $(status --json amf)"
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$LAB_PIN" "$LAB/hwacme.log" "$LAB/run.log"
