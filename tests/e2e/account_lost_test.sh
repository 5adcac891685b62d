# The key of the account is gone, from an HSM and from a TPM that was replaced: nothing makes another account in silence, one command
# does so on purpose, and what that needs is said where the loss is seen.  While the key works, or its token is away, it is refused.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
. "$SOURCE/tests/support/refused.sh"
accounts() { ra accounts | jq "$1"; }
shown() { hwacme account show --json | jq -r ".$1"; }
# destroy LABEL: both halves, behind hwacme's back; the id is the end of the label
destroy() {
	for type in privkey pubkey; do
		pkcs11-tool --module "$LAB_MODULE" --token-label nf-appliance --login --pin "$LAB_PIN" --delete-object --type $type \
			--id "${1: -32}" >/dev/null 2>&1 || fail "$1 cannot be deleted"
	done
}
# The authority is at another address, and again where it was.
moved() { sed -i "s|directory: .*|directory: ${LAB_DIRECTORY/localhost/LOCALHOST}|" "$LAB/hwacme.yaml"; }
back() { sed -i "s|directory: .*|directory: $LAB_DIRECTORY|" "$LAB/hwacme.yaml"; }
# anew NUMBER: so many accounts, the last bound and told of the contact as the first was; certificates renew; keys of nobody are not left
anew() {
	[ "$(accounts length)" = "$1" ] || fail "not $1 accounts: $(accounts .)"
	accounts 'last | .contact == ["mailto:noc@example.org"] and .status == "valid"' | grep -q true || fail "the new account: $(accounts last)"
	live=$(lab_live_serial amf)
	hwacme renew --force >/dev/null || fail "renewal with the new account: $(tail -n 3 "$LAB/hwacme.log")"
	[ "$(lab_live_serial amf)" != "$live" ] || fail "not renewed"
	hwacme token keys --json | jq -e '[.keys[] | select(.owner == null or (.owner | test("an account")))] == []' >/dev/null || fail "keys left: $(hwacme token keys)"
	! tail -n 20 "$LAB/hwacme.log" | grep "kept for now.*not in the token" || fail "a key that is gone cannot be erased"
	clean "$1 accounts"
}

secret=$(python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).rstrip(b'=').decode())")
lab_ra_up --set external_account_required=true --set "external_accounts={\"nf-17\": \"$secret\"}" --set 'terms="https://ra.example/terms-1"'
printf %s "$secret" >"$LAB/eab.key"
lab_ra_config
sed -i "s|    account-key:|    external-account: { kid: nf-17, hmac: { file: $LAB/eab.key } }\n&|" "$LAB/hwacme.yaml"

# The first account needs no option, and does not mind it; one that works is not replaced.
hwacme account register --new-key >/dev/null || fail "the first account"
hwacme renew >/dev/null || fail "enrolment"
first=$(shown url) key=$(shown key)
refused 2 "account rollover" account register --new-key
refused 2 usage account rollover --new-key
refused 2 "--new-key goes with account register" renew --new-key
mv "$LAB/softhsm" "$LAB/softhsm-away"
mkdir "$LAB/softhsm"
refused 3 'token "hsm"' account register --new-key
rmdir "$LAB/softhsm"
mv "$LAB/softhsm-away" "$LAB/softhsm"
[ "$(shown key)" = "$key" ] && [ "$(accounts length)" = 1 ] || fail "the account was replaced"

# Lost in the middle of an order, which is its account's alone.
ra faults '{"endpoint": "finalize", "status": 500, "type": "serverInternal", "times": 9}' >/dev/null
hwacme renew --force >/dev/null && fail "renewed in spite of the fault"
ra faults '{"clear": true}' >/dev/null
order=$({ hwacme status --json || [ $? = 5 ]; } | jq -r '.certificates[0].order_url')
[ "$order" != null ] && [ -n "$order" ] || fail "no order is under way: $(hwacme status)"
destroy "$key"
fresh
for command in check "renew --force" "authorize amf" "account show" "account register" "account rollover" "account deactivate --yes"; do
	refused 3 'account register operator-ra --new-key' $command
