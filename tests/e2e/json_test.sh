# What --json prints has the members that hwacme(1) names, and hwacme(1) names none that no command has.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
page=$SOURCE/src/cli/hwacme.1
# members COMMAND: those that the page names
members() {
	awk -v name=".It Ic $1" '/^\.Sh / { json = $0 == ".Sh JSON" } /^\.It / { on = $0 == name } json && on' "$page" | sed -nE '/\bCm /{s/^\.(Pq )?Cm //; s/ No with Cm / /; p}' |
		grep -oE '[a-z][a-z0-9_]+' | sort -u
}
# told COMMAND WORDS...: what it prints, at any depth, is on the page
told() {
	local name=$1 untold
	shift
	hwacme --json "$@" >"$LAB/document" || [ $? = 5 ] || fail "$*"
	jq -r '[paths | .[] | strings] | unique | .[]' "$LAB/document" | sort -u >"$LAB/members"
	[ -s "$LAB/members" ] || fail "$*: nothing was printed"
	members "$name" >"$LAB/page"
	[ "$name" = "${name#token [ag]}" ] || members "token keys" >>"$LAB/page"
	untold=$(comm -23 "$LAB/members" <(sort -u "$LAB/page"))
	[ -z "$untold" ] || fail "hwacme(1), JSON of $name lacks: $untold"
}

lab_ra_up
lab_ra_config
told renew renew
for name in status plan check "token list" "token keys" "token audit" "token gc" version; do told "$name" $name; done
told status status amf
told status status --probe
told account account show
told revoke revoke amf
for name in $(sed -nE '/^\.Sh JSON/,/^\.Sh EXIT/s/^\.It Ic (.*)/\1/p' "$page" | tr ' ' _); do
	for member in $(members "${name//_/ }"); do
		[ "$member" = null ] || grep -q "\"$member\"" "$SOURCE"/src/cli/command_*.c || fail "hwacme(1), JSON of ${name//_/ } has \"$member\", which the program has not"
	done
done
# A token that is not there has a row, too.
sed -i 's/token: nf-appliance/token: other/' "$LAB/hwacme.yaml"
got=0
hwacme --json token list >"$LAB/document" || got=$?
[ $got = 3 ] && jq -e '.tokens[0] | .name == "hsm" and (.error | contains("no token is labelled"))' "$LAB/document" >/dev/null || fail "token list: exit $got: $(cat "$LAB/document")"
