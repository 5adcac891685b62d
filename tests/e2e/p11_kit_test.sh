# The token contract and a whole renewal on p11-kit (swtpm-ci/token-p11-kit).
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/module.sh"

module_up p11-kit
module_contract
module_renewal
