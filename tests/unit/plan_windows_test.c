/* plan_windows_test.c -- when a certificate is renewed where there are maintenance windows: inside of them, unless a margin would be lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "plan.h"

#define DAY          INT64_C(86400)
#define BORN         INT64_C(1795000000)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct config_policy PLAIN = { .margin = DAY, .ari = true };

static struct plan_facts facts_of(int64_t days)
{
	return (struct plan_facts){ .issued = true, .not_before = BORN, .not_after = BORN + days * DAY, .issued_at = BORN };
}

static struct plan plan_of(const struct config_policy *policy, const struct plan_facts *facts, int64_t now)
{
	return plan_next(policy, "amf", facts, now);
}

static struct window windows_of(const char *text)
{
	struct window window = { 0 };

	assert_null(window_parse(text, &window));
	return window;
}

static bool is_open(const struct window *window, int64_t at)
{
	int64_t opens = 0, closes = 0;

	return window_next(window, 1, at, &opens, &closes) && opens == at;
}

static void a_maintenance_window_is_waited_for_and_spread_over(void **state)
{
	struct window window = windows_of("Sat-Sun 01:00-05:00 Europe/Paris");
	struct config_policy policy = PLAIN;
	struct plan_facts facts = facts_of(90);
	int64_t due = BORN + 60 * DAY, opens, closes;
	char text[CLOCK_TEXT_MAX], wanted[128];

	(void)state;
	policy.windows = &window;
	policy.window_count = 1;
	assert_false(is_open(&window, due));
	assert_true(window_next(&window, 1, due, &opens, &closes));
	struct plan plan = plan_of(&policy, &facts, BORN);
	assert_int_equal(plan.what, PLAN_WAIT);
	assert_true(plan.when >= opens && plan.when < closes);
	assert_non_null(strstr(plan.why, "two thirds"));
	snprintf(wanted, sizeof(wanted), "two thirds of its lifetime of 90d 0h, which is %s; put off to a maintenance window",
		 clock_print(due, text));
	assert_string_equal(plan.why, wanted);
	/* It stays at that, also when the window opens; another certificate has another moment. */
	for (int64_t now = due - 1; now < plan.when; now += 600)
		assert_int_equal(plan_of(&policy, &facts, now).when, plan.when);
	assert_int_equal(plan_of(&policy, &facts, plan.when).what, PLAN_RENEW);
	assert_int_not_equal(plan_next(&policy, "smf", &facts, BORN).when, plan.when);
	/* While it is done it has been due since then, and not since the window was waited for. */
	facts.under_way = true;
	assert_int_equal(plan_of(&policy, &facts, plan.when + 5).what, PLAN_RESUME);
	assert_int_equal(plan_of(&policy, &facts, plan.when + 5).when, plan.when);
	facts.under_way = false;
	/* Missed, as by a machine that was off: the next one. */
	struct plan late = plan_of(&policy, &facts, closes);
	assert_int_equal(late.what, PLAN_WAIT);
	assert_true(late.when > closes && is_open(&window, late.when));
	/* Due inside of one: then. */
	policy.renew_before = facts.not_after - (opens + 60);
	policy.renew_after_percent = 99;
	assert_int_equal(plan_of(&policy, &facts, BORN).when, opens + 60);
	window_clear(&window);
}

static void what_cannot_wait_waits_for_no_window(void **state)
{
	struct window window = windows_of("Sat 01:00-05:00");
	struct config_policy policy = PLAIN;
	struct plan_facts facts = facts_of(90), brief = facts_of(2);
	int64_t closed = BORN;

	(void)state;
	policy.windows = &window;
	policy.window_count = 1;
	assert_false(is_open(&window, closed));
	assert_int_equal(plan_of(&policy, &(struct plan_facts){ 0 }, closed).what, PLAN_ENROL);
	facts.revoked = true;
	assert_int_equal(plan_of(&policy, &facts, closed).what, PLAN_RENEW);
	facts.revoked = false;
	facts.forced = true;
	assert_int_equal(plan_of(&policy, &facts, closed).what, PLAN_RENEW);
	facts.forced = false;
	facts.config_changed = true;
	struct plan changed = plan_of(&policy, &facts, closed);
	assert_int_equal(changed.what, PLAN_WAIT);
	assert_true(is_open(&window, changed.when));
	/* No window before the margin: expiry is worse than a bad hour. */
	assert_int_equal(plan_of(&policy, &brief, BORN).when, BORN + DAY);
	assert_non_null(strstr(plan_of(&policy, &brief, BORN).why, "in no maintenance window"));
	facts.config_changed = false;
	assert_int_equal(plan_of(&policy, &facts, BORN + 89 * DAY + DAY / 2).what, PLAN_RENEW);
	window_clear(&window);
}

