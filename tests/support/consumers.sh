# consumers.sh -- servers and clients that use live/NAME, each from the very file of conf/consumers; sourced after script.sh.
#
#	consumers_up		a lab whose certificates have every output, whose HSM servers may read, and whose hook runs reload_NAME
#	consumer FILE NAME	prints where conf/consumers/FILE lies with the paths, port and TPM of this lab and NAME's certificate
#	serve CONSUMER NAME	starts it on $PORT, with that reload in the hook; served CONSUMER NAME: is the live certificate served?
CONSUMERS=$SOURCE/conf/consumers
DOMAIN=5gc.mnc001.mcc001.3gppnetwork.org

# nginx is nobody's child: it is ended before the lab is.
consumers_down() {
	local status=$?
	set +eE
	trap - ERR
	[ ! -s "$LAB/consumer.pid" ] || kill "$(cat "$LAB/consumer.pid")" 2>/dev/null || true
	(exit $status)
	lab_down
}

consumers_up() {
	lab_up
	trap consumers_down EXIT
	lab_config "$@"
	# Any group for root, one's own for others.
	local group=daemon
	[ "$(id -u)" = 0 ] || group=$(id -gn)
	sed -i "s|^    deploy:.*|&\n    outputs: { group: $group, formats: [fullchain, chain, cert, key.pem, key.uri, nginx.conf, haproxy.pem, apache.conf, envoy.yaml, openssl.cnf] }|" \
		"$LAB/hwacme.yaml"
	cat >"$LAB/reload" <<-SH
	#!/bin/sh
	# The deploy hook of both certificates. Servers do not run as who keeps the keys: they may read the HSM's files, and log in.
	chmod -R a+rwX "$LAB/softhsm"
	[ ! -x "$LAB/reload-\$1" ] || exec "$LAB/reload-\$1"
	SH
	chmod a+r "$LAB/hsm.pin" "$LAB/softhsm2.conf"
	chmod -R a+rwX "$LAB/softhsm"
	hwacme renew >/dev/null || fail "enrol"
	[ "$(stat -L -c '%G %a' "$LAB/state/live/smf/key.pem" "$LAB/state/live/smf/nginx.conf" | tr '\n' ' ')" = "$group 640 $group 644 " ] ||
		fail "outputs: $(ls -l "$LAB/state/live/smf/")"
	chmod -R a+rwX "$LAB/softhsm"
	PORT=$(lab_port)
	mkdir -p "$LAB/tmp" "$LAB/www"
	echo served >"$LAB/www/index.html"
}

consumer() {
	local to=$LAB/consumer-$1
	sed -e "s|/var/lib/hwacme/live/amf|$LAB/state/live/$2|g; s|/var/lib/hwacme|$LAB/state|g; s|ServerName amf|ServerName $2|" \
		-e "s|device:/dev/tpmrm0|$LAB_TCTI|; s|/usr/lib/softhsm/libsofthsm2.so|$LAB_MODULE|" \
		-e "s|/etc/hwacme/openssl-provider.cnf|$LAB/consumer-openssl-provider.cnf|; s|^module = .*|module = ${PKCS11_PROVIDER:-}|" \
		-e "s|listen 443|listen 127.0.0.1:$PORT|; s|bind :443|bind 127.0.0.1:$PORT|; s|^Listen 443|Listen 127.0.0.1:$PORT|; s|\*:443|*:$PORT|; s|accept 443|accept 127.0.0.1:$PORT|" \
		-e "s|/run/nginx.pid|$LAB/consumer.pid|; s|/var/log/nginx|$LAB|" \
		-e "s|^http {|&\n\taccess_log off; client_body_temp_path $LAB/tmp; proxy_temp_path $LAB/tmp; fastcgi_temp_path $LAB/tmp; uwsgi_temp_path $LAB/tmp; scgi_temp_path $LAB/tmp;|" \
		"$CONSUMERS/$1" >"$to"
	case $1 in curl-* | s_server-* | *-reload) chmod 755 "$to" ;; esac
	echo "$to"
}

# What httpd has in its own configuration, around the site: httpd_main FILE MPM
httpd_main() {
	cat >"$LAB/httpd.conf" <<-CONF
	ServerRoot $LAB
	PidFile $LAB/consumer.pid
	ErrorLog $LAB/httpd.log
	DefaultRuntimeDir $LAB
	LoadModule mpm_$2_module /usr/lib/apache2/modules/mod_mpm_$2.so
	LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
	LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
	User www-data
	Group www-data
	ServerName localhost
	DocumentRoot $LAB/www
	Include $1
	CONF
}

