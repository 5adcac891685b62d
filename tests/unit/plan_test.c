/* plan_test.c -- when a certificate is renewed, and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

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

static void jitter_is_stable_for_a_name_and_only_earlier(void **state)
{
	struct plan_facts facts = facts_of(90);
	struct config_policy policy = PLAIN;

	(void)state;
	policy.jitter_percent = 10;
	struct plan one = plan_next(&policy, "amf", &facts, BORN), again = plan_next(&policy, "amf", &facts, BORN + DAY);
	struct plan other = plan_next(&policy, "smf", &facts, BORN);
	assert_int_equal(one.when, again.when);
	assert_int_not_equal(one.when, other.when);
	assert_true(one.when <= BORN + 60 * DAY && one.when >= BORN + 54 * DAY);
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
	assert_int_equal(plan_of(&PLAIN, &facts, BORN + 60).what, PLAN_RENEW);
	for (facts.suggested_early = 1; facts.suggested_early < 100; facts.suggested_early++) {
		struct plan plan = plan_of(&PLAIN, &facts, BORN + 60);
		assert_int_equal(plan.what, PLAN_WAIT);
		assert_true(plan.when >= last && plan.when <= BORN + 6 * 3600);
		last = plan.when;
	}
	assert_int_equal(last, BORN + 6 * 3600);
	/* One that lives for an hour cannot wait for six. */
	brief.not_after = BORN + 3600;
	brief.suggested_at = BORN - DAY;
	brief.suggested_early = 50;
	assert_int_equal(plan_of(&PLAIN, &brief, BORN + 1).when, BORN + 900);
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
	assert_true(plan_back_off(1, BORN + 90 * DAY, 600, 0, BORN) >= BORN + 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_thirds_of_a_long_life_and_half_of_a_short_one),
		cmocka_unit_test(the_earliest_of_the_configured_times_decides),
		cmocka_unit_test(a_margin_longer_than_the_life_does_not_renew_for_ever),
		cmocka_unit_test(jitter_is_stable_for_a_name_and_only_earlier),
		cmocka_unit_test(a_time_that_the_authority_suggests_counts_like_the_others),
		cmocka_unit_test(a_certificate_wanted_back_as_soon_as_it_is_issued_is_not_renewed_without_end),
		cmocka_unit_test(never_issued_unfinished_changed_expired_and_asked_for_are_due_now),
		cmocka_unit_test(a_failure_is_waited_out_and_the_operator_is_not),
		cmocka_unit_test(back_off_grows_is_bounded_and_obeys_the_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