static void what_failed_in_a_window_waits_for_the_next_one(void **state)
{
	struct window window = windows_of("Sat 01:00-05:00");
	struct config_policy policy = PLAIN;
	struct plan_facts facts = facts_of(90);
	int64_t opens, closes;

	(void)state;
	policy.windows = &window;
	policy.window_count = 1;
	assert_true(window_next(&window, 1, BORN, &opens, &closes));
	facts.under_way = true;
	facts.attempts = 1;
	/* Its back-off ends while the window is open, and when it has closed. */
	facts.retry_at = opens + 600;
	assert_int_equal(plan_of(&policy, &facts, opens + 60).when, opens + 600);
	assert_int_equal(plan_of(&policy, &facts, opens + 600).what, PLAN_RESUME);
	facts.retry_at = closes + 60;
	struct plan plan = plan_of(&policy, &facts, closes - 60);
	assert_int_equal(plan.what, PLAN_WAIT);
	assert_true(plan.when > closes + DAY && is_open(&window, plan.when));
	assert_non_null(strstr(plan.why, "back-off after 1 failed attempt"));
	assert_non_null(strstr(plan.why, "put off to a maintenance window"));
	/* Interrupted, and found again by day. */
	facts.retry_at = 0;
	plan = plan_of(&policy, &facts, closes + 60);
	assert_int_equal(plan.what, PLAN_WAIT);
	assert_true(is_open(&window, plan.when));
	/* What the CA has is under way still, also where a look at it failed. */
	facts.is_with_ca = true;
	assert_int_equal(plan_of(&policy, &facts, closes + 60).what, PLAN_RESUME);
	facts.waits_until = closes + 30;
	assert_int_equal(plan_of(&policy, &facts, closes + 60).what, PLAN_RESUME);
	assert_int_equal(plan_of(&policy, &facts, closes).when, closes + 30);
	facts.waits_until = 0;
	facts.retry_at = closes + 90;
	assert_int_equal(plan_of(&policy, &facts, closes + 60).when, closes + 90);
	assert_int_equal(plan_of(&policy, &facts, closes + 90).what, PLAN_RESUME);
	facts.retry_at = 0;
	facts.is_with_ca = false;
	/* Nor does it wait where there is nothing to lose, or all, or when it was asked for. */
	facts.revoked = true;
	assert_int_equal(plan_of(&policy, &facts, closes + 60).what, PLAN_RESUME);
	facts.revoked = false;
	facts.forced = true;
	assert_int_equal(plan_of(&policy, &facts, closes + 60).what, PLAN_RESUME);
	facts.forced = false;
	facts.not_after = closes + 2 * DAY;
	assert_int_equal(plan_of(&policy, &facts, closes + 60).what, PLAN_RESUME);
	facts.issued = false;
	assert_int_equal(plan_of(&policy, &facts, closes + 60).what, PLAN_RESUME);
	window_clear(&window);
}

/* TR 33.776, 6.9.1.1: what is renewed after the interval is challenged.  Issued in any hour of a week. */
static void windows_keep_the_interval_without_challenges(void **state)
{
	static const char *const texts[] = { "Sat-Sun 01:00-05:00 Europe/Paris", "Sat 01:00-05:00",
					     "Wed 22:00-04:00 America/New_York", "Mon-Fri 00:00-24:00" };
	unsigned forward = 0, outside = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(texts) * 168; i++) {
		/* Of the others a week has one always. */
		bool is_rare = i % 2;
		struct window window = windows_of(texts[i / 168]);
		struct config_policy policy = { .margin = DAY,
						.jitter_percent = 5,
						.preauthorized = (is_rare ? 144 : 336) * 3600,
						.windows = &window,
						.window_count = 1 };
		struct plan_facts facts = facts_of(90);
		int64_t opens, closes;

		facts.not_before = facts.issued_at = BORN + (int64_t)(i % 168) * 3600;
		int64_t last = facts.issued_at + policy.preauthorized - DAY;
		struct plan plan = plan_of(&policy, &facts, facts.issued_at);
		assert_int_equal(plan.what, PLAN_WAIT);
		assert_true(plan.when >= facts.issued_at + 6 * 3600);
		assert_true(plan.when <= last);
		assert_true(window_next(&window, 1, facts.issued_at + 6 * 3600, &opens, &closes));
		if (opens > facts.issued_at + 6 * 3600 && opens <= last)
			assert_true(is_open(&window, plan.when));
		assert_int_equal(is_open(&window, plan.when), !strstr(plan.why, "in no maintenance window"));
		forward += strstr(plan.why, "brought forward to a maintenance window") != NULL;
		outside += !is_open(&window, plan.when);
		assert_true(is_rare || is_open(&window, plan.when));
		/* It stays at that. */
		for (int64_t now = facts.issued_at; now < plan.when; now += 3 * 3600)
			assert_int_equal(plan_of(&policy, &facts, now).when, plan.when);
		assert_int_equal(plan_of(&policy, &facts, plan.when).what, PLAN_RENEW);
		window_clear(&window);
	}
	assert_true(forward > 0);
	assert_true(outside > 0);
}

