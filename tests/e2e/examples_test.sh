# Each configuration of conf/examples enrols what it says, as it stands but for addresses and paths: the data centre's with secrets that are
# credentials of systemd, the appliance's on a socket that systemd handed over, the pipeline's with a PIN in the environment.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
# example NAME [SED-EXPRESSION...]: $LAB/hwacme.yaml is that example, moved into the lab
example() {
	local name=$1
	shift
	STATE=$LAB/state-$name
	sed -E -e "s|^state: .*|state: $STATE|" -e "s#(module|directory|roots|trust): [^ ,}]+#\1: LAB-\1#" -e "s|127.0.0.1:9642|127.0.0.1:$(lab_port)|" \
		-e "/^policies:/,/^certificates:/ s#^  - name: .*#&\n    boot-spread: 0s#" \
		-e "s|LAB-module|$LAB_MODULE|; s|LAB-directory|$LAB_DIRECTORY|; s|LAB-roots|$LAB/roots.pem|; s|LAB-trust|$LAB/trust.pem|" \
		-e "s#\"(0.0.0.0:80|127.0.0.1:5002)\"#\"127.0.0.1:$LAB_HTTP01\"#" "$@" "$SOURCE/conf/examples/$name.yaml" >"$LAB/hwacme.yaml"
}
all_in_service() { hwacme status --json | jq -e '[.certificates[] | select(.state == "in service")] | length == '"$1"; }
# in_token NAME: where the key of that certificate is
in_token() { { hwacme status "$1" --json || true; } | jq -r '.certificates[0].token'; }
secret() { (umask 077; printf %s "$2" >"$CREDENTIALS/$1"); }
new_token() { softhsm2-util --init-token --free --label "$1" --so-pin 00000000 --pin "$2" >/dev/null; }

# What the deploy hooks call.
lab_begin
mkdir "$LAB/bin" "$LAB/www" "$LAB/credentials"
printf '#!/bin/sh\necho "$0 $*" >>"%s/hooks"\nenv >>"%s/hook-environment"\n' "$LAB" "$LAB" >"$LAB/bin/systemctl"
chmod 755 "$LAB/bin/systemctl"
ln -s systemctl "$LAB/bin/reload-nf"
export PATH=$LAB/bin:$PATH

# datacentre.yaml: two tokens of an HSM; PINs and the key of the external account are files of $CREDENTIALS_DIRECTORY (systemd.exec(5)).
CREDENTIALS=$LAB/credentials
secret accounts-pin 24681012
secret services-pin 13579111
secret eab-key "$(python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).rstrip(b'=').decode())")"
lab_softhsm
new_token acme-accounts 24681012
new_token services 13579111
lab_ra --set external_account_required=true --set "external_accounts={\"dc-west\": \"$(cat "$CREDENTIALS/eab-key")\"}"
example datacentre -e "s|/var/www/html|$LAB/www|; s|/usr/local/bin/|$LAB/bin/|"
got=0
hwacme token list >/dev/null || got=$?
{ [ $got = 3 ] && grep -q 'credential accounts-pin needs CREDENTIALS_DIRECTORY.*LoadCredential=accounts-pin' "$LAB/hwacme.log"; } ||
	fail "without credentials: exit $got: $(tail -n 1 "$LAB/hwacme.log")"
export CREDENTIALS_DIRECTORY=$CREDENTIALS
lab_start www python3 -m http.server --directory "$LAB/www" --bind 127.0.0.1 "$LAB_HTTP01"
lab_wait 20 "the web server" curl -sf "http://127.0.0.1:$LAB_HTTP01/"
hwacme renew portal >/dev/null || fail "datacentre.yaml: portal"
lab_stop www
lab_start run "$HWACME" -c "$LAB/hwacme.yaml" run
lab_wait 60 "datacentre.yaml: three certificates" all_in_service 3
lab_stop run
[ "$(in_token portal) $(in_token nrf) $(in_token smf)" = "services services services" ] || fail "datacentre.yaml: keys elsewhere"
hwacme token keys --json | jq -e '[.keys[] | select(.token == "accounts")] | length == 1' >/dev/null || fail "datacentre.yaml: not the account's key alone"
clean datacentre.yaml
hooks=$(sed "s|^$LAB/bin/||" "$LAB/hooks" | sort | tr '\n' ';')
[ "$hooks" = "reload-nf nrf;reload-nf smf;systemctl reload nginx;" ] || fail "datacentre.yaml: hooks: $hooks"
! grep -q CREDENTIALS "$LAB/hook-environment" || fail "a hook was told where credentials are"
for one in 24681012 13579111 "$(cat "$CREDENTIALS/eab-key")"; do
	"$SOURCE/swtpm-ci/secrets" "$STATE" "$one" "$LAB/hwacme.log" "$LAB/run.log" "$LAB/hook-environment"
done
unset CREDENTIALS_DIRECTORY

# nf-appliance.yaml: keys in the TPM, port 80 from a systemd unit, the instance proved with a token of the OAM.
ra settings '{"external_account_required": false}' >/dev/null
lab_swtpm
example nf-appliance -e "s|device:/dev/tpmrm0|$LAB_TCTI|; s|https://oam[^\"]*|$LAB_TOKEN_AUTHORITY|"
cat >"$LAB/activate" <<-'PY'
	import os, socket, sys
	server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
	os.dup2(os.dup2(server.fileno(), 50), 3, inheritable=True)
	os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="http-01")
	os.execv(sys.argv[2], sys.argv[2:])
PY
lab_start run python3 "$LAB/activate" "$LAB_HTTP01" "$HWACME" -c "$LAB/hwacme.yaml" run
lab_wait 60 "nf-appliance.yaml: one certificate" all_in_service 1
lab_stop run
clean nf-appliance.yaml
names=$(openssl x509 -in "$STATE/live/amf/cert.pem" -noout -ext subjectAltName)
[[ $names = *URI:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b* ]] || fail "nf-appliance.yaml: $names"
grep -q 'the pre-authorisation interval of 336h less a margin of 1d' <<<"$(hwacme status amf)" || fail "nf-appliance.yaml: $(hwacme status amf)"

# ci.yaml: as in its own first lines.
lab_pebble
example ci -e "s|swtpm:path=[^\"]*|$LAB_TCTI|"
export HSM_PIN=$LAB_PIN
said=$(hwacme check) || fail "ci.yaml: check: $said"
hwacme renew >/dev/null || fail "ci.yaml: renew"
unset HSM_PIN
hwacme status >/dev/null || fail "ci.yaml: status: exit $?"
[ "$(in_token in-the-tpm) $(in_token in-the-hsm)" = "tpm hsm" ] || fail "ci.yaml: keys elsewhere"
"$SOURCE/swtpm-ci/secrets" "$STATE" "$LAB_PIN" "$LAB/hwacme.log"
