# conf/hwacme.yaml is understood, shows every option of this release, and no command of README is unknown.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed "s|/var/lib/hwacme|$work/state|" "$SOURCE/conf/hwacme.yaml" >"$work/hwacme.yaml"
said=$("$HWACME" -c "$work/hwacme.yaml" check 2>&1) || true
grep -q 'ok *config' <<<"$said" || { echo "$said"; exit 1; }
bad=0
# Each configuration that README shows is understood too.
awk -v work="$work" '/^```yaml/ { n++; on = 1; next } /^```/ { on = 0 } on { print > (work "/readme-" n ".yaml") }' "$SOURCE/README.md"
for file in "$work"/readme-*.yaml; do
	sed -i "s|/var/lib/hwacme|$work/state|" "$file"
	said=$("$HWACME" -c "$file" check 2>&1) || true
	grep -q 'ok *config' <<<"$said" || { echo "README.md, configuration ${file//[!0-9]/}: $said"; bad=1; }
done
for option in $(sed -n 's/^\t*\(TEXT\|GROUP\|LIST\)("\([a-z0-9-]*\)".*/\2/p' "$SOURCE/src/config/schema.c" | sort -u); do
	grep -qE "(^|[ {#-])$option:" "$SOURCE/conf/hwacme.yaml" || { echo "conf/hwacme.yaml does not show \"$option\""; bad=1; }
done
help=$("$HWACME" --help)
for command in $(sed -n 's/^ *hwacme .*\b\(renew\|status\|check\|token\|version\)\b.*/\1/p' "$SOURCE/README.md" | sort -u); do
	grep -q "^  $command" <<<"$help" || { echo "README.md uses \"$command\", which --help does not know"; bad=1; }
done
exit $bad
