# What a renewal costs, counted where it arrives: requests at the RA, signatures at the PKCS#11 module. Pre-authorised four, with http-01
# at most eight, beside one nonce per process and the directory once a day; one signature a request and one for the CSR.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
NAME=amf.5gc.mnc001.mcc001.3gppnetwork.org
SPY=$(dpkg -L opensc-pkcs11 | grep -m 1 '/pkcs11-spy.so$')

# renew WHAT: one forced renewal from a clean count, through the spy.
renew() {
	ra reset '{"what": ["requests"]}' >/dev/null
	rm -f "$LAB/spy.log"
	# The spy itself leaks a little; that is not what is looked for here.
	PKCS11SPY=$LAB_MODULE PKCS11SPY_OUTPUT=$LAB/spy.log ASAN_OPTIONS=detect_leaks=0 \
		"$HWACME" -c "$LAB/hwacme.yaml" renew --force >/dev/null 2>>"$LAB/hwacme.log" || {
		tail -n 3 "$LAB/hwacme.log" >&2
		fail "$1"
	}
	clean "$1"
}
# counts WHAT ENDPOINT=N...: exactly these requests; and as many signatures as signed requests, and one.
counts() {
	local what=$1 wanted got signed signatures
	shift
	wanted=$(printf '%s\n' "$@" | sort | tr '\n' ' ')
	got=$(ra requests | jq -r '.counts | to_entries[] | "\(.key)=\(.value)"' | sort | tr '\n' ' ')
	signed=$(ra requests | jq '[.counts | to_entries[] | select(.key | IN("directory", "newNonce", "renewalInfo") | not) | .value] | add')
	signatures=$(grep -c '^[0-9]*: C_Sign$' "$LAB/spy.log" || true)
	echo "$what: $got; $signatures signatures"
	[ "$got" = "$wanted" ] || fail "$what: requests are $got, not $wanted"
	[ "$signatures" = $((signed + 1)) ] || fail "$what: $signatures signatures for $signed requests and a CSR"
}
lab_ra_up --set validate_at_once=true
lab_ra_config
sed -i "s|\"dns:amf-2[^\"]*\"||; s|$LAB_MODULE|$SPY|" "$LAB/hwacme.yaml"
renew "enrolment"
counts "enrolment" directory=1 newNonce=1 newAccount=1 newOrder=1 authz=2 challenge=1 finalize=1 order=1 certificate=1

renew "with a challenge"
counts "with a challenge" newNonce=1 newOrder=1 authz=2 challenge=1 finalize=1 order=1 certificate=1

# Who relies on pre-authorisation (`preauthorized:`) is told by the CA how long it lasts, for one request more a name, and renews inside.
ra preauthorised "{\"identifier\": \"$NAME\", \"hours\": 200}" >/dev/null
renew "pre-authorised, by the policy"
counts "pre-authorised, by the policy" newNonce=1 newOrder=1 finalize=1 order=1 certificate=1 authz=1
hwacme status --json | jq -e '.certificates[0].next_why | startswith("the CA\u0027s authorisation ends")' >/dev/null ||
	fail "not inside of it: $(hwacme status)"
sed -i '/preauthorized: 336h/d' "$LAB/hwacme.yaml"
renew "pre-authorised"
counts "pre-authorised" newNonce=1 newOrder=1 finalize=1 order=1 certificate=1

# A refused nonce costs one request and one signature more: the refusal brought the next (RFC 8555, 6.5).
ra faults '{"endpoint": "newOrder", "status": 400, "type": "badNonce"}' >/dev/null
renew "badNonce"
counts "badNonce" newNonce=1 newOrder=2 finalize=1 order=1 certificate=1

lab_age_directories 86000
renew "not yet a day later"
counts "not yet a day later" newNonce=1 newOrder=1 finalize=1 order=1 certificate=1
lab_age_directories 500
renew "a day later"
counts "a day later" directory=1 newNonce=1 newOrder=1 finalize=1 order=1 certificate=1

sed -i "s|$SPY|$LAB_MODULE|" "$LAB/hwacme.yaml"
# A kept directory that names what is not there any more, newNonce (RFC 8555, 7.2) too, is fetched anew; the renewal goes on.
for resource in newNonce newOrder; do
	python3 - "$LAB/state/hwacme.db" $resource <<-'PY'
	import json, sqlite3, sys
	database = sqlite3.connect(sys.argv[1])
	(text,) = database.execute("SELECT json FROM directory").fetchone()
	directory = json.loads(text)
	directory[sys.argv[2]] += "-of-yesterday"
	database.execute("UPDATE directory SET json = ?", (json.dumps(directory).encode(),))
	database.commit()
	PY
	ra reset '{"what": ["requests"]}' >/dev/null
	"$HWACME" -c "$LAB/hwacme.yaml" renew --force >/dev/null 2>>"$LAB/hwacme.log" || fail "a $resource that moved: $(tail -n 2 "$LAB/hwacme.log")"
	[ "$(ra_count directory)" = 1 ] || fail "a $resource that moved: the directory was fetched $(ra_count directory) times"
done
# So is it when another is configured.
ra reset '{"what": ["requests"]}' >/dev/null
sed -i "s|https://localhost|https://LOCALHOST|" "$LAB/hwacme.yaml"
"$HWACME" -c "$LAB/hwacme.yaml" renew --force >/dev/null 2>>"$LAB/hwacme.log" || fail "another directory: $(tail -n 2 "$LAB/hwacme.log")"
[ "$(ra_count directory)" = 1 ] || fail "another directory is configured, and was fetched $(ra_count directory) times"
