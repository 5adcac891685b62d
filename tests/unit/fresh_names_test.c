/* fresh_names_test.c -- a drawn name is fresh once, what was not drawn here never is, and the ring forgets the oldest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fresh_names.h"

static struct token_key_name drawn(void)
{
	struct token_key_name name;

	assert_int_equal(token_key_name_make("amf", 7, &name, NULL), RC_OK);
	return name;
}

static void a_drawn_name_is_fresh_once(void **state)
{
	struct token_key_name first = drawn(), second = drawn();

	(void)state;
	assert_true(fresh_names_take(&first));
	assert_false(fresh_names_take(&first));
	assert_true(fresh_names_take(&second));
	assert_false(fresh_names_take(&second));
}

static void a_name_from_elsewhere_is_not_fresh(void **state)
{
	static const struct token_key_name empty = { .label = "hwacme-amf-00000000000000000000000000000000" };
	struct token_key_name labelled = drawn(), altered = drawn();

	(void)state;
	altered.id[TOKEN_ID_LEN - 1] ^= 1;
	assert_false(fresh_names_take(&altered));
	snprintf(labelled.label, sizeof(labelled.label), "oam-client");
	assert_false(fresh_names_take(&labelled));
	/* An id of zeros is that of a key that is not of our making, and of an empty place. */
	assert_false(fresh_names_take(&empty));
}

static void the_oldest_is_forgotten(void **state)
{
	struct token_key_name oldest = drawn(), second = drawn();

	(void)state;
	for (unsigned i = 0; i < FRESH_NAMES_MAX - 1; i++)
		(void)drawn();
	assert_false(fresh_names_take(&oldest));
	assert_true(fresh_names_take(&second));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drawn_name_is_fresh_once),
		cmocka_unit_test(a_name_from_elsewhere_is_not_fresh),
		cmocka_unit_test(the_oldest_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
