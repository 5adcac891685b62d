/* jws_algorithm_test.c -- each key type has its algorithm, and takes no other than its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "jws_algorithm.h"

static void names_go_both_ways_and_case_counts(void **state)
{
	(void)state;
	for (int i = JWS_BY_KEY_TYPE + 1; i < JWS_ALGORITHM_COUNT; i++)
		assert_int_equal(jws_algorithm_parse(jws_algorithm_name((enum jws_algorithm)i)), i);
	assert_int_equal(jws_algorithm_parse("EdDSA"), JWS_EDDSA);
	assert_int_equal(jws_algorithm_parse("EDDSA"), JWS_ALGORITHM_COUNT);
	assert_int_equal(jws_algorithm_parse("none"), JWS_ALGORITHM_COUNT);
	assert_int_equal(jws_algorithm_parse("HS256"), JWS_ALGORITHM_COUNT);
	assert_int_equal(jws_algorithm_parse(""), JWS_ALGORITHM_COUNT);
}

/* RFC 7518, 3.1, 3.3, 3.4 and 3.5, and RFC 8037, 3.1, written out. */
static void a_key_takes_the_algorithms_of_its_type_and_the_first_without_being_told(void **state)
{
	static const struct {
		enum key_type type;
		const char *fit;
	} rows[] = {
		{ KEY_EC_P256, "ES256 " },
		{ KEY_EC_P384, "ES384 " },
		{ KEY_EC_P521, "ES512 " },
		{ KEY_ED25519, "EdDSA " },
		{ KEY_RSA_2048, "RS256 RS384 RS512 PS256 " },
		{ KEY_RSA_3072, "RS256 RS384 RS512 PS256 " },
		{ KEY_RSA_4096, "RS256 RS384 RS512 PS256 " },
	};

	(void)state;
	assert_int_equal(sizeof(rows) / sizeof(rows[0]), KEY_TYPE_COUNT);
	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		char fit[128] = "";

		for (int i = JWS_BY_KEY_TYPE; i <= JWS_ALGORITHM_COUNT; i++)
			if (jws_algorithm_fits((enum jws_algorithm)i, rows[row].type))
				strcat(strcat(fit, jws_algorithm_name((enum jws_algorithm)i)), " ");
		assert_string_equal(fit, rows[row].fit);
		const char *first = jws_algorithm_name(jws_algorithm_for(JWS_BY_KEY_TYPE, rows[row].type));
		assert_int_equal(strncmp(fit, first, strlen(first)), 0);
	}
	assert_int_equal(jws_algorithm_for(JWS_PS256, KEY_RSA_2048), JWS_PS256);
	assert_false(jws_algorithm_fits(JWS_ES256, KEY_TYPE_COUNT));
	assert_int_equal(jws_algorithm_for(JWS_BY_KEY_TYPE, KEY_TYPE_COUNT), JWS_ALGORITHM_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_go_both_ways_and_case_counts),
		cmocka_unit_test(a_key_takes_the_algorithms_of_its_type_and_the_first_without_being_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
