# kill -9 at any moment: the live pair stays valid, the next run goes on, and no key is left in a token without a record.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"

lab_up
LAB_RETIRE_AFTER=0s lab_config
hwacme renew >/dev/null
killed=0 ended=0
mended() {
	for name in amf smf; do
		openssl verify -CAfile "$LAB/roots.pem" -untrusted "$LAB/state/live/$name/chain.pem" "$LAB/state/live/$name/cert.pem" >/dev/null ||
			fail "live/$name is broken after $1"
	done
	hwacme renew >/dev/null || hwacme renew >/dev/null || fail "$1 is not mended: $(tail -n 2 "$LAB/hwacme.log")"
	hwacme status --json | jq -e 'all(.certificates[]; .state == "in service" and .order_url == null)' >/dev/null || fail "$1: $(hwacme status)"
}
# Killed after ever longer, until a run ends first: whatever a run takes on this machine, kills are spread over all of it.
# The next round begins with another step, so its moments lie between those of the round before.
for step in 0.020 0.027 0.034; do
	after=$step
	while :; do
		"$HWACME" -c "$LAB/hwacme.yaml" renew --force >/dev/null 2>>"$LAB/hwacme.log" &
		pid=$!
		sleep "$after"
		lab_keyd_halt $pid >/dev/null
		if ! kill -9 $pid 2>/dev/null; then
			ended=$((ended + 1))
			break
		fi
		wait $pid 2>/dev/null || true
		killed=$((killed + 1))
		mended "a kill at $after s"
		after=$(python3 -c "print(round($after * 1.2 + $step / 2, 3))")
	done
	mended "a run to its end"
done
[ $killed -ge 12 ] && [ $ended = 3 ] || fail "only $killed runs were killed, $ended ended: the test tests too little"
hwacme renew >/dev/null
# Killed while it makes a key, SoftHSM leaves an object with neither label nor id, which is not kept as ours are (exit 1): its own
# debris, and nobody can know whose.
keys=$(hwacme token keys --json) || [ $? = 1 ]
jq -e 'all(.keys[] | select(.label != ""); .held)' <<<"$keys" >/dev/null || fail "a key of ours is not held: $keys"
owners=$(jq -r '.keys[] | select(.label != "") | .owner' <<<"$keys" | sort)
[ "$(wc -l <<<"$owners")" = 3 ] && ! grep -q 'nobody\|superseded' <<<"$owners" || fail "keys left: $keys"
[ "$(find "$LAB/state/keys" -type f ! -name '.*' | wc -l)" = 1 ] || fail "files left: $(ls -lA "$LAB/state/keys")"
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$LAB_PIN" "$LAB/hwacme.log"
