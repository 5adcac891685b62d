/* renewal_tell_test.c -- who needs an operator, and what every step that may be cut off is followed by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "renewal_tell.h"

#define NOW INT64_C(1795000000)

static void only_what_lives_and_fails_in_nothing_needs_nobody(void **state)
{
	const struct store_certificate good = { .state = CERT_IN_SERVICE, .generation = 1, .not_after = NOW + 1 };
	struct store_certificate record = good;

	(void)state;
	assert_false(renewal_needs_attention(&record, NOW));
	/* What is renewed as planned is served meanwhile. */
	record.state = CERT_ORDERED;
	assert_false(renewal_needs_attention(&record, NOW));
	assert_true(renewal_needs_attention(NULL, NOW));
	/* Issued in the future: our clock is behind, and nothing will be renewed in its time. */
	record.not_before = NOW + PLAN_CLOCK_BEHIND;
	assert_false(renewal_needs_attention(&record, NOW));
	assert_true(renewal_needs_attention(&record, NOW - 1));
	record.not_before = NOW - 1;
	record = good;
	record.generation = 0;
	assert_true(renewal_needs_attention(&record, NOW));
	record = good;
	record.not_after = NOW;
	assert_true(renewal_needs_attention(&record, NOW));
	record = good;
	record.attempts = 1;
	assert_true(renewal_needs_attention(&record, NOW));
	record = good;
	record.revoked_at = NOW - 1;
	assert_true(renewal_needs_attention(&record, NOW));
	record = good;
	record.state = CERT_INSTALLED;
	assert_true(renewal_needs_attention(&record, NOW));
}

static void each_state_has_its_next_step_but_those_at_rest(void **state)
{
	(void)state;
	for (int at = 0; at < CERTIFICATE_STATE_COUNT; at++)
		for (int phase = 0; phase < ORDER_PHASE_COUNT; phase++) {
			const struct store_certificate record = { .state = (enum certificate_state)at,
								  .order = { .phase = (enum order_phase)phase } };
			bool is_at_rest = at == CERT_NEW || at == CERT_IN_SERVICE;

			assert_int_equal(renewal_next_step(&record)[0] == '\0', is_at_rest);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_lives_and_fails_in_nothing_needs_nobody),
		cmocka_unit_test(each_state_has_its_next_step_but_those_at_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
