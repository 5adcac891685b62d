# conf/hwacme.yaml and conf/examples are understood, the former shows every option of this release; README has the commands of --help.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed "s|/var/lib/hwacme|$work/state|" "$SOURCE/conf/hwacme.yaml" >"$work/hwacme.yaml"
said=$("$HWACME" -c "$work/hwacme.yaml" check 2>&1) || true
grep -q 'ok *config' <<<"$said" || { echo "$said"; exit 1; }
bad=0
# One for each kind of user, which begins with who it is for and what to change; tests/e2e/examples_test.sh runs them.
for file in "$SOURCE"/conf/examples/*.yaml; do
	name=${file##*/}
	head -n 1 "$file" | grep -q "^# $name -- for " || { echo "conf/examples/$name does not begin with who it is for"; bad=1; }
	head -n 4 "$file" | grep -q '^# What to change: ' || { echo "conf/examples/$name does not say what to change"; bad=1; }
	sed "s|^state: .*|state: $work/state|" "$file" >"$work/$name"
	said=$("$HWACME" -c "$work/$name" check 2>&1) || true
	grep -q 'ok *config' <<<"$said" || { echo "conf/examples/$name: $said"; bad=1; }
	for document in "$SOURCE/conf/README.md" "$SOURCE/src/cli/hwacme.yaml.5" "$SOURCE/tests/e2e/examples_test.sh"; do
		grep -q "${name%.yaml}" "$document" || { echo "${document#"$SOURCE"/} does not know conf/examples/$name"; bad=1; }
	done
done
# Each configuration that README shows is understood too.
awk -v work="$work" '/^```yaml/ { n++; on = 1; next } /^```/ { on = 0 } on { print > (work "/readme-" n ".yaml") }' "$SOURCE/README.md"
for file in "$work"/readme-*.yaml; do
	sed -i "s|/var/lib/hwacme|$work/state|" "$file"
	said=$("$HWACME" -c "$file" check 2>&1) || true
	grep -q 'ok *config' <<<"$said" || { echo "README.md, configuration ${file//[!0-9]/}: $said"; bad=1; }
done
options=$("$BUILD/tests/schema_options" | sed 's/.*[ .]//' | sort -u)
for option in $options; do
	grep -qE "(^|[ {#-])$option:" "$SOURCE/conf/hwacme.yaml" || { echo "conf/hwacme.yaml does not show \"$option\""; bad=1; }
done
# README's commands are those of --help, all of them.
"$HWACME" --help | sed -nE 's/^  ([a-z]+).*/\1/p' | sort -u >"$work/help"
sed -nE 's/^    hwacme ([a-z]+).*/\1/p' "$SOURCE/README.md" | sort -u >"$work/readme"
diff "$work/help" "$work/readme" || { echo "README.md (>) has other commands than --help (<)"; bad=1; }
exit $bad
