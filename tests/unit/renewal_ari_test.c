/* renewal_ari_test.c -- a CA is asked about the live certificate when the time has come, and never when there is nothing to ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "renewal_ari.h"

#define NOW INT64_C(1795000000)

static char AUTHORITY[] = "ra", OTHER[] = "other";
static const struct config_certificate CERTIFICATE = { .authority = AUTHORITY };

static struct store_certificate live(void)
{
	return (struct store_certificate){
		.generation = 1, .not_after = NOW + 1000, .authority = "ra", .renewal_info = { .id = "a.b", .check_at = NOW }
	};
}

static bool is_due(const struct store_certificate *record)
{
	static const struct config_policy policy = { .ari = true };

	return renewal_ari_is_due(&policy, &CERTIFICATE, record, NOW);
}

static void asked_when_the_time_has_come_and_the_policy_wants_it(void **state)
{
	static const struct config_policy silent = { .ari = false };
	struct store_certificate record = live();

	(void)state;
	assert_true(is_due(&record));
	assert_false(renewal_ari_is_due(&silent, &CERTIFICATE, &record, NOW));
	assert_false(renewal_ari_is_due(&(struct config_policy){ .ari = true },
					&(struct config_certificate){ .authority = OTHER }, &record, NOW));
	record.renewal_info.check_at = NOW + 1;
	assert_false(is_due(&record));
	record = live();
	record.renewal_info.id[0] = '\0';
	assert_false(is_due(&record));
	record = live();
	record.generation = 0;
	assert_false(is_due(&record));
}

/* RFC 9773, 4.3: not after the certificate expired, nor after it is considered to be replaced. */
static void never_asked_about_what_is_over(void **state)
{
	struct store_certificate record = live();

	(void)state;
	record.not_after = NOW;
	assert_false(is_due(&record));
	record = live();
	record.renewal_info.is_replaced = true;
	assert_false(is_due(&record));
	record = live();
	record.revoked_at = NOW - 1;
	assert_false(is_due(&record));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asked_when_the_time_has_come_and_the_policy_wants_it),
		cmocka_unit_test(never_asked_about_what_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
