/* progress_test.c -- a terminal is told what takes its time and sees nothing of it afterwards; a pipe never is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "progress.h"

#define DEADLINE_MS 10000

static int terminal = -1, kept_out, kept_err;
static char seen[4096];

/* Until it has been written: what the terminal was sent since the start. */
static bool is_seen(const char *wanted)
{
	int64_t deadline = clock_monotonic_ms() + DEADLINE_MS;

	while (!strstr(seen, wanted) && clock_monotonic_ms() < deadline) {
		struct pollfd ready = { .fd = terminal, .events = POLLIN };
		size_t used = strlen(seen);

		if (poll(&ready, 1, 100) != 1)
			continue;
		ssize_t len = read(terminal, seen + used, sizeof(seen) - 1 - used);
		if (len <= 0)
			break;
		seen[used + (size_t)len] = '\0';
	}
	return strstr(seen, wanted) != NULL;
}

static int to_terminal(void **state)
{
	const struct winsize size = { .ws_row = 24, .ws_col = 40 };
	int slave;

	(void)state;
	memset(seen, 0, sizeof(seen));
	if (openpty(&terminal, &slave, NULL, NULL, &size) != 0)
		return -1;
	fflush(stdout);
	kept_out = dup(STDOUT_FILENO);
	kept_err = dup(STDERR_FILENO);
	dup2(slave, STDOUT_FILENO);
	dup2(slave, STDERR_FILENO);
	close(slave);
	log_open();
	return setenv("TERM", "xterm", 1);
}

static int to_kept(void **state)
{
	(void)state;
	progress_end();
	fflush(stdout);
	dup2(kept_out, STDOUT_FILENO);
	dup2(kept_err, STDERR_FILENO);
	close(kept_out);
	close(kept_err);
	close(terminal);
	log_open();
	return 0;
}

static void what_takes_long_is_shown_and_taken_away(void **state)
{
	(void)state;
	progress_begin("the daemon");
	assert_true(is_seen("the daemon ... 1 s\r"));
	log_certificate(LOG_INFO, "amf", "CSR \xc3\xa4 sent, and so much more that it does not fit");
	assert_true(is_seen("\r\033[Khwacme: info: amf: CSR"));
	/* 39 of 40 columns. */
	assert_true(is_seen("amf: CSR ?? sent, and so much m ... 1 s\r"));
	/* A result comes before the line, within a moment, and without anybody's doing. */
	printf("amf: renewed\n");
	assert_true(is_seen("\r\033[Kamf: renewed"));
	assert_true(is_seen("... 2 s\r"));
	progress_end();
	printf("end\n");
	fflush(stdout);
	assert_true(is_seen("\r\033[Kend"));
}

static void a_terminal_that_cannot_take_it_away_is_shown_none(void **state)
{
	(void)state;
	setenv("TERM", "dumb", 1);
	progress_begin("the daemon");
	clock_wait_until(INT64_MAX, 1500);
	progress_end();
	log_event(LOG_INFO, "over");
	assert_true(is_seen("over"));
	assert_null(strstr(seen, "the daemon"));
}

static void a_pipe_is_shown_none(void **state)
{
	int ends[2], kept = dup(STDERR_FILENO);
	char text[256] = "";

	(void)state;
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	progress_begin("the daemon");
	clock_wait_until(INT64_MAX, 1500);
	log_event(LOG_INFO, "over");
	progress_end();
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(ends[1]);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	close(ends[0]);
	assert_string_equal(text, "hwacme: info: over\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_takes_long_is_shown_and_taken_away, to_terminal, to_kept),
		cmocka_unit_test_setup_teardown(a_terminal_that_cannot_take_it_away_is_shown_none, to_terminal, to_kept),
		cmocka_unit_test_setup_teardown(a_pipe_is_shown_none, to_terminal, to_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
