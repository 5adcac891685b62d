# Enrols a certificate in the TPM and one in the HSM, finds them not due, renews them by force; status tells it all.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
requests() { grep -c 'calling handler' "$LAB/pebble.log" || true; }

lab_up
LAB_RETIRE_AFTER=0s lab_config
# Not what `renew` would fail with.
sed "s|^state: .*|state: $LAB/none/state|" "$LAB/hwacme.yaml" >"$LAB/none.yaml"
said=$("$HWACME" -c "$LAB/none.yaml" check 2>&1 || true)
grep -q "^BAD *disk .*it cannot be made in $LAB/none: No such file or directory" <<<"$said" || fail "a state directory that cannot be made: $said"
lab_start holder python3 -c 'import socket, sys, time; s = socket.create_server(("127.0.0.1", int(sys.argv[1]))); time.sleep(600)' "$LAB_HTTP01"
is_held() { ! "$HWACME" -c "$LAB/hwacme.yaml" check >"$LAB/checked" 2>&1; }
lab_wait 20 "a port that is held" is_held
[ "$(grep -c "^BAD *listen *http-01 127.0.0.1:$LAB_HTTP01: .*Address already in use; free the port" "$LAB/checked")" = 1 ] || fail "a port of somebody else: $(cat "$LAB/checked")"
lab_stop holder
hwacme check || fail "check"
hwacme renew || fail "enrol"
for name in amf smf; do
	for file in fullchain.pem chain.pem cert.pem key.pem key.uri nginx.conf; do
		[ -s "$LAB/state/live/$name/$file" ] || fail "live/$name/$file"
	done
	openssl verify -CAfile "$LAB/roots.pem" -untrusted "$LAB/state/live/$name/chain.pem" "$LAB/state/live/$name/cert.pem"
done
grep -q 'TSS2 PRIVATE KEY' "$LAB/state/live/amf/key.pem" || fail "amf's key.pem is not a TSS2 PRIVATE KEY"
grep -q '^pkcs11:' "$LAB/state/live/smf/key.uri" || fail "smf's key.uri is not a PKCS#11 URI"

# Not due: says so, says when and why, sends nothing.
before=$(requests)
said=$(hwacme renew)
[ "$(grep -c 'not due; next renewal .* lifetime' <<<"$said")" = 2 ] || fail "not due: $said"
[ "$(requests)" = "$before" ] || fail "a renewal that is not due sent requests"

amf=$(lab_live_serial amf)
smf=$(lab_live_serial smf)
hwacme renew --force smf
[ "$(lab_live_serial smf)" != "$smf" ] || fail "smf was not renewed"
[ "$(lab_live_serial amf)" = "$amf" ] || fail "amf was renewed although only smf was asked for"
[ "$(readlink "$LAB/state/live/smf")" = ../archive/smf/2 ] || fail "live/smf does not point at generation 2"
hwacme renew --force --json | jq -e '[.certificates[] | .result == "renewed"] | all' >/dev/null || fail "renew --json"

# The keys that scripts rely on, for each certificate.
hwacme status --json | jq -e '.certificates | length == 2 and all(.[]; has("name") and has("state") and has("token") and
	has("key") and has("key_type") and has("custody") and has("authority") and has("serial") and has("fingerprint") and
	has("not_before") and has("not_after") and has("names") and has("next_at") and has("next_why") and has("last_error") and
	has("attempts") and has("order_url") and has("live"))' >/dev/null || fail "status --json lacks keys"
hwacme status --json | jq -e 'all(.certificates[]; .state == "in service" and .last_error == null)' >/dev/null || fail "status"
# retire-after 0s: an account key and two live keys are left, nothing else.
hwacme renew >/dev/null
[ "$(hwacme token keys --json | jq '[.. | objects | select(has("label"))] | length')" = 3 ] || fail "$(hwacme token keys)"
[ "$(find "$LAB/state/keys" -name '*.pem' | wc -l)" = 1 ] || fail "an old TPM key file is left"
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$LAB_PIN" "$LAB/hwacme.log" "$LAB/pebble.log" || fail "secrets on disk"
# An account whose URL was lost is found again by its key: no second account, no second key.
account() { python3 - "$LAB/state/hwacme.db" "$@" <<'PY'
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
if len(sys.argv) > 2:
    database.execute("UPDATE account SET url = ''")
    database.commit()
print(*database.execute("SELECT url, label FROM account").fetchone())
PY
}
before=$(account)
account forget >/dev/null
hwacme renew --force smf >/dev/null || fail "renewal without an account URL"
[ "$(account)" = "$before" ] || fail "another account: $(account) instead of $before"
hwacme version | grep -q . || fail "version"
hwacme token list --json | jq -e . >/dev/null || fail "token list"
