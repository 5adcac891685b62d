/* deploy_test.c -- the hook runs without a shell, in time, and its failure says what it said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "deploy.h"

static enum rc run(struct err *err, int64_t timeout, unsigned count, char **argv)
{
	char name[] = "amf";
	struct config_certificate certificate = {
		.name = name, .deploy_run = argv, .deploy_run_count = count, .deploy_timeout = timeout
	};

	return deploy_run(&certificate, "/state/live/amf", err);
}

static char SH[] = "sh", DASH_C[] = "-c";

static void it_knows_the_certificate_and_inherits_nothing_else(void **state)
{
	char script[] = "test \"$HWACME_NAME\" = amf && test \"$HWACME_LIVE\" = /state/live/amf && test -z \"$HWACME_SECRET\" && "
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
		cmocka_unit_test(a_program_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
