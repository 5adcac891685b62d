# A disk that is full while state or archive is written: the old pair stays live, and the next run with room succeeds.
set -euo pipefail
# A small disk of our own: a tmpfs in a mount namespace that goes with this script. Where mounting is not allowed at all,
# a limit on the size of files makes the same writes fail.
if [ -z "${HWACME_DISK:-}" ]; then
	for flags in --mount "--mount --propagation unchanged" "--user --map-root-user --mount"; do
		if unshare $flags bash -c 'mount -t tmpfs none /mnt && umount /mnt' 2>/dev/null; then
			HWACME_DISK=tmpfs exec unshare $flags bash "$0"
		fi
	done
	HWACME_DISK=limit
fi
echo "disk: $HWACME_DISK"
. "$SOURCE/tests/support/script.sh"

lab_up
lab_config
mkdir -m 700 "$LAB/state"
if [ $HWACME_DISK = tmpfs ]; then
	mount -t tmpfs -o size=2m,mode=700 hwacme-state "$LAB/state"
	unmount_and_down() { umount "$LAB/state" 2>/dev/null || true; lab_down; }
	trap unmount_and_down EXIT
fi
# renew_with_room KIB: all but so much of the disk is taken; the exit status of a forced renewal.
renew_with_room() {
	local got=0
	if [ $HWACME_DISK = limit ]; then
		(ulimit -f "$1" && hwacme renew --force >/dev/null) || got=$?
	else
		dd if=/dev/zero of="$LAB/state/filler" bs=1k count=4096 2>/dev/null || true
		truncate -s "-${1}k" "$LAB/state/filler"
		hwacme renew --force >/dev/null || got=$?
		rm "$LAB/state/filler"
	fi
	return $got
}
hwacme renew
live="$(lab_live_serial amf) $(lab_live_serial smf)"

# Less and less room: with each of them the disk is full at another write.
failed=0
for room in 0 4 8 16 24 32 40 64; do
	got=0
	renew_with_room $room || got=$?
	for name in amf smf; do
		openssl verify -CAfile "$LAB/roots.pem" -untrusted "$LAB/state/live/$name/chain.pem" "$LAB/state/live/$name/cert.pem" >/dev/null ||
			fail "live/$name is broken with $room KiB of room"
	done
	if [ $got != 0 ]; then
		failed=$((failed + 1))
		[ $got = 1 ] || fail "exit $got with a full disk: $(tail -n 2 "$LAB/hwacme.log")"
	fi
	[ "$room" != 0 ] || [ "$(lab_live_serial amf) $(lab_live_serial smf)" = "$live" ] || fail "live changed on a full disk"
	hwacme renew >/dev/null || fail "not mended after $room KiB: $(tail -n 2 "$LAB/hwacme.log")"
done
[ $failed -ge 1 ] || fail "the disk was never full: the test tests nothing"

# There is room, the directory is writable, and no file can be made any more.
if [ $HWACME_DISK = tmpfs ]; then
	mount -o remount,size=64m "$LAB/state"
	hwacme check >/dev/null || fail "check with room: $(tail -n 2 "$LAB/hwacme.log")"
	mount -o "remount,nr_inodes=$(($(df --output=iused "$LAB/state" | tail -n 1)))" "$LAB/state"
	said=$(hwacme check) && fail "check has not noticed that there are no inodes left"
	grep -q '^BAD  disk .*not writable' <<<"$said" || fail "check without inodes: $said"
fi

# A limit on the size of files (LimitFSIZE= of systemd) is told like a full disk, and ends no process.
live="$(lab_live_serial amf) $(lab_live_serial smf)"
for blocks in 0 1; do
	got=0
	said=$( (ulimit -f $blocks && "$HWACME" -c "$LAB/hwacme.yaml" renew --force) 2>&1) || got=$?
	[ $got = 1 ] || [ $got = 3 ] || fail "exit $got with files of $blocks KiB at the most: $said"
	grep -q 'error:.*File too large' <<<"$said" || fail "files of $blocks KiB at the most: $said"
	[ "$(lab_live_serial amf) $(lab_live_serial smf)" = "$live" ] || fail "live changed although nothing could be written"
done
hwacme renew >/dev/null || fail "not mended after the limit: $(tail -n 2 "$LAB/hwacme.log")"
