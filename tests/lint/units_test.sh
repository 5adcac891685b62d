# systemd's own judgement of the units, and an installation into an empty root from which the program runs.
set -euo pipefail
work=$(mktemp -d /tmp/hwacme-units-XXXXXX)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

DESTDIR=$work/tree cmake --install "$BUILD" --prefix /usr >"$work/install.log"
tree=$work/tree/usr
for file in bin/hwacme lib/systemd/system/hwacme.service lib/systemd/system/hwacme.socket lib/sysusers.d/hwacme.conf lib/tmpfiles.d/hwacme.conf \
	share/man/man1/hwacme.1 share/man/man5/hwacme.yaml.5 share/hwacme/hooks/dns-rfc2136 \
	share/doc/hwacme/examples/hwacme.yaml share/doc/hwacme/examples/50-hwacme.rules share/doc/hwacme/examples/hwacme.service.d/README.md share/doc/hwacme/examples/alerts.yaml share/doc/hwacme/examples/dashboard.json share/doc/hwacme/examples/ci.yaml share/doc/hwacme/examples/consumers/nginx-tpm.conf share/doc/hwacme/examples/apparmor/hwacme; do
	[ -s "$tree/$file" ] || fail "$file is not installed: $(cat "$work/install.log")"
done
# What an installed file sends its reader to is installed, too.
for file in $(grep -rohE '[a-z0-9./-]*README\.md' "$tree/share/doc/hwacme/examples" --include='*.yaml' --include='*.conf' | sort -u); do
	[ -n "$(find "$tree/share/hwacme" "$tree/share/doc/hwacme/examples" -path "*/$file")" ] || fail "no $file is installed, and one that is speaks of it"
done
"$tree/bin/hwacme" version >/dev/null || fail "the installed program does not run"
"$tree/bin/hwacme" --help | grep -q '^  run ' || fail "the installed program has no run"
grep -q '^ExecStart=/usr/bin/hwacme run$' "$tree/lib/systemd/system/hwacme.service" || fail "the unit starts another program: $(grep ^ExecStart "$tree/lib/systemd/system/hwacme.service")"
[ -x "$tree/share/hwacme/hooks/dns-rfc2136" ] || fail "the hook cannot be run"

# Judged with the program where it is now: systemd looks whether it is there.
mkdir "$work/units"
cp "$tree/lib/systemd/system/hwacme.socket" "$work/units/"
sed -E "s|^(Exec[A-Za-z]+)=/usr/bin/hwacme|\1=$tree/bin/hwacme|" "$tree/lib/systemd/system/hwacme.service" >"$work/units/hwacme.service"
cd "$work/units"
# With every drop-in, and judged so too: what they add must not cost what the unit has.
cp -r "$tree/share/doc/hwacme/examples/hwacme.service.d" .
systemd-analyze verify --man=no --recursive-errors=no ./hwacme.service ./hwacme.socket >"$work/verify" 2>&1 || fail "verify: $(cat "$work/verify")"
[ ! -s "$work/verify" ] || fail "verify: $(cat "$work/verify")"
# A server's drop-in changes a unit that another package brings: here one that has what it replaces.
printf '[Service]\nType=forking\nExecStart=/bin/true\nExecReload=/bin/false\n' >nginx.service
mkdir nginx.service.d
sed "s|/usr/local/sbin/nginx-tpm-reload|$tree/share/doc/hwacme/examples/consumers/nginx-tpm-reload|" \
	"$tree/share/doc/hwacme/examples/consumers/nginx.service.d/tpm.conf" >nginx.service.d/tpm.conf
grep -q "$tree/.*nginx-tpm-reload$" nginx.service.d/tpm.conf || fail "nginx.service.d/tpm.conf runs something else"
systemd-analyze verify --man=no --recursive-errors=no ./nginx.service >"$work/verify" 2>&1 || fail "verify: $(cat "$work/verify")"
[ ! -s "$work/verify" ] || fail "verify: $(cat "$work/verify")"
# 15 is 1.5.
systemd-analyze security --offline=true --no-pager --threshold=15 ./hwacme.service >"$work/security" || fail "$(tail -n 1 "$work/security")"
tail -n 1 "$work/security"
systemd-sysusers --dry-run "$tree/lib/sysusers.d/hwacme.conf" 2>&1 | tee "$work/sysusers"
! grep -qi 'invalid\|fail' "$work/sysusers" || fail "sysusers"
