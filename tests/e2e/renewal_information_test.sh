# RFC 9773 at the test RA: asked when the time for it has come and never else, a window draws one time and keeps it, a window in the past
# is renewed in, the order says what it replaces; whatever is wrong with an answer stops no renewal.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
status() { hwacme status --json | jq -r ".certificates[0] | $1"; }
seconds() { date -d "$(status "$1")" +%s; }
# stored SQL: on the one certificate
stored() { python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); print(*(d.execute(sys.argv[2]).fetchone() or ()), sep="|"); d.commit()' "$LAB/state/hwacme.db" "$1"; }
# The time at which the CA is asked again has come.
asks() { stored 'UPDATE issued SET check_at = 0' >/dev/null; hwacme renew; }
near() { # SECONDS WANTED WHAT
	[ "$1" -ge $(($2 - 30)) ] && [ "$1" -le $(($2 + 30)) ] || fail "$3: in $1 s, not $2"
}
next_check() { echo $(($(stored 'SELECT check_at FROM issued') - $(date +%s))); }

lab_ra_up
for name in amf amf-2; do
	ra preauthorised "{\"identifier\": \"$name.5gc.mnc001.mcc001.3gppnetwork.org\", \"hours\": 336, \"issued_at\": \"now\"}" >/dev/null
done
lab_ra_config
hwacme renew >/dev/null
[ "$(ra_count renewalInfo)" = 0 ] || fail "asked in the breath of the issuance"
near "$(next_check)" 60 "first look after issuance"
fresh
grep -q 'not due' <<<"$(hwacme renew)" || fail "due at once"
[ "$(ra requests | jq '.counts | length')" = 0 ] || fail "not due, nothing to be asked, and yet: $(ra requests | jq -c .counts)"

# Asked when the time has come: one GET, without a nonce, the directory still known; Retry-After is when it is asked again.
ra renewal-info '{"certificate": "all", "start": 86400, "end": 172800, "retry_after": 7200, "explanationURL": "https://ra.example/why"}' >/dev/null
said=$(asks)
[ "$(ra requests | jq -c .counts)" = '{"renewalInfo":1}' ] || fail "asking costs $(ra requests | jq -c .counts)"
grep -q 'not due; .*the CA suggests' <<<"$said" || fail "$said"
near "$(next_check)" 7200 "Retry-After"
IFS='|' read -r start end chosen <<<"$(stored 'SELECT start_at, end_at, at FROM issued')"
[ "$chosen" -ge "$start" ] && [ "$chosen" -lt "$end" ] || fail "$chosen was chosen in $start to $end"
status '"\(.next_at) \(.suggested.chosen) \(.suggested.explanation)"' >"$LAB/said"
[ "$(cat "$LAB/said")" = "$(date -u -d "@$chosen" "+%FT%TZ %FT%TZ") https://ra.example/why" ] || fail "status: $(cat "$LAB/said")"
said=$(hwacme status amf)
grep -q 'explained *https://ra.example/why' <<<"$said" || fail "status does not show the explanation: $said"
grep -q 'suggests renewal from .*https://ra.example/why' <<<"$said" || fail "the journal does not show the explanation: $said"

# The same window: the time stays; a new one: another is drawn. Out-of-range Retry-After is held between a minute and a day.
window() { echo "\"start\": \"$(date -u -d "@$1" +%FT%TZ)\", \"end\": \"$(date -u -d "@$2" +%FT%TZ)\""; }
ra renewal-info "{\"certificate\": \"all\", $(window "$start" "$end"), \"retry_after\": 1}" >/dev/null
asks >/dev/null
[ "$(stored 'SELECT at FROM issued')" = "$chosen" ] || fail "drawn again in the same window"
near "$(next_check)" 60 "Retry-After of a second"
ra renewal-info "{\"certificate\": \"all\", $(window "$((start + 100000))" "$((end + 100000))"), \"retry_after\": 8640000}" >/dev/null
asks >/dev/null
[ "$(stored 'SELECT at FROM issued')" -ge $((start + 100000)) ] || fail "a new window, and the old time"
near "$(next_check)" 86400 "Retry-After of 100 days"
ra renewal-info "{\"certificate\": \"all\", $(window "$start" "$end"), \"retry_after\": null}" >/dev/null
asks >/dev/null
near "$(next_check)" 21600 "no Retry-After"

