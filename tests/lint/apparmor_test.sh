# The AppArmor profile compiles without a warning, also with each rule that its comment offers for a site; what the units name is in it.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
profile=$SOURCE/conf/apparmor/hwacme
bad=0
say() { echo "$1"; bad=1; }
# Nothing is loaded and nothing asked of this kernel; what it would enforce is taken from the ABI that the profile is written for.
parse() { apparmor_parser -I "$work" -Q -K --kernel-features=/etc/apparmor.d/abi/3.0 --warn=all --Werror "$@"; }

said=$(parse "$profile" 2>&1) || say "conf/apparmor/hwacme: $said"
# Its lines "#<tab>WHAT  RULES", where WHAT may be missing.
mkdir "$work/local"
sed -nE 's/^#\t([^ ]+( [^ ]+)*)?  +(.*)$/\3/p' "$profile" >"$work/local/hwacme"
[ "$(wc -l <"$work/local/hwacme")" -ge 8 ] || say "the comment offers $(wc -l <"$work/local/hwacme") lines of rules"
said=$(parse "$profile" 2>&1) || say "conf/apparmor/hwacme with the rules of its comment: $said"
echo '/local-is-read r,' >>"$work/local/hwacme"
parse -p "$profile" >"$work/flat" 2>/dev/null || true
grep -q '^ */local-is-read r,' "$work/flat" || say "local/hwacme is not read"

# The drop-in's name, and what unit, tmpfiles and drop-ins give the daemon.
name=$(sed -n 's/^AppArmorProfile=//p' "$SOURCE/conf/systemd/hwacme.service.d/apparmor.conf")
grep -q "^profile $name " "$profile" || say "the drop-in apparmor.conf names \"$name\", which is not the profile"
for path in $(sed -n 's/^d \([^ ]*\).*/\1/p' "$SOURCE/conf/systemd/hwacme.tmpfiles") \
	"/var/lib/$(sed -n 's/^StateDirectory=//p' "$SOURCE/conf/systemd/hwacme.service.in")" "@{run}/credentials/hwacme.service"; do
	grep -q "^	$path/{" "$profile" || say "no rule for $path"
done
device=$(sed -n 's/^DeviceAllow=\([^ ]*\) .*/\1/p' "$SOURCE/conf/systemd/hwacme.service.d/tpm.conf")
grep -q "^	${device%[0-9]}\[0-9\]\* rw,$" "$profile" || say "no rule for $device"
# Whose child a process is, the spawner reads where family.c says: without it, a hook that leaves processes behind fails, and they stay.
for path in $(sed -nE 's/.*"(\/proc[^"]*)".*/\1/p' "$SOURCE/src/processes/family.c" | sed -E 's/%[.0-9]*s/@{pid}/; s/^\/proc/@{PROC}/; s/^(@\{PROC\})$/\1\//'); do
	parse -p "$profile" 2>/dev/null | grep -qF "	$path r," || say "no rule for $path"
done
exit $bad
