# An account's life at the test RA: bound to an external one, told of new contacts and terms, moved to another key (also when cut
# off), used to pre-authorise and to revoke, and ended.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
. "$SOURCE/tests/support/refused.sh"
change() { sed -i "$1" "$LAB/hwacme.yaml"; }
accounts() { ra accounts | jq "$1"; }
keys() { hwacme token keys --json | jq "[.keys[] | select(.owner // \"\" | test(\"$1\"))] | length"; }

# External account binding (RFC 8555, 7.3.4): asked for, missing, wrong, right; HS384 (RFC 7518, 3.2); the key never on the engine's side.
secret=$(python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(48)).rstrip(b'=').decode())")
lab_ra_up --set external_account_required=true --set "external_accounts={\"nf-17\": \"$secret\"}" --set 'new_authz="on"' --set 'terms="https://ra.example/terms-1"'
lab_ra_config
for verb in show register rollover deactivate; do
	refused 2 'no authority "nobody" in' account $verb nobody
	refused 2 'it has: operator-ra' account $verb nobody
done
refused 2 "external account binding" account register
# What the first renewal would end with, `check` tells.
refused 2 "external account binding" check
sed -i 's|terms-agreed: true|terms-agreed: false|' "$LAB/hwacme.yaml"
refused 2 "https://ra.example/terms-1" check
sed -i 's|terms-agreed: false|terms-agreed: true|' "$LAB/hwacme.yaml"
printf AAAA >"$LAB/eab.key"
change "s|    account-key:|    external-account: { kid: nf-17, hmac: { file: $LAB/eab.key }, algorithm: HS384 }\n&|"
mv "$LAB/eab.key" "$LAB/eab.away"
refused 2 "$LAB/eab.key" check
mv "$LAB/eab.away" "$LAB/eab.key"
refused 4 "the CA answers" account register
fresh # the RA calls a wrong MAC a mistake of ours, which it is
printf %s "$secret" >"$LAB/eab.key"
hwacme check >/dev/null || fail "check: $(hwacme check)"
hwacme account register >/dev/null || fail "account register"
[ "$(accounts length)" = 1 ] || fail "not one account: $(accounts .)"
# RFC 8555, 7.1.2: the account as the RA shows it.
hwacme account show --json | jq -e '.status == "valid" and .contact == "mailto:noc@example.org"' >/dev/null || fail "account show: $(hwacme account show --json)"
hwacme renew >/dev/null || fail "enrolment"
clean "enrolment"

# Whose turn has not come in the state directory waits for it, and says for whom.
exec {lock}<"$LAB/state/lock"
flock "$lock"
hwacme account show >/dev/null {lock}<&- &
lab_wait 20 "a command that waits" grep -q 'info: waiting: another hwacme (process [0-9]*) is renewing in this state directory$' "$LAB/hwacme.log"
flock --unlock "$lock"
wait $! || fail "a command that has waited: $(tail -n 1 "$LAB/hwacme.log")"

# RFC 8555, 7.3.2: new contacts are sent once; RFC 8555, 7.3.3: changed terms stop everything, with the page to read.
change 's|mailto:noc@example.org|mailto:new@example.org|'
hwacme renew --force >/dev/null || fail "renewal with a new contact"
[ "$(accounts '.[0].contact[0]')" = '"mailto:new@example.org"' ] || fail "the contact was not sent: $(accounts .)"
fresh
hwacme renew --force >/dev/null || fail "renewal"
[ "$(ra_count account)" = 0 ] || fail "the contact is sent again and again"
# One that the RA does not take, or cannot take now, costs no certificate: it is told of, and sent again by the next run.
change 's|mailto:new@example.org|mailto:newer@example.org|'
while read -r status word fault; do
	ra faults "{\"endpoint\": \"account\", $fault, \"times\": 9}" >/dev/null
	: >"$LAB/hwacme.log"
	hwacme renew --force >/dev/null || fail "renewal with a contact that is not taken: $word"
	[ "$(grep -c "warning: .*operator-ra.* keeps the contact of before.*account register operator-ra.*$word" "$LAB/hwacme.log")" = 1 ] ||
		fail "not told: $(cat "$LAB/hwacme.log")"
	refused "$status" "$word" account register
	ra faults '{"clear": true}' >/dev/null
done <<-TABLE
	2 invalidContact "status": 400, "type": "invalidContact"
	4 503 "status": 503
