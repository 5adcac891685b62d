/* nearest_test.c -- what was probably meant is found, and nothing is made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nearest.h"

static const char *const KNOWN[] = { "renew-after", "renew-before", "wait", "ari" };

static void two_slips_are_forgiven(void **state)
{
	(void)state;
	assert_string_equal(nearest_word("renew-aftr", KNOWN, 4), "renew-after");
	assert_string_equal(nearest_word("renew_after", KNOWN, 4), "renew-after");
	assert_string_equal(nearest_word("rnew-befor", KNOWN, 4), "renew-before");
	assert_string_equal(nearest_word("wiat", KNOWN, 4), "wait");
}

static void nothing_near_is_nothing(void **state)
{
	(void)state;
	assert_null(nearest_word("probe", KNOWN, 4));
	assert_null(nearest_word("", KNOWN, 3));
	assert_null(nearest_word("a-word-that-is-very-much-longer-than-any-option", KNOWN, 4));
	assert_null(nearest_word("wait", KNOWN, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_slips_are_forgiven),
		cmocka_unit_test(nothing_near_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
