/* plan_test.c -- when a certificate is renewed, and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "plan.h"

#define DAY  INT64_C(86400)
#define BORN INT64_C(1795000000)

static const struct config_policy PLAIN = { .margin = DAY, .ari = true };

static struct plan_facts facts_of(int64_t days)
{
	return (struct plan_facts){ .issued = true, .not_before = BORN, .not_after = BORN + days * DAY, .issued_at = BORN };
}

static struct plan plan_of(const struct config_policy *policy, const struct plan_facts *facts, int64_t now)
{
	return plan_next(policy, "amf", facts, now);
}

static void two_thirds_of_a_long_life_and_half_of_a_short_one(void **state)
{
	struct plan_facts facts = facts_of(90), brief = facts_of(6);

	(void)state;
	struct plan plan = plan_of(&PLAIN, &facts, BORN);
	assert_int_equal(plan.what, PLAN_WAIT);
	assert_int_equal(plan.when, BORN + 60 * DAY);
	assert_non_null(strstr(plan.why, "two thirds"));
	plan = plan_of(&PLAIN, &brief, BORN);
	assert_int_equal(plan.when, BORN + 3 * DAY);
	assert_non_null(strstr(plan.why, "half"));
	assert_int_equal(plan_of(&PLAIN, &facts, BORN + 60 * DAY).what, PLAN_RENEW);
}

/* What the CA says of its authorisations counts where no challenge is wanted, and not when it would have us renew at once. */
static void inside_of_what_the_ca_authorised(void **state)
{
	struct plan_facts facts = facts_of(90);
	struct config_policy policy = PLAIN;

	(void)state;
	facts.authorized_until = BORN + 30 * DAY;
	assert_int_equal(plan_of(&policy, &facts, BORN).when, BORN + 60 * DAY);
	policy.preauthorized = 50 * DAY;
	struct plan plan = plan_of(&policy, &facts, BORN);
	assert_int_equal(plan.when, BORN + 29 * DAY);
	assert_non_null(strstr(plan.why, "the CA's authorisation ends 2026-12-18T"));
	facts.authorized_until = BORN + 2 * DAY;
	assert_int_equal(plan_of(&policy, &facts, BORN).when, BORN + 49 * DAY);
	facts.authorized_until = 0;
	assert_int_equal(plan_of(&policy, &facts, BORN).when, BORN + 49 * DAY);
	facts.authorized_until = BORN + 60 * DAY;
	assert_int_equal(plan_of(&policy, &facts, BORN).when, BORN + 49 * DAY);
}

static void the_earliest_of_the_configured_times_decides(void **state)
{
	struct plan_facts facts = facts_of(90);
	struct config_policy policy = PLAIN;

	(void)state;
	policy.renew_after_percent = 50;
	assert_int_equal(plan_of(&policy, &facts, BORN).when, BORN + 45 * DAY);
	policy.renew_before = 50 * DAY;
	assert_int_equal(plan_of(&policy, &facts, BORN).when, BORN + 40 * DAY);
	/* TR 33.776, 6.9.1.1: 336 hours since the last issuance, less the margin */
	policy.preauthorized = 336 * 3600;
	struct plan plan = plan_of(&policy, &facts, BORN);
	assert_int_equal(plan.when, BORN + 13 * DAY);
	assert_non_null(strstr(plan.why, "336h"));
}

static void a_margin_longer_than_the_life_does_not_renew_for_ever(void **state)
{
	struct plan_facts facts = facts_of(1);
	struct plan plan = plan_of(&PLAIN, &facts, BORN + 1);

	(void)state;
	assert_int_equal(plan.what, PLAN_WAIT);
	assert_true(plan.when > BORN + DAY / 4);
}

/* The clock is 84 days ahead: what was issued just now has six days left, and was due before it was issued. */
static void a_clock_that_is_far_ahead_renews_nothing_without_end(void **state)
{
	struct plan_facts facts = facts_of(90);
	int64_t now = BORN + 84 * DAY;

	(void)state;
	facts.issued_at = now;
	struct plan plan = plan_of(&PLAIN, &facts, now);
	assert_int_equal(plan.what, PLAN_WAIT);
	assert_int_equal(plan.when, now + 3 * DAY);
	assert_non_null(strstr(plan.why, "put off to 3d 0h after it was issued, late in its lifetime: is the clock right?"));
	/* Set right, it is nothing special. */
	facts.issued_at = BORN;
	assert_int_equal(plan_of(&PLAIN, &facts, BORN).when, BORN + 60 * DAY);
}

