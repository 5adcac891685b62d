/* window_test.c -- maintenance windows: what is understood, when the next one is, and the two nights a year when clocks are changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "clock.h"
#include "window.h"

static struct window read_it(const char *text)
{
	struct window window = { 0 };
	const char *fault = window_parse(text, &window);

	if (fault)
		fail_msg("%s: %s", text, fault);
	return window;
}

static int64_t at(const char *text)
{
	int64_t when = 0;

	assert_int_equal(clock_parse_rfc3339(text, &when, NULL), RC_OK);
	return when;
}

/* From this moment on, the next window is from opens to closes. */
static void is_next(const char *text, const char *from, const char *opens, const char *closes)
{
	struct window window = read_it(text);
	int64_t first, last;
	char got[2][CLOCK_TEXT_MAX];

	assert_true(window_next(&window, 1, at(from), &first, &last));
	assert_string_equal(clock_print(first, got[0]), opens);
	assert_string_equal(clock_print(last, got[1]), closes);
	window_clear(&window);
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"Sat",
		"Sat 01:00",
		"Sat 1:00-5:00",
		"Sat 01:00-25:00",
		"Sat 24:00-05:00",
		"Sat 01:60-05:00",
		"Sat 01:00-24:01",
		"Sat 01:00-01:00",
		"Sat 01:00 - 05:00",
		"Sat 01:00-05:00x",
		"Sat+01:00-05:00",
		"Sat +1:00-05:00",
		"Caturday 01:00-05:00",
		"Sat-01:00-05:00",
		"Sat, 01:00-05:00",
		"Sat-Sun01:00-05:00",
		"dailyish 01:00-05:00",
		"Sat 01:00-05:00 Europe/Nowhere",
		"Sat 01:00-05:00 ../../etc/passwd",
		"Sat 01:00-05:00 /etc/passwd",
		"Sat 01:00-05:00 +02",
		"Sat 01:00-05:00 CET-1CEST",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct window window = { 0 };

		if (!window_parse(bad[i], &window))
			fail_msg("\"%s\" was taken", bad[i]);
		assert_null(window.zone);
	}
}

static void days_are_lists_and_ranges(void **state)
{
	static const struct {
		const char *text;
		unsigned days;
	} cases[] = { { "Mon 01:00-02:00", 0x01 },        { "sat-SUN 01:00-02:00 UTC", 0x60 },
		      { "Fri-Mon 01:00-02:00", 0x71 },    { "Mon,Wed,Fri-Sat 01:00-02:00", 0x35 },
		      { "daily 22:00-04:00", 0x7f },      { "Tue-Tue 00:00-24:00", 0x02 },
		      { "Sun-Sat 01:00-02:00 UTC", 0x7f } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct window window = read_it(cases[i].text);

		assert_int_equal(window.days, cases[i].days);
		window_clear(&window);
	}
}

static void the_next_one_is_found_from_anywhere_in_the_week(void **state)
{
	(void)state;
	/* 2026-11-25 is a Wednesday; Paris is an hour ahead in winter. */
	is_next("Sat-Sun 01:00-05:00 Europe/Paris", "2026-11-25T12:00:00Z", "2026-11-28T00:00:00Z", "2026-11-28T04:00:00Z");
	is_next("Sat-Sun 01:00-05:00 Europe/Paris", "2026-11-28T04:00:00Z", "2026-11-29T00:00:00Z", "2026-11-29T04:00:00Z");
	is_next("Sat-Sun 01:00-05:00 Europe/Paris", "2026-11-29T04:00:00Z", "2026-12-05T00:00:00Z", "2026-12-05T04:00:00Z");
	/* Inside: from now on. */
	is_next("Sat-Sun 01:00-05:00 Europe/Paris", "2026-11-28T03:59:59Z", "2026-11-28T03:59:59Z", "2026-11-28T04:00:00Z");
	is_next("Wed 00:00-24:00", "2026-11-25T12:00:00Z", "2026-11-25T12:00:00Z", "2026-11-26T00:00:00Z");
	is_next("Wed 12:00-12:30", "2026-11-25T12:30:00Z", "2026-12-02T12:00:00Z", "2026-12-02T12:30:00Z");
}

static void one_over_midnight_belongs_to_the_day_on_which_it_opens(void **state)
{
	(void)state;
	is_next("Sat 22:00-04:00", "2026-11-28T21:00:00Z", "2026-11-28T22:00:00Z", "2026-11-29T04:00:00Z");
	is_next("Sat 22:00-04:00", "2026-11-29T03:00:00Z", "2026-11-29T03:00:00Z", "2026-11-29T04:00:00Z");
	is_next("Sat 22:00-04:00", "2026-11-28T03:00:00Z", "2026-11-28T22:00:00Z", "2026-11-29T04:00:00Z");
	/* On the wall it is Saturday already, or still Friday. */
	is_next("Sat 01:00-05:00 Asia/Tokyo", "2026-11-27T12:00:00Z", "2026-11-27T16:00:00Z", "2026-11-27T20:00:00Z");
	is_next("Fri 20:00-23:00 America/Los_Angeles", "2026-11-28T03:00:00Z", "2026-11-28T04:00:00Z", "2026-11-28T07:00:00Z");
}

