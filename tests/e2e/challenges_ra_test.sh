# What Pebble of Debian 12 has not, at the test RA: dns-account-01 and dns-persist-01; addresses beside them, as tls-alpn-01 proves them;
# each request looked at by a server that is not our code.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
. "$SOURCE/tests/support/challenges.sh"

LAB_TLSALPN=$(lab_port)
lab_ra_up --set "tls_alpn=\"127.0.0.1:$LAB_TLSALPN\"" --set 'authz_reuse="none"' \
	--set 'challenges={"dns": ["http-01", "dns-account-01", "dns-persist-01"], "wildcard": ["dns-account-01", "dns-persist-01"],
	"ip": ["tls-alpn-01", "http-01"], "NfInstanceId": ["tkauth-01"]}'

# An address: no dns-01 for it (RFC 8738, 7); SNI is its name in in-addr.arpa.
enrol "tls-alpn-01, address" "\"ip:192.0.2.7\", \"ip:2001:DB8:0::7\"" "tls-alpn-01: { listen: \"127.0.0.1:$LAB_TLSALPN\" }"
has "IP Address:192.0.2.7"
has "IP Address:2001:DB8:0:0:0:0:0:7"

# dns-account-01: below a label of our account's own.
cat >"$LAB/hook" <<-SH
	#!/bin/sh
	set -eu
	echo "\$1 \$HWACME_RECORD" >>"$LAB/hook.log"
	case \$1 in
	present) values="\$(cat "$LAB/txt") \$HWACME_VALUE" ;;
	cleanup) values=\$(tr ' ' '\n' <"$LAB/txt" | grep -vxF -- "\$HWACME_VALUE" | tr '\n' ' ') ;;
	*) exit 0 ;;
	esac
	echo "\$values" >"$LAB/txt"
	curl -sS --fail --max-time 10 "$LAB_RA/txt" --data \
		"{\"name\": \"\$HWACME_RECORD\", \"values\": [\$(printf '%s' "\$values" | xargs -n 1 printf '"%s"\n' | paste -sd,)]}"
SH
chmod 755 "$LAB/hook"
: >"$LAB/txt"
enrol "dns-account-01, wildcard and base" "\"dns:$HOST\", \"dns:*.$HOST\"" "dns-account-01: { hook: [$LAB/hook] }"
label=$(python3 - "$(ra accounts | jq -r '.[-1].url')" <<-'PY'
	import base64, hashlib, sys
	print("_" + base64.b32encode(hashlib.sha256(sys.argv[1].encode()).digest()[:10]).decode().lower())
PY
)
[ "$(grep -c "^present $label._acme-challenge.$HOST$" "$LAB/hook.log")" = 2 ] || fail "$(cat "$LAB/hook.log"): not below $label"
[ -z "$(tr -d ' \n"' <"$LAB/txt")" ] || fail "values are left: $(cat "$LAB/txt")"

# dns-persist-01: the error, and check, tell the record to place; once placed nothing is put out at all.
persist="dns-persist-01: { issuer: ra.example }"
account=$(ra accounts | jq -r '.[-1].url')
record="_validation-persist.$HOST. IN TXT \"ra.example; accounturi=$account\""
refused "dns-persist-01, no record" "_validation-persist.*accounturi=$account" "\"dns:$HOST\"" "$persist"
hwacme check >"$LAB/check" || true
grep -qF "$record" "$LAB/check" || fail "check does not tell the record: $(cat "$LAB/check")"
ra txt "{\"name\": \"_validation-persist.$HOST\", \"values\": [\"ra.example; accounturi=$account\"]}" >/dev/null
enrol "dns-persist-01" "\"dns:$HOST\"" "$persist"
ra txt "{\"name\": \"_validation-persist.$HOST\", \"values\": [\"ra.example; accounturi=$account; policy=wildcard\"]}" >/dev/null
enrol "dns-persist-01, wildcard" "\"dns:*.$HOST\"" "$persist"
hwacme check >"$LAB/check" || true
grep -qF 'policy=wildcard' "$LAB/check" || fail "check does not tell the record of a wildcard: $(cat "$LAB/check")"

# The first of the configuration's that the CA offers: here the second of the CA's.
fresh
enrol "order of preference" "\"dns:$HOST\"" "dns-persist-01: {}, http-01: { listen: \"127.0.0.1:1\" }"

# A web root that is not there is the configuration's mistake: however often it is tried, it costs the CA one order.
fresh
for try in first second; do
	refused "http-01, no web root, $try time" "webroot $LAB/nowhere" "\"dns:$HOST\"" "http-01: { webroot: $LAB/nowhere }"
done
[ "$(ra_count newOrder)" = 1 ] || fail "$(ra_count newOrder) orders for a web root that is not there"
