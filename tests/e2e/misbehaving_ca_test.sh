# Whatever the CA answers: a clear error, exit 4, live files untouched; and when it is well again, so are we.
set -euo pipefail
export PEBBLE_WFE_NONCEREJECT=0
. "$SOURCE/tests/support/script.sh"

lab_up
PROXY=$(lab_port)
echo none >"$LAB/fault"
lab_start faulty_ca python3 "$SOURCE/tests/support/faulty_ca.py" "$PROXY" "$LAB_ACME" "$LAB/pebble/server.pem" \
	"$LAB/pebble/server.key" "$LAB/trust.pem" "$LAB/fault"
LAB_DIRECTORY=https://localhost:$PROXY/dir
lab_wait 20 "the proxy" curl -sf --cacert "$LAB/trust.pem" "$LAB_DIRECTORY"
lab_config
renew() { "$HWACME" -c "$LAB/hwacme.yaml" renew amf "$@" 2>&1; }
renew >/dev/null || fail "enrolment through the proxy: $(renew)"

# fault, words that must be in the message
while read -r fault words; do
	live=$(lab_live_serial amf)
	lab_age_directories 86400
	echo "$fault" >"$LAB/fault"
	got=0
	said=$(renew --force) || got=$?
	echo "$fault: $(grep -v 'info:' <<<"$said" | head -n 1)"
	[ $got = 4 ] || fail "$fault: exit $got: $said"
	[ "$(lab_live_serial amf)" = "$live" ] || fail "$fault: the live certificate changed"
	grep -qiE -- "$words" <<<"$said" || fail "$fault: no \"$words\" in: $said"
	! grep -q 'hwacme-.*XXXX\|Sanitizer' <<<"$said" || fail "$said"
	echo none >"$LAB/fault"
	renew >/dev/null || fail "after $fault: $(renew)"
	[ "$(lab_live_serial amf)" != "$live" ] || fail "after $fault: the renewal was not finished"
done <<-TABLE
	redirect redirect
	huge bytes|large
	garbage JSON|directory
	array directory
	wrong-member newNonce|newAccount|newOrder
	odd-nonce nonce
	order-empty order
	order-other-name identifier
	order-deep order|JSON
	server-error 500
	other-algorithm it takes EdDSA, RS256
	chain-key CERTIFICATE
	chain-text CERTIFICATE
	chain-other-leaf key
	chain-empty certificate
	chain-type text/html
	chain-cut certificate
TABLE

# Retry-After is obeyed, also when the operator comes earlier; --force is the operator's last word.
requests() { grep -c 'calling handler' "$LAB/pebble.log" || true; }
echo come-back >"$LAB/fault"
got=0
said=$(renew --force) || got=$?
[ $got = 4 ] || fail "come-back: exit $got: $said"
echo none >"$LAB/fault"
before=$(requests)
said=$(renew)
grep -q 'not due' <<<"$said" || fail "come-back: $said"
[ "$(requests)" = "$before" ] || fail "requests were sent although the CA asked to wait"
renew --force >/dev/null || fail "come-back: $(renew --force)"
