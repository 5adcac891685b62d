# The test RA in Pebble's place: enrolment with a challenge, renewals inside the pre-authorised interval without one, after 336 h with
# one again; each request counted at the server, and none that breaks the protocol.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
renew() { hwacme renew --force || { tail -n 3 "$LAB/hwacme.log" >&2; fail "$1"; }; }
# counts WHAT ENDPOINT=N...: exactly these requests and no others
counts() {
	local what=$1 wanted got
	shift
	wanted=$(printf '%s\n' "$@" | sort | tr '\n' ' ')
	got=$(ra requests | jq -r '.counts | to_entries[] | "\(.key)=\(.value)"' | sort | tr '\n' ' ')
	echo "$what: $got"
	[ "$got" = "$wanted" ] || fail "$what: requests are $got, not $wanted"
}
NAMES='amf.5gc.mnc001.mcc001.3gppnetwork.org amf-2.5gc.mnc001.mcc001.3gppnetwork.org'

# The answer to a challenge waits for the validation here: the number of looks is then no matter of speed. The RA remarks on a response
# to http-01 that is not the empty object (RFC 8555, 7.5.1).
lab_ra_up --set validate_at_once=true
lab_ra_config
renew "enrolment"
counts "enrolment, two names" directory=1 newNonce=1 newAccount=1 newOrder=1 authz=4 challenge=2 order=1 finalize=1 certificate=1
clean "enrolment"

ra settings '{"validate_at_once": false}' >/dev/null

# Inside the interval the order is ready at creation, however `authorizations` is written: four requests beside the nonce; the directory is
# known. The authorisations that are shown are looked at once each, for when they end.
for name in $NAMES; do
	ra preauthorised "{\"identifier\": \"$name\", \"hours\": 336}" >/dev/null
done
for show in objects null missing empty; do
	fresh
	ra settings "{\"preauthorised_show\": \"$show\"}" >/dev/null
	live=$(lab_live_serial amf)
	renew "authorizations $show"
	[ "$(lab_live_serial amf)" != "$live" ] || fail "authorizations $show: nothing was renewed"
	looks=()
	[ $show != objects ] || looks=(authz=2)
	counts "pre-authorised, authorizations $show" newNonce=1 newOrder=1 "${looks[@]}" finalize=1 order=1 certificate=1
	clean "authorizations $show"
done

# TR 33.776 6.9.1.1: "if an ACME client sends a renewal request after 336 hours of the last certificate issuance" it is challenged.
fresh
ra clock '{"advance": 1206000}' >/dev/null # 335 h
renew "after 335 h"
[ "$(ra_count challenge)" = 0 ] || fail "challenged after 335 h"
fresh
ra clock '{"advance": 1213200}' >/dev/null # 337 h after that renewal
renew "after 337 h"
[ "$(ra_count challenge)" = 2 ] || fail "after 337 h: $(ra_count challenge) challenges for two names"
clean "after 337 h"
fresh
renew "the interval begins anew"
[ "$(ra_count challenge)" = 0 ] || fail "challenged although the interval began anew"

# The RA takes its time, and says how long: it is not asked earlier.
fresh
ra settings '{"processing_polls": 2, "retry_after": 1}' >/dev/null
renew "processing"
[ "$(ra_count order)" = 2 ] || fail "processing: $(ra_count order) looks, not 2"
ra settings '{"retry_after_form": "date"}' >/dev/null
renew "processing, with a date"
clean "processing"
ra settings '{"processing_polls": 1, "retry_after": null}' >/dev/null

# Half of the nonces are refused; no nonce is sent twice.
fresh
ra settings '{"bad_nonce_percent": 50}' >/dev/null
renew "half of the nonces refused"
clean "half of the nonces refused"
ra settings '{"bad_nonce_percent": 0}' >/dev/null

# A lost answer costs at most one order more; nothing is sent again before it was asked about.
for endpoint in newOrder finalize order certificate; do
	fresh
	before=$(ra orders | jq length) live=$(lab_live_serial amf)
	ra faults "{\"endpoint\": \"$endpoint\", \"lost\": true}" >/dev/null
	hwacme renew --force || hwacme renew || fail "not renewed after a lost answer of $endpoint"
	[ "$(lab_live_serial amf)" != "$live" ] || fail "a lost answer of $endpoint: not renewed"
	[ $(($(ra orders | jq length) - before)) -le 2 ] || fail "a lost answer of $endpoint: more than one order too many"
	[ "$(ra_count finalize)" = 1 ] || fail "a lost answer of $endpoint: $(ra_count finalize) times finalize"
	clean "a lost answer of $endpoint"
done
