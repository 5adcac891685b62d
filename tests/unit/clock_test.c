/* clock_test.c -- times of the wire are understood in every form the standards allow, and bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"

#define NOW INT64_C(1795520000)

static int64_t rfc3339(const char *text)
{
	int64_t at = -1;

	return clock_parse_rfc3339(text, &at, NULL) == RC_OK ? at : -1;
}

static void rfc3339_with_any_offset_and_fraction(void **state)
{
	(void)state;
	assert_int_equal(rfc3339("1970-01-01T00:00:00Z"), 0);
	assert_int_equal(rfc3339("2026-11-24T12:00:00Z"), INT64_C(1795521600));
	assert_int_equal(rfc3339("2026-11-24T12:00:00.987654321Z"), INT64_C(1795521600));
	assert_int_equal(rfc3339("2026-11-24T14:00:00+02:00"), INT64_C(1795521600));
	assert_int_equal(rfc3339("2026-11-24T06:30:00-05:30"), INT64_C(1795521600));
}

/* RFC 5280, 4.1.2.5: the end of what has none is in 9999; a time_t of 32 bits ends in 2038. */
static void years_after_2038_are_years_like_others(void **state)
{
	char text[CLOCK_TEXT_MAX];
	int64_t at = 0;

	(void)state;
	assert_int_equal(rfc3339("2038-01-19T03:14:08Z"), INT64_C(2147483648));
	assert_int_equal(rfc3339("9999-12-31T23:59:59Z"), INT64_C(253402300799));
	assert_string_equal(clock_print(INT64_C(253402300799), text), "9999-12-31T23:59:59Z");
	assert_int_equal(clock_parse_retry_after("Wed, 24 Nov 2060 12:00:00 GMT", NOW, &at, NULL), RC_OK);
	assert_int_equal(at, NOW + CLOCK_RETRY_MAX);
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const wrong[] = { "",
					     "2026-11-24",
					     "2026-13-24T12:00:00Z",
					     "2026-11-24T25:00:00Z",
					     "2026-11-24T12:00:00",
					     "2026-11-24T12:00:00Zx",
					     "tomorrow" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(rfc3339(wrong[i]), -1);
}

/* RFC 9110, 10.2.3, and the date of RFC 9110, 5.6.7 */
static void retry_after_in_seconds_or_as_a_date_and_never_longer_than_a_day(void **state)
{
	int64_t at = 0;

	(void)state;
	assert_int_equal(clock_parse_retry_after("120", NOW, &at, NULL), RC_OK);
	assert_int_equal(at, NOW + 121); /* NOW was rounded down */
	assert_int_equal(clock_parse_retry_after("0", NOW, &at, NULL), RC_OK);
	assert_int_equal(at, NOW);
	assert_int_equal(clock_parse_retry_after("Tue, 24 Nov 2026 12:00:00 GMT", INT64_C(1795521000), &at, NULL), RC_OK);
	assert_int_equal(at, INT64_C(1795521600));
	assert_int_equal(clock_parse_retry_after("99999999999999999999", NOW, &at, NULL), RC_OK);
	assert_int_equal(at, NOW + CLOCK_RETRY_MAX);
	assert_int_equal(clock_parse_retry_after("Tue, 24 Nov 2020 12:00:00 GMT", NOW, &at, NULL), RC_OK);
	assert_int_equal(at, NOW);
	assert_int_not_equal(clock_parse_retry_after("-5", NOW, &at, NULL), RC_OK);
	assert_int_not_equal(clock_parse_retry_after("soon", NOW, &at, NULL), RC_OK);
}

/* RFC 9110, 5.6.7: the two forms that are obsolete are read, too. */
static void a_date_in_any_form_of_http(void **state)
{
	static const char *const forms[] = { "Sun, 06 Dec 2026 08:49:37 GMT", "Sunday, 06-Dec-26 08:49:37 GMT",
					     "Sun Dec  6 08:49:37 2026" };
	static const char *const wrong[] = { "Sun, 06 Dec 2026 08:49:37", "Sun, 06 Dec 2026 08:49:37 GMT+1",
					     "Sunday, 06-Dec-26 08:49:37 CET", "Sun Dec  6 08:49:37 2026 GMT", "06 Dec 2026" };
	int64_t at = 0, now = INT64_C(1796543377);

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		at = 0;
		assert_int_equal(clock_parse_retry_after(forms[i], now, &at, NULL), RC_OK);
		assert_int_equal(at, now + 3600);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_not_equal(clock_parse_retry_after(wrong[i], now, &at, NULL), RC_OK);
}

static void printed_for_people(void **state)
{
	char text[CLOCK_TEXT_MAX];

	(void)state;
	assert_string_equal(clock_print(INT64_C(1795521600), text), "2026-11-24T12:00:00Z");
	assert_string_equal(clock_print(0, text), "never");
	assert_string_equal(clock_print_duration(90, text), "1m 30s");
	assert_string_equal(clock_print_duration(14 * 86400 + 3 * 3600, text), "14d 3h");
}

static void a_time_that_has_come_is_not_waited_for(void **state)
{
	(void)state;
	int64_t before = clock_monotonic_ms();

	assert_true(clock_wait_until(clock_now() - 1, 60000));
	assert_true(clock_monotonic_ms() - before < 10000);
}

static void a_second_begins_for_all_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		int64_t before = clock_now_ms() / 1000;

		while (clock_now_ms() / 1000 == before)
			;
		assert_true(clock_now() > before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_begins_for_all_at_once),
		cmocka_unit_test(rfc3339_with_any_offset_and_fraction),
		cmocka_unit_test(years_after_2038_are_years_like_others),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(retry_after_in_seconds_or_as_a_date_and_never_longer_than_a_day),
		cmocka_unit_test(a_date_in_any_form_of_http),
		cmocka_unit_test(printed_for_people),
		cmocka_unit_test(a_time_that_has_come_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
