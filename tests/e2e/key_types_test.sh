# Every key type for certificates in each token that has it, and accounts that sign with each algorithm Pebble takes.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
# SoftHSM 2.6.1 leaks with Ed25519; tests/support/softhsm.h says why this is needed to see that it is SoftHSM's.
export ASAN_OPTIONS=fast_unwind_on_malloc=0:malloc_context_size=12
key_of() {
	openssl x509 -in "$LAB/state/live/$1/cert.pem" -noout -text |
		sed -n 's/^ *Public-Key: (\([0-9]*\) bit)/\1/p; s/^ *\(ED25519\) Public-Key:/\1/p'
}

lab_up
echo leak:libsofthsm2.so >"$LAB/leaks"
export LSAN_OPTIONS=suppressions=$LAB/leaks:print_suppressions=0
# TPM key, HSM key, account key, token of the account, bits of both
while read -r tpm hsm account token tpm_bits hsm_bits; do
	rm -rf "$LAB/state"
	LAB_ACCOUNT_TOKEN=$token lab_config "$tpm" "$hsm" "$account"
	hwacme renew
	[ "$(key_of amf) $(key_of smf)" = "$tpm_bits $hsm_bits" ] || { echo "FAILED: $tpm $hsm: $(key_of amf) $(key_of smf)" >&2; exit 1; }
done <<-TABLE
	ec-p384  rsa-2048 ec-p384  hsm 384  2048
	rsa-2048 ec-p384  rsa-2048 tpm 2048 384
	ec-p256  rsa-3072 ec-p256  tpm 256  3072
	rsa-3072 ec-p521  ec-p521  tpm 3072 521
	ec-p521  ed25519  ec-p521  hsm 521  ED25519
	ec-p256  rsa-4096 rsa-4096 hsm 256  4096
TABLE

# Pebble takes RS256, ES256, ES384 and ES512 only: the refusal of another reaches the operator, in Pebble's words.
while read -r account algorithm words; do
	rm -rf "$LAB/state"
	LAB_ACCOUNT_ALGORITHM=$algorithm lab_config ec-p256 ec-p256 "$account"
	got=0
	said=$("$HWACME" -c "$LAB/hwacme.yaml" renew amf 2>&1) || got=$?
	{ [ $got = 4 ] && grep -qE "$words" <<<"$said"; } || { echo "FAILED: $account $algorithm: exit $got: $said" >&2; exit 1; }
done <<-TABLE
	rsa-2048 PS256 'PS256'.*expected one of RS256
	ed25519 EdDSA badPublicKey.*ed25519
TABLE
