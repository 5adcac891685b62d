# What consumers find that look in the token: the certificate and its chain beside the key, and a label that moves to the new key before the
# hook is run; found by pkcs11-tool, the pkcs11 engine, NSS, and Java where there is one. What is retired leaves nothing.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
rotations=${HWACME_ROTATIONS:-6}
expect() { [ "$2" = "$3" ] || fail "$1: \"$2\", not \"$3\""; }
tool() { pkcs11-tool --module "$LAB_MODULE" --token-label nf-appliance --login --pin "$LAB_PIN" "$@" 2>/dev/null; }
# How many objects of a class have this label, or any.
count() { tool --list-objects --type "$1" | grep -c "^ *label: *${2:-.*}\$" || true; }
objects() { echo "$(count cert "${1:-}") $(count privkey "${1:-}") $(count pubkey "${1:-}")"; }
serial_under() { tool --read-object --type cert --label "$1" | openssl x509 -inform DER -noout -serial | sed 's/serial=//'; }
option() { sed -i "/^    token-objects:/d; /\$LAB\/reload, smf\|reload, smf/s|.*|&${1:+\n    token-objects: $1}|" "$LAB/hwacme.yaml"; }
policy() { sed -i "s/^    retire-after:.*/    retire-after: $1/" "$LAB/hwacme.yaml"; }
# Also of one that needs attention (5).
status_of() { { hwacme status smf --json || true; } | jq -r ".certificates[0].$1"; }
DOMAIN=smf.5gc.mnc001.mcc001.3gppnetwork.org

# Key and certificate by the label alone: served to a client that verifies the chain.
served_by_label() {
	local port
	port=$(lab_port)
	tool --read-object --type cert --label smf-tls | openssl x509 -inform DER -out "$LAB/label.pem"
	OPENSSL_CONF=$LAB/engine.cnf lab_start label openssl s_server -accept "127.0.0.1:$port" -www -quiet -cert "$LAB/label.pem" \
		-cert_chain "$LAB/state/live/smf/chain.pem" -engine pkcs11 -keyform engine \
		-key "pkcs11:token=nf-appliance;object=smf-tls;type=private?pin-source=$LAB/hsm.pin"
	served() {
		openssl s_client -connect "127.0.0.1:$port" -CAfile "$LAB/roots.pem" -verify_return_error -verify_hostname "$DOMAIN" \
			-servername "$DOMAIN" </dev/null 2>/dev/null | openssl x509 -noout -serial 2>/dev/null | grep -qx "serial=$1"
	}
	lab_wait 20 "a server that finds key and certificate by label" served "$(lab_live_serial smf)"
	lab_stop label
}

# A nickname is the label of the certificate; with a private key of the same id it is a user's ("u,u,u").
found_by_nss() {
	[ -d "$LAB/nssdb" ] || {
		mkdir "$LAB/nssdb"
		certutil -N -d "sql:$LAB/nssdb" --empty-password
		modutil -dbdir "sql:$LAB/nssdb" -add hsm -libfile "$LAB_MODULE" -force >/dev/null 2>&1
	}
	certutil -L -d "sql:$LAB/nssdb" -h nf-appliance -f "$LAB/hsm.pin" -n nf-appliance:smf-tls -a 2>"$LAB/nss.txt" | openssl x509 -noout -serial | grep -qx "serial=$1" || fail "NSS: $(cat "$LAB/nss.txt")"
	certutil -L -d "sql:$LAB/nssdb" -h nf-appliance -f "$LAB/hsm.pin" 2>/dev/null | grep 'smf-tls' >"$LAB/nss.txt" || fail "NSS lists no smf-tls"
	expect "NSS: nicknames" "$(grep -c smf-tls "$LAB/nss.txt")" 1
	grep -q 'u,u,u' "$LAB/nss.txt" || fail "NSS finds no key: $(cat "$LAB/nss.txt")"
}

