# token keys, audit and gc: whose a key is, how it is kept, and that nobody's keys go only when they are ours and old enough.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
pkcs11() { pkcs11-tool --module "$LAB_MODULE" --token-label nf-appliance --login --pin "$LAB_PIN" "$@" >/dev/null 2>&1; }
# make_key LABEL-OWNER SECONDS-OLD INSTANCE: a key called as ours, made by other means.
make_key() {
	local id
	id=$(printf '%08x%08x0123456789abcdef' $(($(date +%s) - $2)) "$3")
	pkcs11 --keypairgen --key-type EC:prime256v1 --sensitive --label "hwacme-$1-$id" --id "$id" || fail "pkcs11-tool"
}

lab_up
lab_config
got=0
hwacme token gc --yes >/dev/null || got=$?
[ $got = 1 ] || fail "gc without a database: exit $got"
hwacme renew >/dev/null
instance=$(python3 -c "import sqlite3, sys; print(int.from_bytes(sqlite3.connect(sys.argv[1]).execute('SELECT number FROM instance').fetchone()[0], 'big'))" "$LAB/state/hwacme.db")

hwacme token audit >"$LAB/audit" || fail "audit: $(cat "$LAB/audit")"
grep -q '^3 keys looked at, 0 failed; 0 of others' "$LAB/audit" || fail "audit: $(cat "$LAB/audit")"
hwacme token audit --try --json | jq -e '.failed == 0 and .looked_at == 3 and all(.keys[]; .passed and (.public_key_sha256 | length == 64))' >/dev/null || fail "audit --try --json"
attempts() { hwacme token audit --try --json | jq -c "[.keys[] | select($1) | .attempt] | unique"; }
[[ $(attempts '.token == "tpm"') = '["none was made: a TPM '*'"]' ]] && [ "$(attempts '.token == "hsm"')" = '["wrapping was refused"]' ] || fail "attempts: $(hwacme token audit --try --json)"
hwacme token audit --json | jq -e 'all(.keys[]; .attempt == null)' >/dev/null || fail "attempts without --try: $(hwacme token audit --json)"
hwacme token keys --json | jq -e 'all(.keys[]; .owner != null and .ours and .held)' >/dev/null || fail "keys"

# Who put an older copy of the database back has a set live that no record tells of; its key is in use, however old it is.
make_key served 7200 "$instance"
id=$(hwacme token keys | grep -o 'hwacme-served-[0-9a-f]*')
pkcs11-tool --module "$LAB_MODULE" --token-label nf-appliance --read-object --type pubkey --id "${id##*-}" -o "$LAB/served.spki" >/dev/null 2>&1 || fail "no public key of $id"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$LAB/served.key" -subj /CN=served -out "$LAB/served.csr" 2>/dev/null
mkdir -p "$LAB/state/archive/served/7"
openssl x509 -req -in "$LAB/served.csr" -signkey "$LAB/served.key" -force_pubkey "$LAB/served.spki" -out "$LAB/state/archive/served/7/cert.pem" 2>/dev/null || fail "no certificate for $id"
rm "$LAB/served.key"
ln -s ../archive/served/7 "$LAB/state/live/served"
hwacme token keys | grep -q "\"$id\".* of live/served, which no record describes\$" || fail "whose is $id? $(hwacme token keys)"
hwacme token gc --yes >"$LAB/gc" || fail "gc: $(tail -n 1 "$LAB/hwacme.log")"
grep -q '^0 keys of ours without an owner' "$LAB/gc" || fail "gc of a key that is live: $(cat "$LAB/gc")"
echo damaged >"$LAB/state/archive/served/7/cert.pem"
hwacme token gc --yes | grep -q '^0 keys of ours without an owner' && tail -n 1 "$LAB/hwacme.log" | grep -q 'what is live is not known.*live/served/cert.pem' || fail "gc without knowing what is live: $(tail -n 1 "$LAB/hwacme.log")"
hwacme token keys | grep -q "\"$id\".* of what is live, perhaps\$" || fail "gc erased what may be live: $(hwacme token keys)"
rm -r "$LAB/state/live/served" "$LAB/state/archive/served"
hwacme token gc --yes | grep -q '^1 key of ours without an owner' || fail "gc of a key that is live no more: $(tail -n 1 "$LAB/hwacme.log")"

