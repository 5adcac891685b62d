/* program_test.c -- a program gets its arguments, its verb and its environment, and nothing of ours; deploy_test.c has how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "program.h"

#define ABLE 4711 /* no user of this machine */

static enum rc run(const char *script, const char *verb, struct buf *output, struct err *err)
{
	char *argv[] = { (char[]){ "/bin/sh" }, (char[]){ "-c" }, (char *)(uintptr_t)script, (char[]){ "name" } };
	struct program program = { .argv = argv, .argc = 4, .verb = verb, .environment = { "A=1", "B=2", NULL }, .timeout = 20 };

	return program_run(&program, output, NULL, err);
}

static void the_verb_is_the_last_argument_and_the_environment_is_ours(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(setenv("HWACME_SECRET", "x", 1), 0);
	if (run("test \"$# $1 $A $B $HWACME_SECRET\" = '1 present 1 2 ' && test -n \"$PATH\" && ! read -r line && test ! -e "
		"/proc/self/fd/5",
		"present", NULL, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(run("test $# = 0", NULL, NULL, NULL), RC_OK);
}

static void output_is_kept_whole_or_the_program_failed(void **state)
{
	AUTO(buf) struct buf output = BUF_MAX(8);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(run("printf 12345678; echo words >&2", NULL, &output, NULL), RC_OK);
	assert_string_equal(buf_text(&output), "12345678");
	buf_clear(&output);
	assert_int_equal(run("printf 123456789", NULL, &output, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "more than 8 bytes"));
}

/* We ignore some of them; whoever is started would, too. */
static void a_program_finds_its_signals_as_they_are_by_default(void **state)
{
	struct err err = { 0 };

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (run("grep -Eq '^SigIgn:.0+$' /proc/self/status", NULL, NULL, &err) != RC_OK)
		fail_msg("%s", err.text);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
}

static void the_exit_status_is_in_the_error(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(run("echo one; echo two >&2; exit 75", NULL, NULL, &err), RC_RETRY);
	assert_int_equal(err.code, 75);
	assert_int_equal(err.origin, ERR_SELF);
	assert_non_null(strstr(err.text, "one"));
	assert_non_null(strstr(err.text, "two"));
}

static void a_program_that_nobody_waits_for_ends_soon(void **state)
{
	struct err err = { 0 };
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	program_set_caller(pair[1]);
	/* While somebody waits it has its time. */
	assert_int_equal(run("sleep 0.1", NULL, NULL, NULL), RC_OK);
	close(pair[0]);
	int64_t began = clock_monotonic_ms();
	assert_int_equal(run("echo begun; sleep 15", NULL, NULL, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "begun"));
	assert_true(clock_monotonic_ms() - began >= PROGRAM_ALONE_MS);
	assert_true(clock_monotonic_ms() - began < 10000);
	close(pair[1]);
}

/* In the operator's own language, and nothing that a terminal would obey; 401 bytes: the first is half a character then. */
static void the_last_words_are_told_in_any_language(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(run("printf '\\033[31m\\377 ung\\303\\274ltig \\302\\233 \\000x\\n'; exit 1", NULL, NULL, &err),
			 RC_RETRY);
	assert_non_null(strstr(err.text, "exited with 1: [31m  ung\303\274ltig     x"));
	err = (struct err){ 0 };
	assert_int_equal(run("printf '\\303\\274'; head -c 399 /dev/zero | tr '\\000' y; exit 1", NULL, NULL, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "exited with 1: yyy"));
}

static enum rc run_file(const char *name, struct err *err)
{
	struct program program = { .argv = (char *[]){ (char *)(uintptr_t)name }, .argc = 1, .timeout = 20 };

	return program_run(&program, NULL, NULL, err);
}

static void a_name_is_looked_up_in_path(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(run_file("true", NULL), RC_OK);
	assert_int_equal(run_file("no-such-program", &err), RC_RETRY);
	assert_non_null(strstr(err.text, "\"no-such-program\" cannot be started: it is in no directory of PATH"));
}

/* There is no shell that would try to make sense of it: an empty file is no hook that ended well. */
static void what_cannot_be_started_says_why(void **state)
{
	static const struct {
		const char *how, *what;
	} files[] = {
		{ ": >it; chmod 755 it", "names no interpreter" },
		{ "echo exit 0 >it; chmod 755 it", "names no interpreter" },
		{ "echo '#!/no/such' >it; chmod 755 it", "interpreter" },
		{ "echo '#!/bin/sh' >it; chmod 644 it", "chmod +x" },
		{ "mkdir it", "is no file" },
		{ "rm -rf it", "No such file" },
	};
	char dir[] = "/tmp/hwa-program-XXXXXX", path[64], command[256];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/it", dir);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct err err = { 0 };

		snprintf(command, sizeof(command), "cd %s && rm -rf it && { %s; }", dir, files[i].how);
		assert_int_equal(system(command), 0);
		assert_int_equal(run_file(path, &err), RC_RETRY);
		if (!strstr(err.text, "cannot be started: ") || !strstr(err.text, files[i].what))
			fail_msg("%s: %s", files[i].how, err.text);
	}
	assert_int_equal(rmdir(dir), 0);
}

/* As systemd starts a service with AmbientCapabilities=. */
static bool become_able(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const unsigned able = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL;
	struct __user_cap_data_struct data[2] = { { .effective = able, .permitted = able, .inheritable = able } };

	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && setresgid(ABLE, ABLE, ABLE) == 0 && setresuid(ABLE, ABLE, ABLE) == 0 &&
	       syscall(SYS_capset, &header, data) == 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0) == 0 &&
	       prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETGID, 0, 0) == 0 &&
	       prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) == 0;
}

static int run_without_capabilities(const char *user)
{
	char *argv[] = {
		(char[]){ "/bin/sh" }, (char[]){ "-c" },
		(char[]){ "grep CapPrm /proc/self/status; id -u; ! grep -q 'Cap[PEA][a-z]*:.*[1-9a-f]' /proc/self/status" }
	};
	struct program program = { .argv = argv, .argc = 3, .user = user, .timeout = 20 };
	struct err err = { 0 };

	if (!become_able())
		return 2;
	if (program_run(&program, NULL, NULL, &err) == RC_OK)
		return 0;
	print_message("%s\n", err.text);
	return 1;
}

static void a_program_has_no_capability_of_the_service(void **state)
{
	static const char *const users[] = { NULL, "nobody" };

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0)
			_exit(run_without_capabilities(users[i]));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_verb_is_the_last_argument_and_the_environment_is_ours),
		cmocka_unit_test(output_is_kept_whole_or_the_program_failed),
		cmocka_unit_test(a_program_finds_its_signals_as_they_are_by_default),
		cmocka_unit_test(the_exit_status_is_in_the_error),
		cmocka_unit_test(the_last_words_are_told_in_any_language),
		cmocka_unit_test(a_name_is_looked_up_in_path),
		cmocka_unit_test(what_cannot_be_started_says_why),
		cmocka_unit_test(a_program_has_no_capability_of_the_service),
		cmocka_unit_test(a_program_that_nobody_waits_for_ends_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
