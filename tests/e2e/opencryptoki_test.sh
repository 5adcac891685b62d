# The token contract and a whole renewal on opencryptoki (swtpm-ci/token-opencryptoki).
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/module.sh"

module_up opencryptoki
module_contract
module_renewal
