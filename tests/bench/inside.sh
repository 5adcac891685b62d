# inside.sh -- what tests/bench/run, scale and profile begin with: packages, the release build, a namespace of one's own, and a lab; to be sourced.
#
#	bench_inside MODULE ARGUMENT...		runs the Python module compare.MODULE there, with a swtpm and Pebble's TLS
#
# In a network namespace of our own no port is taken and connections can be counted; in a mount namespace of our own the lab's TLS
# root can be among the system's, where uacme looks for it.
BENCH=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SOURCE=$(dirname "$(dirname "$BENCH")")
export BUILD=${BUILD:-$SOURCE/build/release}

# caddy comes with a service, and only its program is wanted: masked before it is there, it does not start now nor at the next boot.
bench_mask() { # PACKAGE SERVICE
	local unit=/etc/systemd/system/$2 as_root=()
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" != installed ] || return 0
	[ ! -e "$unit" ] && [ ! -L "$unit" ] || return 0
	[ "$(id -u)" = 0 ] || as_root=(sudo)
	"${as_root[@]}" mkdir -p "${unit%/*}"
	"${as_root[@]}" ln -s /dev/null "$unit"
}

bench_build() {
	"$SOURCE/swtpm-ci/install"
	bench_mask caddy caddy.service
	"$SOURCE/swtpm-ci/install" "$BENCH/packages.txt"
	(cd "$SOURCE" && cmake --preset release >/dev/null &&
		cmake --build --preset release --target hwacme measure acme_load sign_bench read_rows | tail -n 1)
}

bench_lab() {
	. "$SOURCE/swtpm-ci/lab.sh"
	lab_begin
	lab_swtpm
	mkdir -p "$LAB/pebble"
	lab_pebble_tls
	export LAB LAB_TCTI LAB_PIN LAB_MODULE
}

bench_inside() {
	local module=$1 own=(unshare --net --mount)
	shift
	case " $* " in *" --help "* | *" -h "*) cd "$BENCH" && exec python3 -B -m "compare.$module" --help ;; esac
	if [ -z "${BENCH_FROM:-}" ]; then
		bench_build
		[ "$(id -u)" = 0 ] || own+=(--map-root-user)
		BENCH_FROM=$PWD exec "${own[@]}" "$0" "$@"
	fi
	ip link set lo up
	bench_lab
	cat /etc/ssl/certs/ca-certificates.crt "$LAB/trust.pem" >"$LAB/bundle.pem"
	mount --bind "$LAB/bundle.pem" /etc/ssl/certs/ca-certificates.crt
	cd "$BENCH"
	python3 -B -m "compare.$module" "$@"
}
