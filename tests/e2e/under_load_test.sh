# Renewals with new keys while clients connect all the time: no connection fails, and each new certificate is served. nginx and
# HAProxy with a key in the TPM, nginx with one in the HSM; both with pkcs11-provider, where PKCS11_PROVIDER names it. HWACME_RENEWALS asks for another number of renewals.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/consumers.sh"
RENEWALS=${HWACME_RENEWALS:-5}

# By the clients themselves: one that comes and goes between two of their connections would not be counted.
seen() { grep -qx "$(lab_live_serial "$1")" "$LAB/load.log"; }
under_load() { # KIND FILE ENV NAME, of serve
	local name=$4 report=$LAB/load-$2-$4.json
	serve "$@"
	rm -f "$LAB/load.stop"
	lab_start load python3 "$SOURCE/tests/support/connect_on.py" "$name.$DOMAIN" "$PORT" "$LAB/roots.pem" "$report" "$LAB/load.stop"
	lab_wait 30 "the clients of $name" seen "$name"
	for ((i = 0; i < RENEWALS; i++)); do
		hwacme renew --force "$name" >/dev/null || fail "renewal $i of $name under load"
		lab_wait 30 "certificate $i of $name under load" seen "$name"
	done
	touch "$LAB/load.stop"
	lab_wait 60 "the end of the clients" test -s "$report"
	lab_stop load
	stop_serving "$name"
	jq -r '"'"$1, $name"': \(.connections) connections, \(.failures | length) failed, \(.serials | length) certificates"' "$report"
	jq -e '.failures == []' "$report" >/dev/null || fail "$1, $name: $(jq -c '.failures[:5]' "$report")"
	jq -e ".connections > 20 and (.serials | length) == $RENEWALS + 1" "$report" >/dev/null || fail "$1, $name: $(cat "$report")"
}

consumers_up
under_load nginx nginx-tpm.conf tpm.env amf
under_load haproxy haproxy.cfg tpm.env amf
under_load nginx nginx-hsm.conf hsm.env smf

[ -n "${PKCS11_PROVIDER:-}" ] || { echo "pkcs11-provider is no package of Debian 12: not tried without PKCS11_PROVIDER"; exit 0; }
consumer openssl-provider.cnf smf >/dev/null
under_load nginx nginx-provider.conf provider.env smf
under_load haproxy haproxy.cfg provider.env smf
