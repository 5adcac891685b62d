/* deploy_test.c -- the hook runs without a shell, in time, and its failure says what it said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "deploy.h"

static char words[PROGRAM_OUTPUT_MAX + 1];

static enum rc run(struct err *err, int64_t timeout, unsigned count, char **argv)
{
	char name[] = "amf";
	struct config_certificate certificate = {
		.name = name, .deploy_run = argv, .deploy_run_count = count, .deploy_timeout = timeout
	};

	return deploy_run(&certificate, "/state/live/amf", words, err);
}

/* How many processes were started with this word in their environment, and still are. */
static unsigned marked(const char *mark)
{
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	char path[300], text[8192];
	unsigned count = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		snprintf(path, sizeof(path), "/proc/%s/environ", entry->d_name);
		FILE *file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
		size_t len = file ? fread(text, 1, sizeof(text), file) : 0;

		if (file)
			fclose(file);
		count += len && memmem(text, len, mark, strlen(mark)) != NULL;
	}
	closedir(directory);
	return count;
}

/* A mark that no other test running now has. */
static const char *new_mark(void)
{
	static char mark[64];
	static unsigned number;

	snprintf(mark, sizeof(mark), "MARK=%ld-%u", (long)getpid(), number++);
	return mark;
}

static char SH[] = "sh", DASH_C[] = "-c";

static void it_knows_the_certificate_and_inherits_nothing_else(void **state)
{
	char script[] = "test \"$HWACME_HOOK\" = deploy && test \"$HWACME_NAME\" = amf && test \"$HWACME_LIVE\" = "
			"/state/live/amf && test -z \"$HWACME_SECRET\" && "
			"test ! -e /proc/self/fd/5";
	struct err err = { 0 };

	(void)state;
	assert_int_equal(setenv("HWACME_SECRET", "x", 1), 0);
	assert_int_equal(run(&err, 30, 3, (char *[]){ SH, DASH_C, script }), RC_OK);
}

static void arguments_are_not_interpreted(void **state)
{
	char program[] = "test", left[] = "$(id)", equals[] = "=", right[] = "$(id)";

	(void)state;
	assert_int_equal(run(NULL, 30, 4, (char *[]){ program, left, equals, right }), RC_OK);
}

static void a_failure_tells_status_and_last_words(void **state)
{
	char script[] = "echo this is why >&2; exit 7";
	struct err err = { 0 };

	(void)state;
	assert_int_equal(run(&err, 30, 3, (char *[]){ SH, DASH_C, script }), RC_RETRY);
	assert_non_null(strstr(err.text, "exited with 7"));
	assert_non_null(strstr(err.text, "this is why"));
}

static void a_hook_that_hangs_is_killed_with_its_children(void **state)
{
	char script[] = "sleep 300 & wait";
	struct err err = { 0 };

	(void)state;
	assert_int_equal(run(&err, 1, 3, (char *[]){ SH, DASH_C, script }), RC_RETRY);
	assert_non_null(strstr(err.text, "within 1 s"));
}

static void what_a_good_hook_says_is_told_too(void **state)
{
	char script[] = "printf 'reloaded\\nnginx\\001 \\n'";

	(void)state;
	assert_int_equal(run(NULL, 30, 3, (char *[]){ SH, DASH_C, script }), RC_OK);
	assert_string_equal(words, "reloaded nginx");
}

