/* slow_test.c -- the DNS that takes its time, and somebody at the CA who approves in days: one order, asked about ever less often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "clock.h"
#include "fake_ca.h"
#include "fake_token.h"
#include "machine.h"
#include "state_turn.h"
#include "virtual_clock.h"

#define MINUTE       INT64_C(60)
#define HOUR         INT64_C(3600)
#define LOOKS_A_DAY  (unsigned)(FAKE_DAY / ORDER_PAUSE_MOST)
#define LOOKS_BEFORE 100u /* those that lead to the steady pace, and the way to the order */

static struct machine machine;
static struct fake_ca *ca;
static const char *profile; /* of the certificate, as an option */

static void configure(FILE *file, void *ctx)
{
	(void)ctx;
	fprintf(file,
		"policies:\n  - { name: p, ari: false, boot-spread: 0s }\ncertificates:\n"
		"  - name: c0\n    authority: ca0\n    policy: p\n    key: { token: t0, type: ec-p256 }\n%s"
		"    names: [\"dns:c0.example\"]\n    challenge: { dns-01: { hook: [/bin/true] } }\n",
		profile);
}

static int world_start(void **state)
{
	(void)state;
	profile = "";
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

/* The state directory is not locked. */
static struct store *other_begins(void)
{
	struct store *other = NULL;

	assert_int_equal(store_open(machine.config->state, &other, NULL), RC_OK);
	assert_int_equal(store_lock(other, NULL), RC_OK);
	return other;
}

static void a_record_that_is_seen_after_twenty_minutes_is_waited_for(void **state)
{
	(void)state;
	machine.records_seen_at_ms = (VIRTUAL_START + 20 * MINUTE) * 1000;
	machine_run(&machine, VIRTUAL_START + 10 * MINUTE);
	store_close(other_begins());
	machine_run(&machine, VIRTUAL_START + 19 * MINUTE);
	assert_int_equal(told("answers to the challenges placed"), 1);
	assert_int_equal(told("challenges answered"), 0);
	machine_run(&machine, VIRTUAL_START + 25 * MINUTE);
	assert_int_equal(told("challenges answered"), 1);
	is_issued_with_one_order();
}

/* It works for longer than the daemon waits: that goes on when it may. */
static void who_only_reads_meanwhile_changes_nothing(void **state)
{
	(void)state;
	machine.records_seen_at_ms = (VIRTUAL_START + 20 * MINUTE) * 1000;
	machine_run(&machine, VIRTUAL_START + 10 * MINUTE);
	struct store *other = other_begins();
	unsigned turns = machine.turns;
	machine_run(&machine, VIRTUAL_START + 40 * MINUTE);
	/* It was tried again every five seconds. */
	assert_in_range(machine.turns - turns, 1, 30 * MINUTE / STATE_TURN_BUSY + 10);
	assert_int_equal(ca->issued, 0);
	store_close(other);
	machine_run(&machine, VIRTUAL_START + 45 * MINUTE);
	assert_int_equal(told("answers to the challenges placed"), 1);
	is_issued_with_one_order();
}

/* Its answers may be of an account key that is no more; its key may be revoked. */
static void what_another_changes_meanwhile_is_read_before_it_goes_on(void **state)
{
	(void)state;
	machine.records_seen_at_ms = (VIRTUAL_START + 20 * MINUTE) * 1000;
	machine_run(&machine, VIRTUAL_START + 10 * MINUTE);
	struct store *other = other_begins();
	struct store_certificate changed = record();
	changed.authorized_until = 1;
	assert_int_equal(store_certificate_save(other, &changed, clock_now(), clock_now(), "changed", NULL), RC_OK);
	store_close(other);
	machine_run(&machine, VIRTUAL_START + 25 * MINUTE);
	assert_int_equal(told("answers to the challenges placed"), 2);
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
	unsigned failures = machine.views[0].failures;
	int64_t now = virtual_clock_true();
	const struct store_certificate before = record();
	struct plan plan = renewal_plan(machine.config, &machine.config->certificates[0], &before, false, now);

	assert_int_equal(plan.what, PLAN_WAIT);
	assert_int_equal(plan.when, before.order.not_before);
	assert_string_equal(plan.why, "its order is with the CA, which is asked again then");
	store_close(other_begins());
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

#define BY_A "    profile: nf-tls-a\n"
#define BY_B "    profile: nf-tls-b\n"
#define BY_C "    profile: nf-tls-c\n" /* the CA has no such profile */

static void reload_with(const char *option)
{
	profile = option;
	machine_reload(&machine, configure, NULL);
}

/* An order by that profile is with the CA, to be approved in a day. */
static void wait_for_approval_by(const char *option)
{
	ca->approval = FAKE_DAY;
	reload_with(option);
	machine_run(&machine, VIRTUAL_START + HOUR);
	assert_int_equal(record().order.phase, ORDER_AWAIT);
}

static void note_profile(void *ctx, const struct fake_order_view *view)
{
	char *last = ctx;

	snprintf(last, 64, "%s", view->profile);
}

/* The last order, what is live, and its record are by that profile; nothing is left to do. */
static void is_live_by(const char *wanted, unsigned orders)
{
	char last[64] = "none";

	machine_run(&machine, VIRTUAL_START + FAKE_DAY + 3 * HOUR);
	assert_int_equal(ca->orders.count, orders);
	fake_ca_orders_each(0, note_profile, last);
	assert_string_equal(last, wanted);
	const struct store_certificate now = record();
	assert_int_equal(now.generation, 1);
	assert_string_equal(now.profile, wanted);
	struct plan plan = renewal_plan(machine.config, &machine.config->certificates[0], &now, false, virtual_clock_true());
	assert_true(plan.what == PLAN_WAIT && plan.when > VIRTUAL_START + 10 * FAKE_DAY);
	machine_check_keys(&machine);
}

static void an_order_gives_way_to_one_by_the_profile_that_is_wanted_now(void **state)
{
	(void)state;
	wait_for_approval_by(BY_A);
	reload_with(BY_B);
	machine_run(&machine, VIRTUAL_START + 2 * HOUR);
	assert_int_equal(told("its order is for another profile"), 1);
	is_live_by("nf-tls-b", 2);
}

static void so_it_does_where_no_profile_is_named_any_more_or_was(void **state)
{
	(void)state;
	wait_for_approval_by(BY_A);
	reload_with("");
	is_live_by("", 2);
	world_stop(NULL);
	world_start(NULL);
	wait_for_approval_by("");
	reload_with(BY_B);
	is_live_by("nf-tls-b", 2);
}

/* The operator mistyped it, and makes it right. */
static void an_order_is_kept_until_there_is_one_by_the_other_profile(void **state)
{
	(void)state;
	wait_for_approval_by(BY_A);
	reload_with(BY_C);
	machine_run(&machine, VIRTUAL_START + 2 * HOUR);
	assert_non_null(strstr(record().last_error, "nf-tls-c"));
	reload_with(BY_A);
	is_live_by("nf-tls-a", 1);
}

/* It was placed by a hwacme that did not write down the profile. */
static void an_order_by_nobody_knows_which_profile_goes_on(void **state)
{
	(void)state;
	wait_for_approval_by(BY_A);
	struct store_certificate older = record();
	older.order.is_profile_known = false;
	assert_int_equal(store_certificate_save(machine.store, &older, virtual_clock_true(), 0, NULL, NULL), RC_OK);
	reload_with(BY_A);
	is_live_by("nf-tls-a", 1);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, world_start, world_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(a_record_that_is_seen_after_twenty_minutes_is_waited_for),
		IN_A_WORLD(who_only_reads_meanwhile_changes_nothing),
		IN_A_WORLD(what_another_changes_meanwhile_is_read_before_it_goes_on),
		IN_A_WORLD(a_record_that_is_not_seen_for_half_an_hour_is_a_failure_and_the_order_is_kept),
		IN_A_WORLD(an_order_that_expires_before_its_answer_is_seen_was_not_authorised),
		IN_A_WORLD(an_order_that_is_approved_after_two_days_is_asked_about_ever_less_often),
		IN_A_WORLD(a_daemon_that_is_ended_meanwhile_goes_on_with_the_same_order),
		IN_A_WORLD(an_order_that_is_never_approved_ends_when_it_expires_and_another_is_placed),
		IN_A_WORLD(an_order_gives_way_to_one_by_the_profile_that_is_wanted_now),
		IN_A_WORLD(so_it_does_where_no_profile_is_named_any_more_or_was),
		IN_A_WORLD(an_order_is_kept_until_there_is_one_by_the_other_profile),
		IN_A_WORLD(an_order_by_nobody_knows_which_profile_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