TABLE
ra faults '{"endpoint": "account", "status": 403, "type": "unauthorized"}' >/dev/null
refused 4 unauthorized renew --force # of the account, that is
fresh
hwacme renew --force >/dev/null || fail "renewal once it is taken"
[ "$(accounts '.[0].contact[0]')" = '"mailto:newer@example.org"' ] || fail "the contact was not sent again: $(accounts .)"
fresh
live=$(lab_live_serial amf)
ra settings '{"terms": "https://ra.example/terms-2"}' >/dev/null
refused 4 "https://ra.example/terms-2" renew --force
[ "$(lab_live_serial amf)" = "$live" ] || fail "renewed although the terms had changed"
hwacme account register >/dev/null || fail "agreeing again"
hwacme renew --force >/dev/null || fail "renewal after agreeing"
clean "terms"

# RFC 8555, 7.3.5: to a fresh key, to a key of another type; and cut off, whatever the CA has made of it: which key has the account
# is asked (RFC 8555, 7.3.1).
rolled() { # WHAT: one account, one key for it in the token, and it works
	[ "$(accounts length)" = 1 ] || fail "$1: not one account"
	hwacme renew --force >/dev/null || fail "$1: renewal"
	[ "$(keys 'account at')" = 1 ] && [ "$(keys 'an account')" = 0 ] || fail "$1: keys left: $(hwacme token keys)"
	clean "$1"
}
before=$(hwacme account show --json | jq -r .key)
hwacme account rollover >/dev/null || fail "rollover"
[ "$(hwacme account show --json | jq -r .key)" != "$before" ] || fail "the account's key is the old one"
rolled "rollover"
change 's|account-key: { token: hsm, type: ec-p256 }|account-key: { token: hsm, type: rsa-2048 }|'
refused 4 "account rollover" renew --force
refused 2 "account rollover" check
hwacme account rollover >/dev/null || fail "rollover to RSA"
rolled "rollover to RSA"
ra faults '{"endpoint": "keyChange", "lost": true}' >/dev/null # the account has the new key, and we do not know it
hwacme account rollover >/dev/null && fail "a lost answer was not noticed"
rolled "rollover whose answer was lost"
# The same, and then a proxy, or a backend that was deployed just now, says 404 or 410 of what the directory lists, or knows no key at
# all: not a word of it is believed of the new key, which is the account's only one.
for fault in '{"endpoint": "newAccount", "status": 404}' '{"endpoint": "newAccount", "status": 410, "type": "malformed"}' \
	'{"endpoint": "newNonce", "status": 404, "times": 9}' \
	'{"endpoint": "newAccount", "status": 400, "type": "accountDoesNotExist", "times": 2}'; do
	ra faults '{"endpoint": "keyChange", "lost": true}' >/dev/null
	hwacme account rollover >/dev/null && fail "a lost answer was not noticed"
	before=$(accounts '.[0].url')
	ra faults "$fault" >/dev/null
	refused 4 "settle the key rollover" renew --force
	ra faults '{"clear": true}' >/dev/null
	hwacme account show --json | jq -e ".status == \"valid\" and .url == $before" >/dev/null || fail "$fault: the account is lost: $(hwacme account show 2>&1)"
	rolled "rollover whose answer was lost, and then $fault"
done
# A refusal that did not come from the CA, which has the new key; and the CA's own, of a key that may go at once.
before=$(hwacme account show --json | jq -r .key)
ra faults '{"endpoint": "keyChange", "after": true, "status": 403, "type": "malformed"}' >/dev/null
hwacme account rollover >/dev/null || fail "what the CA has done was not seen: $(tail -n 2 "$LAB/hwacme.log")"
[ "$(hwacme account show --json | jq -r .key)" != "$before" ] || fail "the account's key is the old one"
rolled "rollover whose answer was replaced"
ra faults '{"endpoint": "keyChange", "status": 403, "type": "badPublicKey"}' >/dev/null
refused 4 badPublicKey account rollover
hwacme account show --json | jq -e '.status == "valid"' >/dev/null || fail "account show after a refused rollover"
rolled "rollover that was refused"
ra faults '{"endpoint": "keyChange", "status": 500, "type": "serverInternal"}' >/dev/null # it has not
hwacme account rollover >/dev/null && fail "an error was not noticed"
rolled "rollover that did not happen"
ra faults '{"endpoint": "keyChange", "delay": 3}' >/dev/null
before=$(ra_count keyChange)
key_is_changed() { [ "$(ra_count keyChange)" -gt "$before" ]; }
"$HWACME" -c "$LAB/hwacme.yaml" account rollover >/dev/null 2>>"$LAB/hwacme.log" &
pid=$!
lab_wait 20 "the key change" key_is_changed # its answer takes three seconds
kill -9 $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
gone() { ! pgrep -f "$LAB/hwacme.yaml"; }
lab_wait 20 "the end of keyd" gone
rolled "rollover that was killed"

