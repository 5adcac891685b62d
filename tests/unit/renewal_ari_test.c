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

static void a_fallback_is_asked_about_what_it_issued(void **state)
{
	static char *fallback[] = { AUTHORITY };
	const struct config_policy policy = { .ari = true };
	const struct store_certificate record = live();
	struct config_certificate certificate = { .authority = OTHER, .fallback = fallback, .fallback_count = 1 };

	(void)state;
	assert_true(renewal_ari_is_due(&policy, &certificate, &record, NOW));
	/* It is configured no more. */
	certificate.fallback_count = 0;
	assert_false(renewal_ari_is_due(&policy, &certificate, &record, NOW));
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

/* How early a CA wanted it is counted on the clock of this machine, also where that is nearly a lifetime ahead. */
static void a_certificate_that_is_wanted_anew_at_once_is_counted_by_any_clock(void **state)
{
	const int64_t life = 90 * INT64_C(86400), ahead = 85 * INT64_C(86400);
	const struct store_certificate right = {
		.not_before = NOW - 60, .not_after = NOW - 60 + life, .issued_at = NOW - 60, .renewal_info = { .at = NOW - 60 }
	};
	struct store_certificate record = right;

	(void)state;
	renewal_ari_start(&record, "c.d", NOW);
	assert_int_equal(record.renewal_info.early, 1);
	record = right;
	record.not_before -= ahead;
	record.not_after -= ahead;
	record.renewal_info = (struct renewal_info){ .at = NOW - ahead, .early = 1 };
	renewal_ari_start(&record, "c.d", NOW);
	assert_int_equal(record.renewal_info.early, 2);
	/* The clock has been set back since it was issued: its own beginning counts. */
	record = right;
	record.issued_at = NOW + ahead;
	renewal_ari_start(&record, "c.d", NOW);
	assert_int_equal(record.renewal_info.early, 1);
	record = right;
	record.issued_at = NOW - ahead;
	renewal_ari_start(&record, "c.d", NOW);
	assert_int_equal(record.renewal_info.early, 1);
	/* In its second half it may be wanted anew, and nobody suggested anything in the last case. */
	record = right;
	record.issued_at = record.not_before = NOW - life / 2;
	record.not_after = NOW + life / 2;
	renewal_ari_start(&record, "c.d", NOW);
	assert_int_equal(record.renewal_info.early, 0);
	record = right;
	record.renewal_info.at = 0;
	renewal_ari_start(&record, "c.d", NOW);
	assert_int_equal(record.renewal_info.early, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asked_when_the_time_has_come_and_the_policy_wants_it),
		cmocka_unit_test(a_fallback_is_asked_about_what_it_issued),
		cmocka_unit_test(never_asked_about_what_is_over),
		cmocka_unit_test(a_certificate_that_is_wanted_anew_at_once_is_counted_by_any_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
