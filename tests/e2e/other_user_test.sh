# A command that somebody runs who may not: what cannot be read is named, and who may; nothing is changed.
set -euo pipefail
. "$SOURCE/tests/support/script.sh"
. "$SOURCE/tests/support/ra/lab_ra.sh"
[ "$(id -u)" = 0 ] || { echo "only root can be somebody else" >&2; exit 77; }

lab_ra_up
lab_ra_config
hwacme renew >/dev/null || fail "enrolment"
chmod 755 "$LAB"
chmod 644 "$LAB/hwacme.yaml"
before=$(sha256sum "$LAB/state/hwacme.db")
# told WORD COMMAND...: refused to user 65534, with the word and with what there is to do
told() {
	local word=$1 got=0 said
	shift
	said=$(setpriv --reuid=65534 --regid=65534 --clear-groups "$HWACME" -c "$LAB/hwacme.yaml" "$@" 2>&1) || got=$?
	[ $got != 0 ] || fail "$*: done by anybody"
	grep -q -- "$word" <<<"$said" || fail "$*: no \"$word\" in: $said"
	grep -q "run hwacme as root, or as the user " <<<"$said" || fail "$*: nothing on what there is to do: $said"
}
for command in status plan "renew" "renew --force" "account show" "token list" check "authorize amf" "revoke amf"; do
	told "$LAB/state/" $command
done
chmod 600 "$LAB/hwacme.yaml"
told "$LAB/hwacme.yaml: Permission denied" status
[ "$(sha256sum "$LAB/state/hwacme.db")" = "$before" ] || fail "the database was changed"
