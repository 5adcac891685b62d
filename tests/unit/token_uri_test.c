/* token_uri_test.c -- a URI names one token, says nothing else, and no PIN in it is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "token_uri.h"

static void expect_fault(const char *uri, const char *words)
{
	const char *fault = token_uri_fault(uri);

	if (!fault || !strstr(fault, words) || !strstr(fault, "; write "))
		fail_msg("of %s it does not say \"%s\": %s", uri, words, fault ? fault : "nothing");
}

/* RFC 7512, 2.3; RFC 3986, 2.1.  A label may well speak of PINs, and have blanks and umlauts. */
static void a_token_is_named(void **state)
{
	(void)state;
	assert_null(token_uri_fault("pkcs11:token=nf"));
	assert_null(token_uri_fault("pkcs11:token=my%20pin-token%C3%bc;model=a;serial=%311"));
	assert_null(token_uri_fault("pkcs11:serial=1;manufacturer=M?module-path=/m.so"));
	assert_null(token_uri_fault(
		"pkcs11:token=%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31"));
}

static void whatever_else_is_refused(void **state)
{
	(void)state;
	expect_fault("token=nf", "is no PKCS#11 URI");
	expect_fault("pkcs11:token=nf#x", "is no PKCS#11 URI");
	expect_fault("pkcs11:", "and nothing else");
	expect_fault("pkcs11:model=x", "names neither token nor serial");
	expect_fault("pkcs11:token=nf;slot-id=0", "and nothing else");
	expect_fault("pkcs11:token=nf;object=key", "and nothing else");
	expect_fault("pkcs11:token=nf;", "and nothing else");
	expect_fault("pkcs11:token=nf;token=b", "a part twice");
	expect_fault("pkcs11:token=;serial=1", "an empty part");
	expect_fault("pkcs11:token=nf%1;serial=1", "without two digits");
	expect_fault("pkcs11:token=nf%zz", "without two digits");
	expect_fault("pkcs11:token=nf%", "without two digits");
	expect_fault("pkcs11:token=012345678901234567890123456789012", "too long");
	expect_fault("pkcs11:token=nf;serial=0123456789012345%36", "too long");
	expect_fault("pkcs11:token=nf?module-name=m", "module-path after the");
	expect_fault("pkcs11:token=nf?serial=1", "module-path after the");
}

static void a_pin_has_its_own_place(void **state)
{
	(void)state;
	expect_fault("pkcs11:token=nf;pin-value=73519862", "pin: { file: PATH }");
	expect_fault("pkcs11:token=nf?pin-value=73519862", "pin: { file: PATH }");
	expect_fault("pkcs11:token=nf?module-path=/m.so&pin-source=/p", "pin: { file: PATH }");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_named),
		cmocka_unit_test(whatever_else_is_refused),
		cmocka_unit_test(a_pin_has_its_own_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
