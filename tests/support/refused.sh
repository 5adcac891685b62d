# refused.sh -- a command that has to be refused, and to say why; to be sourced after script.sh.
#
#	refused STATUS WORD COMMAND...		ends so, and says so
refused() {
	local status=$1 word=$2 got=0 said
	shift 2
	said=$("$HWACME" -c "$LAB/hwacme.yaml" "$@" 2>&1) || got=$?
	[ $got = "$status" ] || fail "$*: exit $got instead of $status: $said"
	grep -qF -- "$word" <<<"$said" || fail "$*: no \"$word\" in: $said"
}