static void a_time_before_it_was_issued_renews_nothing_without_end(void **state)
{
	struct plan_facts facts = facts_of(20);
	struct config_policy policy = PLAIN;

	(void)state;
	policy.renew_before = 30 * DAY;
	struct plan plan = plan_of(&policy, &facts, BORN);
	assert_int_equal(plan.when, BORN + DAY / 4);
	assert_non_null(strstr(plan.why, "before it expires; put off to 6h 0m after it was issued"));
	/* What has half an hour in all waits for a part of that. */
	facts.not_after = BORN + 1800;
	assert_int_equal(plan_of(&policy, &facts, BORN).when, BORN + 1800 / 16);
}

/* The other direction is "it expired": whether that is the clock nobody can tell from here. */
static void a_clock_that_is_far_behind_is_told_of(void **state)
{
	struct plan_facts facts = facts_of(90);

	(void)state;
	assert_null(strstr(plan_of(&PLAIN, &facts, BORN - PLAN_CLOCK_BEHIND).why, "clock"));
	struct plan plan = plan_of(&PLAIN, &facts, BORN - 5 * 365 * DAY);
	assert_int_equal(plan.what, PLAN_WAIT);
	assert_int_equal(plan.when, BORN + 60 * DAY);
	assert_non_null(strstr(plan.why, "; it is valid only from 2026-11-18T11:06:40Z: the clock of this machine is behind"));
}

static void jitter_is_stable_for_a_name_and_only_earlier(void **state)
{
	struct plan_facts facts = facts_of(90);
	struct config_policy policy = PLAIN;
	char text[CLOCK_TEXT_MAX], wanted[128];

	(void)state;
	policy.jitter_percent = 10;
	struct plan one = plan_next(&policy, "amf", &facts, BORN), again = plan_next(&policy, "amf", &facts, BORN + DAY);
	struct plan other = plan_next(&policy, "smf", &facts, BORN);
	assert_int_equal(one.when, again.when);
	assert_int_not_equal(one.when, other.when);
	assert_true(one.when <= BORN + 60 * DAY && one.when >= BORN + 54 * DAY);
	/* Who calculates two thirds comes to another time, and is told why. */
	snprintf(wanted, sizeof(wanted), "two thirds of its lifetime of 90d 0h, less %s of jitter",
		 clock_print_duration(BORN + 60 * DAY - one.when, text));
	assert_string_equal(one.why, wanted);
}

static void one_name_on_many_machines_has_as_many_jitters(void **state)
{
	struct plan_facts facts = facts_of(90);
	struct config_policy policy = PLAIN;

	(void)state;
	policy.jitter_percent = 10;
	int64_t before = plan_next(&policy, "amf", &facts, BORN).when;
	for (facts.seed = 1; facts.seed < 20; facts.seed++) {
		int64_t when = plan_next(&policy, "amf", &facts, BORN).when;

		assert_int_not_equal(when, before);
		assert_int_equal(plan_next(&policy, "amf", &facts, BORN + DAY).when, when);
		assert_true(when <= BORN + 60 * DAY && when >= BORN + 54 * DAY);
		before = when;
	}
}

static void after_boot_each_has_its_turn_and_keeps_most_of_its_life(void **state)
{
	struct config_policy policy = PLAIN;
	unsigned at[600] = { 0 }, most = 0;

	(void)state;
	assert_int_equal(plan_turn_after_boot(&policy, "amf", 7, 0, BORN), 0);
	policy.boot_spread = 600;
	for (uint64_t seed = 0; seed < 10000; seed++) {
		int64_t turn = plan_turn_after_boot(&policy, "amf", seed, 0, BORN);

		assert_true(turn >= 0 && turn < 600);
		most = ++at[turn] > most ? at[turn] : most;
		/* Whenever it is asked, and with whatever is left to live, if that is enough. */
		assert_int_equal(plan_turn_after_boot(&policy, "amf", seed, BORN + DAY, BORN + 77), turn);
		/* An hour is left: at most an eighth of it. */
		assert_true(plan_turn_after_boot(&policy, "amf", seed, BORN + 3600, BORN) < 450);
	}
	/* Half a percent of them. */
	assert_true(most <= 50);
	assert_int_equal(plan_turn_after_boot(&policy, "amf", 7, BORN + 1, BORN), 0);
}