make_key lost 7200 "$instance"    # ours, old, of nobody: goes
make_key fresh 60 "$instance"     # ours, but perhaps of something that is just happening
make_key remote 7200 77           # of another host that shares the token
pkcs11 --keypairgen --key-type EC:prime256v1 --label somebody-else --id 01 || fail "pkcs11-tool"
# Who shares the token may write labels in Latin-1: the key is told all the same, to people and to scripts.
pkcs11 --keypairgen --key-type EC:prime256v1 --label $'caf\xe9' --id 02 || fail "pkcs11-tool"
hwacme token keys | grep -q '"caf?"' || fail "no key caf?: $(hwacme token keys)"
hwacme token keys --json | jq -e 'any(.keys[]; .label == "caf?")' >/dev/null || fail "no key caf?: $(hwacme token keys --json)"
[ "$(hwacme token keys --json | jq '.keys | length')" = "$(hwacme token keys | grep -c ' custody ')" ] || fail "keys: $(hwacme token keys)"
hwacme token keys | grep -A1 '"hwacme-lost-' | grep -q 'age *2h' || fail "no age: $(hwacme token keys)"
# An option of another verb is a slip, and erases nothing.
for words in "gc --try --yes" "audit --yes" "list --try" "keys --yes"; do
	got=0
	hwacme token $words >/dev/null || got=$?
	[ $got = 2 ] && tail -n 1 "$LAB/hwacme.log" | grep -q "usage: hwacme token" || fail "token $words: exit $got"
done
got=0
hwacme token gc </dev/null >"$LAB/gc" || got=$?
[ $got = 1 ] && grep -q '^1 key of ours without an owner' "$LAB/gc" || fail "gc without a terminal: exit $got: $(cat "$LAB/gc")"
hwacme token keys | grep -q hwacme-lost- || fail "gc erased without being told to"
# Records that cannot be read are no proof that a key is of nobody: nothing is erased.
cp -a "$LAB/state" "$LAB/kept"
python3 -c 'import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
page, = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", ("certificate",)).fetchone()
size, = database.execute("PRAGMA page_size").fetchone()
database.close()
with open(sys.argv[1], "r+b") as file:
    file.seek((page - 1) * size)
    file.write(bytes(size))' "$LAB/state/hwacme.db"
for words in "gc --yes" "gc --yes --json" keys audit; do
	got=0
	hwacme token $words >/dev/null || got=$?
	[ $got = 1 ] && tail -n 1 "$LAB/hwacme.log" | grep -q 'hwacme.db.*; put a copy of it back' || fail "token $words of a damaged database: exit $got: $(tail -n 1 "$LAB/hwacme.log")"
done
rm -rf "$LAB/state"
cp -a "$LAB/kept" "$LAB/state"
hwacme token keys | grep -q hwacme-lost- || fail "gc erased what it could not know to be of nobody"
hwacme token gc --yes --json | jq -e '.keys | length == 1 and .[0].erased' >/dev/null || fail "gc --yes: $(tail -n 2 "$LAB/hwacme.log")"
for label in hwacme-fresh- hwacme-remote- somebody-else; do
	hwacme token keys | grep -q -- "$label" || fail "$label is gone"
done
! hwacme token keys | grep -q hwacme-lost- || fail "the orphan is still there"
# The keys in use are in use.
hwacme renew --force >/dev/null || fail "renewal after gc"
# A key of ours that could leave the token fails the audit, and is told.
make_key open 7200 "$instance"
label=$(hwacme token keys | grep -o 'hwacme-open-[0-9a-f]*')
id=${label##*-}
pkcs11 --delete-object --type privkey --id "$id" || fail "pkcs11-tool"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -outform DER -out "$LAB/open.der" 2>/dev/null
pkcs11 --write-object "$LAB/open.der" --type privkey --id "$id" --label "$label" --extractable || fail "pkcs11-tool"
rm "$LAB/open.der"
got=0
hwacme token audit >"$LAB/audit" || got=$?
[ $got = 1 ] || fail "audit of an exportable key: exit $got: $(cat "$LAB/audit")"
grep -q "^BAD .*hwacme-open-" "$LAB/audit" || fail "audit: $(cat "$LAB/audit")"
[[ $(attempts '.label | startswith("hwacme-open-")') = '["none was made: its custody '*'"]' ]] || fail "nobody tried to get it out: $(hwacme token audit --try --json)"
"$HWACME" -c "$LAB/hwacme.yaml" renew --yes >/dev/null 2>&1 && fail "--yes for renew" || [ $? = 2 ] || fail "--yes for renew"
# A live key that is gone from its token is found by `check`, which says what makes another.
rm "$LAB/state/keys/"hwacme-amf-*.pem
got=0
hwacme check >"$LAB/checked" || got=$?
[ $got = 3 ] && grep -q '^BAD  custody   amf: its key (if it is lost for good: `hwacme renew --force amf`): token "tpm": ' "$LAB/checked" || fail "check: exit $got, $(cat "$LAB/checked")"
hwacme renew --force amf >/dev/null || fail "renew --force: $(tail -n 2 "$LAB/hwacme.log")"
hwacme check >"$LAB/checked" || true
! grep '^BAD  custody   amf' "$LAB/checked" || fail "check after renew --force: $(cat "$LAB/checked")"