# No answer is no failure: what was known stays, and the next look is later (RFC 9773, 4.3.3).
chosen=$(stored 'SELECT at FROM issued')
failing() { # WHAT SECONDS
	asks | grep -q 'not due' || fail "$1: not \"not due\""
	[ "$(stored 'SELECT at FROM issued')" = "$chosen" ] || fail "$1: what was known is lost"
	near "$(next_check)" "$2" "$1"
	[ "$(stored 'SELECT attempts, last_error FROM certificate')" = '0|' ] || fail "$1 counts as a failed renewal"
}
ra renewal-info '{"certificate": "all", "start": 200, "end": 100}' >/dev/null
failing "a window that ends before it begins" 21600
ra renewal-info '{"certificate": "all", "raw": "{\"suggestedWindow\": 7}"}' >/dev/null
failing "garbage" 21600
stored 'UPDATE issued SET failures = 0' >/dev/null
for seconds in 60 120 240; do
	ra faults '{"endpoint": "renewalInfo", "status": 503, "type": "serverInternal"}' >/dev/null
	failing "503" $seconds
done
ra faults '{"endpoint": "renewalInfo", "status": 404, "type": "malformed"}' >/dev/null
failing "404" 21600
ra down '{"down": true}' >/dev/null
failing "the RA is down" 960 # the fifth in a row
ra down '{"down": false}' >/dev/null
# It is known to all that the connection fails: none asks before somebody may look again. So it is where a gateway says so.
quiet() { near $(($(stored 'SELECT retry_at FROM availability') - $(date +%s))) 60 "$1"; }
quiet "the quiet after a lost question"
stored 'DELETE FROM availability' >/dev/null
stored 'UPDATE issued SET failures = 0' >/dev/null
for seconds in 60 120; do
	[ "$(stored 'SELECT retry_at FROM availability WHERE retry_at > 0')" = "" ] || fail "quiet after the first lost question"
	ra faults '{"endpoint": "renewalInfo", "status": 503}' >/dev/null
	failing "503 of a gateway" $seconds
done
quiet "the quiet after a second answer of a gateway"
fresh
asks | grep -q 'not due' || fail "the quiet: not \"not due\""
[ "$(ra_count renewalInfo)" = 0 ] || fail "asked in the quiet"
stored 'DELETE FROM availability' >/dev/null

# A window in the past: renewed at once, and the order says which certificate it replaces.
fresh
serial=$(lab_live_serial amf) id=$(stored 'SELECT id FROM issued')
ra renewal-info "{\"certificate\": \"$id\", \"start\": -7200, \"end\": -3600}" >/dev/null
asks | grep -q 'renewed (.*the CA suggests' || fail "not renewed in a window that is over"
[ "$(lab_live_serial amf)" != "$serial" ] || fail "the certificate is still the old one"
[ "$(ra orders | jq -r '.[-1].replaces')" = "$id" ] || fail "the order does not say what it replaces"
clean "until here"
# Wanted back as soon as issued, again and again: slower and slower.
ra renewal-info '{"certificate": "all", "start": -7200, "end": -3600}' >/dev/null
asks | grep -q 'not due' || fail "renewed once more within the hour"
near $(($(seconds .next_at) - $(date +%s))) 3600 "the hold"

