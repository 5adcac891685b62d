# What is written wrong on the command line is named, also where a program reads the answer; so is a result that could not be written.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
lab_begin

# refused WORDS ARGUMENT...: exit status 2; the words are on standard error and, with --json, in the one document on standard output.
refused() {
	local words=$1 got=0
	shift
	"$HWACME" --json "$@" >"$LAB/out" 2>"$LAB/err" || got=$?
	[ $got = 2 ] || fail "hwacme $*: exit $got: $(cat "$LAB/err")"
	grep -qF -- "$words" "$LAB/err" || fail "hwacme $*: no \"$words\" in: $(cat "$LAB/err")"
	jq -e --arg words "$words" '.exit_status == 2 and (.error | contains($words))' "$LAB/out" >/dev/null || fail "hwacme $*: $(cat "$LAB/out")"
}
refused "which command?"
refused 'no command "nonsense"; hwacme --help lists them' nonsense
refused "an option is not known, or lacks what belongs to it" status --nonsense
refused "an option is not known, or lacks what belongs to it" plan --days
refused "--force goes with renew, not with run" run --force
refused "--probe goes with status, not with check" check --probe
refused "--days goes with plan, not with status" status --days 3
refused "--config-only goes with check, not with renew" renew --config-only
refused "--try goes with token audit, not with account" account show --try
refused "--new-key goes with account register, not with token" token list --new-key
refused "--yes goes with token gc and account deactivate, not with revoke" revoke amf --yes
refused "--reason goes with revoke, not with renew" renew --reason superseded
refused "--with-certificate-key goes with revoke, not with renew" renew --with-certificate-key
for verb in show register rollover; do refused "usage: hwacme account" account $verb --yes; done
refused "usage: hwacme account" account show --new-key

# A result that nobody has is no success, and why is told; who closes the pipe has read enough.
for command in version --help; do
	got=0
	"$HWACME" $command >/dev/full 2>"$LAB/err" || got=$?
	[ $got = 1 ] && grep -q "the result could not be written to standard output: No space left" "$LAB/err" || fail "$command >/dev/full: exit $got: $(cat "$LAB/err")"
	got=0
	"$HWACME" $command >&- 2>"$LAB/err" || got=$?
	[ $got = 1 ] && grep -q "the result could not be written to standard output" "$LAB/err" || fail "$command >&-: exit $got: $(cat "$LAB/err")"
done
mkfifo "$LAB/pipe"
exec 3<>"$LAB/pipe" 4>"$LAB/pipe" 3>&-
got=0
"$HWACME" version >&4 2>"$LAB/err" || got=$?
[ $got = 1 ] && [ ! -s "$LAB/err" ] || fail "a pipe that is closed: exit $got: $(cat "$LAB/err")"
