# nginx serves the TPM's key through the tpm2 provider and the HSM's through the pkcs11 engine, before and after a renewal. What somebody does
# to live/NAME is told, with what to do; one that was removed is made anew; where something stands in its place nothing is ordered.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"

lab_up
lab_config ec-p256 rsa-2048
hwacme renew
for name in amf smf; do
	lab_nginx $name
	[ "$(lab_get $name)" = "$name is served" ] || fail "$name is not served"
	[ "$(lab_served $name)" = "$(lab_live_serial $name)" ] || fail "$name serves another certificate"
done
hwacme renew --force
for name in amf smf; do
	lab_wait 20 "the new certificate of $name" lab_serves $name "$(lab_live_serial $name)"
	[ "$(lab_get $name)" = "$name is served" ] || fail "$name is not served after its renewal"
done

# told PATTERN: `status` needs attention, and says so.
told() {
	local got=0
	hwacme status smf >"$LAB/status.txt" || got=$?
	[ $got = 5 ] && grep -q -- "$1" "$LAB/status.txt" || fail "status: exit $got, no \"$1\": $(cat "$LAB/status.txt")"
}
orders() { grep -c 'There are now .* orders in the db' "$LAB/pebble.log" || true; }
live=$LAB/state/live/smf
hwacme status smf >/dev/null || fail "status of what is in service"
rm "$live"
told "live/smf is gone; .hwacme renew smf."
hwacme renew smf >/dev/null || fail "renew without a link"
[ "$(readlink "$live")" = ../archive/smf/2 ] || fail "the link was not made anew"
hwacme status smf >"$LAB/status.txt" || fail "status of a link that was made anew: $(cat "$LAB/status.txt")"
grep -q "live/smf was gone, and leads to generation 2 again" "$LAB/status.txt" || fail "the journal: $(cat "$LAB/status.txt")"
[ "$(lab_get smf)" = "smf is served" ] || fail "smf is not served after its link was made anew"
ln -sfT ../archive/smf/1 "$live"
told "leads to generation 1, which is not the live one"
$(grep -o 'ln -sfT [^`]*' "$LAB/status.txt") || fail "what status says to do"
hwacme status smf >/dev/null || fail "status of a link that was put right"
rm "$live"
mkdir "$live"
made=$(orders)
! hwacme renew --force smf >/dev/null || fail "renewed over what stood in the way"
tail -n 1 "$LAB/hwacme.log" | grep -q "smf: renew smf: $live is in the way: it is a directory" || fail "$(tail -n 1 "$LAB/hwacme.log")"
[ "$(orders)" = "$made" ] || fail "an order was made for what cannot go live"
rmdir "$live"
hwacme renew smf >/dev/null || fail "renew when nothing is in the way"
lab_wait 20 "the new certificate of smf" lab_serves smf "$(lab_live_serial smf)"
