# Every ACME problem type and every broken answer at every endpoint, against the test RA: the live pair stays whole, nothing is sent
# before Retry-After, the next run renews, and no request breaks the protocol.  The cases are in acme/.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"

# The answer to a challenge waits for the validation here: no case waits for a look to come.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm # some thousand fsyncs
lab_ra_up --set validate_at_once=true --set 'authz_reuse="none"'
lab_ra_config
sed -i 's/rotate: always/rotate: never/' "$LAB/hwacme.yaml" # no key is made at each of many renewals
timeout 550 "$ACME_SWEEP" "$LAB/hwacme.yaml" "${LAB_RA%/}" "$@"
