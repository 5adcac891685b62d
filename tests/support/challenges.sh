# challenges.sh -- one certificate, amf, enrolled by one challenge after another; sourced after script.sh, and lab_ra.sh where the CA is the RA.
#
#	config NAMES CHALLENGE			writes $LAB/hwacme.yaml: these names, proved so, key in the HSM
#	enrol WHAT NAMES CHALLENGE		another certificate is issued for them, and the protocol was kept
#	refused WHAT WORDS NAMES CHALLENGE	nothing is, and the error has these words (an extended regular expression)
#	has TEXT				the live certificate has this among its names
HOST=amf.5gc.mnc001.mcc001.3gppnetwork.org

config() {
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

enrol() {
	local what=$1 live=
	[ ! -e "$LAB/state/live/amf" ] || live=$(lab_live_serial amf)
	config "$2" "$3"
	hwacme renew --force || fail "$what"
	[ "$(lab_live_serial amf)" != "$live" ] || fail "$what: nothing was issued"
	[ -z "${LAB_RA:-}" ] || clean "$what"
	echo "$what: $(openssl x509 -in "$LAB/state/live/amf/cert.pem" -noout -ext subjectAltName | tail -n 1)"
}

refused() {
	local got=0 said
	config "$3" "$4"
	said=$("$HWACME" -c "$LAB/hwacme.yaml" renew --force 2>&1) || got=$?
	{ [ $got != 0 ] && grep -qE -- "$2" <<<"$said"; } || fail "$1: exit $got, no \"$2\" in: $said"
	echo "$1: $(grep -oE -- "$2" <<<"$said" | head -n 1)"
	[ -z "${LAB_RA:-}" ] || clean "$1"
}

has() { openssl x509 -in "$LAB/state/live/amf/cert.pem" -noout -ext subjectAltName | grep -qF "$1" || fail "the certificate lacks $1"; }
