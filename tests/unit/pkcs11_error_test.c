/* pkcs11_error_test.c -- what a CK_RV means: a lost token may come back, a refused PIN is refused, an unknown code may pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "pkcs11.h"

/* pkcs11_run() starts the module anew for what is gone *and* worth a retry: a verdict on a key or PIN must never be. */
static void whatever_says_that_the_token_is_gone_is_worth_a_retry(void **state)
{
	unsigned gone = 0;

	(void)state;
	for (CK_RV rv = 1; rv < 0x300; rv++) {
		struct err err = { 0 };

		if (!pkcs11_is_gone(rv))
			continue;
		gone++;
		assert_int_equal(pkcs11_fail(&err, rv, "C_Sign"), RC_RETRY);
		assert_false(pkcs11_refuses_pin(rv));
	}
	assert_true(gone >= 13);
}

static void a_pin_is_refused_by_what_speaks_of_the_pin(void **state)
{
	static const CK_RV refusals[] = { CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_EXPIRED };

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		assert_true(pkcs11_refuses_pin(refusals[i]));
		assert_int_equal(pkcs11_fail(NULL, refusals[i], "C_Login"), RC_DENIED);
	}
	/* A locked PIN may be the right one: the security officer unlocks it, and it is tried again. */
	assert_false(pkcs11_refuses_pin(CKR_PIN_LOCKED));
	assert_int_equal(pkcs11_fail(NULL, CKR_PIN_LOCKED, "C_Login"), RC_DENIED);
	assert_false(pkcs11_refuses_pin(CKR_USER_PIN_NOT_INITIALIZED));
	assert_false(pkcs11_refuses_pin(CKR_OK));
}

static void codes_of_vendors_may_mean_anything(void **state)
{
	(void)state;
	assert_false(pkcs11_is_known(CKR_VENDOR_DEFINED | 0x123));
	assert_false(pkcs11_is_known(0x3ff));
	assert_true(pkcs11_is_known(CKR_OK));
	assert_true(pkcs11_is_known(CKR_PIN_INCORRECT));
	assert_true(pkcs11_is_known(CKR_FUNCTION_REJECTED));
}

static void the_text_names_function_and_code_and_keeps_the_number(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(pkcs11_fail(&err, CKR_DEVICE_REMOVED, "C_Sign"), RC_RETRY);
	assert_string_equal(err.text, "C_Sign: CKR_DEVICE_REMOVED (0x32)");
	assert_int_equal(err.origin, ERR_PKCS11);
	assert_int_equal(err.code, CKR_DEVICE_REMOVED);
	assert_int_equal(pkcs11_fail(&err, CKR_VENDOR_DEFINED | 7, "C_Sign"), RC_RETRY);
	assert_non_null(strstr(err.text, "a code of its vendor (0x80000007)"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_says_that_the_token_is_gone_is_worth_a_retry),
		cmocka_unit_test(a_pin_is_refused_by_what_speaks_of_the_pin),
		cmocka_unit_test(codes_of_vendors_may_mean_anything),
		cmocka_unit_test(the_text_names_function_and_code_and_keeps_the_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
