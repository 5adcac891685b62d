/* shortage_test.c -- a listener without descriptors rests longer each time, up to a second, and says so once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "shortage.h"

static void each_failure_doubles_the_rest_up_to_a_second(void **state)
{
	static const int rests[] = { 50, 100, 200, 400, 800, 1000, 1000 };
	struct shortage shortage = { 0 };

	(void)state;
	assert_int_equal(shortage_rest_ms(&shortage, 7), 0);
	for (unsigned i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
		assert_int_equal(shortage_note(&shortage, i % 2 ? ENFILE : EMFILE, 5000), i == 0);
		assert_int_equal(shortage_rest_ms(&shortage, 5000), rests[i]);
		assert_int_equal(shortage_rest_ms(&shortage, 5000 + rests[i]), 0);
	}
	shortage.failures = UINT32_MAX;
	assert_false(shortage_note(&shortage, ENOMEM, 5000));
	assert_int_equal(shortage_rest_ms(&shortage, 5000), 1000);
}

static void the_first_that_is_taken_ends_it(void **state)
{
	struct shortage shortage = { 0 };

	(void)state;
	assert_true(shortage_note(&shortage, ENOBUFS, 5000));
	shortage_end(&shortage);
	assert_int_equal(shortage_rest_ms(&shortage, 5000), 0);
	assert_true(shortage_note(&shortage, EMFILE, 5000));
	assert_int_equal(shortage_rest_ms(&shortage, 5000), 50);
}

static void a_connection_that_is_gone_is_no_shortage(void **state)
{
	static const int numbers[] = { EAGAIN, EINTR, ECONNABORTED, EPERM };
	struct shortage shortage = { 0 };

	(void)state;
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_false(shortage_note(&shortage, numbers[i], 5000));
	assert_int_equal(shortage_rest_ms(&shortage, 5000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_failure_doubles_the_rest_up_to_a_second),
		cmocka_unit_test(the_first_that_is_taken_ends_it),
		cmocka_unit_test(a_connection_that_is_gone_is_no_shortage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