# The alias is the label; the entry has the key, its certificate, and the chain.
found_by_java() {
	command -v keytool >/dev/null || { echo "Java is not tried without a JDK"; return 0; }
	printf 'name = hwacme\nlibrary = %s\nslotListIndex = 0\n' "$LAB_MODULE" >"$LAB/java.cfg"
	keytool -list -v -keystore NONE -storetype PKCS11 -addprovider SunPKCS11 -providerArg "$LAB/java.cfg" -storepass "$LAB_PIN" -alias smf-tls >"$LAB/java.txt" 2>&1 || fail "Java: $(cat "$LAB/java.txt")"
	grep -q 'Entry type: PrivateKeyEntry' "$LAB/java.txt" || fail "Java: $(cat "$LAB/java.txt")"
	# Java leaves zeros at the beginning out.
	grep -qi "^Serial number: $(sed 's/^0*//' <<<"$1")\$" "$LAB/java.txt" || fail "Java has another certificate: $(cat "$LAB/java.txt")"
	expect "Java: length of the chain" "$(sed -n 's/^Certificate chain length: //p' "$LAB/java.txt")" "$2"
}

lab_up
LAB_ACCOUNT_TOKEN=tpm lab_config
printf 'openssl_conf = o\n[o]\nengines = e\n[e]\npkcs11 = p\n[p]\nMODULE_PATH = %s\n' "$LAB_MODULE" >"$LAB/engine.cnf"
# The hook sees what a service would find.
cat >"$LAB/reload" <<SH
#!/bin/sh
[ "\$1" = smf ] || exit 0
export SOFTHSM2_CONF="$SOFTHSM2_CONF"
pkcs11-tool --module "$LAB_MODULE" --token-label nf-appliance --login --pin "$LAB_PIN" --read-object --type cert --label smf-tls 2>/dev/null |
	openssl x509 -inform DER -noout -serial >>"$LAB/hook.txt" || echo none >>"$LAB/hook.txt"
SH
hwacme renew >/dev/null
expect "objects without the option" "$(objects)" "0 1 1"

# Written for the certificate that is live already, without an order.
live=$(lab_live_serial smf)
option '{ chain: true, label: smf-tls }'
hwacme renew smf >"$LAB/renew.txt" || fail "$(tail -n 3 "$LAB/hwacme.log")"
expect "live" "$(lab_live_serial smf)" "$live"
expect "under the label" "$(objects smf-tls)" "1 1 1"
expect "certificate" "$(serial_under smf-tls)" "$live"
chain=$(grep -c BEGIN "$LAB/state/live/smf/chain.pem")
expect "certificates" "$(count cert)" $((1 + chain))
expect "id of the certificate" "$(tool --list-objects --type cert | sed -n '/label: *smf-tls$/,/ID:/s/^ *ID: *//p')" "$(status_of key | sed 's/.*-//')"
expect "status" "$(status_of service.token_objects)" "certificate, chain, label smf-tls"
grep -q 'objects   certificate, chain, label smf-tls' <<<"$(hwacme status smf)" || fail "status: $(hwacme status smf)"
grep -q 'hsm: "smf-tls" ec-p256, of certificate smf (live)' <<<"$(hwacme token keys)" || fail "token keys: $(hwacme token keys)"
hwacme token audit --try >"$LAB/audit.txt" || fail "audit: $(cat "$LAB/audit.txt")"
hwacme check >"$LAB/check.txt" || fail "check: $(cat "$LAB/check.txt")"
served_by_label

# Two renewals: the label is on the new pair when the hook is run, and what was before keeps its own name until it is retired.
for turn in 1 2; do
	: >"$LAB/hook.txt"
	hwacme renew --force smf >/dev/null || fail "$(tail -n 3 "$LAB/hwacme.log")"
	expect "what the hook saw" "$(cat "$LAB/hook.txt")" "serial=$(lab_live_serial smf)"
	expect "under the label after renewal $turn" "$(objects smf-tls)" "1 1 1"
	expect "objects after renewal $turn" "$(objects)" "$(((1 + turn) * (1 + chain))) $((1 + turn)) $((1 + turn))"
	served_by_label
	found_by_nss "$(lab_live_serial smf)"
	found_by_java "$(lab_live_serial smf)" $((1 + chain))
done
policy 0s
python3 -c 'import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE retired SET erase_at = 1")
database.commit()' "$LAB/state/hwacme.db"
hwacme renew smf >/dev/null
expect "objects after retirement" "$(objects)" "$((1 + chain)) 1 1"
found_by_nss "$(lab_live_serial smf)"

