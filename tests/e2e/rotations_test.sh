# Rotation after rotation leaves in the tokens what is in use and nothing else: one private key a certificate in SoftHSM, one wrapped key in the
# state directory and no object in the TPM, one generation in the archive. HWACME_ROTATIONS=1000 for a longer life.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
rotations=${HWACME_ROTATIONS:-24}
# Counted by others' means: objects of a class in the HSM, key files, handles in the TPM.
hsm_objects() { pkcs11-tool --module "$LAB_MODULE" --token-label nf-appliance --login --pin "$LAB_PIN" --list-objects --type "$1" 2>/dev/null | grep -c 'Object;' || true; }
tpm_keys() { find "$LAB/state/keys" -name '*.pem' | wc -l; }
tpm_handles() { tpm2_getcap -T "$LAB_TCTI" "$1" 2>/dev/null | grep -c '^- 0x' || true; }
generations() { find "$LAB/state/archive/$1" -mindepth 1 -maxdepth 1 | wc -l; }
expect() { [ "$2" = "$3" ] || fail "$1: \"$2\", not \"$3\""; }

lab_up
LAB_RETIRE_AFTER=0s lab_config
hwacme renew >/dev/null
# The account's key and smf's; each with its public half.
private=$(hsm_objects privkey) public=$(hsm_objects pubkey) persistent=$(tpm_handles handles-persistent)
expect "private keys after enrolment" "$private" 2
began=$(date +%s)
for ((i = 1; i <= rotations; i++)); do
	hwacme renew --force >/dev/null || fail "rotation $i: $(tail -n 3 "$LAB/hwacme.log")"
	# Nothing builds up that would be cleared away at the end only.
	[ $((i % 50)) != 0 ] || { expect "private keys after $i rotations" "$(hsm_objects privkey)" 2; echo "$i rotations in $(($(date +%s) - began)) s"; }
done
expect "private keys" "$(hsm_objects privkey)" "$private"
expect "public keys" "$(hsm_objects pubkey)" "$public"
expect "other objects" "$(hsm_objects secrkey)$(hsm_objects cert)$(hsm_objects data)" 000
expect "keys of the TPM" "$(tpm_keys)" 1
expect "loaded in the TPM" "$(tpm_handles handles-transient)$(tpm_handles handles-loaded-session)$(tpm_handles handles-saved-session)" 000
expect "persistent in the TPM" "$(tpm_handles handles-persistent)" "$persistent"
expect "keys that hwacme sees" "$(hwacme token keys --json | jq '[.keys[] | select(.held and .owner != null)] | length')" 3
hwacme token gc --yes >"$LAB/gc.txt" || fail "gc: $(cat "$LAB/gc.txt")"
grep -q '^0 keys' "$LAB/gc.txt" || grep -qi 'no key' "$LAB/gc.txt" || fail "keys that nobody owns: $(cat "$LAB/gc.txt")"
# What was superseded less than a minute ago may still be read; older generations go, the live one stays.
touch -d '-2 minutes' "$LAB"/state/archive/*/*
python3 -c 'import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE service SET prune_at = 1 WHERE prune_at > 0")
database.commit()' "$LAB/state/hwacme.db"
hwacme renew >/dev/null
for name in amf smf; do
	expect "generations of $name" "$(generations $name)" 1
	[ -s "$LAB/state/live/$name/cert.pem" ] || fail "the live $name is gone"
done
expect "rows that are left" "$(python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT (SELECT count(*) FROM retired) + (SELECT count(*) FROM superseded)").fetchone()[0])' "$LAB/state/hwacme.db")" 0
echo "$rotations rotations of both certificates in $(($(date +%s) - began)) s"
