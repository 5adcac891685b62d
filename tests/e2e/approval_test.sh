# An RA at which somebody has to approve each certificate, in days: the daemon leaves the order there, and meanwhile other commands work in
# the state directory; who asks for the certificate is told when it goes on, and is not kept waiting.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"

lab_ra_up
lab_ra_config
ra settings '{"processing_polls": 1000, "retry_after": 3600}' >/dev/null
status() { hwacme status "$@" || [ $? = 5 ]; }
# told WHERE: `renew` ends by itself, soon, and says why
told() {
	local got=0
	timeout 60 "$HWACME" -c "$LAB/hwacme.yaml" renew amf 2>"$LAB/told" || got=$?
	[ $got = 4 ] && grep -q "its order is with the CA, which is asked again 20.*what was begun is kept, and goes on $1" "$LAB/told" ||
		fail "renew: exit $got, $(cat "$LAB/told")"
}

lab_start run "$HWACME" -c "$LAB/hwacme.yaml" run
is_with_the_ca() { status amf | grep -q 'plan .*: its order is with the CA, which is asked again then'; }
lab_wait 30 "the order" is_with_the_ca
# It is under way no more, and keeps nobody out.
hwacme account register >/dev/null || fail "register: $(tail -n 1 "$LAB/hwacme.log")"
hwacme token gc --yes >/dev/null || fail "gc: $(tail -n 1 "$LAB/hwacme.log")"
told "in the daemon"
lab_stop run
told "at the next run"
status --json amf | jq -e '.certificates[0] | .attempts == 0 and .last_error == null and .state == "ordered" and .order_url != null' >/dev/null ||
	fail "$(status --json amf)"
[ "$(ra orders | jq length)" = 1 ] || fail "$(ra orders | jq length) orders"
[ "$(ra_count order)" = 0 ] || fail "asked before its Retry-After was over"
clean "an order that is with the CA"
