/* key_type_test.c -- names and sizes of key types come from one list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "key_type.h"

static void names_go_both_ways(void **state)
{
	(void)state;
	for (int type = 0; type < KEY_TYPE_COUNT; type++)
		assert_int_equal(key_type_parse(key_type_name((enum key_type)type)), type);
	assert_int_equal(key_type_parse("ec-p256"), KEY_EC_P256);
	assert_int_equal(key_type_bits(KEY_RSA_3072), 3072);
	assert_true(key_type_is_ec(KEY_EC_P384));
	assert_false(key_type_is_ec(KEY_RSA_2048));
}

static void an_unknown_name_is_none_of_them(void **state)
{
	(void)state;
	assert_int_equal(key_type_parse("rsa-1024"), KEY_TYPE_COUNT);
	assert_int_equal(key_type_parse(""), KEY_TYPE_COUNT);
	assert_string_equal(key_type_name(KEY_TYPE_COUNT), "unknown");
	assert_int_equal(key_type_bits(KEY_TYPE_COUNT), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_go_both_ways),
		cmocka_unit_test(an_unknown_name_is_none_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