static void the_nights_when_clocks_are_changed(void **state)
{
	(void)state;
	/* Spring in Paris, 2027-03-28: 02:00 is followed by 03:00, so four hours on the wall are three. */
	is_next("Sun 01:00-05:00 Europe/Paris", "2027-03-27T12:00:00Z", "2027-03-28T00:00:00Z", "2027-03-28T03:00:00Z");
	/* What would lie in the missing hour opens when it is over, or not at all. */
	is_next("Sun 02:30-04:00 Europe/Paris", "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z", "2027-03-28T02:00:00Z");
	is_next("Sun 02:10-02:50 Europe/Paris", "2027-03-27T12:00:00Z", "2027-04-04T00:10:00Z", "2027-04-04T00:50:00Z");
	/* Autumn, 2026-10-25: 03:00 is followed by 02:00, so four hours are five. */
	is_next("Sun 01:00-05:00 Europe/Paris", "2026-10-24T12:00:00Z", "2026-10-24T23:00:00Z", "2026-10-25T04:00:00Z");
}

static void of_several_the_earliest_counts(void **state)
{
	struct window windows[] = { read_it("Sun 01:00-05:00"), read_it("Fri 01:00-02:00"), read_it("Fri 01:00-03:00") };
	int64_t opens, closes;

	(void)state;
	assert_true(window_next(windows, 3, at("2026-11-25T12:00:00Z"), &opens, &closes));
	assert_int_equal(opens, at("2026-11-27T01:00:00Z"));
	assert_int_equal(closes, at("2026-11-27T03:00:00Z"));
	assert_false(window_next(windows, 0, at("2026-11-25T12:00:00Z"), &opens, &closes));
	/* And of those that are over, the latest; one that is open is not over. */
	assert_true(window_last(windows, 3, at("2026-11-27T03:00:00Z"), &opens, &closes));
	assert_int_equal(opens, at("2026-11-27T01:00:00Z"));
	assert_int_equal(closes, at("2026-11-27T03:00:00Z"));
	assert_true(window_last(windows, 3, at("2026-11-27T01:30:00Z"), &opens, &closes));
	assert_int_equal(opens, at("2026-11-22T01:00:00Z"));
	assert_int_equal(closes, at("2026-11-22T05:00:00Z"));
	assert_false(window_last(windows, 0, at("2026-11-25T12:00:00Z"), &opens, &closes));
	for (int i = 0; i < 3; i++)
		window_clear(&windows[i]);
}

/* Two years, every half hour: what is found is not over, begins not before it was asked for, and on an allowed day. */
static void whenever_it_is_asked_the_answer_holds(void **state)
{
	static const char *const texts[] = { "Sat-Sun 01:00-05:00 Europe/Paris", "daily 22:00-04:00 America/New_York",
					     "Mon 00:00-24:00 Australia/Lord_Howe", "Wed 02:15-02:45 America/St_Johns" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct window window = read_it(texts[i]);

		for (int64_t from = at("2026-01-01T00:00:00Z"); from < at("2028-01-01T00:00:00Z"); from += 1800) {
			int64_t opens = 0, closes = 0, again = 0, end = 0;

			assert_true(window_next(&window, 1, from, &opens, &closes));
			assert_true(opens >= from && closes > opens && opens - from < 16 * INT64_C(86400));
			/* Asked at its opening, it is the same one. */
			assert_true(window_next(&window, 1, opens, &again, &end));
			assert_int_equal(again, opens);
			assert_int_equal(end, closes);
			/* The one before is over, and there is none between the two. */
			assert_true(window_last(&window, 1, from, &again, &end));
			assert_true(again < end && end <= from && from - end < 16 * INT64_C(86400));
			assert_true(window_next(&window, 1, end, &opens, &end));
			assert_int_equal(end, closes);
		}
		window_clear(&window);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(days_are_lists_and_ranges),
		cmocka_unit_test(the_next_one_is_found_from_anywhere_in_the_week),
		cmocka_unit_test(one_over_midnight_belongs_to_the_day_on_which_it_opens),
		cmocka_unit_test(the_nights_when_clocks_are_changed),
		cmocka_unit_test(of_several_the_earliest_counts),
		cmocka_unit_test(whenever_it_is_asked_the_answer_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
