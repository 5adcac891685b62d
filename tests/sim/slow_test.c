/* slow_test.c -- the DNS that takes its time, and somebody at the CA who approves in days: one order, asked about ever less often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "fake_ca.h"
#include "fake_token.h"
#include "machine.h"
#include "virtual_clock.h"

#define MINUTE       INT64_C(60)
#define HOUR         INT64_C(3600)
#define LOOKS_A_DAY  (unsigned)(FAKE_DAY / ORDER_PAUSE_MOST)
#define LOOKS_BEFORE 100u /* those that lead to the steady pace, and the way to the order */

static struct machine machine;
static struct fake_ca *ca;

static void configure(FILE *file, void *ctx)
{
	(void)ctx;
	fputs("policies:\n  - { name: p, ari: false, boot-spread: 0s }\ncertificates:\n"
	      "  - name: c0\n    authority: ca0\n    policy: p\n    key: { token: t0, type: ec-p256 }\n"
	      "    names: [\"dns:c0.example\"]\n    challenge: { dns-01: { hook: [/bin/true] } }\n",
	      file);
}

static int world_start(void **state)
{
	(void)state;
	ca = machine_world_start(1);
	machine_new(&machine, 0, configure, NULL);
	machine_start(&machine);
	return 0;
}

static int world_stop(void **state)
{
	(void)state;
	machine_world_stop(&machine);
	return 0;
}

static struct store_certificate record(void)
{
	struct store_certificate record = { 0 };

	assert_int_equal(store_certificate_load(machine.store, "c0", &record, NULL), RC_OK);
	return record;
}

/* How many lines of the journal say so. */
static unsigned told(const char *words)
{
	static struct store_journal_line lines[STORE_JOURNAL_KEPT];
	unsigned count = 0, found = 0;

	assert_int_equal(store_journal(machine.store, "c0", lines, STORE_JOURNAL_KEPT, &count, NULL), RC_OK);
	for (unsigned i = 0; i < count; i++)
		found += strstr(lines[i].text, words) != NULL;
	return found;
}

static void is_issued_with_one_order(void)
{
	assert_int_equal(ca->orders.count, 1);
	assert_int_equal(ca->issued, 1);
	assert_int_equal(machine.views[0].failures, 0);
	machine_check_all(&machine);
	assert_int_equal(machine.views[0].generation, 1);
	machine_check_keys(&machine);
}

static void a_record_that_is_seen_after_twenty_minutes_is_waited_for(void **state)
{
	(void)state;
	machine.records_seen_at_ms = (VIRTUAL_START + 20 * MINUTE) * 1000;
	machine_run(&machine, VIRTUAL_START + 19 * MINUTE);
	assert_int_equal(told("answers to the challenges placed"), 1);
	assert_int_equal(told("challenges answered"), 0);
	machine_run(&machine, VIRTUAL_START + 25 * MINUTE);
	assert_int_equal(told("challenges answered"), 1);
	is_issued_with_one_order();
}

static void a_record_that_is_not_seen_for_half_an_hour_is_a_failure_and_the_order_is_kept(void **state)
{
	(void)state;
	machine.records_seen_at_ms = (VIRTUAL_START + 50 * MINUTE) * 1000;
	machine_run(&machine, VIRTUAL_START + 31 * MINUTE);
	assert_int_equal(record().attempts, 1);
	/* It is not the CA's. */
	assert_int_equal(machine.views[0].blame, BLAME_LOCAL);
	assert_non_null(strstr(record().last_error, "hook ready for c0.example says \"not yet\" for 30 minutes now"));
	assert_int_equal(told("authorised"), 0);
	machine_run(&machine, VIRTUAL_START + 55 * MINUTE);
	assert_int_equal(ca->orders.count, 1);
	assert_int_equal(ca->issued, 1);
	assert_int_equal(machine.views[0].failures, 1);
}

static void an_order_that_expires_before_its_answer_is_seen_was_not_authorised(void **state)
{
	(void)state;
	ca->order_life = 10 * MINUTE;
	machine.records_seen_at_ms = (VIRTUAL_START + 20 * MINUTE) * 1000;
	machine_run(&machine, VIRTUAL_START + 10 * MINUTE + 30);
	assert_int_equal(record().attempts, 1);
	assert_int_equal(record().order.phase, ORDER_FAILED);
	assert_non_null(strstr(record().last_error, "its challenges could not be answered yet; the next attempt places another"));
	assert_int_equal(told("authorised"), 0);
	machine_run(&machine, VIRTUAL_START + 40 * MINUTE);
	assert_int_equal(ca->orders.count, 2);
	assert_int_equal(ca->issued, 1);
}

