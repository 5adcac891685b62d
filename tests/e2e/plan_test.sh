# `plan`: what is due, what will be, the load of each day; nothing is sent to anybody, and what makes no sense is refused.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
day() { date -u -d "@$(($(date +%s) + $1 * 86400))" +%F; }

lab_up
lab_config
# Nothing was ever issued: all of it is due, and no state directory is made.
[ "$(hwacme plan | grep -c '^now .*never issued')" = 2 ] || fail "at first: $(hwacme plan)"
[ ! -e "$LAB/state" ] || fail "plan made a state directory"
hwacme renew >/dev/null
requests=$(grep -c 'calling handler' "$LAB/pebble.log")
# 66 % of 90 days less a jitter of 5 %: within 90 days each is renewed once, and the one after it is more than 110 days away.
plan=$(hwacme plan --days 90 --json)
jq -e '.days == 90 and .later == 0 and ([.renewals[].name] | sort) == ["amf", "smf"] and all(.renewals[]; .foreseen == false)' <<<"$plan" >/dev/null ||
	fail "90 days: $plan"
[ "$(jq -r '.renewals[] | select(.name == "amf").at' <<<"$plan")" = "$(hwacme status --json | jq -r '.certificates[] | select(.name == "amf").next_at')" ] ||
	fail "plan and status differ: $plan"
jq -e --arg today "$(day 0)" --arg last "$(day 90)" '.load | length == 91 and .[0].date == $today and .[90].date == $last and ([.[].renewals] | add) == 2' \
	<<<"$plan" >/dev/null || fail "the load: $plan"
jq -e '[.renewals[] | select(.foreseen)] | length >= 2' <<<"$(hwacme plan --days 200 --json)" >/dev/null || fail "200 days foresee nothing"
text=$(hwacme plan --days 10)
grep -q '^2 certificates are due later$' <<<"$text" || fail "10 days: $text"
[ "$(grep -c "^20..-..-..  0$" <<<"$text")" = 11 ] || fail "the days: $text"
[ "$(grep -c 'calling handler' "$LAB/pebble.log")" = "$requests" ] || fail "plan asked the CA"
for wrong in "--days 0" "--days 367" "--days -1" "--days ten" "--days 1x" "amf"; do
	got=0
	hwacme plan $wrong >/dev/null || got=$?
	[ $got = 2 ] || fail "plan $wrong: exit $got"
done
got=0
hwacme renew --days 3 >/dev/null || got=$?
[ $got = 2 ] || fail "renew --days: exit $got"
