# Each consumer of conf/consumers serves a key in a TPM, before and after a renewal with a new key, or is a client with it.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/consumers.sh"

consumers_up
serve_and_renew nginx nginx-tpm.conf tpm.env amf
serve_and_renew haproxy haproxy.cfg tpm.env amf
serve_and_renew httpd apache.conf tpm.env amf
serve_and_renew s_server s_server-tpm "" amf

# A client verifies its server in the TPM too, and three places are not enough for that: as /dev/tpmrm0 does, a resource manager makes room.
export DBUS_SESSION_BUS_ADDRESS=unix:path=$LAB/bus
lab_start bus dbus-daemon --session --nofork --nopidfile "--address=$DBUS_SESSION_BUS_ADDRESS"
lab_wait 20 "a bus" test -S "$LAB/bus"
lab_start abrmd tpm2-abrmd --session --allow-root "--tcti=$LAB_TCTI" --flush-all
LAB_TCTI=tabrmd:bus_type=session
lab_wait 20 tpm2-abrmd tpm2_getcap -T "$LAB_TCTI" handles-nv-index
client curl-tpm amf
