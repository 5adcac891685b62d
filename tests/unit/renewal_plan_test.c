/* renewal_plan_test.c -- when the daemon looks at a certificate next: an order, a question to the CA, a hook that is owed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "certificate_profile.h"
#include "renewal_record.h"

#define NOW INT64_C(1795000000)
#define DAY INT64_C(86400)

static char AUTHORITY[] = "ra", NAME[] = "amf", POLICY[] = "sba", HOST[] = "dns:a.example", TOKEN[] = "hsm",
	    PROGRAM[] = "/bin/true";
static char *NAMES[] = { HOST }, *RUN[] = { PROGRAM };
static struct config_authority authorities[] = { { .name = AUTHORITY } };
static struct config_policy policies[] = { { .name = POLICY, .renew_after_percent = 50, .ari = true } };
static struct config_certificate certificates[] = { { .name = NAME,
						      .authority = AUTHORITY,
						      .policy = POLICY,
						      .names = NAMES,
						      .name_count = 1,
						      .key = { .token = TOKEN, .type = KEY_EC_P256 },
						      .deploy_run = RUN,
						      .deploy_run_count = 1 } };
static const struct config CONFIG = { .authorities = authorities,
				      .authority_count = 1,
				      .policies = policies,
				      .policy_count = 1,
				      .certificates = certificates,
				      .certificate_count = 1 };

/* In service since ten days, for thirty: half of them are over in five. */
static struct store_certificate live(void)
{
	struct store_certificate record = { .name = "amf",
					    .authority = "ra",
					    .state = CERT_IN_SERVICE,
					    .generation = 1,
					    .not_before = NOW - 10 * DAY,
					    .not_after = NOW + 20 * DAY,
					    .issued_at = NOW - 10 * DAY,
					    .service = { .deployed_at = NOW - 10 * DAY },
					    .live_key = { .token = "hsm", .type = KEY_EC_P256 },
					    .renewal_info = { .id = "a.b", .is_replaced = true } };
	struct csr_request asked = certificate_profile_request(&certificates[0], &authorities[0]);

	renewal_names_print(&certificates[0], record.names, sizeof(record.names));
	certificate_profile_print(&asked, record.asked);
	return record;
}

static int64_t next(const struct store_certificate *record)
{
	bool is_owed;

	return renewal_next_at(&CONFIG, &certificates[0], record, NOW, &is_owed);
}

static bool is_owed(const struct store_certificate *record)
{
	bool is_owed;

	(void)renewal_next_at(&CONFIG, &certificates[0], record, NOW, &is_owed);
	return is_owed;
}

static void what_is_not_there_is_due_now(void **state)
{
	(void)state;
	assert_int_equal(next(NULL), NOW);
	assert_int_equal(next(&(struct store_certificate){ .name = "amf", .state = CERT_NEW }), NOW);
}

static void the_plan_says_when_a_live_one_is_due(void **state)
{
	struct store_certificate record = live();

	(void)state;
	assert_int_equal(next(&record), NOW + 5 * DAY);
	record.revoked_at = NOW - 1;
	assert_int_equal(next(&record), NOW);
}

static void the_ca_is_asked_when_it_said(void **state)
{
	struct store_certificate record = live();

	(void)state;
	record.renewal_info.is_replaced = false;
	record.renewal_info.check_at = NOW + 600;
	assert_int_equal(next(&record), NOW + 600);
	/* No answer makes it later than a day: a clock that was ahead did. */
	record.renewal_info.check_at = NOW + 30 * DAY;
	assert_int_equal(next(&record), NOW);
	record.renewal_info.check_at = NOW - 600;
	assert_int_equal(next(&record), NOW);
	record.renewal_info.is_replaced = true;
	assert_int_equal(next(&record), NOW + 5 * DAY);
}

