# What Pebble of Debian 12 has not, at the test RA: dns-account-01 and dns-persist-01; addresses beside them, as tls-alpn-01 proves them;
# each request looked at by a server that is not our code.
set -euo pipefail
. "$SOURCE/swtpm-ci/lab.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
fail() { echo "FAILED: $*" >&2; exit 1; }
hwacme() { "$HWACME" -c "$LAB/hwacme.yaml" "$@" 2>>"$LAB/hwacme.log"; }
clean() { ra_clean || fail "$1: the client broke the protocol"; }
HOST=amf.5gc.mnc001.mcc001.3gppnetwork.org

LAB_TLSALPN=$(lab_port)
lab_ra_up --set "tls_alpn=\"127.0.0.1:$LAB_TLSALPN\"" --set 'authz_reuse="none"' \
	--set 'challenges={"dns": ["http-01", "dns-account-01", "dns-persist-01"], "wildcard": ["dns-account-01", "dns-persist-01"],
	"ip": ["tls-alpn-01", "http-01"], "NfInstanceId": ["tkauth-01"]}'
config() { # NAMES CHALLENGE
	cat >"$LAB/hwacme.yaml" <<-YAML
	state: $LAB/state
	tokens:
	  - name: hsm
	    pkcs11: { module: $LAB_MODULE, token: nf-appliance, pin: { file: $LAB/hsm.pin } }
	authorities:
	  - name: operator-ra
	    directory: $LAB_DIRECTORY
	    trust: $LAB/trust.pem
	    roots: $LAB/roots.pem
	    terms-agreed: true
	    account-key: { token: hsm, type: ec-p256 }
	certificates:
	  - name: amf
	    authority: operator-ra
	    key: { token: hsm, type: ec-p256, rotate: never }
	    names: [$1]
	    challenge: { $2 }
	YAML
}
enrol() { # WHAT NAMES CHALLENGE
	local what=$1 live=
	[ ! -e "$LAB/state/live/amf" ] || live=$(lab_live_serial amf)
	config "$2" "$3"
	hwacme renew --force >/dev/null || fail "$what: $(tail -n 2 "$LAB/hwacme.log")"
	[ "$(lab_live_serial amf)" != "$live" ] || fail "$what: nothing was issued"
	clean "$what"
	echo "$what: $(openssl x509 -in "$LAB/state/live/amf/cert.pem" -noout -ext subjectAltName | tail -n 1)"
}
refused() { # WHAT WORDS NAMES CHALLENGE
	local got=0 said
	config "$3" "$4"
	said=$("$HWACME" -c "$LAB/hwacme.yaml" renew --force 2>&1) || got=$?
	{ [ $got != 0 ] && grep -qE -- "$2" <<<"$said"; } || fail "$1: exit $got, no \"$2\" in: $said"
	echo "$1: $(grep -oE -- "$2" <<<"$said" | head -n 1)"
	clean "$1"
}
has() { openssl x509 -in "$LAB/state/live/amf/cert.pem" -noout -ext subjectAltName | grep -qF "$1" || fail "the certificate lacks $1"; }

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
ra reset '{}' >/dev/null
enrol "order of preference" "\"dns:$HOST\"" "dns-persist-01: {}, http-01: { listen: \"127.0.0.1:1\" }"
