/* family_test.c -- nothing below a process outlives family_end(); the wrecking hooks are in deploy_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "family.h"

/* Says that it is there, then waits for ever. */
static void stay(int there)
{
	if (write(there, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static void who_has_nobody_is_done(void **state)
{
	(void)state;
	assert_true(family_adopt());
	assert_true(family_end());
}

/* A child, its child in a session of its own, and one whose parent is gone. */
static void children_of_children_and_orphans_are_ended(void **state)
{
	int ends[2];
	char there[3];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	if (fork() == 0) {
		if (fork() == 0) {
			setsid();
			stay(ends[1]);
		}
		if (fork() == 0) {
			if (fork() == 0)
				stay(ends[1]);
			_exit(0);
		}
		stay(ends[1]);
	}
	for (size_t got = 0; got < sizeof(there);) {
		ssize_t more = read(ends[0], there, sizeof(there) - got);

		assert_true(more > 0);
		got += (size_t)more;
	}
	assert_true(family_end());
	close(ends[1]);
	/* All who held the other end are gone. */
	assert_int_equal(read(ends[0], there, 1), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	close(ends[0]);
}

/* A child that is kept keeps its own; the other, its child and an orphan are ended. */
static void who_is_kept_keeps_his_own(void **state)
{
	int kept_ends[2], ends[2];
	char there[3];

	(void)state;
	assert_int_equal(pipe(kept_ends) | pipe(ends), 0);
	pid_t kept = fork();
	if (kept == 0) {
		close(ends[1]);
		setpgid(0, 0);
		fork();
		stay(kept_ends[1]);
	}
	if (fork() == 0) {
		if (fork() == 0 && fork() == 0)
			setsid();
		stay(ends[1]);
	}
	for (size_t got = 0; got < 3; got++)
		assert_int_equal(read(ends[0], there, 1), 1);
	for (size_t got = 0; got < 2; got++)
		assert_int_equal(read(kept_ends[0], there, 1), 1);
	family_end_strays(&kept, 1);
	close(ends[1]);
	close(kept_ends[1]);
	assert_int_equal(read(ends[0], there, 1), 0);
	assert_int_equal(kill(-kept, 0), 0);
	assert_int_equal(waitpid(kept, NULL, WNOHANG), 0);
	assert_true(family_end());
	assert_int_equal(read(kept_ends[0], there, 1), 0);
}

/* The worst that a list may be: a line whose youngest has the lowest number, and one as long that is not ours, in a circle. */
static void all_are_told_apart_in_a_moment(void **state)
{
	static struct family_process list[32768];
	const unsigned half = 16384;
	const pid_t self = 1000000;

	(void)state;
	for (unsigned i = 0; i < half; i++) {
		list[i] = (struct family_process){ .pid = (pid_t)(i + 10), .parent = i + 1 < half ? (pid_t)(i + 11) : self };
		list[half + i] = (struct family_process){ .pid = (pid_t)(half + i + 10),
							  .parent = i + 1 < half ? (pid_t)(half + i + 11) : (pid_t)(half + 10) };
	}
	list[0].pid = self + 1;
	alarm(20);
	family_mark(list, 32768, self, NULL, 0);
	alarm(0);
	for (unsigned i = 0; i < 32768; i++) {
		bool is_ours = list[i].pid < (pid_t)(half + 10) || list[i].pid > self;

		assert_int_equal(list[i].kin, is_ours ? FAMILY_OURS : FAMILY_OTHERS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_nobody_is_done),
		cmocka_unit_test(who_is_kept_keeps_his_own),
		cmocka_unit_test(all_are_told_apart_in_a_moment),
		cmocka_unit_test(children_of_children_and_orphans_are_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
