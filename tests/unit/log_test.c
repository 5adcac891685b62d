/* log_test.c -- one line an event on standard error, nothing below the level, an error with its foreign number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* What `say` writes to standard error. */
static void heard(void (*say)(void), char text[1024])
{
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);

	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	say();
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(file);
	text[fread(text, 1, 1023, file)] = '\0';
	fclose(file);
}

static void say_levels(void)
{
	log_set_level(LOG_WARN);
	log_event(LOG_INFO, "quiet");
	log_event(LOG_WARN, "loud %d", 1);
	log_set_level(LOG_INFO);
}

static void say_failure(void)
{
	struct err err = { 0 };

	(void)err_set_raw(&err, RC_RETRY, ERR_TSS, 0x921, "the TPM is busy");
	log_failure("amf", &err);
}

static void nothing_below_the_level_is_said(void **state)
{
	char text[1024];

	(void)state;
	heard(say_levels, text);
	assert_null(strstr(text, "quiet"));
	assert_non_null(strstr(text, "loud 1\n"));
}

static void a_failure_is_one_line_with_its_number(void **state)
{
	char text[1024];

	(void)state;
	heard(say_failure, text);
	assert_non_null(strstr(text, "amf"));
	assert_non_null(strstr(text, "the TPM is busy"));
	assert_non_null(strstr(text, "921"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_below_the_level_is_said),
		cmocka_unit_test(a_failure_is_one_line_with_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