static void a_back_off_is_waited_for_and_an_owed_hook_not_forgotten(void **state)
{
	struct store_certificate record = live();

	(void)state;
	record.state = CERT_INSTALLED;
	record.service.deployed_at = 0;
	assert_true(next(&record) <= NOW);
	record.service.attempts = 1;
	record.service.retry_at = NOW + 60;
	assert_int_equal(next(&record), NOW + 60);
	/* A renewal that waits for longer does not hold the hook back, nor the other way round. */
	record.next_key = (struct store_key){ .token = "hsm", .type = KEY_EC_P256 };
	record.attempts = 1;
	record.retry_at = NOW + 600;
	record.renewal_info.is_replaced = false;
	record.renewal_info.check_at = NOW;
	assert_int_equal(next(&record), NOW + 60);
	record.service.retry_at = NOW + 6000;
	assert_int_equal(next(&record), NOW + 600);
	/* Half a renewal goes on when the back-off is over. */
	record = live();
	record.next_key = (struct store_key){ .token = "hsm", .type = KEY_EC_P256 };
	assert_int_equal(next(&record), NOW);
	record.retry_at = NOW + 120;
	assert_int_equal(next(&record), NOW + 120);
}

/* Many that are switched on together take turns at their CA; a service that waits for its certificate takes none. */
static void what_a_service_is_owed_is_told_from_an_order(void **state)
{
	struct store_certificate record = live();

	(void)state;
	assert_false(is_owed(NULL));
	assert_false(is_owed(&record));
	record.renewal_info.is_replaced = false;
	record.service.prune_at = NOW;
	record.service.revoke_at = NOW;
	assert_false(is_owed(&record));
	record.service.deployed_at = 0;
	assert_true(is_owed(&record));
	record.service.attempts = 1;
	record.service.retry_at = NOW + 1;
	assert_false(is_owed(&record));
	record.service.retry_at = NOW;
	record.next_key = (struct store_key){ .token = "hsm", .type = KEY_EC_P256 };
	assert_false(is_owed(&record));
	record.retry_at = NOW + 60;
	assert_true(is_owed(&record));
}

static void an_order_is_left_with_the_ca_and_an_owed_hook_not_forgotten(void **state)
{
	struct store_certificate record = live();

	(void)state;
	record.next_key = (struct store_key){ .token = "hsm", .type = KEY_EC_P256 };
	record.order = (struct order){ .phase = ORDER_AWAIT, .not_before = NOW + 300 };
	assert_int_equal(next(&record), NOW + 300);
	record.service.deployed_at = 0;
	record.service.attempts = 1;
	record.service.retry_at = NOW + 60;
	assert_int_equal(next(&record), NOW + 60);
	/* Answers to challenges have to be placed again. */
	record = live();
	record.next_key = (struct store_key){ .token = "hsm", .type = KEY_EC_P256 };
	record.order = (struct order){ .phase = ORDER_VALIDATE, .not_before = NOW + 300 };
	assert_int_equal(next(&record), NOW);
	/* No wait is that long: the clock was set back. */
	record.order = (struct order){ .phase = ORDER_AWAIT, .not_before = NOW + 300 * DAY };
	assert_int_equal(next(&record), NOW);
	/* It was set back by hours, after the wait had begun. */
	record.order = (struct order){ .phase = ORDER_AWAIT, .asked_at = NOW + 7200, .not_before = NOW + 7500 };
	assert_int_equal(next(&record), NOW);
	record.order.asked_at = NOW - 60;
	assert_int_equal(next(&record), NOW + 7500);
}

/* A look at it that came to nothing is repeated after the back-off; what still has to be ordered is ordered in a window. */
static void an_order_that_is_with_the_ca_waits_for_no_window(void **state)
{
	struct store_certificate record = live();
	struct window window;

	(void)state;
	/* NOW is a Wednesday. */
	assert_null(window_parse("Fri 01:00-05:00", &window));
	policies[0].windows = &window;
	policies[0].window_count = 1;
	record.next_key = (struct store_key){ .token = "hsm", .type = KEY_EC_P256 };
	record.attempts = 1;
	for (int phase = 0; phase < ORDER_PHASE_COUNT; phase++) {
		bool is_with_ca = phase == ORDER_AWAIT || phase == ORDER_FETCH || phase == ORDER_DONE;

		record.order = (struct order){ .phase = (enum order_phase)phase, .url = "https://ca/order/1" };
		record.retry_at = NOW + 60;
		assert_int_equal(next(&record) == NOW + 60, is_with_ca);
		record.retry_at = NOW - 60;
		assert_int_equal(next(&record) == NOW, is_with_ca);
		assert_true(is_with_ca || next(&record) > NOW + DAY);
	}
	policies[0].windows = NULL;
	policies[0].window_count = 0;
	window_clear(&window);
}

