# A disk that is full while state or archive is written: the old pair stays live, and the next run with room succeeds.
set -euo pipefail
# A small disk of our own: a tmpfs where mounting is allowed, in a mount namespace that goes with this script.
if [ -z "${HWACME_NAMESPACE:-}" ]; then
	HWACME_NAMESPACE=yes exec unshare $([ "$(id -u)" = 0 ] || echo --user --map-root-user) --mount bash "$0"
fi
. "$SOURCE/swtpm-ci/lab.sh"
fail() { echo "FAILED: $*" >&2; exit 1; }
hwacme() { "$HWACME" -c "$LAB/hwacme.yaml" "$@" 2>>"$LAB/hwacme.log"; }

lab_up
lab_config
mkdir -m 700 "$LAB/state"
mount -t tmpfs -o size=2m,mode=700 hwacme-state "$LAB/state"
unmount_and_down() { umount "$LAB/state" 2>/dev/null || true; lab_down; }
trap unmount_and_down EXIT
hwacme renew
live="$(lab_live_serial amf) $(lab_live_serial smf)"

# Less and less room: with each of them the disk is full at another write.
failed=0
for room in 0 4 8 16 24 32 40 64; do
	dd if=/dev/zero of="$LAB/state/filler" bs=1k count=4096 2>/dev/null || true
	truncate -s "-${room}k" "$LAB/state/filler" 2>/dev/null || true
	got=0
	hwacme renew --force >/dev/null || got=$?
	for name in amf smf; do
		openssl verify -CAfile "$LAB/roots.pem" -untrusted "$LAB/state/live/$name/chain.pem" "$LAB/state/live/$name/cert.pem" >/dev/null ||
			fail "live/$name is broken with $room KiB of room"
	done
	if [ $got != 0 ]; then
		failed=$((failed + 1))
		[ $got = 1 ] || fail "exit $got with a full disk: $(tail -n 2 "$LAB/hwacme.log")"
	fi
	[ "$room" != 0 ] || [ "$(lab_live_serial amf) $(lab_live_serial smf)" = "$live" ] || fail "live changed on a full disk"
	rm "$LAB/state/filler"
	hwacme renew >/dev/null || fail "not mended after $room KiB: $(tail -n 2 "$LAB/hwacme.log")"
done
[ $failed -ge 1 ] || fail "the disk was never full: the test tests nothing"
