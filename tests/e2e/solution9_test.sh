# 3GPP TR 33.776, 6.9.1.1 (solution #9), step by step: a network function renews its certificate by policy; the RA has it pre-authorised for
# 336 hours after each issuance, and challenges it outside of them.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
say() { echo "== $*"; }
# renewed WHAT: the policy's trigger is played by --force; what is live is new afterwards, and nothing broke the protocol
renewed() {
	local live
	live=$(lab_live_serial amf)
	hwacme renew --force >/dev/null || fail "$1: not renewed"
	[ "$(lab_live_serial amf)" != "$live" ] || fail "$1: the live certificate is the old one"
	clean "$1"
}
not_renewed() {
	local live
	live=$(lab_live_serial amf)
	hwacme renew --force >/dev/null && fail "$1: renewed"
	[ "$(lab_live_serial amf)" = "$live" ] || fail "$1: the live certificate changed"
}
challenges() { ra_count challenge; }
next_keys() { grep -c 'new key' "$LAB/hwacme.log"; }
valid_authorizations() { ra authorizations | jq '[.[] | select(.status == "valid")] | length'; }

say "6.9.1.1: the NF has been through an enrolment, with a challenge for each name"
lab_ra_up
lab_ra_config
sed -i 's/    margin: 24h/    margin: 24h\n    wait: 0s/' "$LAB/hwacme.yaml"
hwacme renew >/dev/null || fail "enrolment"
[ "$(challenges)" = 2 ] || fail "enrolment: $(challenges) challenges for two names"

say "step 1: a policy triggers the renewal, and says which: here the pre-authorisation interval less its margin"
grep -q 'pre-authorisation interval of 336h less a margin of 1d' <<<"$(hwacme renew)" || fail "the trigger: $(hwacme renew)"

say "steps 2 and 3: the RA has the NF on its list; the authorisations it shows are valid, and no challenge is asked"
ra preauthorised '[{"identifier": "amf.5gc.mnc001.mcc001.3gppnetwork.org", "hours": 336, "issued_at": "now"},
	{"identifier": "amf-2.5gc.mnc001.mcc001.3gppnetwork.org", "hours": 336, "issued_at": "now"}]' >/dev/null
fresh
renewed "inside the interval"
[ "$(challenges)" = 0 ] || fail "challenged inside the interval"

say "step 3, the note: after 336 hours since the last issuance the RA sends a challenge, and step 4: it is completed"
fresh
ra clock '{"advance": 1213200}' >/dev/null # 337 hours
renewed "outside the interval"
[ "$(challenges)" = 2 ] || fail "not challenged after 337 hours"

say "step 4: a challenge fails; after the wait timer (0 seconds) the procedure starts again from step 1, with the same key"
fresh
ra clock '{"advance": 1213200}' >/dev/null
ra challenges '{"fail": 1}' >/dev/null
keys=$(next_keys) orders=$(ra orders | jq length)
not_renewed "a failed challenge"
grep -q 'the CA did not accept the http-01 challenge' "$LAB/hwacme.log" || fail "the CA's words are not told"
{ hwacme status --json || true; } | jq -e '.certificates[0] | .attempts == 1 and (.last_error | test("challenge"))' >/dev/null || fail "status: $(hwacme status)"
renewed "after a failed challenge"
[ $(($(next_keys) - keys)) = 1 ] || fail "$(($(next_keys) - keys)) keys for one renewal"
[ $(($(ra orders | jq length) - orders)) = 2 ] || fail "not a new order: $(($(ra orders | jq length) - orders))"

say "step 4: the expiration time is updated by the server while the challenge is under way; what it said last counts"
fresh
ra clock '{"advance": 1213200}' >/dev/null
ra settings '{"authz_pending": 2, "expires_moves": 30, "validation_delay": 3}' >/dev/null
renewed "expires moved by the server"
ra settings '{"authz_pending": 3600, "expires_moves": 0, "validation_delay": 0}' >/dev/null

say "step 5, the note: the challenge was not completed in time, and the order is dropped by the server: from step 1 again"
fresh
ra clock '{"advance": 1213200}' >/dev/null
ra faults '{"endpoint": "authz", "status": 500, "type": "serverInternal", "times": 3}' >/dev/null
not_renewed "the RA is ill"
ra faults '{"clear": true}' >/dev/null
ra orders '{"all": true, "drop": true}' >/dev/null
keys=$(next_keys)
hwacme renew --force >/dev/null || true # finds that the order is gone
renewed "after the order was dropped"
[ $(($(next_keys) - keys)) -le 1 ] || fail "$(($(next_keys) - keys)) keys after one dropped order"

say "the configured names change while an order is open: nobody wants what it would bring, and another is placed at once"
fresh
ra clock '{"advance": 1213200}' >/dev/null
ra faults '{"endpoint": "authz", "status": 500, "type": "serverInternal", "times": 3}' >/dev/null
orders=$(ra orders | jq length)
not_renewed "the RA is ill again"
ra faults '{"clear": true}' >/dev/null
cp "$LAB/hwacme.yaml" "$LAB/two-names.yaml"
sed -i 's/, *"dns:amf-2[^"]*"//' "$LAB/hwacme.yaml"
cmp -s "$LAB/hwacme.yaml" "$LAB/two-names.yaml" && fail "no name was taken out"
renewed "after the names had changed"
[ $(($(ra orders | jq length) - orders)) = 2 ] || fail "$(($(ra orders | jq length) - orders)) orders for changed names"
grep -q 'its order is for other names' <<<"$(hwacme status amf)" || fail "the journal: $(hwacme status amf)"
cp "$LAB/two-names.yaml" "$LAB/hwacme.yaml"
renewed "with the names of before"

say "the RA makes an order invalid while nobody is there: that is no failure of the next run, which orders again"
fresh
ra faults '{"endpoint": "authz", "status": 500, "type": "serverInternal", "times": 3}' >/dev/null
ra clock '{"advance": 1213200}' >/dev/null
not_renewed "the RA is ill once more"
ra faults '{"clear": true}' >/dev/null
ra clock '{"advance": 3700}' >/dev/null # past its expiry, and not so far that it is dropped
renewed "after the order had become invalid"
grep -q 'its order was made invalid meanwhile' <<<"$(hwacme status amf)" || fail "the journal: $(hwacme status amf)"

say "the RA calls its order pending still, although all of its authorisations are valid: it is asked again, and nothing has failed"
fresh
ra clock '{"advance": 1213200}' >/dev/null
ra faults '{"endpoint": "finalize", "status": 403, "type": "orderNotReady", "times": 2}' >/dev/null
renewed "after the CSR came too early"
hwacme status --json | jq -e '.certificates[0] | .attempts == 0 and .last_error == null' >/dev/null || fail "status: $(hwacme status amf)"
grep -q 'the CSR came too early' <<<"$(hwacme status amf)" || fail "the journal: $(hwacme status amf)"

say "a valid authorisation is never deactivated and never challenged, whatever else fails"
fresh
valid=$(valid_authorizations)
ra faults '{"endpoint": "finalize", "status": 403, "type": "unauthorized"}' >/dev/null
not_renewed "finalize refused"
[ "$(challenges)" = 0 ] || fail "a valid authorisation was challenged"
[ "$(valid_authorizations)" -ge "$valid" ] || fail "a valid authorisation is gone"
say "steps 5 and 6: CSR and download, as in the enrolment"
renewed "at last"
hwacme status --json | jq -e '.certificates[0] | .state == "in service" and .attempts == 0 and .last_error == null' >/dev/null || fail "status: $(hwacme status)"