/* RFC 9773, 4.2: renewed at the time that was drawn in the window, which jitter does not move. */
static void a_time_that_the_authority_suggests_counts_like_the_others(void **state)
{
	struct plan_facts facts = facts_of(90);
	struct config_policy policy = PLAIN;

	(void)state;
	policy.jitter_percent = 10;
	facts.suggested_start = BORN + 9 * DAY;
	facts.suggested_end = BORN + 12 * DAY;
	facts.suggested_at = BORN + 10 * DAY;
	struct plan plan = plan_of(&policy, &facts, BORN + DAY);
	assert_int_equal(plan.what, PLAN_WAIT);
	assert_int_equal(plan.when, BORN + 10 * DAY);
	assert_non_null(strstr(plan.why, "the CA suggests"));
	assert_int_equal(plan_of(&policy, &facts, BORN + 10 * DAY).what, PLAN_RENEW);
	/* Not later than the policy would have it; and not at all when it says so. */
	facts.suggested_at = BORN + 80 * DAY;
	assert_true(plan_of(&policy, &facts, BORN + DAY).when <= BORN + 60 * DAY);
	facts.suggested_at = BORN + 10 * DAY;
	policy.ari = false;
	assert_true(plan_of(&policy, &facts, BORN + DAY).when > BORN + 10 * DAY);
}

static void a_certificate_wanted_back_as_soon_as_it_is_issued_is_not_renewed_without_end(void **state)
{
	struct plan_facts facts = facts_of(90), brief = facts_of(0);
	int64_t last = 0;

	(void)state;
	facts.suggested_at = BORN - DAY;
	struct plan first = plan_of(&PLAIN, &facts, BORN + 60);
	assert_int_equal(first.what, PLAN_RENEW);
	assert_null(strstr(first.why, "put off"));
	for (facts.suggested_early = 1; facts.suggested_early < 100; facts.suggested_early++) {
		struct plan plan = plan_of(&PLAIN, &facts, BORN + 60);
		assert_int_equal(plan.what, PLAN_WAIT);
		assert_true(plan.when >= last && plan.when <= BORN + 6 * 3600);
		/* Or it would read as if the window were missed. */
		assert_non_null(strstr(plan.why, "; put off to "));
		last = plan.when;
	}
	assert_int_equal(last, BORN + 6 * 3600);
	/* One that lives for an hour cannot wait for six. */
	brief.not_after = BORN + 3600;
	brief.suggested_at = BORN - DAY;
	brief.suggested_early = 50;
	struct plan plan = plan_of(&PLAIN, &brief, BORN + 1);
	assert_int_equal(plan.when, BORN + 900);
	assert_non_null(
		strstr(plan.why, "; put off to 15m 0s after it was issued, for the one before was wanted back early, too"));
}

static void never_issued_unfinished_changed_expired_and_asked_for_are_due_now(void **state)
{
	struct plan_facts none = { 0 }, facts = facts_of(90);

	(void)state;
	assert_int_equal(plan_of(&PLAIN, &none, BORN).what, PLAN_ENROL);
	facts.under_way = true;
	assert_int_equal(plan_of(&PLAIN, &facts, BORN).what, PLAN_RESUME);
	facts.under_way = false;
	facts.config_changed = true;
	assert_int_equal(plan_of(&PLAIN, &facts, BORN).what, PLAN_RENEW);
	facts.config_changed = false;
	struct plan expired = plan_of(&PLAIN, &facts, BORN + 91 * DAY);
	assert_int_equal(expired.what, PLAN_RENEW);
	assert_non_null(strstr(expired.why, "expired"));
	facts.forced = true;
	assert_non_null(strstr(plan_of(&PLAIN, &facts, BORN).why, "operator"));
}

