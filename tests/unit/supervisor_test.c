/*
 * supervisor_test.c -- an engine that never was at work ends the supervisor; one that was is followed by another, also one that
 * hangs, one whose end nobody tells, and one that asks for it; signals, at odd moments too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "supervisor.h"

/* Shared by the test, the supervisor that it forks, and the engines that this one forks. */
static struct shared {
	volatile unsigned engines, sound_asked;
	volatile pid_t engine;
	volatile bool is_sound;
} * shared;
static pid_t supervisor; /* with its engines a group of processes; 0: it has ended */

static int start(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? -1 : 0;
}

static int fresh(void **state)
{
	(void)state;
	memset(shared, 0, sizeof(*shared));
	return 0;
}

/* An assertion that fails leaves its test in the middle: then what that has started is ended here, engines that hang too. */
static int nothing_runs(void **state)
{
	(void)state;
	if (!supervisor)
		return 0;
	kill(-supervisor, SIGKILL);
	waitpid(supervisor, NULL, 0);
	supervisor = 0;
	return 0;
}

static bool is_sound(void *ctx)
{
	(void)ctx;
	shared->sound_asked++;
	return shared->is_sound;
}

static int refuses(void *ctx, int heart)
{
	(void)ctx;
	(void)heart;
	return 3;
}

static int works(void *ctx, int heart)
{
	if (ctx)
		signal(SIGTERM, SIG_IGN);
	shared->engine = getpid();
	bool is_heard = supervisor_beat(heart);
	for (shared->engines++; is_heard; is_heard = supervisor_beat(heart))
		clock_wait_until(INT64_MAX, 20);
	return 0;
}

/* At work, and each time asks for the next one. */
static int is_spent(void *ctx, int heart)
{
	(void)ctx;
	shared->engine = getpid();
	bool is_heard = supervisor_beat(heart);
	for (shared->engines++; is_heard; is_heard = supervisor_beat(heart)) {
		supervisor_relieve(heart);
		clock_wait_until(INT64_MAX, 20);
	}
	return 0;
}

/* At work once, and then neither heard of nor ended by a polite word; without ctx not even that once. */
static int hangs(void *ctx, int heart)
{
	signal(SIGTERM, SIG_IGN);
	shared->engine = getpid();
	if (ctx)
		(void)!supervisor_beat(heart);
	for (shared->engines++; clock_wait_until(INT64_MAX, 60000);)
		;
	return 0;
}

/* The first one takes its time to start. */
static int starts_slowly(void *ctx, int heart)
{
	shared->engine = getpid();
	if (shared->engines == 0)
		return hangs(NULL, heart);
	return works(ctx, heart);
}

/* The first one alone. */
static int works_once(void *ctx, int heart)
{
	if (shared->engines == 0)
		return works(ctx, heart);
	shared->engines++;
	return refuses(ctx, heart);
}

static pid_t supervise_for(int64_t silence_ms, int (*engine)(void *ctx, int heart), void *ctx)
{
	struct supervisor_terms terms = { .ctx = ctx, .silence_ms = silence_ms, .is_sound = is_sound, .engine = engine };
	pid_t pid = fork();

	assert_true(pid >= 0);
	/* By both, so that it is done whoever is first. */
	(void)!setpgid(pid, pid);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(supervisor_run(&terms));
	}
	supervisor = pid;
	return pid;
}

static pid_t supervise(int (*engine)(void *ctx, int heart), void *ctx)
{
	return supervise_for(SUPERVISOR_SILENCE_MS, engine, ctx);
}

