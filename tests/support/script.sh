# script.sh -- what every test that is a script begins with: a lab, hwacme on the lab's configuration, and failures that say where.
#
#	hwacme ARGUMENT...	what it says on standard error is kept in $LAB/hwacme.log
#	fail TEXT		ends the test; the ends of all logs follow (lab_down)
. "$SOURCE/swtpm-ci/lab.sh"
fail() { echo "FAILED: $*" >&2; exit 1; }
hwacme() { "$HWACME" -c "$LAB/hwacme.yaml" "$@" 2>>"$LAB/hwacme.log"; }
# A command that fails where none may ends a script without a word: this is the word.
set -E
trap 'echo "FAILED: status $? of \"$BASH_COMMAND\" at ${BASH_SOURCE[0]##*/}:$LINENO" >&2' ERR
