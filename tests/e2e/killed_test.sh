# kill -9 at any moment: the live pair stays valid, the next run goes on, and no key is left in a token without a record.
set -euo pipefail
. "$SOURCE/swtpm-ci/lab.sh"
fail() { echo "FAILED: $*" >&2; exit 1; }
hwacme() { "$HWACME" -c "$LAB/hwacme.yaml" "$@" 2>>"$LAB/hwacme.log"; }

lab_up
LAB_RETIRE_AFTER=0s lab_config
hwacme renew >/dev/null
killed=0
for turn in $(seq 1 24); do
	"$HWACME" -c "$LAB/hwacme.yaml" renew --force >/dev/null 2>>"$LAB/hwacme.log" &
	pid=$!
	# From the first instructions to beyond the end, in steps that move through the whole run.
	sleep "$(python3 -c "print($turn * 0.06)")"
	lab_keyd_halt $pid >/dev/null
	kill -9 $pid 2>/dev/null && killed=$((killed + 1))
	wait $pid 2>/dev/null || true
	for name in amf smf; do
		openssl verify -CAfile "$LAB/roots.pem" -untrusted "$LAB/state/live/$name/chain.pem" "$LAB/state/live/$name/cert.pem" >/dev/null ||
			fail "live/$name is broken after turn $turn"
	done
	hwacme renew >/dev/null || hwacme renew >/dev/null || fail "turn $turn is not mended: $(tail -n 2 "$LAB/hwacme.log")"
	hwacme status --json | jq -e 'all(.certificates[]; .state == "in service" and .order_url == null)' >/dev/null || fail "turn $turn: $(hwacme status)"
done
[ $killed -ge 8 ] || fail "only $killed runs were killed: the test tests nothing"
hwacme renew >/dev/null
# Killed while it makes a key, SoftHSM leaves an object with neither label nor id: its own debris, and nobody can know whose.
owners=$(hwacme token keys --json | jq -r '.keys[] | select(.label != "") | .owner' | sort)
[ "$(wc -l <<<"$owners")" = 3 ] && ! grep -q 'nobody\|superseded' <<<"$owners" || fail "keys left: $(hwacme token keys)"
[ "$(find "$LAB/state/keys" -type f ! -name '.*' | wc -l)" = 1 ] || fail "files left: $(ls -lA "$LAB/state/keys")"
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$LAB_PIN" "$LAB/hwacme.log"
