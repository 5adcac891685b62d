# conf/hooks/dns-rfc2136 against a real BIND: a wildcard and its base are proved side by side by dynamic updates, nothing is left in the
# zone, and what others placed at the same name stays; the test RA asks this very BIND.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
. "$SOURCE/tests/support/challenges.sh"
ZONE=5gc.mnc001.mcc001.3gppnetwork.org
RECORD=_acme-challenge.$HOST
values() { dig +short +norecurse @127.0.0.1 -p "$LAB_DNS" "$RECORD." TXT | sort; }

# named with nothing of the system's: its own directory, port and key, no control channel, root not needed.
lab_named() {
	LAB_DNS=$(lab_port)
	mkdir -p "$LAB/named"
	tsig-keygen hwacme >"$LAB/named/tsig.key"
	cat >"$LAB/named/named.conf" <<-CONF
	include "$LAB/named/tsig.key";
	options {
	  directory "$LAB/named"; pid-file "$LAB/named/pid"; session-keyfile "$LAB/named/session.key"; lock-file none;
	  listen-on port $LAB_DNS { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; allow-transfer { none; };
	};
	controls { };
	zone "$ZONE" { type primary; file "zone"; allow-update { key hwacme; }; };
	CONF
	cat >"$LAB/named/zone" <<-ZONE
	\$ORIGIN $ZONE.
	\$TTL 60
	@ SOA ns admin 1 60 60 60 60
	@ NS ns
	ns A 127.0.0.1
	_acme-challenge.amf TXT "of somebody else"
	ZONE
	lab_start named named -f -n 1 -c "$LAB/named/named.conf"
	lab_wait 20 "named" dig +short +time=1 +tries=1 @127.0.0.1 -p "$LAB_DNS" "ns.$ZONE" A
}
# by_hook KEYFILE
by_hook() {
	config "\"dns:$HOST\", \"dns:*.$HOST\"" "dns-01: { timeout: 30s, hook: [\"$SOURCE/conf/hooks/dns-rfc2136\",
	  -s, 127.0.0.1, -p, \"$LAB_DNS\", -k, \"$1\", -z, \"$ZONE\"] }"
}

lab_ra_up --set 'authz_reuse="none"' --set validation_delay=1
lab_named
ra settings "{\"dns\": \"127.0.0.1:$LAB_DNS\"}" >/dev/null
by_hook "$LAB/named/tsig.key"
[ "$(values)" = '"of somebody else"' ] || fail "the zone is not as written: $(values)"
hwacme renew >"$LAB/said" 2>>"$LAB/hwacme.log" &
renewal=$!
# While the RA takes its time, both values and the stranger's stand at the one name.
lab_wait 20 "both records" eval '[ "$(values | wc -l)" = 3 ]'
wait $renewal || fail "$(tail -n 3 "$LAB/hwacme.log")"
openssl x509 -in "$LAB/state/live/amf/cert.pem" -noout -ext subjectAltName | grep -F "DNS:*.$HOST" || fail "no wildcard was issued"
[ "$(values)" = '"of somebody else"' ] || fail "the zone is not as it was: $(values)"
clean "until here"
live=$(lab_live_serial amf)

# A verb of a later release is none of its business (conf/hooks/README.md); none at all is a mistake.
by_hand() { HWACME_RECORD=$RECORD HWACME_VALUE=value "$SOURCE/conf/hooks/dns-rfc2136" -s 127.0.0.1 -p "$LAB_DNS" -k "$LAB/named/tsig.key" "$@" 2>/dev/null; }
by_hand later || fail "a verb that the hook does not know: exit $?"
by_hand && fail "no verb" || [ $? = 2 ] || fail "no verb: exit $?"

# A key that the server does not know: its answer is in the error, and the certificate stays.
tsig-keygen stranger >"$LAB/named/stranger.key"
by_hook "$LAB/named/stranger.key"
got=0
said=$("$HWACME" -c "$LAB/hwacme.yaml" renew --force 2>&1) || got=$?
{ [ $got = 1 ] && grep -qE 'BADKEY|REFUSED|NOTAUTH' <<<"$said"; } || fail "an unknown key: exit $got: $said"
[ "$(lab_live_serial amf)" = "$live" ] || fail "an unknown key: the live certificate changed"
[ "$(values)" = '"of somebody else"' ] || fail "an unknown key: the zone changed: $(values)"