static void a_failure_is_waited_out_and_the_operator_is_not(void **state)
{
	struct plan_facts facts = facts_of(90);

	(void)state;
	facts.retry_at = BORN + 100;
	facts.attempts = 2;
	facts.under_way = true;
	struct plan plan = plan_of(&PLAIN, &facts, BORN);
	assert_int_equal(plan.what, PLAN_WAIT);
	assert_int_equal(plan.when, BORN + 100);
	facts.forced = true;
	assert_int_equal(plan_of(&PLAIN, &facts, BORN).what, PLAN_RESUME);
}

/* Deploy hook and probe have their turn meanwhile. */
static void an_order_that_is_with_the_ca_is_left_there(void **state)
{
	struct plan_facts facts = facts_of(90);

	(void)state;
	facts.under_way = true;
	facts.is_with_ca = true;
	facts.waits_until = BORN + 300;
	struct plan plan = plan_of(&PLAIN, &facts, BORN);
	assert_int_equal(plan.what, PLAN_WAIT);
	assert_int_equal(plan.when, BORN + 300);
	assert_string_equal(plan.why, "its order is with the CA, which is asked again then");
	assert_true(plan.is_begun);
	assert_int_equal(plan_of(&PLAIN, &facts, BORN + 300).what, PLAN_RESUME);
	facts.retry_at = BORN + 200;
	facts.attempts = 1;
	assert_non_null(strstr(plan_of(&PLAIN, &facts, BORN).why, "back-off"));
	facts.forced = true;
	assert_int_equal(plan_of(&PLAIN, &facts, BORN).what, PLAN_RESUME);
}

static void back_off_grows_is_bounded_and_obeys_the_peer(void **state)
{
	int64_t last = 0;

	(void)state;
	for (unsigned attempts = 1; attempts < 200; attempts++) {
		int64_t at = plan_back_off(attempts, BORN + 90 * DAY, 0, 0, BORN);
		assert_true(at > BORN && at <= BORN + DAY && at >= last);
		last = at;
	}
	assert_true(plan_back_off(UINT32_MAX, BORN + 90 * DAY, 0, 0, BORN) == last);
	assert_int_equal(plan_back_off(1, BORN + 90 * DAY, 0, BORN + 5000, BORN), BORN + 5000);
	/* an hour left: there is time for several attempts */
	assert_true(plan_back_off(50, BORN + 3600, 0, 0, BORN) <= BORN + 450);
	/* It has expired: whoever was away is not left alone for hours as soon as the need is greatest, and is asked less often in time. */
	assert_int_equal(plan_back_off(50, BORN, 0, 0, BORN), BORN + 60);
	assert_int_equal(plan_back_off(50, BORN - 480, 0, 0, BORN), BORN + 60);
	assert_int_equal(plan_back_off(50, BORN - 8 * 3600, 0, 0, BORN), BORN + 3600);
	assert_int_equal(plan_back_off(50, BORN - 90 * DAY, 0, 0, BORN), last);
	/* Nor is what just began to fail asked more often than that. */
	assert_int_equal(plan_back_off(3, BORN - 8 * 3600, 0, 0, BORN), BORN + 240);
	/* Nothing was issued yet: nothing has expired. */
	assert_int_equal(plan_back_off(50, 0, 0, 0, BORN), last);
	assert_true(plan_back_off(1, BORN + 90 * DAY, 600, 0, BORN) >= BORN + 600);
	/* The longest wait that can be configured is waited, too. */
	assert_true(plan_back_off(1, BORN + 90 * DAY, CONFIG_WAIT_MAX, 0, BORN) >= BORN + CONFIG_WAIT_MAX);
}

