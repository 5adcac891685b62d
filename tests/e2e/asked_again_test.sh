# A CA that tries a challenge once, when it is told, and leaves it pending with what was wrong, is asked to try again; one that gives a
# challenge up and leaves its authorisation pending is not waited for until the order expires.  Both are what step-ca does.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
. "$SOURCE/tests/support/refused.sh"

lab_ra_up --set validation_asked=true --set validation_tries=99 --set authz_outlives_challenge=true
lab_ra_config
sed -i 's/, "dns:amf-2[^"]*"//' "$LAB/hwacme.yaml"
ra challenges '{"fail": 2, "type": "connection", "detail": "no route to host"}' >/dev/null
timeout 60 "$HWACME" -c "$LAB/hwacme.yaml" renew >/dev/null 2>>"$LAB/hwacme.log" || fail "not enrolled: $(tail -n 3 "$LAB/hwacme.log")"
[ "$(ra_count challenge)" = 3 ] || fail "$(ra_count challenge) answers to one challenge"
grep -q "has not validated amf.* by http-01 yet: connection: no route to host" "$LAB/hwacme.log" || fail "what was wrong is not told"

ra settings '{"validation_tries": 1, "authz_reuse": "none"}' >/dev/null
ra challenges '{"fail": 1, "type": "rejectedIdentifier", "detail": "keyAuthorization does not match"}' >/dev/null
live=$(lab_live_serial amf)
refused 4 "keyAuthorization does not match" renew --force
[ "$(lab_live_serial amf)" = "$live" ] || fail "the live certificate changed"
hwacme renew --force >/dev/null || fail "not renewed after a challenge that was lost: $(tail -n 3 "$LAB/hwacme.log")"
[ "$(lab_live_serial amf)" != "$live" ] || fail "not renewed"