/* In its own session, in the background, its parent gone: it is found all the same. */
static void children_that_left_group_and_session_end_with_the_hook(void **state)
{
	const char *mark = new_mark();
	char script[300];
	struct err err = { 0 };

	(void)state;
	snprintf(script, sizeof(script), "export %s; setsid sh -c 'setsid sleep 300 & sleep 300 & exit' & sleep 300 & wait",
		 mark);
	assert_int_equal(run(&err, 1, 3, (char *[]){ SH, DASH_C, script }), RC_RETRY);
	assert_non_null(strstr(err.text, "within 1 s"));
	assert_int_equal(marked(mark), 0);
	snprintf(script, sizeof(script), "export %s; setsid sleep 300 & exit 0", mark);
	if (run(&err, 30, 3, (char *[]){ SH, DASH_C, script }) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(marked(mark), 0);
}

/* Each starts two, eight times over, and none waits: some hundred processes by the time that they are ended. */
static void a_fork_bomb_is_over_with_its_time(void **state)
{
	const char *mark = new_mark();
	char script[400];
	int64_t began = clock_monotonic_ms();
	struct err err = { 0 };

	(void)state;
	snprintf(script, sizeof(script),
		 "export %s; export B='[ $1 -gt 7 ] || { setsid sh -c \"$B\" $0 $(($1 + 1)) & setsid sh -c \"$B\" $0 $(($1 + 1)) "
		 "& }; exec "
		 "sleep 300'; sh -c \"$B\" bomb 1 & exec sleep 300",
		 mark);
	assert_int_equal(run(&err, 2, 3, (char *[]){ SH, DASH_C, script }), RC_RETRY);
	assert_int_equal(marked(mark), 0);
	assert_true(clock_monotonic_ms() - began < 10000);
}

/* As fast as it can, and never an end: the time is kept, and only the last words. */
static void endless_output_is_no_end_of_time_or_room(void **state)
{
	char script[] = "exec yes 'more and more'", long_one[] = "head -c 1073741824 /dev/zero; echo; echo the end";
	int64_t began = clock_monotonic_ms();
	struct err err = { 0 };

	(void)state;
	assert_int_equal(run(&err, 1, 3, (char *[]){ SH, DASH_C, script }), RC_RETRY);
	assert_true(clock_monotonic_ms() - began < 5000);
	assert_non_null(strstr(err.text, "more and more"));
	assert_true(strlen(err.text) < sizeof(err.text) - 1);
	if (run(&err, 120, 3, (char *[]){ SH, DASH_C, long_one }) != RC_OK)
		fail_msg("%s", err.text);
	assert_string_equal(words, "the end");
}

static void a_user_is_somebody(void **state)
{
	char script[] = "true", nobody[] = "no-such-user-here";
	struct config_certificate certificate = { .name = SH,
						  .deploy_run = (char *[]){ SH, DASH_C, script },
						  .deploy_run_count = 3,
						  .deploy_user = nobody,
						  .deploy_timeout = 30 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(deploy_run(&certificate, "/state/live/amf", NULL, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "no such user"));
	/* Root becomes anybody, others themselves alone. */
	const struct passwd *user = geteuid() == 0 ? getpwnam("nobody") : getpwuid(geteuid());
	char name[64], home[256];
	snprintf(name, sizeof(name), "%s", user->pw_name);
	snprintf(home, sizeof(home), "test \"$(id -un) $(id -G) $USER $LOGNAME $HOME\" = \"%s $(id -G %s) %s %s %s\"", name, name,
		 name, name, user->pw_dir);
	certificate.deploy_user = name;
	certificate.deploy_run = (char *[]){ SH, DASH_C, home };
	if (deploy_run(&certificate, "/state/live/amf", NULL, &err) != RC_OK)
		fail_msg("%s", err.text);
	if (geteuid() != 0) {
		char root[] = "root";

		certificate.deploy_user = root;
		assert_int_equal(deploy_run(&certificate, "/state/live/amf", NULL, &err), RC_DENIED);
		assert_non_null(strstr(err.text, "CAP_SETUID"));
	}
}

static void a_program_that_is_not_there_is_named(void **state)
{
	char program[] = "/nowhere/reload";
	struct err err = { 0 };

	(void)state;
	assert_int_equal(run(&err, 30, 1, (char *[]){ program }), RC_RETRY);
	assert_non_null(strstr(err.text, program));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_knows_the_certificate_and_inherits_nothing_else),
		cmocka_unit_test(arguments_are_not_interpreted),
		cmocka_unit_test(a_failure_tells_status_and_last_words),
		cmocka_unit_test(a_hook_that_hangs_is_killed_with_its_children),
		cmocka_unit_test(what_a_good_hook_says_is_told_too),
		cmocka_unit_test(children_that_left_group_and_session_end_with_the_hook),
		cmocka_unit_test(a_fork_bomb_is_over_with_its_time),
		cmocka_unit_test(endless_output_is_no_end_of_time_or_room),
		cmocka_unit_test(a_user_is_somebody),
		cmocka_unit_test(a_program_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
