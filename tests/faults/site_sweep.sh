# site_sweep.sh -- broken at each of its sites: kill|errors|power enrol|renew softhsm|swtpm, run_kill|run_power enrol|renew softhsm,
# kill commands softhsm, or memory; sites/README.md has more.
set -euo pipefail
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm # what is synced is counted here, not timed
# Each run answers a challenge, and no nonce is refused by chance: the same sites each time.
export PEBBLE_AUTHZREUSE=0 PEBBLE_WFE_NONCEREJECT=0
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
sweep=$1 what=${2:-} token=${3:-}
# What the engine does is the same with each token: the short sweeps do not break it as often.
declare -A strides=([kill_renew_swtpm]=5 [errors_renew_swtpm]=4 [power_renew_softhsm]=2 [power_renew_swtpm]=5
	[kill_enrol_softhsm]=5 [errors_enrol_softhsm]=5 [power_enrol_softhsm]=2 [kill_commands_softhsm]=5 [memory__]=5
	[run_kill_renew_softhsm]=7 [run_power_renew_softhsm]=7 [run_kill_enrol_softhsm]=8 [run_power_enrol_softhsm]=8)
[ -n "${SWEEP_FULL:-}" ] || export SWEEP_STRIDE=${SWEEP_STRIDE:-${strides[${sweep}_${what}_$token]:-1}}

# begin TOKENS: all of the configuration but its certificates.
begin() {
	cat >"$LAB/hwacme.yaml" <<-YAML
	state: $LAB/state
	tokens: [$1]
	authorities:
	  - name: operator-ra
	    directory: $LAB_DIRECTORY
	    trust: $LAB/trust.pem
	    roots: $LAB/roots.pem
	    terms-agreed: true
	    contact: ["mailto:noc@example.org"]
	    account-key: { token: token, type: ec-p256 }
	policies: [{ name: sba, retire-after: 0s, boot-spread: 0s, windows: ["Mon-Sun 00:00-24:00 Europe/Paris"] }]
	certificates:
	YAML
}
# certificate NAME TOKEN NAMES CHALLENGE [LINE]...
certificate() {
	cat >>"$LAB/hwacme.yaml" <<-YAML
	  - name: $1
	    authority: operator-ra
	    policy: sba
	    key: { token: $2, type: ec-p256, rotate: always }
	    names: [$3]
	    challenge: { $4 }
	YAML
	shift 4
	printf '    %s\n' "$@" >>"$LAB/hwacme.yaml"
}
swept() {
	cd "$SOURCE/tests/faults"
	PYTHONPYCACHEPREFIX=$BUILD/pycache /usr/bin/python3 -W ignore -m "sites.$@"
}
hsm="{ name: token, pkcs11: { module: $LAB_MODULE, token: nf-appliance, pin: { file: LAB/hsm.pin } } }"
export PKCS11_MODULE_PATH=$LAB_MODULE
HOST=5gc.mnc001.mcc001.3gppnetwork.org

if [ "$sweep" = memory ]; then
	# All kinds of challenges, at the test RA.
	LAB_TLSALPN=$(lab_port)
	lab_ra_up --set "tls_alpn=\"127.0.0.1:$LAB_TLSALPN\"" --set validate_at_once=true --set 'authz_reuse="newAuthz"' --set 'new_authz="on"' \
		--set 'challenges={"dns": ["http-01", "dns-account-01", "dns-persist-01"], "ip": ["tls-alpn-01"], "NfInstanceId": ["tkauth-01"]}'
	lab_swtpm
	export TPM2OPENSSL_TCTI=$LAB_TCTI
	cat >"$LAB/hook" <<-SH
	#!/bin/sh
	case \$1 in
	present) exec curl -sS --fail --max-time 10 "$LAB_RA/txt" --data "{\"name\": \"\$HWACME_RECORD\", \"values\": [\"\$HWACME_VALUE\"]}" ;;
	esac
	SH
	chmod 755 "$LAB/hook"
	begin "${hsm//LAB/$LAB}, { name: tpm, tpm2: { tcti: \"$LAB_TCTI\" } }"
	http="http-01: { listen: \"127.0.0.1:$LAB_HTTP01\" }"
	certificate amf tpm "\"dns:amf.$HOST\"" "$http" "deploy: { run: [/bin/true], timeout: 30s }"
	certificate alpn token '"ip:192.0.2.7"' "tls-alpn-01: { listen: \"127.0.0.1:$LAB_TLSALPN\" }"
	certificate dns token "\"dns:dns.$HOST\"" "dns-account-01: { hook: [$LAB/hook] }"
	certificate nf token "\"dns:nf.$HOST\"" "tkauth-01: { authority: \"$LAB_TOKEN_AUTHORITY\", trust: $LAB/trust.pem }, $http" \
		"nf: { types: [AMF], instance: 4ace9d34-2c69-4f99-92d5-a73a3fe8e23b }"
	certificate persist token "\"dns:persist.$HOST\"" "dns-persist-01: { issuer: ra.example }"
	echo "metrics: { listen: \"127.0.0.1:$(lab_port)\" }" >>"$LAB/hwacme.yaml"
	hwacme account register >/dev/null
	account=$(ra accounts | jq -r '.[-1].url')
	ra txt "{\"name\": \"_validation-persist.persist.$HOST\", \"values\": [\"ra.example; accounturi=$account\"]}" >/dev/null
	hwacme renew >/dev/null
	sed "/^state:/d; s/pin:/init-args: unwanted, pin:/" "$LAB/hwacme.yaml" >"$LAB/other.yaml"
	swept allocations "$LAB" "$SWEPT" amf,alpn,dns,nf,persist state softhsm
	exit
fi
lab_begin
lab_pebble
case $token in
softhsm)
	lab_softhsm
	begin "${hsm//LAB/$LAB}"
	kept=softhsm
	# Consumers look in this token too: one step more, most of it in keyd.
	objects="token-objects: { chain: true, label: amf-tls }"
	;;
swtpm)
	lab_swtpm
	export TPM2OPENSSL_TCTI=$LAB_TCTI
	begin "{ name: token, tpm2: { tcti: \"$LAB_TCTI\" } }"
	kept= objects=
	;;
esac
certificate amf token "\"dns:amf.$HOST\"" "http-01: { listen: \"127.0.0.1:$LAB_HTTP01\" }" "deploy: { run: [/bin/true], timeout: 30s }" ${objects:+"$objects"}
if [ "$what" = renew ] || [ "$what" = commands ]; then
	hwacme renew >/dev/null
	hwacme renew --force >/dev/null # keys have been retired before
else
	mkdir "$LAB/state"
fi
case ${sweep}_$what in
kill_commands)
	swept commands "$LAB" "$HWACME" "$FAULT_SHIM" amf state $kept
	exit
	;;
run_*)
	# What a daemon that is started finds to do: another name.
	sed -i "s/\"dns:amf.$HOST\"/&, \"dns:added.$HOST\"/" "$LAB/hwacme.yaml"
	swept daemon "${sweep#run_}" "$what" "$LAB" "$HWACME" "$FAULT_SHIM" amf state $kept
	exit
	;;
esac
swept sweep "$sweep" "$what" "$LAB" "$HWACME" "$FAULT_SHIM" amf state $kept
