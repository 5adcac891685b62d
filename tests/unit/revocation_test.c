/* revocation_test.c -- the reasons a subscriber may give are known by name and number, and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "revocation.h"

/* RFC 5280, 5.3.1 */
static void reasons_are_those_of_the_crl(void **state)
{
	static const struct {
		const char *name, *number;
		int reason;
	} reasons[] = {
		{ "unspecified", "0", 0 }, { "keyCompromise", "1", 1 },        { "affiliationChanged", "3", 3 },
		{ "superseded", "4", 4 },  { "cessationOfOperation", "5", 5 }, { "privilegeWithdrawn", "9", 9 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		assert_int_equal(revocation_reason_parse(reasons[i].name), reasons[i].reason);
		assert_int_equal(revocation_reason_parse(reasons[i].number), reasons[i].reason);
		assert_non_null(strstr(revocation_reasons(), reasons[i].name));
	}
	assert_int_equal(revocation_reason_parse("KEYCOMPROMISE"), 1);
}

/* Number 7 is none; a CA alone can say the others of its certificates and lists. */
static void what_a_subscriber_cannot_say_is_none(void **state)
{
	static const char *const others[] = {
		"cACompromise", "2",  "certificateHold", "6", "7", "removeFromCRL", "8", "aACompromise", "10", "", "-1",
		"1 ",           "01", "nonsense"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(revocation_reason_parse(others[i]), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons_are_those_of_the_crl),
		cmocka_unit_test(what_a_subscriber_cannot_say_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