done
said=$("$HWACME" -c "$LAB/hwacme.yaml" authorize amf 2>&1 || true)
! grep "takes no authorisation" <<<"$said" || fail "a lost key is taken for a CA without newAuthz"
[ "$(accounts length)" = 1 ] && [ "$(ra_count newAccount)" = 0 ] || fail "a lost key was replaced in silence"
# Nor where the authority has moved meanwhile, which the CA was never asked about.
moved
for command in "account show" "account register"; do
	refused 3 'account register operator-ra --new-key' $command
done
back
[ "$(accounts length)" = 1 ] && [ "$(ra_count newAccount)" = 0 ] || fail "a lost key was replaced in silence where the authority had moved"
hwacme account register --new-key >/dev/null || fail "register --new-key: $(tail -n 3 "$LAB/hwacme.log")"
[ "$(shown url)" != "$first" ] && [ "$(shown key)" != "$key" ] || fail "the account is the old one"
for told in "$(tail -n 20 "$LAB/hwacme.log")" "$(hwacme status amf || [ $? = 5 ])"; do
	grep -qF "account $first is left" <<<"$told" || fail "the old account is not told of: $told"
done
before=$(ra_count newOrder)
hwacme renew >/dev/null || fail "the order that was under way: $(tail -n 3 "$LAB/hwacme.log")"
[ "$(ra_count newOrder)" = $((before + 1)) ] || fail "$(($(ra_count newOrder) - before)) orders"
ra requests | jq -e '[.sequence[] | select(.status >= 400)] == []' >/dev/null || fail "refused: $(ra requests | jq -c '.sequence[] | select(.status >= 400)')"
anew 2

# Lost in the middle of a rollover: the one key is gone, and the other has no account; and then both are gone.
key=$(shown key)
ra faults '{"endpoint": "keyChange", "status": 500, "type": "serverInternal"}' >/dev/null
hwacme account rollover >/dev/null && fail "an error was not noticed"
destroy "$key"
refused 3 'account register operator-ra --new-key' renew --force
hwacme account register --new-key >/dev/null || fail "after half a rollover: $(tail -n 3 "$LAB/hwacme.log")"
anew 3
# But not while it has only moved to the next key.
key=$(shown key)
ra faults '{"endpoint": "keyChange", "lost": true}' >/dev/null
hwacme account rollover >/dev/null && fail "a lost answer was not noticed"
destroy "$key"
refused 2 "account rollover" account register --new-key
[ "$(shown key)" != "$key" ] || fail "the account's key is the lost one"
anew 3

# A token that is configured no more is gone with all its keys.
softhsm2-util --init-token --free --label other --so-pin 00000000 --pin "$LAB_PIN" >/dev/null
sed -i 's/token: nf-appliance/token: other/; s/name: hsm$/name: new/; s/token: hsm,/token: new,/' "$LAB/hwacme.yaml"
refused 4 "account rollover operator-ra" renew --force
refused 3 "account register operator-ra --new-key" account rollover
hwacme account register --new-key >/dev/null || fail "in another token: $(tail -n 3 "$LAB/hwacme.log")"
anew 4

