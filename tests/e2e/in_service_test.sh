# nginx serves the TPM's key through the tpm2 provider and the HSM's through the pkcs11 engine, before and after a renewal.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"

lab_up
lab_config ec-p256 rsa-2048
hwacme renew
for name in amf smf; do
	lab_nginx $name
	[ "$(lab_get $name)" = "$name is served" ] || fail "$name is not served"
	[ "$(lab_served $name)" = "$(lab_live_serial $name)" ] || fail "$name serves another certificate"
done
hwacme renew --force
for name in amf smf; do
	lab_wait 20 "the new certificate of $name" lab_serves $name "$(lab_live_serial $name)"
	[ "$(lab_get $name)" = "$name is served" ] || fail "$name is not served after its renewal"
done
