/* program_test.c -- a program gets its arguments, its verb and its environment, and nothing of ours; deploy_test.c has how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "program.h"

static enum rc run(const char *script, const char *verb, struct buf *output, struct err *err)
{
	char *argv[] = { (char[]){ "/bin/sh" }, (char[]){ "-c" }, (char *)(uintptr_t)script, (char[]){ "name" } };
	struct program program = { .argv = argv, .argc = 4, .verb = verb, .environment = { "A=1", "B=2", NULL }, .timeout = 20 };

	return program_run(&program, output, err);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_verb_is_the_last_argument_and_the_environment_is_ours),
		cmocka_unit_test(output_is_kept_whole_or_the_program_failed),
		cmocka_unit_test(the_exit_status_is_in_the_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