# A TPM that is near its lockout tells nothing of a key whose parent counts failures, as the one that tpm2_createprimary makes does.  Nothing
# is made in the place of such a key, also where the CA has to be asked anew which account it has, and it is not called broken.
lab_swtpm
lab_stop ra
rm -rf "$LAB/state" "$LAB/ra"
lab_ra
lab_ra_config
sed -i "s|^  - name: hsm|  - name: tpm|; s|    pkcs11: .*|    tpm2: { tcti: \"$LAB_TCTI\" }|; s|token: hsm|token: tpm|; s|token: new,|token: tpm,|" "$LAB/hwacme.yaml"
tpm() { "$1" -T "$LAB_TCTI" "${@:2}"; }
near() { tpm tpm2_dictionarylockout -s -n 1 -t 3600 -l 3600; }
over() { tpm tpm2_dictionarylockout -c && tpm tpm2_dictionarylockout -s -n 32 -t 3600 -l 3600; }
tpm tpm2_createprimary -Q -C o -c "$LAB/srk.ctx"
tpm tpm2_evictcontrol -Q -C o -c "$LAB/srk.ctx" 0x81000001
tpm tpm2_flushcontext -t
hwacme renew >/dev/null || fail "enrolment with a TPM: $(tail -n 3 "$LAB/hwacme.log")"
first=$(shown url)
files() { sha256sum "$LAB"/state/keys/*.pem; }
keys=$(files)
moved
near
for command in "account show" "account register" "renew --force"; do
	refused 3 "one more failure locks the TPM" $command
done
refused 1 "NOT TOLD: " token keys
refused 1 "NOT TOLD: " token audit
! hwacme token keys --json >"$LAB/keys.json" || fail "keys that are not told of are no failure"
jq -e 'all(.keys[]; (.held or .told) == false and (.custody | test("one more failure locks the TPM")))' "$LAB/keys.json" >/dev/null || fail "$(cat "$LAB/keys.json")"
[ "$(files)" = "$keys" ] || fail "the keys are not those that were: $(files)"
over
[ "$(shown url)" = "$first" ] && [ "$(accounts length)" = 1 ] || fail "another account: $(accounts .)"
back
ra faults '{"endpoint": "newOrder", "status": 400, "type": "accountDoesNotExist"}' >/dev/null
refused 4 accountDoesNotExist renew --force
keys=$(files) # the next one of the certificate too, with which nothing was ordered yet
near
refused 3 "one more failure locks the TPM" renew --force
refused 3 "one more failure locks the TPM" account show
[ "$(files)" = "$keys" ] || fail "the keys are not those that were: $(files)"
over
hwacme renew --force >/dev/null || fail "after the lockout: $(tail -n 3 "$LAB/hwacme.log")"
[ "$(shown url)" = "$first" ] && [ "$(accounts length)" = 1 ] || fail "another account: $(accounts .)"
[ "$(sha256sum "$LAB"/state/keys/hwacme-account-*.pem)" = "$(grep hwacme-account <<<"$keys")" ] || fail "the account's key is not what it was"
lab_stop swtpm
rm -rf "$LAB/tpm"

# A TPM, and another in its place: the live pair stays, both refusals name what there is to do, and it is enough.
lab_swtpm
lab_stop ra
rm -rf "$LAB/state" "$LAB/ra"
lab_ra
lab_ra_config
sed -i "s|^  - name: hsm|  - name: tpm|; s|    pkcs11: .*|    tpm2: { tcti: \"$LAB_TCTI\" }|; s|token: hsm|token: tpm|" "$LAB/hwacme.yaml"
hwacme renew >/dev/null || fail "enrolment with a TPM: $(tail -n 3 "$LAB/hwacme.log")"
first=$(shown url)
lab_stop swtpm
refused 3 'token "tpm"' account register --new-key
rm -rf "$LAB/tpm"
lab_swtpm
live=$(lab_live_serial amf)
refused 3 "hwacme account register AUTHORITY --new-key" renew --force
# Nothing is given up for a TPM that nobody has said to be another one.
refused 3 "another TPM, or it was cleared" account register --new-key
[ "$(accounts length)" = 1 ] && ls "$LAB"/state/keys/hwacme-account-*.pem >/dev/null || fail "the account's key was given up"
rm "$LAB"/state/keys/.known-tpm-*
refused 3 'account register operator-ra --new-key' renew --force
[ "$(lab_live_serial amf)" = "$live" ] || fail "the live pair changed"
hwacme account register --new-key >/dev/null || fail "in another TPM: $(tail -n 3 "$LAB/hwacme.log")"
grep -qF "account $first is left" <<<"$(hwacme status amf || [ $? = 5 ])" || fail "the old account is not told of: $(hwacme status amf)"
anew 2
refused 2 "account rollover" account register --new-key

# A key that is there, and bound to registers that have changed for good, is as good as lost.
sed -i 's|tpm2: {|tpm2: { pcrs: "sha256:16",|' "$LAB/hwacme.yaml"
hwacme account rollover >/dev/null || fail "rollover to a key with registers: $(tail -n 3 "$LAB/hwacme.log")"
refused 2 "account rollover" account register --new-key
tpm2_pcrextend -T "$LAB_TCTI" "16:sha256=$(printf x%.0s {1..64} | tr x 1)"
refused 3 "register AUTHORITY --new-key" renew --force
refused 3 "BAD  account   operator-ra: " check
refused 3 "register AUTHORITY --new-key" check
hwacme account register --new-key >/dev/null || fail "with other registers: $(tail -n 3 "$LAB/hwacme.log")"
anew 3
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$LAB_PIN" "$LAB/hwacme.log"