# serve NGINX|HAPROXY|HTTPD|S_SERVER FILE ENV NAME: FILE is of conf/consumers, ENV the environment beside it ("" for none).
serve() {
	local kind=$1 file variables=() reload
	file=$(consumer "$2" "$4")
	[ -z "$3" ] || mapfile -t variables < <(grep -v '^#' "$(consumer "$3" "$4")")
	variables+=(TSS2_LOG=all+none)
	rm -f "$LAB/consumer.pid"
	case $kind in
	nginx)
		# In the background by itself, because the next master is no child of this shell; by its path, because it starts itself anew.
		env "${variables[@]}" "$(command -v nginx)" -p "$LAB" -c "$file"
		reload="kill -HUP \$(cat $LAB/consumer.pid)"
		[ "$2" != nginx-tpm.conf ] || reload="exec $(consumer nginx-tpm-reload "$4")" ;;
	haproxy)
		lab_start served env "${variables[@]}" haproxy -W -f "$file" -p "$LAB/consumer.pid"
		reload="kill -USR2 $!" ;;
	httpd)
		if [ "$3" = tpm.env ]; then httpd_main "$file" prefork; else httpd_main "$file" event; fi
		# A group of its own: mpm_prefork ends all of the one it is in.
		lab_start served setsid env "${variables[@]}" apache2 -f "$LAB/httpd.conf" -D FOREGROUND
		reload="kill -USR1 \$(cat $LAB/consumer.pid)" ;;
	s_server) # reads its certificate once: a service of that kind is restarted
		lab_start served env "${variables[@]}" "$file" -quiet
		reload=true ;;
	esac
	printf '#!/bin/sh\n%s\n' "$reload" >"$LAB/reload-$4"
	chmod 755 "$LAB/reload-$4"
	lab_wait 20 "$kind with $2" served "$4"
}

# TLS to $PORT, the chain verified up to the CA's root, and the leaf the one that is live.
served() {
	openssl s_client -connect "127.0.0.1:$PORT" -CAfile "$LAB/roots.pem" -verify_return_error -verify_hostname "$1.$DOMAIN" \
		-servername "$1.$DOMAIN" </dev/null 2>/dev/null | openssl x509 -noout -serial 2>/dev/null |
		grep -qx "serial=$(lab_live_serial "$1")"
}

nothing_runs() {
	! kill -0 "$1" 2>/dev/null
}

stop_serving() {
	local pid
	rm -f "$LAB/reload-$1"
	lab_stop served
	if [ -s "$LAB/consumer.pid" ]; then # nginx
		pid=$(cat "$LAB/consumer.pid")
		kill "$pid" 2>/dev/null || true
		lab_wait 20 "the end of nginx" nothing_runs "$pid"
	fi
	# On an appliance the kernel does it (/dev/tpmrm0): what a server left in the TPM goes with the server.
	tpm2_flushcontext -T "$LAB_TCTI" -t
}

# serve_and_renew KIND FILE ENV NAME: served, and served again with a new key and certificate after the hook's reload.
serve_and_renew() {
	local before
	serve "$@"
	before=$(lab_live_serial "$4")
	hwacme renew --force "$4" >/dev/null || fail "renewal of $4 for $1"
	[ "$(lab_live_serial "$4")" != "$before" ] || fail "$4 was not renewed for $1"
	if [ "$1" = s_server ]; then
		stop_serving "$4"
		serve "$@"
	fi
	lab_wait 20 "the new certificate of $4 in $1 with $2" served "$4"
	stop_serving "$4"
	echo "$1, $2: served, renewed, served"
}

# client FILE NAME: runs that client of conf/consumers against a server that wants a certificate of the CA, and names it.
client() {
	local file
	file=$(consumer "$1" "$2")
	[ -s "$LAB/mtls.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost -keyout "$LAB/mtls.key" -out "$LAB/mtls.pem" 2>/dev/null
	lab_start mtls openssl s_server -accept "127.0.0.1:$PORT" -cert "$LAB/mtls.pem" -key "$LAB/mtls.key" -CAfile "$LAB/roots.pem" \
		-Verify 5 -verify_return_error -www
	lab_wait 20 "a server with client verification" openssl s_client -connect "127.0.0.1:$PORT" -brief </dev/null
	TSS2_LOG=all+none "$file" -sS --max-time 20 --cacert "$LAB/mtls.pem" "https://localhost:$PORT/" >"$LAB/client.out" || fail "$1"
	lab_stop mtls
	grep -q "CN *= *$2.$DOMAIN\|DNS:$2.$DOMAIN" "$LAB/client.out" || fail "$1: the server saw no certificate of $2"
	echo "$1: authenticated as $2"
}
