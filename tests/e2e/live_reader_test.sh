# Readers of live/ that never stop see one set or the next through many renewals, also one that follows nginx.conf to the files that it
# names. HWACME_RENEWALS=1000 takes its time. (nginx -t itself in a loop only shows what SoftHSM does to two who log in at once.)
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
RENEWALS=${HWACME_RENEWALS:-50}

lab_up
lab_config
sed -i '/name: amf/,/name: smf/{/name: smf/!d}' "$LAB/hwacme.yaml"
hwacme renew smf >/dev/null || fail "enrol"
lab_start reader python3 "$SOURCE/tests/support/read_on.py" "$LAB/state/live/smf" "$LAB/reader.json" "$LAB/reader.stop"
for ((i = 0; i < RENEWALS; i++)); do
	hwacme renew --force smf >/dev/null || fail "renewal $i"
done
touch "$LAB/reader.stop"
lab_wait 60 "the end of the reader" test -s "$LAB/reader.json"
jq -r '"\(.readings) readings of \(.sets) sets"' "$LAB/reader.json"
jq -e ".faults == [] and .sets > $RENEWALS / 2" "$LAB/reader.json" >/dev/null || fail "$(head -c 1000 "$LAB/reader.json")"
