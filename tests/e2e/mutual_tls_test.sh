# The RA demands mutual TLS (TS 33.310, annex J.2): the first enrolment with a certificate that the operator made, its key in the HSM or in
# the TPM; renewals with one of ours, which is renewed itself; and what is said when there is none, a wrong one, or the key is gone.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/gate.sh"

# config CLIENT-CERTIFICATE: what stands in its braces; "": the option is left out.
config() {
	lab_config "${TPM_TYPE:-ec-p256}" "${HSM_TYPE:-ec-p256}"
	sed -i "s|directory: .*|directory: $DIRECTORY|; s|trust: .*|trust: $LAB/gate/server.pem|; /deploy:/d
		${1:+s|terms-agreed: true|&\n    client-certificate: { $1 \}|}" "$LAB/hwacme.yaml"
}
# An operator's certificate for a key: oam_certificate NAME PUBLIC-KEY [OPENSSL OPTION...]
oam_certificate() {
	local name=$1 key=$2
	shift 2
	openssl x509 -new -force_pubkey "$key" -CA "$LAB/oam.pem" -CAkey "$LAB/oam.key" -subj "/CN=$name" -days 30 "$@" -out "$LAB/$name.pem" 2>/dev/null
}
hsm_key() { # LABEL TYPE ID: as an operator's own tool makes it
	pkcs11-tool --module "$LAB_MODULE" --token-label nf-appliance --login --pin $LAB_PIN --keypairgen --key-type "$2" --label "$1" --id "$3" >/dev/null 2>&1
	PKCS11_MODULE_PATH=$LAB_MODULE openssl pkey -engine pkcs11 -inform engine -pubin -pubout -out "$LAB/$1.pub" \
		-in "pkcs11:token=nf-appliance;object=$1;type=public?pin-source=$LAB/hsm.pin" 2>/dev/null
}
tpm_key() { # LABEL ALGORITHM OPTION
	mkdir -p "$LAB/state/keys"
	chmod 700 "$LAB/state" "$LAB/state/keys"
	TPM2OPENSSL_TCTI=$LAB_TCTI openssl genpkey -provider tpm2 -provider default -propquery '?provider=tpm2' -algorithm "$2" \
		-pkeyopt "$3" -out "$LAB/state/keys/$1.pem" 2>/dev/null
	chmod 600 "$LAB/state/keys/$1.pem"
	TPM2OPENSSL_TCTI=$LAB_TCTI openssl pkey -provider tpm2 -provider default -propquery '?provider=tpm2' -in "$LAB/state/keys/$1.pem" \
		-pubout -out "$LAB/$1.pub" 2>/dev/null
}
serial_of() { openssl x509 -in "$1" -noout -serial | cut -d= -f2; }
# renewed WHAT SERIAL NAME...: renewed with that client certificate, and no other was shown.
renewed() {
	local what=$1 serial=$2 name
	declare -A before=()
	shift 2
	for name in "$@"; do before[$name]=$(lab_live_serial "$name" 2>/dev/null || true); done
	gate_open ra
	hwacme renew --force "$@" >/dev/null || fail "$what"
	gate_shut ra
	for name in "$@"; do [ "$(lab_live_serial "$name")" != "${before[$name]}" ] || fail "$what: $name is the old one"; done
	! grep -vq "^SUCCESS ${PROTOCOL:-TLSv1.3} $serial " "$LAB/gate/ra.said" || fail "$what, $serial: $(cat "$LAB/gate/ra.said")"
	echo "$what: $(wc -l <"$LAB/gate/ra.said") requests with $serial"
}
# refused WHAT STATUS WORDS...: nothing is issued; it is said so.
refused() {
	local what=$1 status=$2 got=0 said word
	shift 2
	gate_open ra
	said=$("$HWACME" -c "$LAB/hwacme.yaml" renew --force smf 2>&1) || got=$?
	gate_shut ra
	[ $got = "$status" ] || fail "$what: exit $got: $said"
	for word in "$@"; do grep -qF -- "$word" <<<"$said" || fail "$what: no \"$word\" in: $said"; done
	echo "$what: $(grep -o "authority .*" <<<"$said" | tail -n 1)"
}
checked() { # STATUS PATTERN: so says `check`
	local got=0 said
	gate_open ra
	said=$(hwacme check) || got=$?
	gate_shut ra
	[ $got = "$1" ] && grep -q "$2" <<<"$said" || fail "check: exit $got, no \"$2\" in: $said"
}
nothing_sent() { [ ! -s "$LAB/gate/ra.said" ] || fail "$1: something was sent: $(cat "$LAB/gate/ra.said")"; }

lab_up
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=OAM" -keyout "$LAB/oam.key" -out "$LAB/oam.pem" 2>/dev/null
cat "$LAB/oam.pem" "$LAB/roots.pem" >"$LAB/let-in.pem"
gate ra "$LAB_DIRECTORY" "$LAB/let-in.pem" "ssl_protocols TLSv1.3;"
DIRECTORY=$GATE_URL

