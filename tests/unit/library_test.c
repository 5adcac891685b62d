/* library_test.c -- a library is loaded once and whole, or not at all, and says which is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "library.h"

struct table {
	int (*first)(const char *);
	int (*second)(const char *);
};

static const struct library_function BOTH[] = { { "atoi", offsetof(struct table, first) },
						{ "puts", offsetof(struct table, second) } };
static const struct library_function ONE[] = { { "atoi", offsetof(struct table, first) },
					       { "no_such_function", offsetof(struct table, second) } };

static void its_functions_can_be_called(void **state)
{
	struct table table = { 0 };
	struct library library = { .file = "libc.so.6", .functions = BOTH, .function_count = 2, .table = &table };

	(void)state;
	assert_int_equal(library_load(&library, NULL), RC_OK);
	assert_int_equal(table.first("42"), 42);
	table.first = NULL;
	assert_int_equal(library_load(&library, NULL), RC_OK);
	assert_null(table.first); /* loaded already: not touched again */
}

static void one_that_is_missing_is_named(void **state)
{
	struct table table = { 0 };
	struct library library = { .file = "libhwacme-none.so.1", .functions = BOTH, .function_count = 2, .table = &table };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(library_load(&library, &err), RC_RESOURCE);
	assert_non_null(strstr(err.text, "libhwacme-none.so.1"));
	assert_null(table.first);
}

static void one_that_lacks_a_function_is_not_used(void **state)
{
	struct table table = { 0 };
	struct library library = { .file = "libc.so.6", .functions = ONE, .function_count = 2, .table = &table };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(library_load(&library, &err), RC_RESOURCE);
	assert_non_null(strstr(err.text, "no_such_function"));
	assert_null(table.first);
	assert_false(library.is_loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_functions_can_be_called),
		cmocka_unit_test(one_that_is_missing_is_named),
		cmocka_unit_test(one_that_lacks_a_function_is_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
