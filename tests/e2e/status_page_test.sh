# The status page of the daemon: says what status says, with curl; in headless Chromium it is no wider than a phone, can be read by light and in
# the dark, asks nobody else for anything, and words of a CA stay words.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"

lab_up
LAB_RETIRE_AFTER=0s lab_config
port=$(lab_port) odd=$(lab_port)
echo markup >"$LAB/fault"
lab_start faulty_ca python3 "$SOURCE/tests/support/faulty_ca.py" "$odd" "$LAB_ACME" "$LAB/pebble/server.pem" "$LAB/pebble/server.key" \
	"$LAB/trust.pem" "$LAB/fault"
lab_wait 20 "the odd CA" curl -sf --cacert "$LAB/trust.pem" "https://localhost:$odd/dir"
long=upf-with-a-name-as-long-as-a-name-of-a-certificate-may-be-at-all
sed -i "/^policies:/i\\
  - name: odd-ca\\
    directory: https://localhost:$odd/dir\\
    trust: $LAB/trust.pem\\
    terms-agreed: true\\
    account-key: { token: hsm, type: ec-p256 }" "$LAB/hwacme.yaml"
cat >>"$LAB/hwacme.yaml" <<YAML
  - name: ${long:0:63}
    authority: odd-ca
    policy: sba
    key: { token: hsm, type: ec-p256 }
    names: ["dns:$(printf 'upf%.0s' {1..20}).$(printf 'pop%.0s' {1..20}).5gc.mnc001.mcc001.3gppnetwork.org"]
    challenge: { http-01: { listen: "127.0.0.1:$LAB_HTTP01" } }
metrics: { listen: "127.0.0.1:$port" }
YAML
lab_start run "$HWACME" -c "$LAB/hwacme.yaml" run
status() { hwacme status --json || [ $? = 5 ]; } # one needs attention
settled() { status | jq -e '[.certificates[] | .state == "in service" or .attempts > 0] | all'; }
lab_wait 30 "two certificates and a refusal" settled
get() { curl -sS --fail --max-time 10 "http://127.0.0.1:$port$1"; }
has() { grep -qF -- "$1" <<<"$(get "${2:-/}")" || fail "no \"$1\" on the page: $(get "${2:-/}")"; }
has_not() { ! grep -qiF -- "$1" <<<"$(get "${2:-/}")" || fail "\"$1\" on the page"; }

# It says what status says; who needs attention comes first.
lab_wait 10 "the page" get /
has '<em class="bad">1</em> of 3 certificates needs attention.'
[ "$(get / | grep -o '<h3><bdi>[a-z-]*' | head -n 1)" = "<h3><bdi>${long:0:63}" ] || fail "who needs attention is not first"
expires=$(status | jq -r '.certificates[] | select(.name == "amf").not_after')
has "<time datetime=\"$expires\">"
has '66% of its lifetime of '
has 'rejectedIdentifier: &lt;script&gt;document.title=&#39;taken&#39;&lt;/script&gt;'
has 'class="authority token '
has_not '<script'
has_not '<img src=http'
[ "$(get / | grep -c 'class="token well"')" = 2 ] || fail "tokens: $(get / | grep 'class="token')"
has '<h3><bdi>smf' '/?find=SMF'
has_not '<h3><bdi>amf' '/?find=SMF'
has '&lt;i&gt;' '/?find=%3Ci%3E&page=99999999999999999999'
has_not '<i>' '/?find=%3Ci%3E'
headers=$(curl -sS -D - -o /dev/null "http://127.0.0.1:$port/" | tr -d '\r')
for header in "Content-Security-Policy: default-src 'none';" 'Content-Type: text/html; charset=utf-8' 'X-Content-Type-Options: nosniff' \
	'Cache-Control: no-store' 'Referrer-Policy: no-referrer'; do
	grep -qF "$header" <<<"$headers" || fail "no $header in $headers"
done
[ "$(curl -s -o /dev/null -w '%{http_code} %{size_download}' -I "http://127.0.0.1:$port/")" = "200 0" ] || fail "HEAD"
[ "$(curl -s -o /dev/null -w '%{http_code}' --data x "http://127.0.0.1:$port/")" = 405 ] || fail "POST"
get / >"$LAB/page"
"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$LAB_PIN" "$LAB/page"

# In a browser.
mkdir "$LAB/browser"
timeout 300 python3 "$SOURCE/tests/support/browser.py" "http://127.0.0.1:$port/" "$LAB/browser" >"$LAB/looks" || fail "the browser: exit $?"
expect() { jq -e "$1" "$LAB/looks" >/dev/null || fail "$2: $(jq -c . "$LAB/looks")"; }
expect '.looks | length == 4' "looks"
expect '.looks | all(.[]; .open.scroll_width == .open.client_width and .closed.scroll_width == .closed.client_width)' "it scrolls sideways"
expect '.looks["phone-light"].open.client_width == 360 and .looks["phone-dark"].open.client_width == 360' "no phone"
expect '.looks | all(.[]; .open.sticks_out == [])' "something sticks out"
expect '.looks | all(.[]; .open.least_contrast[0] >= 4.5)' "a text can hardly be read" # WCAG 2.2, 1.4.3
expect '.looks | all(.[]; .open.cards == 3)' "cards"
expect '.looks | all(.[]; .open.title | startswith("(1) hwacme on "))' "the title: a script of the CA ran"
expect '.looks["phone-light"].picture | .width == 360 and .height == 800 and .colours > 50' "the picture of a phone"
expect '.looks["desk-dark"].picture | .width == 1280 and .height == 900 and .colours > 50' "the picture of a desk"
expect '.looks["phone-light"].picture.ground != .looks["phone-dark"].picture.ground' "dark is as light"
expect '.complaints == []' "the browser complains"
expect ".asked_for == [\"http://127.0.0.1:$port/\", \"http://127.0.0.1:$port/icon.svg\", \"http://127.0.0.1:$port/style.css\"]" "what was asked for"
