# The token contract and a whole renewal on tpm2-pkcs11 (swtpm-ci/token-tpm2-pkcs11).
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/module.sh"

module_up tpm2-pkcs11
module_contract
module_renewal
