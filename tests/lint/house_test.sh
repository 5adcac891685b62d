# The house: every folder says what belongs in it, every source file begins with what it is for, no catch-all names,
# no private key in the tree, and README's map is the tree.
set -euo pipefail
cd "$SOURCE"
bad=0
say() { echo "$1"; bad=1; }
for folder in include src src/* tokens conf tests tests/* swtpm-ci; do
	[ -d "$folder" ] || continue
	[ -s "$folder/README.md" ] || say "$folder has no README.md"
done
while read -r file; do
	head -n 2 "$file" | tr '\n' ' ' | grep -qE "^/\*  ?\*? ?$(basename "$file") -- |^/\* $(basename "$file") -- " || say "$file does not begin with its one sentence"
done < <(find include src tokens tests -name '*.[ch]')
find . -path ./.git -prune -o -path ./build -prune -o -regex '.*/\(util\|utils\|common\|misc\|helpers\)\.[ch]' -print | grep . && say "a catch-all name"
for file in include/*.h; do
	grep -q "$(basename "$file" .h)" include/README.md || say "include/README.md does not name $file"
done
if grep -rlE 'BEGIN (RSA |EC |ENCRYPTED )?PRIVATE KEY' --exclude-dir=.git --exclude-dir=build . | xargs -r grep -lE '^-----BEGIN'; then
	say "a private key in the tree"
fi
for folder in include src tokens conf tests swtpm-ci; do
	grep -q "$folder/" README.md || say "README.md's map lacks $folder/"
done
exit $bad