static void what_a_clock_noted_that_was_ahead_holds_nothing_up(void **state)
{
	struct store_certificate record = live();

	(void)state;
	record.next_key = (struct store_key){ .token = "hsm", .type = KEY_EC_P256 };
	record.attempts = 3;
	record.failed_at = NOW + 300 * DAY;
	record.retry_at = record.failed_at + 240;
	assert_int_equal(next(&record), NOW);
	record.failed_at = NOW - 10;
	record.retry_at = record.failed_at + 240;
	assert_int_equal(next(&record), NOW + 230);
	/* The pre-authorisation interval does not begin in the future either. */
	record = live();
	record.issued_at = NOW + 300 * DAY;
	policies[0].preauthorized = 12 * DAY;
	assert_int_equal(next(&record), NOW + 2 * DAY);
	policies[0].preauthorized = 0;
}

/* Of names that do not fit into the record the last one counts as much as the first. */
static void a_change_among_very_many_names_is_seen(void **state)
{
	static char many[100][200], *names[100];
	struct config_certificate certificate = certificates[0];
	char before[4096], after[4096];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(many[i], sizeof(many[i]), "dns:n%02u.%0150u.example", i, i);
		names[i] = many[i];
	}
	certificate.names = names;
	certificate.name_count = 100;
	renewal_names_print(&certificate, before, sizeof(before));
	renewal_names_print(&certificate, after, sizeof(after));
	assert_string_equal(before, after);
	assert_int_equal(strlen(before), sizeof(before) - 1);
	many[99][5] = 'X';
	renewal_names_print(&certificate, after, sizeof(after));
	assert_string_not_equal(before, after);
	many[99][5] = '9';
	certificate.name_count = 99;
	renewal_names_print(&certificate, after, sizeof(after));
	assert_string_not_equal(before, after);
	/* As in the record, so in what is compared with it: their order is no matter, nor is their case. */
	certificate.name_count = 100;
	names[0] = many[99];
	names[99] = many[0];
	many[50][0] = 'D';
	renewal_names_print(&certificate, after, sizeof(after));
	assert_int_equal(strcasecmp(before, after), 0);
}

/* A CA may shorten its lifetimes: what is changed is wanted all the same. */
static void a_shorter_certificate_is_taken_where_the_present_one_is_not_as_configured(void **state)
{
	struct store_certificate record = live();

	(void)state;
	assert_int_equal(renewal_least_not_after(&CONFIG, &certificates[0], &record, NOW), record.not_after);
	snprintf(record.names, sizeof(record.names), "dns:b.example");
	assert_int_equal(renewal_least_not_after(&CONFIG, &certificates[0], &record, NOW), 0);
	record = live();
	record.live_key.type = KEY_RSA_2048;
	assert_int_equal(renewal_least_not_after(&CONFIG, &certificates[0], &record, NOW), 0);
	record = live();
	snprintf(record.profile, sizeof(record.profile), "classic");
	assert_int_equal(renewal_least_not_after(&CONFIG, &certificates[0], &record, NOW), 0);
	record = live();
	record.revoked_at = NOW - 1;
	assert_int_equal(renewal_least_not_after(&CONFIG, &certificates[0], &record, NOW), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_there_is_due_now),
		cmocka_unit_test(the_plan_says_when_a_live_one_is_due),
		cmocka_unit_test(the_ca_is_asked_when_it_said),
		cmocka_unit_test(a_back_off_is_waited_for_and_an_owed_hook_not_forgotten),
		cmocka_unit_test(what_a_service_is_owed_is_told_from_an_order),
		cmocka_unit_test(an_order_is_left_with_the_ca_and_an_owed_hook_not_forgotten),
		cmocka_unit_test(an_order_that_is_with_the_ca_waits_for_no_window),
		cmocka_unit_test(what_a_clock_noted_that_was_ahead_holds_nothing_up),
		cmocka_unit_test(a_change_among_very_many_names_is_seen),
		cmocka_unit_test(a_shorter_certificate_is_taken_where_the_present_one_is_not_as_configured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
