# module.sh -- the token contract and a whole renewal on one PKCS#11 module; sourced by tests/e2e/*_test.sh after swtpm-ci/lab.sh.
#
#	module_up NAME		brings up swtpm-ci/token-NAME and a Pebble
#	module_contract		runs tests/contract/module_contract.c on it
#	module_renewal		enrols, renews with each key type, audits; nothing secret is left on disk
#	module_rotations	rotates HWACME_ROTATIONS times (12); the token's own list has as many objects after it as before
# What modules print on standard error goes to the log. What they leak at their end is theirs.
hwacme() { ASAN_OPTIONS=detect_leaks=0 $TOKEN_ENTER "$HWACME" -c "$LAB/hwacme.yaml" "$@" 2>>"$LAB/hwacme.log"; }

module_up() {
	lab_begin
	lab_pebble
	lab_token "$1"
	lab_token_config
}

module_contract() {
	ASAN_OPTIONS=detect_leaks=0 TOKEN_CONFIG=$LAB/hwacme.yaml $TOKEN_ENTER "$BUILD/tests/module_contract" >"$LAB/contract.log" 2>&1 ||
		{ grep -vE 'OK \]|RUN ' "$LAB/contract.log" >&2; fail "the contract"; }
	grep -E 'software|hardware|test\(s\)' "$LAB/contract.log"
}

module_renewal() {
	local type before
	hwacme check >"$LAB/check.txt" || fail "check: $(cat "$LAB/check.txt")"
	hwacme renew >/dev/null || fail "enrol: $(tail -n 3 "$LAB/hwacme.log")"
	for type in $TOKEN_TYPES; do
		before=$(lab_live_serial amf)
		lab_token_config "$type"
		hwacme renew --force >/dev/null || fail "renew with $type: $(tail -n 3 "$LAB/hwacme.log")"
		[ "$(lab_live_serial amf)" != "$before" ] || fail "$type: the old certificate is live"
		openssl verify -CAfile "$LAB/roots.pem" -untrusted "$LAB/state/live/amf/chain.pem" "$LAB/state/live/amf/cert.pem" >/dev/null || fail "$type: the chain"
	done
	hwacme renew >/dev/null || fail "the last key is not retired"
	[ "$(hwacme token keys --json | jq -r '.keys | map(select(.held)) | length')" = 2 ] || fail "keys: $(hwacme token keys)"
	hwacme token audit --try >"$LAB/audit.txt" || fail "audit: $(cat "$LAB/audit.txt")"
	hwacme token list >"$LAB/list.txt" || fail "list"
	! grep -q 'one try left\|locked\|tried before' "$LAB/list.txt" || fail "a wrong PIN was sent: $(cat "$LAB/list.txt")"
	"$SOURCE/swtpm-ci/secrets" "$LAB/state" "$TOKEN_PIN" "$LAB/hwacme.log"
}

# Told by another program: objects of each kind.
module_objects() {
	$TOKEN_ENTER pkcs11-tool --module "$TOKEN_MODULE" --token-label "$TOKEN_LABEL" --login --pin "$(cat "$TOKEN_PIN_FILE")" --list-objects 2>/dev/null |
		grep -oE '^[A-Z][A-Za-z]+ Key Object|^[A-Z][A-Za-z]+ object' | sort | uniq -c
}

module_rotations() {
	local before i rotations=${HWACME_ROTATIONS:-12}
	lab_token_config
	hwacme renew --force >/dev/null && hwacme renew >/dev/null || fail "renew before the rotations: $(tail -n 3 "$LAB/hwacme.log")"
	before=$(module_objects)
	grep -q 'Private Key' <<<"$before" || fail "the token's list has no private key: $before"
	for ((i = 1; i <= rotations; i++)); do
		hwacme renew --force >/dev/null || fail "rotation $i: $(tail -n 3 "$LAB/hwacme.log")"
	done
	[ "$(module_objects)" = "$before" ] || fail "$rotations rotations left $(module_objects), not $before"
	echo "$rotations rotations left:" $before
}
