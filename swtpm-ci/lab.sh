# lab.sh -- a SoftHSM, a swtpm and a Pebble of one's own, in a private directory on free ports; to be sourced.
#
#	lab_up		makes $LAB, starts all three, sets SOFTHSM2_CONF; lab_down (also on exit) ends them and removes it
#	lab_config	writes $LAB/hwacme.yaml: amf (key in the TPM) and smf (key in the HSM)
#	lab_nginx NAME	serves live/NAME on $LAB_PORT_NAME; lab_served NAME prints the serial a client sees
#
# What is started runs in this shell's background: lab_down knows every process, and waits for it.
LAB_PIN=73519862
LAB_MODULE=/usr/lib/softhsm/libsofthsm2.so
declare -gA LAB_PIDS # also where this is read within a function

# A port that is free now and that no other lab is given, from below those that the kernel hands out by itself: one of those
# may be gone to anybody's connection before it is listened on. A file in $LAB_PORTS claims it until lab_down.
LAB_PORTS=${TMPDIR:-/tmp}/hwacme-ports-$(id -u)
lab_port() {
	python3 - "$LAB_PORTS" $$ <<-'PY'
	import os, random, socket, sys, time
	claims, owner = sys.argv[1:]
	os.makedirs(claims, exist_ok=True)
	try:
	    for name in os.listdir(claims): # of labs that were killed
	        if time.time() - os.stat(f"{claims}/{name}").st_mtime > 7200:
	            os.unlink(f"{claims}/{name}")
	except FileNotFoundError:
	    pass # another lab was faster
	for attempt in range(1000):
	    port = random.randrange(12000, 32000)
	    try:
	        claim = os.open(f"{claims}/{port}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
	    except FileExistsError:
	        continue
	    except FileNotFoundError: # the last lab before us took the folder with it
	        os.makedirs(claims, exist_ok=True)
	        continue
	    os.write(claim, owner.encode())
	    try:
	        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
	            tcp.bind(("127.0.0.1", port))
	            udp.bind(("127.0.0.1", port))
	    except OSError:
	        continue # somebody else's; the claim keeps others from trying
	    print(port)
	    sys.exit()
	sys.exit("lab: no free port")
	PY
}

# Those of this shell.
lab_ports_free() {
	local claim
	for claim in "$LAB_PORTS"/*; do
		[ "$(cat "$claim" 2>/dev/null)" != $$ ] || rm -f "$claim"
	done
	rmdir "$LAB_PORTS" 2>/dev/null || true
}

# lab_wait SECONDS WHAT COMMAND...: until the command succeeds; a failure says what did not come.
lab_wait() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || { echo "lab: $what did not come in time" >&2; return 1; }
		sleep 0.05
	done
}

# lab_start NAME COMMAND...: in the background, its output in $LAB/NAME.log.
lab_start() {
	local name=$1
	shift
	"$@" >>"$LAB/$name.log" 2>&1 </dev/null &
	LAB_PIDS[$name]=$!
}

lab_stop() {
	local pid=${LAB_PIDS[$1]:-}
	[ -n "$pid" ] || return 0
	unset "LAB_PIDS[$1]"
	kill "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
}

lab_softhsm() {
	mkdir -p "$LAB/softhsm"
	printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$LAB/softhsm" >"$LAB/softhsm2.conf"
	export SOFTHSM2_CONF=$LAB/softhsm2.conf
	softhsm2-util --init-token --free --label nf-appliance --so-pin 00000000 --pin $LAB_PIN >/dev/null
	(umask 077; printf %s $LAB_PIN >"$LAB/hsm.pin") # no newline: some consumers would take it for a part of the PIN
}

# The processes below PID that are called NAME.
lab_named_below() {
	local child
	for child in $(pgrep -P "$1" || true); do
		[ "$(cat "/proc/$child/comm" 2>/dev/null)" != "$2" ] || echo "$child"
		lab_named_below "$child" "$2"
	done
}

# SoftHSM rewrites token.object at each login: killed in the middle of one, it has lost the token and all its keys. So who
# kills keyd halts it first, outside a login: a login is on disk as begun until it has ended. Prints the pid, if there is one.
lab_keyd_halt() {
	local keyd
	keyd=$(lab_named_below "$1" hwacme-keyd)
	[ -n "$keyd" ] || return 0
	kill -STOP "$keyd" 2>/dev/null || return 0
	while grep -q ' begun ' "$LAB/state/keys/.refused" 2>/dev/null; do
		kill -CONT "$keyd" 2>/dev/null || return 0
		sleep 0.01
		kill -STOP "$keyd" 2>/dev/null || return 0
	done
	echo "$keyd"
}

lab_swtpm() {
	mkdir -p "$LAB/tpm"
	LAB_TCTI=swtpm:path=$LAB/tpm.sock
	lab_start swtpm swtpm socket --tpm2 --tpmstate "dir=$LAB/tpm" --flags not-need-init,startup-clear \
		--server "type=unixio,path=$LAB/tpm.sock,mode=0666" --ctrl "type=unixio,path=$LAB/tpm.sock.ctrl,mode=0666"
	lab_wait 20 swtpm test -S "$LAB/tpm.sock"
}

# A throw-away CA for Pebble's own listeners; it has nothing to do with what Pebble issues.
lab_pebble_tls() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=lab TLS root" \
		-keyout "$LAB/pebble/ca.key" -out "$LAB/trust.pem" 2>/dev/null
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
		-keyout "$LAB/pebble/server.key" -out "$LAB/pebble/server.csr" 2>/dev/null
	printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >"$LAB/pebble/ext"
	openssl x509 -req -in "$LAB/pebble/server.csr" -CA "$LAB/trust.pem" -CAkey "$LAB/pebble/ca.key" -CAcreateserial -days 30 \
		-extfile "$LAB/pebble/ext" -out "$LAB/pebble/server.pem" 2>/dev/null
}

lab_pebble_run() {
	lab_start pebble env GOMAXPROCS=1 PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT="${PEBBLE_WFE_NONCEREJECT:-5}" \
		PEBBLE_AUTHZREUSE="${PEBBLE_AUTHZREUSE:-50}" pebble -config "$LAB/pebble/config.json" -dnsserver "127.0.0.1:$LAB_DNS"
	lab_wait 20 Pebble curl -sf --cacert "$LAB/trust.pem" "$LAB_DIRECTORY"
	curl -sf --cacert "$LAB/trust.pem" "https://localhost:$LAB_ACME_MANAGEMENT/roots/0" >"$LAB/roots.pem"
}

# Every name is 127.0.0.1 here; http-01 then comes to hwacme's own listener.
lab_challtestsrv() {
	local dns=(-dns01 "127.0.0.1:$LAB_DNS")
	# Newer ones call it so, and have DNS over HTTPS at a port that would be the same for every lab. (No -q: nobody dies of a closed pipe.)
	! pebble-challtestsrv -help 2>&1 | grep -e -dnsserver >/dev/null || dns=(-dnsserver "127.0.0.1:$LAB_DNS" -doh "")
	lab_start challtestsrv pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6 "" "${dns[@]}" \
		-http01 "" -https01 "" -tlsalpn01 "" -management "127.0.0.1:$LAB_DNS_MANAGEMENT"
	lab_wait 20 pebble-challtestsrv curl -s "http://127.0.0.1:$LAB_DNS_MANAGEMENT"
}

lab_pebble() {
	mkdir -p "$LAB/pebble"
	lab_pebble_tls
	LAB_ACME=$(lab_port) LAB_ACME_MANAGEMENT=$(lab_port) LAB_HTTP01=$(lab_port) LAB_TLSALPN=$(lab_port)
	LAB_DNS=$(lab_port) LAB_DNS_MANAGEMENT=$(lab_port)
	LAB_DIRECTORY=https://localhost:$LAB_ACME/dir
	cat >"$LAB/pebble/config.json" <<-JSON
	{ "pebble": { "listenAddress": "127.0.0.1:$LAB_ACME", "managementListenAddress": "127.0.0.1:$LAB_ACME_MANAGEMENT",
	  "certificate": "$LAB/pebble/server.pem", "privateKey": "$LAB/pebble/server.key",
	  "httpPort": $LAB_HTTP01, "tlsPort": $LAB_TLSALPN, "ocspResponderURL": "", "externalAccountBindingRequired": false,
	  "certificateValidityPeriod": 7776000 } }
	JSON
	lab_challtestsrv
	lab_pebble_run
}

lab_begin() {
	LAB=$(mktemp -d "${TMPDIR:-/tmp}/hwacme-XXXXXX")
	chmod 755 "$LAB"
	trap lab_down EXIT
	trap 'exit 130' INT TERM
}

# lab_token NAME: the token of swtpm-ci/token-NAME, in $LAB/token; $TOKEN_... say how it is reached.
lab_token() {
	LAB_TOKEN=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/token-$1
	"$LAB_TOKEN" up "$LAB/token"
	. "$LAB/token/env"
}

# One certificate, amf, with its key and the account's in that token. lab_token_config [KEY-TYPE [FURTHER OPTIONS]]
lab_token_config() {
	local options=${2-$TOKEN_OPTIONS}
	cat >"$LAB/hwacme.yaml" <<-YAML
	state: $LAB/state
	tokens:
	  - name: hsm
	    pkcs11: { module: $TOKEN_MODULE, token: "$TOKEN_LABEL", pin: { file: $TOKEN_PIN_FILE }${options:+, $options} }
	authorities:
	  - name: operator-ra
	    directory: $LAB_DIRECTORY
	    trust: $LAB/trust.pem
	    roots: $LAB/roots.pem
	    terms-agreed: true
	    account-key: { token: hsm, type: ${TOKEN_TYPES%% *} }
	policies:
	  - name: sba
	    retire-after: 0s
	certificates:
	  - name: amf
	    authority: operator-ra
	    policy: sba
	    key: { token: hsm, type: ${1:-${TOKEN_TYPES%% *}}, rotate: always }
	    names: ["dns:amf.5gc.mnc001.mcc001.3gppnetwork.org"]
	    challenge: { http-01: { listen: "127.0.0.1:$LAB_HTTP01" } }
	YAML
}

lab_up() {
	lab_begin
	lab_softhsm
	lab_swtpm
	lab_pebble
}

lab_down() {
	local status=$? name
	trap - EXIT
	for name in "${!LAB_PIDS[@]}"; do
		lab_stop "$name"
	done
	[ $status = 0 ] || [ -z "${LAB_TOKEN:-}" ] || tail -n 5 "$LAB"/token/*.log >&2 2>/dev/null || true
	[ -z "${LAB_TOKEN:-}" ] || "$LAB_TOKEN" down "$LAB/token" || true
	[ $status = 0 ] || tail -n 5 "$LAB"/*.log >&2 2>/dev/null || true
	[ -n "${LAB_KEEP:-}" ] || rm -rf "$LAB"
	lab_ports_free
	return $status
}

# lab_config [TPM-KEY-TYPE [HSM-KEY-TYPE [ACCOUNT-KEY-TYPE]]]; $LAB_TPM_OPTIONS may hold more options of the TPM.
lab_config() {
	cat >"$LAB/hwacme.yaml" <<-YAML
	state: $LAB/state
	tokens:
	  - name: hsm
	    pkcs11: { module: $LAB_MODULE, token: nf-appliance, pin: { file: $LAB/hsm.pin } }
	  - name: tpm
	    tpm2: { tcti: "$LAB_TCTI"${LAB_TPM_OPTIONS:+, $LAB_TPM_OPTIONS} }
	authorities:
	  - name: operator-ra
	    directory: $LAB_DIRECTORY
	    trust: $LAB/trust.pem
	    roots: $LAB/roots.pem
	    contact: ["mailto:noc@example.org"]
	    terms-agreed: true
	    account-key: { token: ${LAB_ACCOUNT_TOKEN:-hsm}, type: ${3:-ec-p256}${LAB_ACCOUNT_ALGORITHM:+, algorithm: $LAB_ACCOUNT_ALGORITHM} }
	policies:
	  - name: sba
	    renew-after: 66%
	    retire-after: ${LAB_RETIRE_AFTER:-24h}
	    boot-spread: 0s
	certificates:
	  - name: amf
	    authority: operator-ra
	    policy: sba
	    key: { token: tpm, type: ${1:-ec-p256}, rotate: always }
	    names: ["dns:amf.5gc.mnc001.mcc001.3gppnetwork.org"]
	    challenge: { http-01: { listen: "127.0.0.1:$LAB_HTTP01" } }
	    deploy: { run: [$LAB/reload, amf], timeout: 30s }
	  - name: smf
	    authority: operator-ra
	    policy: sba
	    key: { token: hsm, type: ${2:-ec-p256}, rotate: always }
	    names: ["dns:smf.5gc.mnc001.mcc001.3gppnetwork.org", "dns:smf-2.5gc.mnc001.mcc001.3gppnetwork.org"]
	    challenge: { http-01: { listen: "127.0.0.1:$LAB_HTTP01" } }
	    deploy: { run: [$LAB/reload, smf], timeout: 30s }
	YAML
	cat >"$LAB/reload" <<-SH
	#!/bin/sh
	# The deploy hook of both certificates: reloads the nginx that serves this one, if it runs.
	[ ! -s "$LAB/nginx-\$1.pid" ] || kill -HUP "\$(cat "$LAB/nginx-\$1.pid")"
	SH
	chmod 755 "$LAB/reload"
}

# nginx loads the TPM key through this; libcrypto's own algorithms come first (conf/consumers/README.md).
lab_openssl_conf() {
	cat >"$LAB/openssl-tpm.cnf" <<-CNF
	openssl_conf = init
	[init]
	providers = providers
	alg_section = algorithms
	[providers]
	default = on
	tpm2 = on
	[on]
	activate = 1
	[algorithms]
	default_properties = ?tpm2.signature=yes
	CNF
}

lab_nginx() {
	local name=$1 port user=
	local environment=(OPENSSL_CONF="$LAB/openssl-tpm.cnf" TPM2OPENSSL_TCTI="$LAB_TCTI")
	local engine=
	port=$(lab_port)
	declare -g "LAB_PORT_$name=$port"
	lab_openssl_conf
	[ "$(id -u)" != 0 ] || user="user root;"
	if grep -q '^ssl_certificate_key "engine:' "$LAB/state/live/$name/nginx.conf"; then
		environment=(PKCS11_MODULE_PATH="$LAB_MODULE")
		engine="env SOFTHSM2_CONF; env PKCS11_MODULE_PATH; ssl_engine pkcs11;"
	fi
	cat >"$LAB/nginx-$name.conf" <<-CONF
	daemon off; $user $engine
	pid $LAB/nginx-$name.pid; error_log $LAB/nginx-$name.log;
	events { worker_connections 64; }
	http {
	  access_log off;
	  client_body_temp_path $LAB/nginx-tmp; proxy_temp_path $LAB/nginx-tmp; fastcgi_temp_path $LAB/nginx-tmp;
	  uwsgi_temp_path $LAB/nginx-tmp; scgi_temp_path $LAB/nginx-tmp;
	  server {
	    listen 127.0.0.1:$port ssl;
	    include $LAB/state/live/$name/nginx.conf; ${LAB_NGINX_LINE:-}
	    location / { return 200 "$name is served\n"; }
	  }
	}
	CONF
	mkdir -p "$LAB/nginx-tmp"
	lab_start "nginx-$name" env "${environment[@]}" nginx -p "$LAB" -c "$LAB/nginx-$name.conf"
	lab_wait 20 "nginx for $name" lab_get "$name"
}

# One HTTPS request to the nginx of NAME, its chain verified up to Pebble's root.
lab_get() {
	local name=$1 variable=LAB_PORT_$1 host=$1.5gc.mnc001.mcc001.3gppnetwork.org
	curl -sS --fail --max-time 10 --cacert "$LAB/roots.pem" --resolve "$host:${!variable}:127.0.0.1" "https://$host:${!variable}/"
}

lab_served() {
	local variable=LAB_PORT_$1
	openssl s_client -connect "127.0.0.1:${!variable}" </dev/null 2>/dev/null | openssl x509 -noout -serial | cut -d= -f2
}

lab_serves() {
	[ "$(lab_served "$1")" = "$2" ]
}

# The directories that hwacme keeps become so many seconds older; a day: they are fetched anew.
lab_age_directories() {
	python3 -c 'import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE directory SET fetched_at = fetched_at - ?", (int(sys.argv[2]),))
database.commit()' "$LAB/state/hwacme.db" "$1"
}

lab_live_serial() {
	openssl x509 -in "$LAB/state/live/$1/cert.pem" -noout -serial | cut -d= -f2
}
