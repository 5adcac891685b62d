/* renewal_tell_test.c -- who needs an operator, and what every step that may be cut off is followed by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

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
	/* Its successor may have to wait for its CA, without a failure. */
	record = good;
	record.revoked_at = NOW - 1;
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

static char PROGRAM[] = "/bin/true", LABEL[] = "amf";
static char *RUN[] = { PROGRAM };
static const struct config_certificate PLAIN = { .name = PROGRAM };
static const struct config_certificate HOOK = { .deploy_run = RUN, .deploy_run_count = 1 };
static const struct config_certificate PROBE = { .probe = { .run = RUN, .run_count = 1 } };
static const struct config_certificate ALL = {
	.deploy_run = RUN, .deploy_run_count = 1, .probe = { .run = RUN, .run_count = 1 }, .objects = { .label = LABEL }
};

static void each_state_has_its_next_step_but_those_at_rest(void **state)
{
	(void)state;
	for (int at = 0; at < CERTIFICATE_STATE_COUNT; at++)
		for (int phase = 0; phase < ORDER_PHASE_COUNT; phase++) {
			const struct store_certificate record = { .state = (enum certificate_state)at,
								  .generation = 1,
								  .order = { .phase = (enum order_phase)phase } };
			bool is_at_rest = at == CERT_NEW || at == CERT_IN_SERVICE;

			assert_int_equal(renewal_next_step(&HOOK, &record, NOW)[0] == '\0', is_at_rest);
		}
}

/* What is owed to the service, and nothing that is not configured; it waits for no renewal. */
static void what_a_service_is_owed_is_told_in_its_order(void **state)
{
	struct store_certificate record = { .state = CERT_INSTALLED, .generation = 1 };

	(void)state;
	assert_string_equal(renewal_next_step(&ALL, &record, NOW), "what is to be in the token beside the key is put there");
	assert_string_equal(renewal_next_step(&HOOK, &record, NOW), "the deploy hook is run");
	assert_string_equal(renewal_next_step(&PROBE, &record, NOW), "the service is probed");
	assert_non_null(strstr(renewal_next_step(&PLAIN, &record, NOW), "no hook and no probe"));
	assert_true(renewal_is_owed(&record));
	record.state = CERT_NOT_IN_SERVICE;
	assert_string_equal(renewal_next_step(&HOOK, &record, NOW), "the deploy hook is run again");
	assert_string_equal(renewal_next_step(&PROBE, &record, NOW), "the service is probed");
	record.state = CERT_ORDERED;
	assert_false(renewal_is_owed(&record));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_lives_and_fails_in_nothing_needs_nobody),
		cmocka_unit_test(each_state_has_its_next_step_but_those_at_rest),
		cmocka_unit_test(what_a_service_is_owed_is_told_in_its_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