# The key stays, and has one certificate: the new one.
sed -i '/token: hsm, type: ec-p256, rotate: always/s/always/never/' "$LAB/hwacme.yaml"
hwacme renew --force smf >/dev/null || fail "$(tail -n 3 "$LAB/hwacme.log")"
expect "certificate beside a kept key" "$(serial_under smf-tls)" "$(lab_live_serial smf)"
expect "objects with a kept key" "$(objects)" "$((1 + chain)) 1 1"
sed -i '/token: hsm, type: ec-p256, rotate: never/s/never/always/' "$LAB/hwacme.yaml"

# A failure is retried with the service's back-off, holds the hook, keeps the old pair, and is no reason to order.
old=$(lab_live_serial smf)
tool --keypairgen --key-type EC:prime256v1 --label taken --id 77 >/dev/null
option '{ chain: true, label: taken }'
: >"$LAB/hook.txt"
got=0
hwacme renew --force smf >/dev/null || got=$?
expect "status with a label of somebody else's" "$got" 3
tail -n 1 "$LAB/hwacme.log" | grep -q 'not of this hwacme has the label "taken"; choose another' || fail "$(tail -n 1 "$LAB/hwacme.log")"
expect "the old pair" "$(serial_under smf-tls)" "$old"
expect "hooks run" "$(cat "$LAB/hook.txt")" ""
expect "state" "$(status_of state)" installed
expect "failures of the service" "$(status_of service.attempts)" 1
expect "failures of the renewal" "$(status_of attempts)" 0
# But not when the old certificate is about to expire: who looks in the files has the new one then. It is not all that is owed.
hwacme renew smf >/dev/null && fail "a label of somebody else's was taken"
expect "hooks run before the old certificate is about to expire" "$(cat "$LAB/hook.txt")" ""
python3 -c 'import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1])
left = [row[0] for row in database.execute("SELECT hook_by FROM service WHERE hook_by > 0")]
assert len(left) == 1 and left[0] > time.time() + 60, left
database.execute("UPDATE service SET hook_by = 1, attempts = 1 WHERE hook_by > 0")
database.commit()' "$LAB/state/hwacme.db" || fail "when does the hook not wait any more?"
hwacme renew smf >/dev/null && fail "a label of somebody else's was taken"
expect "hooks run when it is" "$(wc -l <"$LAB/hook.txt")" 1
expect "state" "$(status_of state)" installed
grep -q 'has the label "taken"' <<<"$(status_of service.last_error)" || fail "the failure was forgotten: $(status_of service)"
: >"$LAB/hook.txt"
live=$(lab_live_serial smf)
option '{ chain: true, label: smf-tls }'
hwacme renew smf >/dev/null || fail "$(tail -n 3 "$LAB/hwacme.log")"
expect "live" "$(lab_live_serial smf)" "$live"
expect "certificate" "$(serial_under smf-tls)" "$live"
expect "what the hook saw" "$(cat "$LAB/hook.txt")" "serial=$live"
tool --delete-object --type privkey --label taken >/dev/null
tool --delete-object --type pubkey --label taken >/dev/null

# Another label, then none, then nothing at all.
option '{ label: smf-other }'
hwacme renew smf >/dev/null
expect "under the other label" "$(objects smf-other)" "1 1 1"
expect "under the old one" "$(objects smf-tls)" "0 0 0"
expect "without the chain" "$(objects)" "1 1 1"
option ''
hwacme renew smf >/dev/null
expect "objects when nothing is wanted any more" "$(objects)" "0 1 1"
expect "its own label" "$(count privkey "$(status_of key)")" 1

# Rotation after rotation leaves what is in use and nothing else.
option '{ chain: true, label: smf-tls }'
for ((i = 1; i <= rotations; i++)); do
	hwacme renew --force smf >/dev/null || fail "rotation $i: $(tail -n 3 "$LAB/hwacme.log")"
done
hwacme renew smf >/dev/null
expect "objects after $rotations rotations" "$(objects)" "$((1 + chain)) 1 1"
expect "under the label" "$(objects smf-tls)" "1 1 1"
echo "$rotations rotations: $(objects) certificates, private and public keys"