# The CA holds it for replaced (RFC 9773, 5): once more without, in the same step; and it is not named again, nor asked about.
fresh
ra faults '{"endpoint": "newOrder", "status": 409, "type": "alreadyReplaced"}' >/dev/null
hwacme renew --force >/dev/null
[ "$(ra_count newOrder)" = 2 ] || fail "alreadyReplaced: $(ra_count newOrder) times newOrder"
[ "$(ra orders | jq -r '.[-1].replaces')" = null ] || fail "alreadyReplaced: named again"
fresh
ra faults '[{"endpoint": "newOrder", "status": 409, "type": "alreadyReplaced"}, {"endpoint": "finalize", "status": 403, "type": "badCSR"}]' >/dev/null
hwacme renew --force >/dev/null && fail "a refused CSR" || true
[ "$(stored 'SELECT is_replaced FROM issued')" = 1 ] || fail "alreadyReplaced is not stored"
hwacme renew --force >/dev/null
[ "$(ra orders | jq -r '[.[-2:][].replaces] | unique | .[0]')" = null ] || fail "named again by a later order"

# A CA that has lost the certificate, or does not know its issuer any more, says so in its own way: once more without, and told.
for refusal in '"status": 404, "type": "malformed"' '"status": 400, "type": "malformed"' '"status": 403, "type": "unauthorized"'; do
	fresh
	ra faults "{\"endpoint\": \"newOrder\", $refusal}" >/dev/null
	hwacme renew --force >/dev/null || fail "$refusal: $(tail -n 1 "$LAB/hwacme.log")"
	[ "$(ra_count newOrder)" = 2 ] || fail "$refusal: $(ra_count newOrder) times newOrder"
	[ "$(ra orders | jq -r '.[-1].replaces')" = null ] || fail "$refusal: named again"
	grep -q 'ordering without `replaces`' <<<"$(hwacme status amf)" || fail "$refusal: the journal: $(hwacme status amf)"
done
# What may pass by itself is tried once more with it; and what is of the names is not of `replaces`.
fresh
ra faults '{"endpoint": "newOrder", "status": 500, "type": "serverInternal", "times": 2}' >/dev/null
hwacme renew --force >/dev/null && fail "serverInternal" || true
[ "$(ra_count newOrder)" = 1 ] || fail "serverInternal: $(ra_count newOrder) times newOrder"
hwacme renew --force >/dev/null || fail "serverInternal again: $(tail -n 1 "$LAB/hwacme.log")"
[ "$(ra_count newOrder)" = 3 ] || fail "serverInternal again: $(ra_count newOrder) times newOrder"
[ "$(ra orders | jq -r '.[-1].replaces')" = null ] || fail "serverInternal again: named"
fresh
ra faults '{"endpoint": "newOrder", "status": 400, "type": "rejectedIdentifier"}' >/dev/null
hwacme renew --force >/dev/null && fail "rejectedIdentifier" || true
[ "$(ra_count newOrder)" = 1 ] || fail "rejectedIdentifier: $(ra_count newOrder) times newOrder"

# Not named: where the directory has no renewalInfo, where the account is another, where the policy says so; nor asked.
fresh
stored 'UPDATE issued SET account = "https://ra.example/another"' >/dev/null
hwacme renew --force >/dev/null
[ "$(ra orders | jq -r '.[-1].replaces')" = null ] || fail "named although another account ordered it"
ra settings '{"renewal_info": false}' >/dev/null
lab_age_directories 86400
hwacme renew --force >/dev/null
[ "$(ra orders | jq -r '.[-1].replaces')" = null ] || fail "named although the directory has no renewalInfo"
fresh
asks | grep -q 'not due' || fail "no renewalInfo"
[ "$(ra requests | jq '.counts | length')" = 0 ] || fail "no renewalInfo, and asked: $(ra requests | jq -c .counts)"
near "$(next_check)" 86400 "no renewalInfo"
ra settings '{"renewal_info": true}' >/dev/null
lab_age_directories 86400
hwacme renew --force >/dev/null
sed -i 's|    renew-after: 66%|&\n    ari: false|' "$LAB/hwacme.yaml"
fresh
asks | grep -q 'not due' || fail "ari: false"
[ "$(ra_count renewalInfo)" = 0 ] || fail "asked although the policy says no"
clean "until here"