static int end_of(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	supervisor = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void wait_for(volatile unsigned *number, unsigned wanted)
{
	int64_t deadline = clock_monotonic_ms() + 30000;

	while (*number < wanted) {
		if (clock_monotonic_ms() > deadline)
			fail_msg("%u, not %u, in time", *number, wanted);
		clock_wait_until(INT64_MAX, 5);
	}
}

static void an_engine_that_never_was_at_work_ends_us(void **state)
{
	(void)state;
	assert_int_equal(end_of(supervise(refuses, NULL)), 3);
}

static void sigterm_ends_both(void **state)
{
	pid_t pid = supervise(works, NULL);

	(void)state;
	wait_for(&shared->engines, 1);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
	assert_int_equal(kill(shared->engine, 0), -1);
}

static void an_engine_that_does_not_listen_is_killed(void **state)
{
	int64_t began;
	pid_t pid = supervise(works, &began);

	(void)state;
	wait_for(&shared->engines, 1);
	began = clock_monotonic_ms();
	kill(pid, SIGINT);
	assert_int_equal(end_of(pid), 0);
	assert_true(clock_monotonic_ms() - began >= SUPERVISOR_STOP_MS - 100);
	assert_int_equal(kill(shared->engine, 0), -1);
}

static void an_engine_that_dies_is_followed_by_another(void **state)
{
	pid_t pid = supervise(works, NULL);

	(void)state;
	wait_for(&shared->engines, 1);
	/* Its first beat is heard before this signal is read. */
	kill(pid, SIGHUP);
	wait_for(&shared->sound_asked, 1);
	kill(shared->engine, SIGKILL);
	wait_for(&shared->engines, 2);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
}

static void sighup_is_obeyed_when_the_configuration_is_sound(void **state)
{
	pid_t pid = supervise(works, NULL);

	(void)state;
	wait_for(&shared->engines, 1);
	kill(pid, SIGHUP);
	wait_for(&shared->sound_asked, 1);
	shared->is_sound = true;
	kill(pid, SIGHUP);
	wait_for(&shared->engines, 2);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
	/* The first one started none. */
	assert_int_equal(shared->engines, 2);
}

/* With the configuration that is in force, and not with the pause after a crash: the tenth of those would be of a minute. */
static void an_engine_that_asks_for_it_is_relieved_at_once(void **state)
{
	int64_t began = clock_monotonic_ms();
	pid_t pid = supervise(is_spent, NULL);

	(void)state;
	wait_for(&shared->engines, 11);
	assert_true(clock_monotonic_ms() - began < INT64_C(1000) * SUPERVISOR_PAUSE_LAST / 2);
	assert_int_equal(shared->sound_asked, 0);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
	assert_int_equal(kill(shared->engine, 0), -1);
}

static void an_engine_does_not_outlive_us(void **state)
{
	pid_t pid = supervise(works, NULL);
	int64_t deadline = clock_monotonic_ms() + 30000;

	(void)state;
	wait_for(&shared->engines, 1);
	kill(pid, SIGKILL);
	assert_int_equal(end_of(pid), -SIGKILL);
	while (kill(shared->engine, 0) == 0 && clock_monotonic_ms() < deadline)
		clock_wait_until(INT64_MAX, 10);
	assert_int_equal(kill(shared->engine, 0), -1);
}

/* Who starts us may have had no interest in its children: the kernel then tells nobody of ours, and keeps no status. */
static void an_engine_is_followed_also_where_ends_of_children_were_ignored(void **state)
{
	(void)state;
	signal(SIGCHLD, SIG_IGN);
	pid_t pid = supervise(works, NULL);
	signal(SIGCHLD, SIG_DFL);
	wait_for(&shared->engines, 1);
	kill(pid, SIGHUP);
	wait_for(&shared->sound_asked, 1);
	kill(shared->engine, SIGKILL);
	wait_for(&shared->engines, 2);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
}

static void an_engine_that_hangs_is_followed_by_another(void **state)
{
	pid_t first = 0, pid = supervise_for(300, hangs, &first);

	(void)state;
	wait_for(&shared->engines, 1);
	first = shared->engine;
	wait_for(&shared->engines, 2);
	assert_int_equal(kill(first, 0), -1);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
}

static void an_engine_that_hangs_before_it_was_at_work_ends_us(void **state)
{
	(void)state;
	assert_int_equal(end_of(supervise_for(300, hangs, NULL)), EXIT_FAILURE);
	assert_int_equal(shared->engines, 1);
	assert_int_equal(kill(shared->engine, 0), -1);
}

/* A container that is frozen, a terminal's ^Z: all of us slept, and nobody was to be heard. */
static void who_was_stopped_with_us_does_not_hang(void **state)
{
	pid_t pid = supervise_for(2000, works, NULL);

	(void)state;
	wait_for(&shared->engines, 1);
	kill(shared->engine, SIGSTOP);
	clock_wait_until(INT64_MAX, 200); /* what it said before has been heard */
	kill(pid, SIGSTOP);
	clock_wait_until(INT64_MAX, 4000);
	kill(pid, SIGCONT);
	clock_wait_until(INT64_MAX, 200);
	kill(shared->engine, SIGCONT);
	clock_wait_until(INT64_MAX, 1000);
	assert_int_equal(kill(shared->engine, 0), 0);
	assert_int_equal(shared->engines, 1);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
}

static void sighup_while_the_first_engine_starts_begins_anew(void **state)
{
	pid_t pid = supervise(starts_slowly, NULL);

	(void)state;
	shared->is_sound = true;
	wait_for(&shared->engines, 1);
	kill(pid, SIGHUP);
	wait_for(&shared->engines, 2);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
}

/* There is no engine to end for it: what ends later ended by itself, and is paused after. */
static void sighup_in_a_pause_excuses_no_later_end(void **state)
{
	pid_t pid = supervise(works, NULL);

	(void)state;
	wait_for(&shared->engines, 1);
	kill(pid, SIGHUP);
	wait_for(&shared->sound_asked, 1);
	kill(shared->engine, SIGKILL);
	wait_for(&shared->engines, 2);
	/* In the pause after this one, of two seconds. */
	kill(shared->engine, SIGKILL);
	while (kill(shared->engine, 0) == 0)
		clock_wait_until(INT64_MAX, 5);
	shared->is_sound = true;
	kill(pid, SIGHUP);
	wait_for(&shared->engines, 3);
	int64_t began = clock_monotonic_ms();
	kill(shared->engine, SIGKILL);
	wait_for(&shared->engines, 4);
	assert_true(clock_monotonic_ms() - began >= 1000 * SUPERVISOR_PAUSE_FIRST);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
}

/* The end of $NOTIFY_SOCKET that a service manager has. */
static int manager(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	int len = snprintf(address.sun_path, sizeof(address.sun_path), "@hwacme-supervisor-test-%ld", (long)getpid());
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)),
			 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_sec = 10 }, sizeof(struct timeval)), 0);
	return fd;
}

