# Where a PIN lies beside the roots, the sandbox opens no folder, but each file as it was found: one that is renamed over another is read
# after a minute or so all the same, with no signal, and by an engine that is no crashed one's successor.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"

lab_up
lab_config
[ "$(dirname "$LAB/trust.pem")" = "$(dirname "$LAB/hsm.pin")" ] || fail "the roots are not beside the PIN"
engine() { lab_named_below "${LAB_PIDS[run]}" hwacme-engine; }
all_in_service() { hwacme status --json | jq -e '[.certificates[] | select(.state == "in service")] | length == 2'; }
logged() { grep -q -- "$1" "$LAB/run.log"; }
lab_start run "$HWACME" -c "$LAB/hwacme.yaml" run
lab_wait 60 "both certificates" all_in_service
first=$(engine)
[ "$(wc -w <<<"$first")" = 1 ] || fail "engines: $first"

cp "$LAB/trust.pem" "$LAB/new.pem"
mv "$LAB/new.pem" "$LAB/trust.pem"
another() {
	local now
	now=$(engine)
	[ -n "$now" ] && [ "$now" != "$first" ]
}
# Without Landlock nothing is kept from the first one.
if hwacme check | grep -q '^ok *sandbox.*Landlock'; then
	lab_wait 150 "another engine" another
	logged "$LAB/trust.pem was replaced, and the sandbox is for the old one" || fail "nobody said which file it was: $(tail -n 3 "$LAB/run.log")"
	! logged "the engine ended" || fail "the end of the first engine was taken for a crash: $(tail -n 3 "$LAB/run.log")"
fi
live=$(lab_live_serial amf)
is_renewed() { hwacme renew --force amf && [ "$(lab_live_serial amf)" != "$live" ]; }
lab_wait 30 "a renewal with the new roots: $(tail -n 3 "$LAB/run.log")" is_renewed
