# token.sh -- what the token-* scripts share; each defines token_up and token_restart, and calls token_main "$@".
#
#	token-NAME run COMMAND...	a token of one's own for as long as the command runs
#	token-NAME up DIR; . DIR/env	brings it up in DIR; the file says how to reach it:
#		TOKEN_MODULE TOKEN_LABEL TOKEN_PIN TOKEN_PIN_FILE	what goes into hwacme.yaml
#		TOKEN_OPTIONS	further lines of its pkcs11: section
#		TOKEN_TYPES	key types it can make
#		TOKEN_ENTER	goes in front of a command that is to reach it
#		TOKEN_RESTART	a command that kills what is behind the module and starts it anew; empty: nothing is
#	token-NAME restart DIR
#	token-NAME down DIR
#
# Everything lies in DIR, which is private; sockets in it must stay below 108 bytes.
TOKEN_SCRIPT=$(readlink -f "$0")
TOKEN_ENTER= TOKEN_RESTART= TOKEN_OPTIONS=
TOKEN_PIN=1234567
TOKEN_LIB=/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)

# token_wait SECONDS WHAT COMMAND...
token_wait() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || { echo "$(basename "$TOKEN_SCRIPT"): $what did not come in time" >&2; return 1; }
		sleep 0.05
	done
}

# token_start NAME COMMAND...: in the background; its output in DIR/NAME.log, its number in DIR/NAME.pid.
token_start() {
	local name=$1
	shift
	setsid "$@" >>"$TOKEN_DIR/$name.log" 2>&1 </dev/null &
	echo $! >"$TOKEN_DIR/$name.pid"
}

token_alive() { [ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }
token_dead() { ! token_alive "$1"; }

# token_stop NAME [SIGNAL]: it and what it has started, and waits until they are gone.
token_stop() {
	local pid
	[ -s "$TOKEN_DIR/$1.pid" ] || return 0
	pid=$(cat "$TOKEN_DIR/$1.pid")
	rm -f "$TOKEN_DIR/$1.pid"
	kill "-${2:-TERM}" -- "-$pid" 2>/dev/null || kill "-${2:-TERM}" "$pid" 2>/dev/null || return 0
	token_wait 5 "the end of $1" token_dead "$pid" || kill -KILL -- "-$pid" 2>/dev/null || true
}

token_down() {
	local file
	for file in "$TOKEN_DIR"/*.pid; do
		[ ! -e "$file" ] || token_stop "$(basename "$file" .pid)"
	done
}

token_env() {
	local name
	for name in TOKEN_DIR TOKEN_MODULE TOKEN_LABEL TOKEN_PIN TOKEN_PIN_FILE TOKEN_OPTIONS TOKEN_TYPES TOKEN_ENTER TOKEN_RESTART $TOKEN_EXPORTS; do
		printf 'export %s=%q\n' "$name" "${!name}"
	done >"$TOKEN_DIR/env"
}

token_bring_up() {
	mkdir -p "$TOKEN_DIR"
	chmod 700 "$TOKEN_DIR"
	TOKEN_PIN_FILE=$TOKEN_DIR/pin
	(umask 077; printf %s "$TOKEN_PIN" >"$TOKEN_PIN_FILE")
	token_up
	token_env
}

token_run() {
	local status=0
	TOKEN_DIR=$(mktemp -d /tmp/hwacme-token-XXXXXX)
	trap 'token_down; rm -rf "$TOKEN_DIR"' EXIT
	trap 'exit 130' INT TERM
	token_bring_up
	. "$TOKEN_DIR/env"
	$TOKEN_ENTER "$@" || status=$?
	[ $status = 0 ] || tail -n 5 "$TOKEN_DIR"/*.log >&2 2>/dev/null || true
	return $status
}

token_main() {
	local verb=${1:-}
	[ $# -ge 2 ] || { sed -n '2,3s/^# //p' "$TOKEN_SCRIPT" >&2; echo "usage: $(basename "$0") up DIR | down DIR | restart DIR | run COMMAND..." >&2; exit 2; }
	shift
	case $verb in
	run) token_run "$@" ;;
	up) TOKEN_DIR=$1; token_bring_up ;;
	restart) TOKEN_DIR=$1; . "$1/env"; token_restart ;;
	down) TOKEN_DIR=$1; token_down; rm -rf "$1" ;;
	*) echo "$(basename "$0"): no \"$verb\"" >&2; exit 2 ;;
	esac
}
