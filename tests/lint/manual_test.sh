# The manual pages are well formed, and true: commands, options and exit statuses of hwacme(1) are those of --help; options of
# hwacme.yaml(5) are those of the one table in src/config/schema.c, in both directions, and "needed" is what the parser insists on.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
say() { echo "$1"; bad=1; }
commands=$SOURCE/src/cli/hwacme.1 options=$SOURCE/src/cli/hwacme.yaml.5
# same WHAT DOCUMENT TRUTH: two lists, a line each
same() {
	sort -u "$2" -o "$2"
	sort -u "$3" -o "$3"
	[ -s "$3" ] || say "$1: nothing to compare with"
	while read -r line; do say "$1 has \"$line\", which the program has not"; done < <(comm -23 "$2" "$3")
	while read -r line; do say "$1 lacks \"$line\""; done < <(comm -13 "$2" "$3")
}
# section PAGE NAME: the lines of one .Sh
section() { awk -v name=".Sh $2" '/^\.Sh / { on = $0 == name; next } on' "$1"; }

for page in "$commands" "$options"; do
	# Each "word: LEVEL:" is a finding; whether other pages are installed here is not ours.
	mandoc -T lint -W warning "$page" >"$work/lint" 2>&1 || say "$(cat "$work/lint")"
	# .Dq quotes all that follows in its line: a second one in it is within the first.
	nested=$(mandoc -T utf8 "$page" | col -b | tr -s '\n ' ' ' | grep -oE '“[^”]*“.{0,20}') || true
	[ -z "$nested" ] || say "${page##*/}: a quotation within a quotation: $nested"
done

# hwacme(1): "token list|keys" of --help is "token list" and "token keys" of the page.
help=$("$HWACME" --help)
sed -n '/^  [a-z]/p' <<<"$help" | awk '{
	count = $2 ~ /^[a-z]+\|/ ? split($2, verbs, "|") : 0
	if (!count) print $1
	for (i = 1; i <= count; i++) print $1 " " verbs[i]
}' >"$work/help-commands"
section "$commands" COMMANDS | sed -nE 's/^\.It Ic ([a-z]+( [a-z]+)?).*/\1/p' >"$work/page-commands"
same "hwacme(1), commands" "$work/page-commands" "$work/help-commands"
grep -oE -- '--[a-z-]+' <<<"$help" >"$work/help-options"
grep -oE 'Fl -[a-z-]+' "$commands" | sed 's/^Fl /-/' >"$work/page-options"
same "hwacme(1), options" "$work/page-options" "$work/help-options"
section "$commands" "EXIT STATUS" | sed -n 's/^\.It \([0-9]*\)$/\1/p' >"$work/page-status"
sed -n 's/^\tEXIT_[A-Z]* = \([0-9]*\),.*/\1/p' "$SOURCE/src/cli/command.h" >"$work/statuses"
same "hwacme(1), exit statuses" "$work/page-status" "$work/statuses"
sed -n '/^exit status/,$p' <<<"$help" | grep -oE '\b[0-9]\b' >"$work/help-status"
same "hwacme --help, exit statuses" "$work/help-status" "$work/statuses"
for signal in $(sed -n 's/.*sigaddset(&ours, \(SIG[A-Z]*\));/\1/p' "$SOURCE/src/daemon/supervisor.c" | grep -v SIGCHLD); do
	section "$commands" SIGNALS | grep -q "^\.It.*$signal" || say "hwacme(1), signals lacks $signal"
done

# hwacme.yaml(5): what "Ar secret" stands for is listed once, under Secrets.
secrets=$(awk '/^\.Ss / { on = $2 == "Secrets" } /^\.Sh OPTIONS/ { exit } on && /^\.It Ic / { print $3 }' "$options")
section "$options" OPTIONS | awk -v secrets="$(tr '\n' ' ' <<<"$secrets")" '
	/^\.Ss / { list = $2 == "\"The" ? "" : $2 "." }
	/^\.It Ic / {
		print (/ Pq needed/ ? "needed " : "optional ") list $3
		count = / Ar secret/ ? split(secrets, names, " ") : 0
		for (i = 1; i <= count; i++) print "optional " list $3 "." names[i]
	}' >"$work/page"
"$BUILD/tests/schema_options" >"$work/schema"
same "hwacme.yaml(5)" "$work/page" "$work/schema"
[ "$(wc -l <"$work/schema")" -gt 100 ] || say "schema_options printed $(wc -l <"$work/schema") options"
# Words that an option takes, variables that programs are told, files that a server finds: each where the code has its one list.
# words PAGE FILE PATTERN: PATTERN, perl's, finds them in FILE
words() {
	local word found
	found=$(grep -oP -- "$3" "$SOURCE/$2" | tr -d ',' | tr ' ' '\n' | sort -u)
	[ -n "$found" ] || say "$2: no words found"
	for word in $found; do
		grep -qE "(^|[ :])${word//./\\.}( |$)" "$1" || say "${1##*/} lacks \"$word\" of $2"
	done
}
words "$options" include/key_type.h '^\tX\(KEY_[A-Z0-9_]*, "\K[^"]*'
words "$options" include/jws_algorithm.h '^\tX\(JWS_[A-Z0-9]*, "\K[^"]*'
words "$options" include/config.h '^\tX\(ASK_[A-Z_]*, "\K[^"]*'
words "$options" src/processes/deploy.c '"\KHWACME_[A-Z]*'
words "$options" src/processes/challenge_hook.c '"\KHWACME_[A-Z]*'
words "$commands" src/acme/revocation.c '^\treturn "\Kunspecified[^"]*'
words "$options" include/set_file.h '^\tX\(SET_[A-Z_]*, "\K[^"]*'
for state in $(grep -oP '^\tX\(CERT_[A-Z_]*, "\K[^"]*' "$SOURCE/include/store.h" | tr ' ' _); do
	section "$commands" COMMANDS | tr '\n' ' ' | grep -qE "[ (]${state//_/ }[ ,]" || say "hwacme(1), status lacks the state \"${state//_/ }\""
done
# The example on the page is understood.
awk '/^\.Bd -literal/ { n++; on = n == 1; next } /^\.Ed/ { on = 0 } on' "$options" | sed "s|/var/lib/hwacme|$work/state|" >"$work/example.yaml"
said=$("$HWACME" -c "$work/example.yaml" check 2>&1) || true
grep -q 'ok *config' <<<"$said" || say "hwacme.yaml(5), the example: $said"
exit $bad
