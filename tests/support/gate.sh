# gate.sh -- an nginx before a server, that lets in who shows a client certificate; to be sourced after script.sh.
#
#	gate NAME URL CA-FILE [LINE]	before the origin of URL, whose TLS it does not look at; certificates of CA-FILE are let in; a line
#				more for nginx.  The same URL through it is in $GATE_URL; again: with another configuration, on the same port
#	gate_open NAME		it runs, and has written nothing down yet; gate does that too
#	gate_shut NAME		it has ended, so that all is written down: who came through or was refused, in $LAB/gate/NAME.said,
#				"VERIFIED PROTOCOL SERIAL STATUS", a line a request
declare -A GATE_PORTS

gate() {
	local name=$1 origin port user=
	origin=$(grep -oE 'https://[^/]+' <<<"$2")
	port=${GATE_PORTS[$name]:=$(lab_port)}
	GATE_URL=https://localhost:$port${2#"$origin"}
	[ "$(id -u)" != 0 ] || user="user root;"
	mkdir -p "$LAB/gate"
	[ -s "$LAB/gate/server.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost -keyout "$LAB/gate/server.key" -out "$LAB/gate/server.pem" 2>/dev/null
	cat >"$LAB/gate/$name.conf" <<-CONF
	daemon off; $user pid $LAB/gate/$name.pid; error_log $LAB/gate-$name.log;
	events { worker_connections 64; }
	http {
	  log_format gate '\$ssl_client_verify \$ssl_protocol \$ssl_client_serial \$status';
	  access_log $LAB/gate/$name.said gate;
	  client_body_temp_path $LAB/gate; proxy_temp_path $LAB/gate; fastcgi_temp_path $LAB/gate;
	  uwsgi_temp_path $LAB/gate; scgi_temp_path $LAB/gate;
	  server {
	    listen 127.0.0.1:$port ssl;
	    ssl_certificate $LAB/gate/server.pem; ssl_certificate_key $LAB/gate/server.key;
	    ssl_client_certificate $3; ssl_verify_client on; ssl_verify_depth 3; ${4:-}
	    location / { proxy_pass $origin; proxy_ssl_verify off; proxy_set_header Host \$http_host; }
	  }
	}
	CONF
	gate_open "$name"
}

gate_open() {
	gate_shut "$1"
	: >"$LAB/gate/$1.said"
	lab_start "gate-$1" nginx -p "$LAB" -c "$LAB/gate/$1.conf"
	lab_wait 20 "the gate $1" bash -c ": </dev/tcp/127.0.0.1/${GATE_PORTS[$1]}"
}

gate_shut() { lab_stop "gate-$1"; }
