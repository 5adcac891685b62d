/* schedule_test.c -- coming renewals in their order, those that can be foreseen after them, and the busiest hour. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "certificate_profile.h"
#include "renewal_record.h"
#include "schedule.h"

#define NOW  INT64_C(1795000000)
#define DAY  INT64_C(86400)
#define HOUR INT64_C(3600)

static char RA[] = "ra", AMF[] = "amf", SMF[] = "smf", UPF[] = "upf", POLICY[] = "sba", HOST[] = "dns:a.example", TOKEN[] = "hsm";
static char *NAMES[] = { HOST };
static struct config_authority authorities[] = { { .name = RA } };
static struct config_policy policies[] = { { .name = POLICY, .renew_after_percent = 50 } };
#define CERTIFICATE(called)                                                                         \
	{                                                                                           \
		.name = called, .authority = RA, .policy = POLICY, .names = NAMES, .name_count = 1, \
		.key = {.token = TOKEN,                                                             \
			.type = KEY_EC_P256 }                                                       \
	}
static struct config_certificate certificates[] = { CERTIFICATE(AMF), CERTIFICATE(SMF), CERTIFICATE(UPF) };
static const struct config CONFIG = { .authorities = authorities,
				      .authority_count = 1,
				      .policies = policies,
				      .policy_count = 1,
				      .certificates = certificates,
				      .certificate_count = 3 };

/* Due half a life after `since`. */
static struct store_certificate live(int64_t since, int64_t life)
{
	struct store_certificate record = { .authority = "ra",
					    .state = CERT_IN_SERVICE,
					    .generation = 1,
					    .not_before = since,
					    .not_after = since + life,
					    .issued_at = since,
					    .live_key = { .token = "hsm", .type = KEY_EC_P256 } };
	struct csr_request asked = certificate_profile_request(&certificates[0], &authorities[0]);

	renewal_names_print(&certificates[0], record.names, sizeof(record.names));
	certificate_profile_print(&asked, record.asked);
	return record;
}

static void add(struct schedule *schedule, unsigned which, const struct store_certificate *record, unsigned days)
{
	struct err err = { 0 };

	if (schedule_add(schedule, &CONFIG, &certificates[which], record, NOW, NOW + days * DAY, &err) != RC_OK)
		fail_msg("%s", err.text);
}

static void the_next_of_each_is_listed_in_order_and_what_is_later_counted(void **state)
{
	AUTO(schedule) struct schedule schedule = { 0 };
	struct store_certificate soon = live(NOW - 40 * DAY, 90 * DAY), late = live(NOW, 90 * DAY);

	(void)state;
	add(&schedule, 0, &soon, 30);
	add(&schedule, 1, &late, 30);
	add(&schedule, 2, NULL, 30);
	schedule_sort(&schedule);
	assert_int_equal(schedule.count, 2);
	assert_int_equal(schedule.later, 1);
	assert_string_equal(schedule.items[0].certificate->name, "upf");
	assert_int_equal(schedule.items[0].at, NOW);
	assert_string_equal(schedule.items[0].why, "never issued");
	assert_string_equal(schedule.items[1].certificate->name, "amf");
	assert_int_equal(schedule.items[1].at, NOW + 5 * DAY);
	assert_false(schedule.items[1].is_foreseen);
	assert_non_null(strstr(schedule.items[1].why, "50%"));
}

static void what_follows_is_foreseen_from_the_present_lifetime(void **state)
{
	AUTO(schedule) struct schedule schedule = { 0 };
	struct store_certificate brief = live(NOW, 10 * DAY), overdue = live(NOW - 9 * DAY, 10 * DAY);

	(void)state;
	add(&schedule, 0, &brief, 21);
	assert_int_equal(schedule.count, 4);
	for (size_t i = 0; i < schedule.count; i++) {
		assert_int_equal(schedule.items[i].at, NOW + (int64_t)(i + 1) * 5 * DAY);
		assert_int_equal(schedule.items[i].is_foreseen, i > 0);
	}
	/* What is overdue is done now, and the next counts from there. */
	add(&schedule, 1, &overdue, 6);
	assert_int_equal(schedule.items[4].at, NOW);
	assert_int_equal(schedule.items[5].at, NOW + 5 * DAY);
	assert_int_equal(schedule.count, 6);
}

static void a_certificate_of_minutes_does_not_fill_the_memory(void **state)
{
	AUTO(schedule) struct schedule schedule = { 0 };
	struct store_certificate minutes = live(NOW, 120);

	(void)state;
	add(&schedule, 0, &minutes, SCHEDULE_DAYS_MAX);
	assert_int_equal(schedule.count, SCHEDULE_MAX);
}

