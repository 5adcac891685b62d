# The whole program, in its sandbox, with each way to use a TPM; a server with the key's passphrase; and a TPM that was replaced.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
says() { tail -n 20 "$LAB/hwacme.log" | grep -q "$1" || fail "no \"$1\" in: $(tail -n 5 "$LAB/hwacme.log")"; }
left() { tpm2_getcap -T "$LAB_TCTI" handles-transient; tpm2_getcap -T "$LAB_TCTI" handles-loaded-session; }
in_service() { hwacme status --json | jq -e 'all(.certificates[]; .state == "in service")' >/dev/null || fail "$1: $(hwacme status)"; }

lab_up
secret=Ulysses-1954
(umask 077; echo $secret >"$LAB/tpm.auth")

# Keys with an authorisation value, which a server gets as its passphrase.
LAB_TPM_OPTIONS="auth: { file: $LAB/tpm.auth }" lab_config
hwacme renew >/dev/null || fail "with an authorisation value: $(tail -n 3 "$LAB/hwacme.log")"
in_service "with an authorisation value"
LAB_NGINX_LINE="ssl_password_file $LAB/tpm.auth;" lab_nginx amf
lab_serves amf "$(lab_live_serial amf)" || fail "nginx does not serve the key with its passphrase"
hwacme renew --force >/dev/null
lab_wait 20 "the new certificate in nginx" lab_serves amf "$(lab_live_serial amf)"
lab_stop nginx-amf
"$SOURCE/swtpm-ci/secrets" "$LAB/state" $secret "$LAB/hwacme.log"

# A wrong value: told as the token's failure, with where it was read from, and not tried again.
tpm2_flushcontext -T "$LAB_TCTI" -t
echo Ulysses-1945 >"$LAB/tpm.auth"
sed -i 's/rotate: always/rotate: never/' "$LAB/hwacme.yaml"
for i in 1 2; do
	status=0
	hwacme renew --force amf >/dev/null || status=$?
	[ $status = 3 ] || fail "status $status with a wrong value"
	says "$LAB/tpm.auth"
done
says "refused before"
echo $secret >"$LAB/tpm.auth"
hwacme renew --force amf >/dev/null || fail "corrected: $(tail -n 3 "$LAB/hwacme.log")"

# Registers, and a key that stays loaded until keyd closes it.
LAB_TPM_OPTIONS='pcrs: "sha256:0,7", keep-loaded: true' lab_config
hwacme renew --force >/dev/null || fail "with registers: $(tail -n 3 "$LAB/hwacme.log")"
in_service "with registers"
hwacme token keys | grep -q 'sha256:0,7' || fail "token keys does not tell the registers"
[ -z "$(left)" ] || fail "left in the TPM: $(left)"

# A parent that somebody provisioned.
tpm2_createprimary -T "$LAB_TCTI" -Q -C o -G ecc256:null:aes128cfb -c "$LAB/srk.ctx" \
	-a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt'
tpm2_evictcontrol -T "$LAB_TCTI" -Q -C o -c "$LAB/srk.ctx" 0x81000017
tpm2_flushcontext -T "$LAB_TCTI" -t
LAB_TPM_OPTIONS="parent: 0x81000017, auth: { file: $LAB/tpm.auth }" lab_config
hwacme renew --force >/dev/null || fail "with a parent: $(tail -n 3 "$LAB/hwacme.log")"
in_service "with a parent"
LAB_TPM_OPTIONS="parent: 0x81000018" lab_config
status=0
said=$(hwacme check 2>&1) || status=$?
[ $status != 0 ] && grep -q 0x81000018 <<<"$said$(tail -n 3 "$LAB/hwacme.log")" || fail "a parent that is not there: $said"

# The broker, from within the sandbox.
lab_start bus dbus-daemon --session --nofork --nopidfile --address="unix:path=$LAB/bus"
lab_wait 20 "the bus" test -S "$LAB/bus"
export DBUS_SESSION_BUS_ADDRESS=unix:path=$LAB/bus
lab_start abrmd tpm2-abrmd --session --allow-root --tcti="$LAB_TCTI" --flush-all
lab_wait 20 tpm2-abrmd tpm2_getcap -T tabrmd:bus_type=session handles-nv-index
direct=$LAB_TCTI
LAB_TCTI=tabrmd:bus_type=session LAB_TPM_OPTIONS="keep-loaded: true, auth: { file: $LAB/tpm.auth }" lab_config
hwacme renew --force >/dev/null || fail "through tpm2-abrmd: $(tail -n 3 "$LAB/hwacme.log")"
in_service "through tpm2-abrmd"
lab_stop abrmd
lab_stop bus
LAB_TCTI=$direct

# Another TPM in its place: said so, the live pair untouched, nothing enrolled in silence; then on purpose.
lab_config
hwacme renew --force >/dev/null
serial=$(lab_live_serial amf)
lab_stop swtpm
rm -rf "$LAB/tpm"
lab_swtpm
status=0
hwacme renew --force amf >/dev/null || status=$?
[ $status = 3 ] || fail "status $status with another TPM"
says "another TPM, or it was cleared"
[ "$(lab_live_serial amf)" = "$serial" ] || fail "the live pair changed"
rm "$LAB"/state/keys/.known-tpm-*
hwacme renew --force amf >/dev/null || fail "enrolled anew: $(tail -n 3 "$LAB/hwacme.log")"
[ "$(lab_live_serial amf)" != "$serial" ] || fail "not enrolled anew"
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$LAB_PIN" "$LAB/hwacme.log"