# RFC 8555, 7.4.1: authorised ahead, the next order is not challenged.
fresh
# A name that cannot be is told before the others are asked for, whose authorisations nobody would make valid.
cp "$LAB/hwacme.yaml" "$LAB/without.yaml"
change 's|names: \[|names: ["dns:a.example", "dns:*.a.example", |; s|challenge: {|challenge: { dns-01: { hook: [/bin/true] },|'
refused 2 "wildcard" authorize amf
[ "$(ra_count newAuthz)" = 0 ] || fail "authorize: $(ra_count newAuthz) newAuthz beside a wildcard"
cp "$LAB/without.yaml" "$LAB/hwacme.yaml"
hwacme authorize amf >/dev/null || fail "authorize"
[ "$(ra_count newAuthz)" = 2 ] || fail "authorize: $(ra_count newAuthz) newAuthz for two names"
fresh
hwacme renew --force >/dev/null || fail "renewal after authorize"
[ "$(ra_count challenge)" = 0 ] || fail "challenged although it was authorised ahead"
clean "authorize"

# RFC 8555, 7.6: with the account key, and with the certificate's own; the next renewal makes a new key and certificate.
for option in "" --with-certificate-key; do
	live=$(lab_live_serial amf)
	hwacme revoke amf --reason keyCompromise $option >/dev/null || fail "revoke $option"
	ra certificates | jq -e '[.[] | select(.revoked != null)] | length >= 1' >/dev/null || fail "revoke $option: $(ra certificates | jq 'map(del(.pem))' | head -c 600)"
	hwacme revoke amf $option >/dev/null || fail "what is revoked already is no failure"
	hwacme renew >/dev/null || fail "renewal after revocation"
	[ "$(lab_live_serial amf)" != "$live" ] || fail "the revoked certificate is still live"
	clean "revoke $option"
done
refused 2 "superseded" revoke amf --reason nonsense
# Revoked, it has nothing to wait with: a back-off from before is over.
why() { hwacme status amf --json | jq -r '.certificates[0].next_why' || true; } # which ends with 5: it needs attention
ra faults '{"endpoint": "newOrder", "status": 500, "type": "serverInternal", "times": 9}' >/dev/null
! hwacme renew --force >/dev/null 2>&1 || fail "renewed by an RA that fails"
ra faults '{"clear": true}' >/dev/null
grep -q "^back-off after 1 failed attempt" <<<"$(why)" || fail "no back-off: $(why)"
hwacme revoke amf >/dev/null || fail "revoke with a back-off"
grep -q "^a renewal was begun" <<<"$(why)" || fail "revoked, and it waits: $(why)"
hwacme renew >/dev/null || fail "renewal after a failure and a revocation"
# Somebody has led the link back: what servers read is not the certificate that would be noted as revoked.
led=$(readlink "$LAB/state/live/amf")
cp -r "$LAB/state/archive/amf/${led##*/}" "$LAB/state/archive/amf/1"
ln -sfT ../archive/amf/1 "$LAB/state/live/amf"
fresh
refused 2 "leads to generation 1 and not to ${led##*/}" revoke amf
[ "$(ra_count revokeCert)" = 0 ] || fail "revoked is what the link led to"
ln -sfT "$led" "$LAB/state/live/amf"

# RFC 8555, 7.3.6: ended for good; a new one has a fresh key (RFC 8555, 7.3).
refused 2 --yes account deactivate
hwacme account deactivate --yes >/dev/null || fail "deactivate"
accounts '.[0].status' | grep -q deactivated || fail "not deactivated: $(accounts .)"
refused 4 "account register" renew --force
refused 2 "account register" check
before=$(hwacme account show --json | jq -r .key)
hwacme account register >/dev/null || fail "register anew"
[ "$(accounts length)" = 2 ] && [ "$(hwacme account show --json | jq -r .key)" != "$before" ] || fail "not a new account with a new key"
hwacme renew --force >/dev/null || fail "renewal with the new account"
clean "until here"
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$secret" "$LAB/hwacme.log" || fail "the HMAC key is on disk"
