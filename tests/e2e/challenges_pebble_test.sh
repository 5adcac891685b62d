# http-01 from a web server's root and on a socket of systemd's, tls-alpn-01 for a host and an address, dns-01 for a wildcard and its
# base: each validated by Pebble, which looks by itself.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/challenges.sh"

export PEBBLE_AUTHZREUSE=0
lab_begin
lab_softhsm
lab_pebble
# A name for each step: at 0 % Pebble still takes one valid authorisation in a hundred again.
named() { HOST=$1.5gc.mnc001.mcc001.3gppnetwork.org; }

# webroot: a web server of somebody else's serves the file with the key authorisation (RFC 8555, 8.1); nothing is left of it.
mkdir "$LAB/www"
lab_start web python3 -m http.server --bind 127.0.0.1 --directory "$LAB/www" "$LAB_HTTP01"
lab_wait 20 "the web server" curl -sf "http://127.0.0.1:$LAB_HTTP01/"
named webroot
enrol "http-01, webroot" "\"dns:$HOST\"" "http-01: { webroot: $LAB/www }"
grep -q "GET /.well-known/acme-challenge/" "$LAB/web.log" || fail "webroot: Pebble did not ask the web server"
hwacme check | grep -q "^ok   webroot   $LAB/www: writable" || fail "webroot: $(hwacme check)"
[ -z "$(find "$LAB/www" -type f)" ] || fail "webroot: files are left: $(find "$LAB/www" -type f)"
lab_stop web
mv "$LAB/www" "$LAB/moved"
said=$(hwacme check) && fail "webroot: it is not there: $said" || [ $? = 2 ] || fail "webroot: its exit status"
grep -q "^BAD  webroot   $LAB/www: .*write the document root" <<<"$said" || fail "webroot: $said"

# A socket that was open before hwacme ran, as systemd hands it over (sd_listen_fds(3)); one of two, by name.
named socket
config "\"dns:$HOST\"" "http-01: { listen: \"systemd:acme-http\" }"
live=$(lab_live_serial amf)
python3 - "$LAB_HTTP01" "$HWACME" -c "$LAB/hwacme.yaml" renew --force 2>>"$LAB/hwacme.log" <<-'PY' || fail "systemd: $(tail -n 2 "$LAB/hwacme.log")"
	import os, socket, sys
	sockets = [socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", int(sys.argv[1])))]
	held = [os.dup2(one.fileno(), 50 + at) for at, one in enumerate(sockets)]
	for at, fd in enumerate(held):
	    os.dup2(fd, 3 + at, inheritable=True)
	os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="other:acme-http")
	os.execv(sys.argv[2], sys.argv[2:])
PY
[ "$(lab_live_serial amf)" != "$live" ] || fail "systemd: nothing was issued"
echo "http-01, systemd:NAME: issued"
got=0
said=$("$HWACME" -c "$LAB/hwacme.yaml" renew --force 2>&1) || got=$?
{ [ $got != 0 ] && grep -q 'no socket was handed over' <<<"$said"; } || fail "without a socket: exit $got: $said"

# The order that was left is for other names than the next one's: it is given up.
named alpn
config "\"dns:$HOST\", \"ip:127.0.0.1\"" "tls-alpn-01: { listen: \"127.0.0.1:$LAB_TLSALPN\" }"
hwacme renew --force || true
enrol "tls-alpn-01" "\"dns:$HOST\", \"ip:127.0.0.1\"" "tls-alpn-01: { listen: \"127.0.0.1:$LAB_TLSALPN\" }"
has "IP Address:127.0.0.1"

# A hook of the operator's: two values stand at one name at the same time.
cat >"$LAB/hook" <<-SH
	#!/bin/sh
	set -eu
	echo "\$1 \$2 \$HWACME_DOMAIN \$HWACME_RECORD" >>"$LAB/hook.log"
	post() { curl -sS --fail --max-time 10 --data "\$2" "http://127.0.0.1:$LAB_DNS_MANAGEMENT/\$1"; }
	case \$2 in
	present) post set-txt "{\"host\":\"\$HWACME_RECORD.\", \"value\":\"\$HWACME_VALUE\"}" ;;
	cleanup) post clear-txt "{\"host\":\"\$HWACME_RECORD.\"}" ;;
	ready) [ -e "$LAB/asked" ] || { : >"$LAB/asked"; exit 75; } ;;
	esac
SH
chmod 755 "$LAB/hook"
named zone
enrol "dns-01, wildcard and base" "\"dns:$HOST\", \"dns:*.$HOST\"" "dns-01: { hook: [$LAB/hook, word], timeout: 20s, propagation: 1s }"
has "DNS:*.$HOST"
[ "$(grep -c "^word present $HOST _acme-challenge.$HOST$" "$LAB/hook.log")" = 2 ] || fail "$(cat "$LAB/hook.log")"
[ "$(grep -c '^word cleanup ' "$LAB/hook.log")" = 2 ] || fail "cleanup was not run for both: $(cat "$LAB/hook.log")"
[ "$(grep -c '^word ready ' "$LAB/hook.log")" -ge 3 ] || fail "a hook that says not yet was not asked again: $(cat "$LAB/hook.log")"

# A hook that fails fails the renewal with its own words, and is told to clean up all the same; the certificate stays.
live=$(lab_live_serial amf)
printf '#!/bin/sh\necho "$1" >>%s\n[ "$1" != present ] || { echo "the zone is frozen" >&2; exit 3; }\n' "$LAB/frozen.log" >"$LAB/frozen"
chmod 755 "$LAB/frozen"
named frozen
config "\"dns:$HOST\"" "dns-01: { hook: [$LAB/frozen] }"
got=0
said=$("$HWACME" -c "$LAB/hwacme.yaml" renew --force 2>&1) || got=$?
{ [ $got = 1 ] && grep -q 'the zone is frozen' <<<"$said" && grep -q 'exited with 3' <<<"$said"; } || fail "a failing hook: exit $got: $said"
grep -q cleanup "$LAB/frozen.log" || fail "a failing hook was not told to clean up"
[ "$(lab_live_serial amf)" = "$live" ] || fail "a failing hook: the live certificate changed"

# Killed while its record stands: the next run has the hook remove it before anything else (the order it then finds is another).
cat >"$LAB/slow" <<-SH
	#!/bin/sh
	echo "\$1 \$HWACME_VALUE" >>"$LAB/slow.log"
	[ "\$1" != ready ] || exit 75
SH
chmod 755 "$LAB/slow"
config "\"dns:$HOST\"" "dns-01: { hook: [$LAB/slow] }"
lab_start killed "$HWACME" -c "$LAB/hwacme.yaml" renew --force
lab_wait 20 "the hook" grep -q ready "$LAB/slow.log"
kill -9 "${LAB_PIDS[killed]}"
lab_stop killed
value=$(sed -n 's/^present //p' "$LAB/slow.log")
printf '#!/bin/sh\necho "$1 $HWACME_VALUE" >>%s\n[ "$1" != present ] || exit 1\n' "$LAB/slow.log" >"$LAB/slow"
: >"$LAB/slow.log"
hwacme renew --force && fail "a hook that fails was taken for one that does not"
[ "$(head -n 1 "$LAB/slow.log")" = "cleanup $value" ] || fail "what was left was not removed first: $(cat "$LAB/slow.log")"