static void the_busiest_hour_is_found_wherever_it_begins(void **state)
{
	AUTO(schedule) struct schedule schedule = { 0 };
	static const int64_t offsets[] = { 0, 2 * HOUR - 1, 2 * HOUR, 3 * HOUR - 2, 3 * HOUR - 1, 9 * HOUR };
	int64_t at = 0;

	(void)state;
	assert_int_equal(schedule_busiest_hour(&schedule, NULL, &at), 0);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		/* Half of a life of 20 days, and so one each within 10. */
		struct store_certificate one = live(NOW - 9 * DAY + offsets[i], 20 * DAY);

		add(&schedule, 0, &one, 5);
	}
	schedule_sort(&schedule);
	assert_int_equal(schedule.count, 6);
	assert_int_equal(schedule_busiest_hour(&schedule, NULL, &at), 3);
	assert_int_equal(at, NOW + DAY + 2 * HOUR - 1);
}

static void more_than_the_authority_takes_is_told(void **state)
{
	AUTO(schedule) struct schedule schedule = { 0 };
	struct config_authority limited = { .name = RA };
	char text[400] = "";

	(void)state;
	for (int i = 0; i < 7; i++) {
		struct store_certificate one = live(NOW - 9 * DAY + i, 20 * DAY);

		add(&schedule, 0, &one, 5);
	}
	schedule_sort(&schedule);
	assert_false(schedule_overload(&schedule, &CONFIG, &limited, text, sizeof(text)));
	limited.orders_per_hour = 7;
	assert_false(schedule_overload(&schedule, &CONFIG, &limited, text, sizeof(text)));
	limited.orders_per_hour = 3;
	assert_true(schedule_overload(&schedule, &CONFIG, &limited, text, sizeof(text)));
	assert_non_null(strstr(text, "takes 3 orders an hour, but 7 renewals"));
	assert_non_null(strstr(text, "the last of them waits 2 h: raise `jitter`"));
	policies[0].window_count = 1;
	assert_true(schedule_overload(&schedule, &CONFIG, &limited, text, sizeof(text)));
	policies[0].window_count = 0;
	assert_non_null(strstr(text, "a maintenance window cannot hold them"));
}

/* A minute of renewals that the authority takes a twentieth of an hour's orders of at once, and the rest one after another. */
static void a_window_that_closes_before_their_turn_is_told(void **state)
{
	AUTO(schedule) struct schedule schedule = { 0 };
	struct config_authority limited = { .name = RA, .orders_per_hour = 60 };
	struct window window = { 0 };
	char text[400] = "";

	(void)state;
	/* NOW + DAY is 2026-11-19T11:06:40Z. */
	assert_null(window_parse("daily 11:00-11:10", &window));
	for (int i = 0; i < 10; i++) {
		struct store_certificate one = live(NOW - 9 * DAY + i, 20 * DAY);

		add(&schedule, 0, &one, 5);
	}
	schedule_sort(&schedule);
	assert_false(schedule_overload(&schedule, &CONFIG, &limited, text, sizeof(text)));
	policies[0].windows = &window;
	policies[0].window_count = 1;
	bool is_told = schedule_overload(&schedule, &CONFIG, &limited, text, sizeof(text));
	/* Three at once, then one each 63 s: three more until the window closes, after 200 s. */
	limited.orders_per_hour = 600;
	bool is_much = schedule_overload(&schedule, &CONFIG, &limited, text + 1, sizeof(text) - 1);
	policies[0].windows = NULL;
	policies[0].window_count = 0;
	window_clear(&window);
	assert_false(is_much);
	assert_true(is_told);
	assert_non_null(strstr(text, "takes 60 orders an hour, evenly spread, and a maintenance window cannot hold"));
	assert_non_null(
		strstr(text, "before the turn of 4 renewals, the first planned for 2026-11-19T11:06:46Z: widen `windows`"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_of_each_is_listed_in_order_and_what_is_later_counted),
		cmocka_unit_test(what_follows_is_foreseen_from_the_present_lifetime),
		cmocka_unit_test(a_certificate_of_minutes_does_not_fill_the_memory),
		cmocka_unit_test(the_busiest_hour_is_found_wherever_it_begins),
		cmocka_unit_test(more_than_the_authority_takes_is_told),
		cmocka_unit_test(a_window_that_closes_before_their_turn_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