/* WatchdogSec= of a drop-in may be shorter than an engine with nothing to do is silent. */
static void a_manager_hears_of_an_idle_engine_as_often_as_it_wants(void **state)
{
	char text[256];
	pid_t idle = 0;
	int fd = manager();

	(void)state;
	setenv("WATCHDOG_USEC", "400000", 1);
	pid_t pid = supervise(hangs, &idle);
	unsetenv("WATCHDOG_USEC");
	unsetenv("NOTIFY_SOCKET");
	for (int heard = 0; heard < 6;) {
		ssize_t len = recv(fd, text, sizeof(text) - 1, 0);

		assert_true(len > 0);
		text[len] = '\0';
		heard += strstr(text, "WATCHDOG=1") != NULL;
	}
	assert_int_equal(shared->engines, 1);
	close(fd);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
}

static bool is_told(int fd, const char *word)
{
	char text[256];

	for (unsigned heard = 0; heard < 8; heard++) {
		ssize_t len = recv(fd, text, sizeof(text) - 1, 0);

		if (len <= 0)
			return false;
		text[len] = '\0';
		if (strstr(text, word))
			return true;
	}
	return false;
}

/* A manager that waits for the end of a reload has the next one, by which a mended configuration comes, wait as well. */
static void a_manager_hears_the_end_of_a_reload_also_where_the_engine_fails(void **state)
{
	int fd = manager();
	pid_t pid = supervise(works_once, NULL);

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	shared->is_sound = true;
	assert_true(is_told(fd, "READY=1"));
	kill(pid, SIGHUP);
	assert_true(is_told(fd, "RELOADING=1"));
	wait_for(&shared->engines, 2);
	assert_true(is_told(fd, "STATUS=the engine ended with status 3"));
	assert_true(is_told(fd, "READY=1"));
	close(fd);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
}

#define SUPERVISED(test) cmocka_unit_test_setup_teardown(test, fresh, nothing_runs)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SUPERVISED(an_engine_that_never_was_at_work_ends_us),
		SUPERVISED(sigterm_ends_both),
		SUPERVISED(an_engine_that_does_not_listen_is_killed),
		SUPERVISED(an_engine_that_dies_is_followed_by_another),
		SUPERVISED(sighup_is_obeyed_when_the_configuration_is_sound),
		SUPERVISED(an_engine_that_asks_for_it_is_relieved_at_once),
		SUPERVISED(an_engine_does_not_outlive_us),
		SUPERVISED(an_engine_is_followed_also_where_ends_of_children_were_ignored),
		SUPERVISED(an_engine_that_hangs_is_followed_by_another),
		SUPERVISED(an_engine_that_hangs_before_it_was_at_work_ends_us),
		SUPERVISED(who_was_stopped_with_us_does_not_hang),
		SUPERVISED(sighup_while_the_first_engine_starts_begins_anew),
		SUPERVISED(sighup_in_a_pause_excuses_no_later_end),
		SUPERVISED(a_manager_hears_of_an_idle_engine_as_often_as_it_wants),
		SUPERVISED(a_manager_hears_the_end_of_a_reload_also_where_the_engine_fails),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
