# Every key type for certificates in both tokens, and accounts that sign with ES256, ES384 and RS256 from either token.
set -euo pipefail
. "$SOURCE/swtpm-ci/lab.sh"
hwacme() { "$HWACME" -c "$LAB/hwacme.yaml" "$@" 2>>"$LAB/hwacme.log" || { tail -n 5 "$LAB/hwacme.log" >&2; return 1; }; }
key_of() { openssl x509 -in "$LAB/state/live/$1/cert.pem" -noout -text | sed -n 's/^ *Public-Key: (\([0-9]*\) bit)/\1/p'; }

lab_up
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
TABLE