# Without one: who wants it, and what to configure.
config ""
refused "none" 4 'authority "operator-ra"' "demands a client certificate; configure client-certificate" "No required SSL certificate"
checked 4 'BAD *authority operator-ra: .*configure client-certificate'

# The operator's, with the key in the HSM, in the TPM: EC and RSA, TLS 1.3 and 1.2.  The keys are no keys of ours.
hsm_key oam-ec EC:secp384r1 0a01
hsm_key oam-rsa rsa:2048 0a02
tpm_key oam-tpm EC group:P-256
tpm_key oam-tpm-rsa RSA bits:2048
for name in oam-ec oam-rsa oam-tpm oam-tpm-rsa; do oam_certificate "$name" "$LAB/$name.pub"; done
for PROTOCOL in TLSv1.3 TLSv1.2; do
	gate ra "$LAB_DIRECTORY" "$LAB/let-in.pem" "ssl_protocols $PROTOCOL;"
	for name in oam-ec oam-rsa oam-tpm oam-tpm-rsa; do
		token=hsm
		[[ $name != oam-tpm* ]] || token=tpm
		config "file: $LAB/$name.pem, token: $token, label: $name"
		checked 0 "ok *authority operator-ra: .*client certificate $LAB/$name.pem$"
		[ "$(cat "$LAB/gate/ra.said")" = "SUCCESS $PROTOCOL $(serial_of "$LAB/$name.pem") 200" ] || fail "$PROTOCOL, $name: $(cat "$LAB/gate/ra.said")"
	done
done
PROTOCOL=TLSv1.3
gate ra "$LAB_DIRECTORY" "$LAB/let-in.pem" "ssl_protocols $PROTOCOL;"
config "file: $LAB/oam-tpm.pem, token: tpm, label: oam-tpm"
renewed "enrolled with the operator's, in the TPM" "$(serial_of "$LAB/oam-tpm.pem")" smf
hwacme token gc | grep -q "0 keys" || fail "token gc: $(hwacme token gc)"

# One of ours: the operator's until it is issued, then itself; it is shown to renew itself, and the new one by the next run.  Its key in the
# TPM (amf), then one with its key in the HSM (smf).
config "certificate: amf, file: $LAB/oam-ec.pem, token: hsm, label: oam-ec"
renewed "ours, not issued yet" "$(serial_of "$LAB/oam-ec.pem")" amf
for i in 1 2; do renewed "ours, in the TPM, $i" "$(lab_live_serial amf)" amf; done
config "certificate: smf"
renewed "ours, in the HSM" "$(lab_live_serial smf)" smf amf
TPM_TYPE=rsa-2048 config "certificate: amf"
renewed "ours, becoming RSA" "$(lab_live_serial amf)" amf
renewed "ours, RSA in the TPM" "$(lab_live_serial amf)" amf smf
checked 0 'ok *authority operator-ra: .*client certificate amf$'

# Not issued, and nothing in its place: the server is asked all the same, and says what it wants.
config "certificate: amf"
mv "$LAB/state" "$LAB/state.kept"
refused "not issued" 4 "client-certificate amf is not issued yet"
rm -r "$LAB/state"
mv "$LAB/state.kept" "$LAB/state"

# A certificate that is not the key's, a private key in the file, a file or a key that is not there: told, and nothing was sent.
config "file: $LAB/oam-rsa.pem, token: hsm, label: oam-ec"
refused "another key's" 4 'authority "operator-ra": client-certificate' "not for the key in the token"
nothing_sent "another key's"
checked 2 'BAD *authority operator-ra: client-certificate .*not for the key'
cat "$LAB/oam-ec.pem" "$LAB/oam.key" >"$LAB/with-key.pem"
config "file: $LAB/with-key.pem, token: hsm, label: oam-ec"
refused "a key in the file" 4 "private key among the certificates"
config "file: $LAB/nowhere.pem, token: hsm, label: oam-ec"
refused "no file" 1 "$LAB/nowhere.pem"
config "file: $LAB/oam-ec.pem, token: hsm, label: oam-lost"
refused "no key" 3 "client-certificate $LAB/oam-ec.pem" 'key "oam-lost"'
nothing_sent "no key"

# One that the server does not take: which it was, until when it is good, and the server's word.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=other" -keyout "$LAB/oam.key" -out "$LAB/oam.pem" 2>/dev/null
oam_certificate stranger "$LAB/oam-ec.pub"
config "file: $LAB/stranger.pem, token: hsm, label: oam-ec"
refused "a stranger's" 4 "refuses client-certificate $LAB/stranger.pem, which is good until 20" "HTTP status 400"
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$LAB_PIN" "$LAB/hwacme.log"
