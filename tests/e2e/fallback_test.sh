# An authority that does not answer: after `fallback-after` the next one is ordered from; when it answers again it is the first again.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"

lab_up
lab_config
nobody=$(lab_port)
# The first authority, where nobody listens, before the one of the lab.
python3 - "$LAB/hwacme.yaml" "$nobody" <<'PY'
import sys
path, port = sys.argv[1:]
text = open(path).read()
text = text.replace("authorities:\n", f"""authorities:
  - name: first-ra
    directory: https://localhost:{port}/dir
    trust: {path.rsplit("/", 1)[0]}/trust.pem
    terms-agreed: true
    account-key: {{ token: hsm, type: ec-p256 }}
""", 1)
text = text.replace("    authority: operator-ra\n", "    authority: first-ra\n    fallback: [operator-ra]\n")
text = text.replace("    renew-after: 66%\n", "    renew-after: 66%\n    fallback-after: 3s\n")
open(path, "w").write(text)
PY
authority_of() { hwacme --json status | jq -r ".certificates[] | select(.name == \"$1\") | .authority"; }

# Within its patience the first one is asked, and its failure is told.
got=0
hwacme renew smf >"$LAB/out" || got=$?
[ $got = 4 ] || fail "exit $got when the first authority does not answer"
grep -q "first-ra" "$LAB/hwacme.log" || fail "the authority is not named: $(tail -n 2 "$LAB/hwacme.log")"

enrolled() { hwacme renew smf >"$LAB/out" 2>&1; }
lab_wait 30 "a certificate from the fallback" enrolled
grep -q "enrolled" "$LAB/out" || fail "not enrolled: $(cat "$LAB/out")"
[ "$(authority_of smf)" = operator-ra ] || fail "status says: $(authority_of smf)"

# It is as good as the first one's: nothing is due.
grep -q "not due" <<<"$(hwacme renew smf)" || fail "a certificate of the fallback is not renewed at once"

# The daemon does the same for one that was never issued, and loses no time with the first: it is known to be down.
"$HWACME" -c "$LAB/hwacme.yaml" run 2>>"$LAB/hwacme.log" &
daemon=$!
in_service() { [ "$(hwacme --json status | jq -r '.certificates[] | select(.name == "amf") | .serial')" != null ]; }
lab_wait 30 "amf from the fallback, by the daemon" in_service
kill -TERM $daemon
wait $daemon || fail "the daemon ended with $?"

# The first one answers again: what is renewed then comes from it.
sed -i "s#https://localhost:$nobody/dir#$LAB_DIRECTORY#" "$LAB/hwacme.yaml"
from_first() { hwacme renew --force smf >/dev/null 2>&1 && [ "$(authority_of smf)" = first-ra ]; }
lab_wait 90 "a certificate from the first authority" from_first
[ "$(authority_of amf)" = operator-ra ] || fail "the other one was renewed as well"
