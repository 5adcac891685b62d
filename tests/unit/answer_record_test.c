/* answer_record_test.c -- what hooks were told to place is remembered until it is removed, each value by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

static void each_value_is_remembered_until_it_is_dropped(void **state)
{
	char dir[] = "/tmp/hwa-answers-XXXXXX", command[64];
	struct store_answer one = { "amf", "dns-01", "a.example", "_acme-challenge.a.example", "v1" }, two = one, other = one,
			    found[4];
	struct store *store = NULL;
	unsigned count = 9;

	(void)state;
	strcpy(two.value, "v2");
	strcpy(other.certificate, "smf");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(store_open(dir, &store, NULL), RC_OK);
	assert_int_equal(store_answers(store, "amf", found, 4, &count, NULL), RC_OK);
	assert_int_equal(count, 0);
	assert_int_equal(store_answer_add(store, &one, NULL), RC_OK);
	assert_int_equal(store_answer_add(store, &one, NULL), RC_OK);
	assert_int_equal(store_answer_add(store, &two, NULL), RC_OK);
	assert_int_equal(store_answer_add(store, &other, NULL), RC_OK);
	store_close(store);
	/* It was written to be read by the next process. */
	assert_int_equal(store_open(dir, &store, NULL), RC_OK);
	assert_int_equal(store_answers(store, "amf", found, 4, &count, NULL), RC_OK);
	assert_int_equal(count, 2);
	assert_int_equal(store_answers(store, "amf", found, 1, &count, NULL), RC_OK);
	assert_int_equal(count, 1);
	assert_int_equal(store_answer_drop(store, &one, NULL), RC_OK);
	assert_int_equal(store_answer_drop(store, &one, NULL), RC_OK);
	assert_int_equal(store_answers(store, "amf", found, 4, &count, NULL), RC_OK);
	assert_int_equal(count, 1);
	assert_memory_equal(&found[0], &two, sizeof(two));
	assert_int_equal(store_answers(store, "smf", found, 4, &count, NULL), RC_OK);
	assert_int_equal(count, 1);
	store_close(store);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_value_is_remembered_until_it_is_dropped) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