/* Meanwhile the state directory is not locked, and who asks is told so. */
static void others_work_and_who_asks_is_told(void)
{
	AUTO(store) struct store *other = NULL;
	unsigned failures = machine.views[0].failures;
	int64_t now = virtual_clock_true();
	const struct store_certificate before = record();
	struct plan plan = renewal_plan(machine.config, &machine.config->certificates[0], &before, false, now);

	assert_int_equal(plan.what, PLAN_WAIT);
	assert_int_equal(plan.when, before.order.not_before);
	assert_string_equal(plan.why, "its order is with the CA, which is asked again then");
	assert_int_equal(store_open(machine.config->state, &other, NULL), RC_OK);
	assert_int_equal(store_lock(other, NULL), RC_OK);
	store_unlock(other);
	loop_ask(machine.loop, &machine.config->certificates[0], RENEWAL_ASKED);
	machine_run(&machine, now + RENEWAL_PATIENCE + MINUTE);
	assert_int_equal(machine.views[0].failures, failures + 1);
	assert_int_equal(machine.views[0].blame, BLAME_AUTHORITY);
	assert_int_equal(record().attempts, 0);
	machine.views[0].failures = failures;
}

static void an_order_that_is_approved_after_two_days_is_asked_about_ever_less_often(void **state)
{
	(void)state;
	ca->approval = 2 * FAKE_DAY;
	machine_run(&machine, VIRTUAL_START + FAKE_DAY);
	assert_int_equal(ca->orders.count, 1);
	/* Each look may cost a nonce. */
	assert_in_range(ca->requests.count, LOOKS_A_DAY, 2 * (LOOKS_A_DAY + LOOKS_BEFORE));
	others_work_and_who_asks_is_told();
	machine_run(&machine, VIRTUAL_START + 2 * FAKE_DAY + 10 * MINUTE);
	is_issued_with_one_order();
}

static void a_daemon_that_is_ended_meanwhile_goes_on_with_the_same_order(void **state)
{
	(void)state;
	ca->approval = FAKE_DAY;
	for (int64_t hour = 1; hour < 24; hour++) {
		machine_run(&machine, VIRTUAL_START + hour * HOUR);
		machine_stop(&machine);
		machine_start(&machine);
	}
	machine_run(&machine, VIRTUAL_START + FAKE_DAY + 10 * MINUTE);
	is_issued_with_one_order();
}

/* What the CA decides while it alone is waited for is its decision: a failure, with the back-off of one. */
static void an_order_that_is_never_approved_ends_when_it_expires_and_another_is_placed(void **state)
{
	(void)state;
	ca->approval = 30 * FAKE_DAY;
	ca->order_life = 2 * FAKE_DAY;
	machine_run(&machine, VIRTUAL_START + 2 * FAKE_DAY - MINUTE);
	assert_int_equal(ca->orders.count, 1);
	assert_int_equal(record().attempts, 0);
	machine_run(&machine, VIRTUAL_START + 2 * FAKE_DAY + 10 * MINUTE);
	assert_int_equal(record().attempts, 1);
	assert_int_equal(told("meanwhile"), 0);
	assert_int_equal(ca->orders.count, 2);
	machine_run(&machine, VIRTUAL_START + 9 * FAKE_DAY);
	assert_in_range(ca->orders.count, 4, 5);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, world_start, world_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(a_record_that_is_seen_after_twenty_minutes_is_waited_for),
		IN_A_WORLD(a_record_that_is_not_seen_for_half_an_hour_is_a_failure_and_the_order_is_kept),
		IN_A_WORLD(an_order_that_expires_before_its_answer_is_seen_was_not_authorised),
		IN_A_WORLD(an_order_that_is_approved_after_two_days_is_asked_about_ever_less_often),
		IN_A_WORLD(a_daemon_that_is_ended_meanwhile_goes_on_with_the_same_order),
		IN_A_WORLD(an_order_that_is_never_approved_ends_when_it_expires_and_another_is_placed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
