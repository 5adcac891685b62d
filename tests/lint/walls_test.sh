# A forbidden include does not compile: each layer is tried with a header of a room it may not see.
set -euo pipefail
bad=0
# layer, file of it whose command line is used, header it must not reach
while read -r layer file header; do
	command=$(python3 - "$BUILD/compile_commands.json" "$SOURCE/$file" <<'PY'
import json, sys
entries = [e["command"] for e in json.load(open(sys.argv[1])) if e["file"] == sys.argv[2]]
words = entries[0].split(" -o ")[0]
print(words)
PY
	)
	if echo "#include <$header>" | (cd "$BUILD" && eval "$command -fsyntax-only -x c -") 2>/dev/null; then
		echo "layer $layer can include $header"
		bad=1
	fi
	# The command itself works: it is the header that is refused.
	echo '#include "err.h"' | (cd "$BUILD" && eval "$command -fsyntax-only -x c -") || { echo "layer $layer: $command"; bad=1; }
done <<-TABLE
	base src/base/err.c openssl/evp.h
	base src/base/err.c client.h
	crypto src/crypto/jws.c curl/curl.h
	crypto src/crypto/jws.c message.h
	net src/net/http.c sqlite3.h
	acme src/acme/order.c curl/curl.h
	acme src/acme/order.c database.h
	acme src/acme/order.c libp11.h
	state src/state/plan.c tss2/tss2_esys.h
	state src/state/plan.c renewal.h
	config src/config/config.c jansson.h
	processes src/processes/spawner.c libp11.h
	processes src/processes/spawner.c renewal.h
	renewal src/renewal/renewal.c libp11.h
	renewal src/renewal/renewal.c sqlite3.h
	renewal src/renewal/renewal.c tss2/tss2_esys.h
	renewal src/renewal/renewal.c loop.h
	page src/page/status_page.c loop.h
	page src/page/status_page.c sqlite3.h
	daemon src/daemon/loop.c curl/curl.h
	cli src/cli/main.c curl/curl.h
	cli src/cli/main.c libp11.h
	tokens tokens/pkcs11.c curl/curl.h
	tokens tokens/pkcs11.c order_driver.h
TABLE
exit $bad