static void a_window_that_opens_after_the_interval_is_too_late(void **state)
{
	struct window window = windows_of("Sat 01:00-05:00");
	struct config_policy policy = PLAIN;
	struct plan_facts facts = facts_of(90);
	int64_t opens, closes, first, end;
	char text[CLOCK_TEXT_MAX], wanted[240];

	(void)state;
	policy.windows = &window;
	policy.window_count = 1;
	policy.preauthorized = 336 * 3600;
	/* Issued on a Saturday, two hours after the window. */
	assert_true(window_next(&window, 1, BORN, &opens, &closes));
	facts.not_before = facts.issued_at = closes + 2 * 3600;
	int64_t due = facts.issued_at + 13 * DAY;
	assert_true(window_next(&window, 1, facts.issued_at, &first, &end));
	struct plan plan = plan_of(&policy, &facts, facts.issued_at);
	assert_in_range(plan.when, first, end - 1);
	snprintf(wanted, sizeof(wanted),
		 "the pre-authorisation interval of 336h less a margin of 1d 0h, which is %s; brought forward to a maintenance "
		 "window, for the next one is too late",
		 clock_print(due, text));
	assert_string_equal(plan.why, wanted);
	/* That one was missed: when it is due, in none; and in the next one when no challenge can be avoided any more. */
	plan = plan_of(&policy, &facts, end);
	assert_int_equal(plan.what, PLAN_WAIT);
	assert_int_equal(plan.when, due);
	assert_non_null(strstr(plan.why, "in no maintenance window"));
	plan = plan_of(&policy, &facts, facts.issued_at + 14 * DAY);
	assert_int_equal(plan.what, PLAN_WAIT);
	assert_true(is_open(&window, plan.when));
	/* So it is where one failed; but no back-off is cut short for a window. */
	facts.under_way = true;
	facts.attempts = 1;
	facts.retry_at = end + 600;
	plan = plan_of(&policy, &facts, end - 600);
	assert_int_equal(plan.when, end + 600);
	assert_non_null(strstr(plan.why, "in no maintenance window"));
	assert_int_equal(plan_of(&policy, &facts, end + 600).what, PLAN_RESUME);
	facts.retry_at = facts.issued_at + 14 * DAY;
	assert_true(is_open(&window, plan_of(&policy, &facts, facts.issued_at + 14 * DAY).when));
	/* The CA said that it ends sooner, or never promised that long. */
	facts.under_way = false;
	facts.retry_at = 0;
	policy.preauthorized = 80 * DAY;
	facts.authorized_until = facts.issued_at + 14 * DAY;
	assert_in_range(plan_of(&policy, &facts, facts.issued_at).when, first, end - 1);
	facts.authorized_until = 0;
	assert_true(plan_of(&policy, &facts, facts.issued_at).when > facts.issued_at + 50 * DAY);
	window_clear(&window);
}

/* Lives from an hour to a year, at every time of them: in a window, or due in none and saying so; never into the margin. */
static void windows_never_let_one_expire(void **state)
{
	static const char *const texts[] = { "Sat-Sun 01:00-05:00 Europe/Paris", "Sun 02:15-02:30 America/New_York",
					     "daily 23:00-01:00" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct window window = windows_of(texts[i]);
		struct config_policy policy = {
			.margin = DAY, .ari = true, .jitter_percent = 5, .windows = &window, .window_count = 1
		};

		for (int64_t life = 3600; life < 365 * DAY; life = life * 5 / 4) {
			struct plan_facts facts = {
				.issued = true, .not_before = BORN, .not_after = BORN + life, .issued_at = BORN
			};
			int64_t margin = DAY < life / 4 ? DAY : life / 4;

			for (int64_t now = BORN; now < BORN + life - margin; now += life / 97 + 1) {
				struct plan plan = plan_of(&policy, &facts, now);

				assert_true(plan.when <= facts.not_after - margin);
				if (!strstr(plan.why, "in no maintenance window"))
					assert_true(is_open(&window, plan.when > now ? plan.when : now));
			}
		}
		window_clear(&window);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_maintenance_window_is_waited_for_and_spread_over),
		cmocka_unit_test(what_cannot_wait_waits_for_no_window),
		cmocka_unit_test(what_failed_in_a_window_waits_for_the_next_one),
		cmocka_unit_test(windows_keep_the_interval_without_challenges),
		cmocka_unit_test(a_window_that_opens_after_the_interval_is_too_late),
		cmocka_unit_test(windows_never_let_one_expire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
