# Each consumer of conf/consumers serves a key in an HSM, before and after a renewal with a new key, or is a client with it.
# The pkcs11 engine of Debian 12; with PKCS11_PROVIDER=/PATH/pkcs11.so pkcs11-provider as well, which swtpm-ci/test has from bookworm-backports.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/consumers.sh"

consumers_up
serve_and_renew nginx nginx-hsm.conf hsm.env smf
serve_and_renew httpd apache.conf hsm.env smf
serve_and_renew s_server s_server-hsm "" smf
client curl-hsm smf
# conf/consumers/README.md: Debian's HAProxy has no engine, and so no way to a key in an HSM but pkcs11-provider.
! haproxy -c -f "$(consumer haproxy.cfg smf)" >"$LAB/haproxy.out" 2>&1 || fail "HAProxy takes the key of an HSM: README.md is out of date"
grep -q 'No Private Key found' "$LAB/haproxy.out" || fail "HAProxy: $(cat "$LAB/haproxy.out")"

[ -n "${PKCS11_PROVIDER:-}" ] || { echo "pkcs11-provider is no package of Debian 12: not tried without PKCS11_PROVIDER"; exit 0; }
consumer openssl-provider.cnf smf >/dev/null
serve_and_renew nginx nginx-provider.conf provider.env smf
serve_and_renew haproxy haproxy.cfg provider.env smf
client curl-provider smf
