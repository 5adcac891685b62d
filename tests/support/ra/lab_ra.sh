# lab_ra.sh -- the test RA in a lab of its own; to be sourced after tests/support/script.sh.
#
#	lab_ra_up [OPTION...]	makes $LAB with a SoftHSM and an RA (options of python3 -m ra); lab_down (also on exit) ends and removes it
#	lab_ra [OPTION...]	the RA alone, in a $LAB that exists; trust.pem and roots.pem are put where lab_config looks for them
#	lab_ra_config [LINE...]	writes $LAB/hwacme.yaml: amf, key in the HSM; the lines go into the certificate;
#				LAB_ACCOUNT_TYPE, LAB_ACCOUNT_ALGORITHM and LAB_KEY_TYPE are ec-p256 and its own unless set
#	lab_ra_fallback [LINE]	writes $LAB/backup.yaml: the same with the RA once more, as a fallback; the line goes into that authority
#	ra NAME [JSON]		GET or POST /manage/NAME, the answer on stdout
#	ra_count ENDPOINT	requests to it since the last reset
#	fresh			forgets what was asked and issued; clean WHAT: fails the test if the client broke the protocol

lab_ra() {
	LAB_HTTP01=${LAB_HTTP01:-$(lab_port)}
	lab_start ra env PYTHONPATH="$SOURCE/tests/support" PYTHONPYCACHEPREFIX="${BUILD:-$LAB}/pycache" /usr/bin/python3 -m ra \
		--directory "$LAB/ra" --set "http01=\"127.0.0.1:$LAB_HTTP01\"" "$@"
	lab_wait 20 "the RA" test -s "$LAB/ra/ready.json"
	LAB_DIRECTORY=$(jq -r .directory "$LAB/ra/ready.json")
	LAB_RA=$(jq -r .manage "$LAB/ra/ready.json")
	LAB_TOKEN_AUTHORITY=$(jq -r .token "$LAB/ra/ready.json")
	cp "$LAB/ra/trust.pem" "$LAB/ra/roots.pem" "$LAB/"
}

lab_ra_up() {
	lab_begin
	lab_softhsm
	lab_ra "$@"
}

ra() {
	curl -sS --fail-with-body --max-time 20 "$LAB_RA/$1" ${2:+--data "$2"} || {
		echo "ra $*: refused" >&2
		return 1
	}
}

ra_count() {
	ra requests | jq --arg endpoint "$1" '.counts[$endpoint] // 0'
}

fresh() { ra reset '{}' >/dev/null; }

clean() {
	local complaints
	complaints=$(ra violations | jq -r '(.violations + .remarks)[] | "\(.endpoint): \(.what)"')
	[ -z "$complaints" ] || fail "$1: the client broke the protocol: $complaints"
}

lab_ra_fallback() {
	sed "s|^policies:|  - name: backup\n    directory: $LAB_DIRECTORY\n    trust: $LAB/trust.pem\n    terms-agreed: true\n\
    account-key: { token: hsm, type: ec-p256 }\n${1:+    $1\n}&|; s|^    authority: operator-ra|&\n    fallback: [backup]|" \
		"$LAB/hwacme.yaml" >"$LAB/backup.yaml"
}

lab_ra_config() {
	cat >"$LAB/hwacme.yaml" <<-YAML
	state: $LAB/state
	tokens:
	  - name: hsm
	    pkcs11: { module: $LAB_MODULE, token: nf-appliance, pin: { file: $LAB/hsm.pin } }
	authorities:
	  - name: operator-ra
	    directory: $LAB_DIRECTORY
	    trust: $LAB/trust.pem
	    roots: $LAB/roots.pem
	    contact: ["mailto:noc@example.org"]
	    terms-agreed: true
	    account-key: { token: hsm, type: ${LAB_ACCOUNT_TYPE:-ec-p256}${LAB_ACCOUNT_ALGORITHM:+, algorithm: $LAB_ACCOUNT_ALGORITHM} }
	policies:
	  - name: sba
	    renew-after: 66%
	    preauthorized: 336h
	    margin: 24h
	    retire-after: 0s
	    boot-spread: 0s
	certificates:
	  - name: amf
	    authority: operator-ra
	    policy: sba
	    key: { token: hsm, type: ${LAB_KEY_TYPE:-ec-p256}, rotate: always }
	    names: ["dns:amf.5gc.mnc001.mcc001.3gppnetwork.org", "dns:amf-2.5gc.mnc001.mcc001.3gppnetwork.org"]
	    challenge: { http-01: { listen: "127.0.0.1:$LAB_HTTP01" } }
	YAML
	printf '    %s\n' "$@" >>"$LAB/hwacme.yaml"
}