/* Every count, every wait and Retry-After there can be, every remaining life: later than now, not before the peer's word, bounded. */
static void back_off_holds_for_every_number(void **state)
{
	static const unsigned counts[] = { 0, 1, 2, 3, 8, 9, 10, 31, 32, 33, 63, 64, 65, 1000, INT32_MAX, UINT32_MAX };
	static const int64_t ends[] = { 0,         -1,         BORN - DAY,  BORN - 1,        BORN,     BORN + 1,
					BORN + 59, BORN + 480, BORN + 3600, BORN + 90 * DAY, INT64_MAX };
	static const int64_t waits[] = { INT64_MIN, -1, 0, 1, 59, 3600, CLOCK_RETRY_MAX - 1, CLOCK_RETRY_MAX, INT64_MAX };
	static const int64_t words[] = {
		INT64_MIN, 0, 1, BORN - 1, BORN, BORN + 1, BORN + 60, BORN + CLOCK_RETRY_MAX, INT64_MAX
	};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

	(void)state;
	for (size_t i = 0; i < COUNT(counts) * COUNT(ends) * COUNT(waits) * COUNT(words); i++) {
		unsigned count = counts[i % COUNT(counts)];
		int64_t end = ends[i / COUNT(counts) % COUNT(ends)];
		int64_t wait = waits[i / COUNT(counts) / COUNT(ends) % COUNT(waits)];
		int64_t word = words[i / COUNT(counts) / COUNT(ends) / COUNT(waits)];
		int64_t at = plan_back_off(count, end, wait, word, BORN);

		assert_true(at >= BORN + 60);
		assert_true(at >= word);
		assert_true(at <= BORN + 6 * 3600 + CLOCK_RETRY_MAX || at == word);
		/* Several attempts before it is too late, unless the peer or the operator want otherwise. */
		if (end > BORN + 480 && wait <= 0 && word <= BORN)
			assert_true(at - BORN <= (end - BORN) / 8);
	}
}

/* Monitoring counts from there: what was begun, or is wanted for another reason too, has been due for as long. */
static void what_is_due_is_due_since_it_first_was(void **state)
{
	struct plan_facts facts = facts_of(90);
	int64_t due = BORN + 60 * DAY, now = due + 3 * DAY;

	(void)state;
	assert_int_equal(plan_of(&PLAIN, &facts, now).when, due);
	facts.under_way = true;
	assert_int_equal(plan_of(&PLAIN, &facts, now).when, due);
	assert_int_equal(plan_of(&PLAIN, &facts, BORN + DAY).when, BORN + DAY);
	facts.under_way = false;
	facts.config_changed = true;
	assert_int_equal(plan_of(&PLAIN, &facts, now).when, due);
	facts.revoked = true;
	assert_int_equal(plan_of(&PLAIN, &facts, now).when, due);
	facts.revoked = false;
	assert_int_equal(plan_of(&PLAIN, &facts, BORN + 91 * DAY).when, due);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_thirds_of_a_long_life_and_half_of_a_short_one),
		cmocka_unit_test(the_earliest_of_the_configured_times_decides),
		cmocka_unit_test(inside_of_what_the_ca_authorised),
		cmocka_unit_test(a_margin_longer_than_the_life_does_not_renew_for_ever),
		cmocka_unit_test(a_clock_that_is_far_ahead_renews_nothing_without_end),
		cmocka_unit_test(a_time_before_it_was_issued_renews_nothing_without_end),
		cmocka_unit_test(a_clock_that_is_far_behind_is_told_of),
		cmocka_unit_test(jitter_is_stable_for_a_name_and_only_earlier),
		cmocka_unit_test(one_name_on_many_machines_has_as_many_jitters),
		cmocka_unit_test(after_boot_each_has_its_turn_and_keeps_most_of_its_life),
		cmocka_unit_test(a_time_that_the_authority_suggests_counts_like_the_others),
		cmocka_unit_test(a_certificate_wanted_back_as_soon_as_it_is_issued_is_not_renewed_without_end),
		cmocka_unit_test(never_issued_unfinished_changed_expired_and_asked_for_are_due_now),
		cmocka_unit_test(a_failure_is_waited_out_and_the_operator_is_not),
		cmocka_unit_test(an_order_that_is_with_the_ca_is_left_there),
		cmocka_unit_test(back_off_grows_is_bounded_and_obeys_the_peer),
		cmocka_unit_test(back_off_holds_for_every_number),
		cmocka_unit_test(what_is_due_is_due_since_it_first_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
