# A Token Authority that demands mutual TLS (RFC 9447, 5.1; TS 33.310, annex J.2) gets the client certificate of its challenge, the key in a
# token: the operator's for the first token, then the certificate that came of it.  The CA itself is another server and is shown nothing.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
. "$SOURCE/tests/support/challenges.sh"
. "$SOURCE/tests/support/gate.sh"
INSTANCE=4ace9d34-2c69-4f99-92d5-a73a3fe8e23b

lab_ra_up --set 'authz_reuse="none"'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=OAM" -keyout "$LAB/oam.key" -out "$LAB/oam.pem" 2>/dev/null
pkcs11-tool --module "$LAB_MODULE" --token-label nf-appliance --login --pin $LAB_PIN --keypairgen --key-type EC:prime256v1 --label oam-client --id 0a01 >/dev/null 2>&1
PKCS11_MODULE_PATH=$LAB_MODULE openssl pkey -engine pkcs11 -inform engine -pubin -pubout -out "$LAB/oam-client.pub" \
	-in "pkcs11:token=nf-appliance;object=oam-client;type=public?pin-source=$LAB/hsm.pin" 2>/dev/null
openssl x509 -new -force_pubkey "$LAB/oam-client.pub" -CA "$LAB/oam.pem" -CAkey "$LAB/oam.key" -subj /CN=nf-17 -days 30 -out "$LAB/oam-client.pem" 2>/dev/null
cat "$LAB/oam.pem" "$LAB/roots.pem" >"$LAB/let-in.pem"
gate oam "$LAB_TOKEN_AUTHORITY" "$LAB/let-in.pem" "ssl_protocols TLSv1.3;"

NAMES="\"nf-instance:$INSTANCE\", \"dns:$HOST\""
challenge() { # [CLIENT-CERTIFICATE]
	gate_open oam
	CHALLENGE="tkauth-01: { authority: \"$GATE_URL\", trust: $LAB/gate/server.pem${1:+, client-certificate: { $1 \}} }, http-01: { listen: \"127.0.0.1:$LAB_HTTP01\" }"
}
shown() { # SERIAL: in the one request for a token
	gate_shut oam
	[ "$(cat "$LAB/gate/oam.said")" = "SUCCESS TLSv1.3 $1 200" ] || fail "not $1, or not once: $(cat "$LAB/gate/oam.said")"
}
OPERATORS="file: $LAB/oam-client.pem, token: hsm, label: oam-client"

challenge
refused "without one" 'Token Authority https://.*demands a client certificate; configure client-certificate' "$NAMES" "$CHALLENGE"
challenge "certificate: amf, $OPERATORS"
enrol "with the operator's, until ours is issued" "$NAMES" "$CHALLENGE"
shown "$(openssl x509 -in "$LAB/oam-client.pem" -noout -serial | cut -d= -f2)"
has "URI:urn:uuid:$INSTANCE"
serial=$(lab_live_serial amf)
challenge "certificate: amf, $OPERATORS"
enrol "with ours" "$NAMES" "$CHALLENGE"
shown "$serial"
hwacme check | grep -q 'ok *challenge amf: for the Token Authority: client certificate amf$' || fail "check: $(hwacme check)"

# One that is not the key's: nothing is sent, and `check` tells it too.
openssl x509 -new -force_pubkey <(openssl pkey -in "$LAB/oam.key" -pubout) -CA "$LAB/oam.pem" -CAkey "$LAB/oam.key" -subj /CN=x -out "$LAB/other.pem" 2>/dev/null
challenge "file: $LAB/other.pem, token: hsm, label: oam-client"
refused "another key's" 'client-certificate .*other.pem: the certificate is not for the key' "$NAMES" "$CHALLENGE"
gate_shut oam
[ ! -s "$LAB/gate/oam.said" ] || fail "something was sent: $(cat "$LAB/gate/oam.said")"
said=$(hwacme check || true)
grep -q 'BAD *challenge amf: client-certificate .*not for the key' <<<"$said" || fail "check: $said"
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$LAB_PIN" "$LAB/hwacme.log"
