# Calls that are not made: unbounded string functions anywhere; shells, sleeps, exits and printing outside their rooms.
set -euo pipefail
cd "$SOURCE"
bad=0
never() { # WHAT PATTERN PATHS...: grep finds it nowhere
	local what=$1 pattern=$2
	shift 2
	if grep -nE "$pattern" "$@"; then
		echo "^ $what"
		bad=1
	fi
}
mapfile -t all < <(find src tokens include -name '*.[ch]')
mapfile -t quiet < <(find src tokens -name '*.c' ! -path 'src/cli/*' ! -path src/base/log.c)
never "unbounded string function" '\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca)\(' "${all[@]}"
never "shell, or a temporary name" '\b(system|popen|tmpnam|mktemp|tempnam)\(' "${all[@]}"
never "sleeping: wait for a condition or a time with clock_wait_until()" '\b(sleep|usleep|nanosleep)\(' $(printf '%s\n' "${all[@]}" | grep -v src/base/clock.c)
never "printing or exiting outside src/cli" '\b(printf|puts|putchar|perror|exit|abort)\(' "${quiet[@]}"
never "the clock is asked in src/base/clock.c only" '\b(time|gettimeofday|clock_gettime)\(' $(printf '%s\n' "${all[@]}" | grep -v src/base/clock.c)
never "a note to do later" 'TODO|FIXME|XXX' "${all[@]}"
never "a C++ comment" '^\s*//' "${all[@]}"
never "random numbers that can be guessed" '\b(rand|random|srand|drand48)\(' "${all[@]}"
exit $bad
