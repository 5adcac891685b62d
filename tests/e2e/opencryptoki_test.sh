# The token contract, a whole renewal and many rotations on opencryptoki (swtpm-ci/token-opencryptoki).
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/module.sh"

module_up opencryptoki
module_contract
module_renewal
module_rotations
