# SIGTERM ends `hwacme run` within five seconds wherever it is, with all that it started: in a token that hangs in its module, at a CA that
# accepts and never answers, in a name that is never resolved by a hook, in a long probe, in a deploy hook. What was under way goes on.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
lab_begin
lab_softhsm
lab_pebble
cp "$(find "$BUILD/tests" -name '*p11_proxy.so' | head -n 1)" "$LAB/proxy.so"
: >"$LAB/proxy.so.script"
# Accepts whoever comes, and says nothing; tells that somebody came.
LAB_SILENT=$(lab_port)
lab_start silent python3 -c '
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
held = []
print("listening", flush=True)
while True:
    held.append(s.accept())
    print("came", flush=True)' "$LAB_SILENT"
lab_wait 10 "the silent server" grep -q listening "$LAB/silent.log"
# A hook that hangs, and is known by its argument.
mark=$((100000 + $$))
printf '#!/bin/sh\ntouch "%s/hanging"\nexec sleep %s\n' "$LAB" $mark >"$LAB/hang"
chmod 755 "$LAB/hang"

# config DIRECTORY CHALLENGE [LINE]...
config() {
	cat >"$LAB/hwacme.yaml" <<-YAML
	state: $LAB/state
	tokens: [{ name: hsm, pkcs11: { module: $LAB/proxy.so, token: nf-appliance, pin: { file: $LAB/hsm.pin } } }]
	authorities:
	  - name: operator-ra
	    directory: $1
	    trust: $LAB/trust.pem
	    roots: $LAB/roots.pem
	    terms-agreed: true
	    account-key: { token: hsm, type: ec-p256 }
	policies: [{ name: sba, retire-after: 0s, boot-spread: 0s }]
	certificates:
	  - name: amf
	    authority: operator-ra
	    policy: sba
	    key: { token: hsm, type: ec-p256, rotate: always }
	    names: ["dns:amf.5gc.mnc001.mcc001.3gppnetwork.org"]
	    challenge: { $2 }
	YAML
	shift 2
	printf '    %s\n' "$@" >>"$LAB/hwacme.yaml"
}
http="http-01: { listen: \"127.0.0.1:$LAB_HTTP01\" }"
ours() { pgrep -f "$LAB/hwacme.yaml|$LAB/hang|^sleep $mark" || true; }
nobody_left() { [ -z "$(ours)" ]; }
# ends_in WHERE COMMAND...: started, it comes to where the command succeeds, and is told to end there.
ends_in() {
	local where=$1 pid began took status=0
	shift
	lab_start run "$HWACME" -c "$LAB/hwacme.yaml" run
	lab_wait 40 "$where" "$@"
	pid=${LAB_PIDS[run]}
	unset "LAB_PIDS[run]"
	[ -n "$(ours)" ] || fail "$where: it is not there"
	began=$(date +%s%N)
	kill -TERM "$pid"
	wait "$pid" || status=$?
	[ $status = 0 ] || fail "$where: exit $status"
	lab_wait 10 "$where: the end of all it had started" nobody_left
	took=$((($(date +%s%N) - began) / 1000000))
	echo "$where: all ended after $took ms"
	[ $took -lt 5000 ] || fail "$where: SIGTERM took $took ms"
}
hangs() { grep -q "hangs" "$LAB/proxy.log"; }

printf 'log %s\nC_GenerateKeyPair 1 hang\n' "$LAB/proxy.log" >"$LAB/proxy.so.script"
config "$LAB_DIRECTORY" "$http"
ends_in "a module that hangs" hangs
: >"$LAB/proxy.so.script"
config "https://localhost:$LAB_SILENT/dir" "$http"
ends_in "a CA that never answers" grep -q came "$LAB/silent.log"
# Another state: the account is at another authority.
mv "$LAB/state" "$LAB/state-silent"
config "$LAB_DIRECTORY" "dns-01: { hook: [$LAB/hang], timeout: 600s }"
ends_in "a DNS hook that hangs" test -e "$LAB/hanging"
rm "$LAB/hanging"
config "$LAB_DIRECTORY" "$http" "deploy: { run: [$LAB/hang], timeout: 600s }"
ends_in "a deploy hook that hangs" test -e "$LAB/hanging"
rm "$LAB/hanging"
config "$LAB_DIRECTORY" "$http" "probe: { run: [$LAB/hang], timeout: 60s }"
ends_in "a probe that is run and hangs" test -e "$LAB/hanging"
: >"$LAB/silent.log"
config "$LAB_DIRECTORY" "$http" "probe: { connect: \"127.0.0.1:$LAB_SILENT\", timeout: 60s }"
ends_in "a service that never answers the probe" grep -q came "$LAB/silent.log"
# Nothing was lost by all this.
config "$LAB_DIRECTORY" "$http"
hwacme renew >/dev/null || fail "renew afterwards: $(tail -n 2 "$LAB/hwacme.log")"
hwacme status --json | jq -e '.certificates[0].state == "in service"' >/dev/null || fail "$(hwacme status)"
