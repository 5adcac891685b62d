# An NF instance (TS 33.310, Annex J) by tkauth-01, with a token of the Token Authority's, of a command and of a file; tokens that the CA
# must refuse are not sent; the CA's hint is taken inside the allow-list only.  A Token Authority that is out of order keeps nothing waiting
# but its own NF.  The test RA has Token Authority and CA.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
. "$SOURCE/tests/support/challenges.sh"
INSTANCE=4ace9d34-2c69-4f99-92d5-a73a3fe8e23b

lab_ra_up --set 'authz_reuse="none"'

# The Token Authority, asked over HTTPS (RFC 9447, 5.1); the configuration's upper case is sent in lower case.
fresh
enrol "tkauth-01, Token Authority" "\"nf-instance:${INSTANCE^^}\", \"dns:$HOST\"" \
	"tkauth-01: { authority: \"$LAB_TOKEN_AUTHORITY\", trust: $LAB/trust.pem }, http-01: { listen: \"127.0.0.1:$LAB_HTTP01\" }"
has "URI:urn:uuid:$INSTANCE"
[ "$(ra_count token)" = 1 ] || fail "$(ra_count token) tokens were asked for in one renewal"

# The CA's own hint is taken when its host is allowed, and not otherwise: nothing is sent to a host of the CA's choosing.
enrol "tkauth-01, the CA's hint" "\"nf-instance:$INSTANCE\"" "tkauth-01: { allow: [localhost], trust: $LAB/trust.pem }"
fresh
refused "a hint that is not allowed" 'whose host is not among allow' "\"nf-instance:$INSTANCE\"" "tkauth-01: { allow: [oam.example] }"
ra settings '{"tkauth_hint": "https://localhost@evil.example/"}' >/dev/null
ra orders '{"all": true, "drop": true}' >/dev/null # the order was kept; its challenge has the hint of before
hwacme renew --force || true
refused "a hint in disguise" 'whose host is not among allow' "\"nf-instance:$INSTANCE\"" "tkauth-01: { allow: [localhost] }"
[ "$(ra_count token)" = 0 ] || fail "a Token Authority was asked that is not allowed"
ra settings '{"tkauth_hint": "own"}' >/dev/null

# A command (run by the spawner) and a file; the fingerprint is what the operator's program is told.
cat >"$LAB/token" <<-SH
	#!/bin/sh
	set -eu
	echo "asked for \$HWACME_TKTYPE \$HWACME_TKVALUE" >&2
	curl -sS --fail --max-time 10 --cacert "$LAB/trust.pem" -H 'Content-Type: application/json' "$LAB_TOKEN_AUTHORITY" --data \
		"{\"atc\": {\"tktype\": \"\$HWACME_TKTYPE\", \"tkvalue\": \"\$HWACME_TKVALUE\", \"fingerprint\": \"\$HWACME_FINGERPRINT\"}}" |
		jq -r .token | tee "$LAB/amf.token"
SH
chmod 755 "$LAB/token"
enrol "tkauth-01, command" "\"nf-instance:$INSTANCE\"" "tkauth-01: { command: [$LAB/token], timeout: 20s }"
enrol "tkauth-01, file" "\"nf-instance:$INSTANCE\"" "tkauth-01: { token: { file: $LAB/amf.token } }"
! grep -rqF "$(cut -d. -f2 "$LAB/amf.token")" "$LAB/hwacme.log" "$LAB/state" || fail "a token stands in the log or in the state directory"

# What the CA must refuse is not sent: no challenge reaches it.
fresh
while read -r defect words; do
	ra settings "{\"token_defect\": \"$defect\"}" >/dev/null
	refused "token: $defect" "$words" "\"nf-instance:$INSTANCE\"" "tkauth-01: { authority: \"$LAB_TOKEN_AUTHORITY\", trust: $LAB/trust.pem }"
done <<-TABLE
	expired has expired
	no-exp no "exp"
	no-jti no "jti"
	other-value not 4ace9d34
	other-type tktype of "TNAuthList"
	other-fingerprint another ACME account
	ca allows a CA
	none parts
	not-a-jwt not an authority token
	no-token no "token"
TABLE
[ "$(ra_count challenge)" = 0 ] || fail "a token with a defect was sent to the CA"
ra faults '{"endpoint": "token", "status": 302, "headers": {"Location": "https://localhost/"}}' >/dev/null
refused "the Token Authority moved" 'redirects .* are not followed' "\"nf-instance:$INSTANCE\"" \
	"tkauth-01: { authority: \"$LAB_TOKEN_AUTHORITY\", trust: $LAB/trust.pem }"
[ "$(ra_count newOrder)" = 1 ] || fail "$(ra_count newOrder) orders were made: what a Token Authority answers costs the CA none"
# What only the CA can see is its word; the next run asks for a new token.
ra settings '{"token_defect": "bad-signature"}' >/dev/null
refused "token: bad-signature" 'does not accept|did not accept' "\"nf-instance:$INSTANCE\"" \
	"tkauth-01: { authority: \"$LAB_TOKEN_AUTHORITY\", trust: $LAB/trust.pem }"
ra settings '{"token_defect": ""}' >/dev/null
ra faults '{"endpoint": "token", "status": 403}' >/dev/null
refused "the Token Authority says no" 'Token Authority https://.*HTTP status 403' "\"nf-instance:$INSTANCE\"" \
	"tkauth-01: { authority: \"$LAB_TOKEN_AUTHORITY\", trust: $LAB/trust.pem }"
enrol "after all that" "\"nf-instance:$INSTANCE\"" "tkauth-01: { authority: \"$LAB_TOKEN_AUTHORITY\", trust: $LAB/trust.pem }"

# Out of order for a day, or not there at all: it is the NF that waits, not the CA and all its other certificates.
for authority in "$LAB_TOKEN_AUTHORITY" "https://127.0.0.1:$(lab_port)/token"; do
	rm -rf "$LAB/state"
	ra faults '{"endpoint": "token", "status": 503, "times": 9, "headers": {"Retry-After": "86400"}}' >/dev/null
	for try in first second; do
		refused "out of order, $try time" 'Token Authority https://' "\"nf-instance:$INSTANCE\"" \
			"tkauth-01: { authority: \"$authority\", trust: $LAB/trust.pem }"
	done
	cat >>"$LAB/hwacme.yaml" <<-YAML
	  - name: smf
	    authority: operator-ra
	    key: { token: hsm, type: ec-p256 }
	    names: ["dns:$HOST"]
	    challenge: { http-01: { listen: "127.0.0.1:$LAB_HTTP01" } }
	YAML
	lab_start daemon "$HWACME" -c "$LAB/hwacme.yaml" run
	lab_wait 60 "the certificate beside it" test -e "$LAB/state/live/smf"
	lab_stop daemon
	[ ! -e "$LAB/state/live/amf" ] || fail "there is a certificate without a token"
	[ -z "$(sqlite3 "$LAB/state/hwacme.db" 'SELECT * FROM availability WHERE down_since OR retry_at')" ] ||
		fail "the CA is held for unavailable: $(sqlite3 "$LAB/state/hwacme.db" 'SELECT * FROM availability')"
	said=$(hwacme status amf || true)
	grep -q "failed .*Token Authority https://" <<<"$said" || fail "status: $said"
	ra faults '{"clear": true}' >/dev/null
done
