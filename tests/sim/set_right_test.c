/* set_right_test.c -- a clock that was ahead by hours when something was begun, and is set right: nothing waits for as long as it was ahead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "fake_ca.h"
#include "machine.h"
#include "virtual_clock.h"

#define HOUR    INT64_C(3600)
#define AT_ONCE 180 /* seconds from the correction to the certificates: the loop looks at the clock once a minute */

static struct machine machine;
static struct fake_ca *ca;
static struct machine_alike alike = { .policy = "ari: false, boot-spread: 0s", .each = MACHINE_CHALLENGED };
/* A real-time clock that runs in local time, and others. */
static const int64_t AHEAD[] = { 2 * HOUR, 12 * HOUR, 23 * HOUR, 30 * HOUR };
#define AHEAD_COUNT (sizeof(AHEAD) / sizeof(AHEAD[0]))

static void world_start(unsigned count, int64_t ahead)
{
	alike.certificates = count;
	ca = machine_world_start(1);
	ca->order_life = 7 * FAKE_DAY;
	virtual_clock_set_wrong(ahead);
	machine_new(&machine, 0, machine_alike, &alike);
	machine_start(&machine);
}

static enum order_phase phase(void)
{
	struct store_certificate record;

	assert_int_equal(store_certificate_load(machine.store, "c0", &record, NULL), RC_OK);
	return record.order.phase;
}

static void expect_issued_at_once(void)
{
	machine_run(&machine, virtual_clock_true() + AT_ONCE);
	machine_check_all(&machine);
	for (unsigned i = 0; i < alike.certificates; i++)
		assert_int_equal(machine.views[i].generation, 1);
	/* By the orders that were open. */
	assert_int_equal(ca->orders.count, alike.certificates);
}

static void an_order_whose_answer_is_looked_for_goes_on(bool is_restarted)
{
	for (size_t i = 0; i < AHEAD_COUNT; i++) {
		world_start(1, AHEAD[i]);
		machine.records_seen_at_ms = (VIRTUAL_START + 60) * 1000;
		machine_run(&machine, VIRTUAL_START + 20);
		assert_int_equal(phase(), ORDER_VALIDATE);
		virtual_clock_set_wrong(0);
		if (is_restarted) {
			machine_stop(&machine);
			machine_start(&machine);
		}
		expect_issued_at_once();
		machine_world_stop(&machine);
	}
}

static void an_order_goes_on_when_the_clock_is_set_right(void **state)
{
	(void)state;
	an_order_whose_answer_is_looked_for_goes_on(false);
}

static void so_it_does_after_a_restart(void **state)
{
	(void)state;
	an_order_whose_answer_is_looked_for_goes_on(true);
}

static void an_order_that_is_with_the_ca_is_asked_about(void **state)
{
	(void)state;
	for (size_t i = 0; i < AHEAD_COUNT; i++) {
		world_start(1, AHEAD[i]);
		ca->preauthorized = -1;
		ca->approval = 120;
		machine_run(&machine, VIRTUAL_START + 60);
		assert_int_equal(phase(), ORDER_AWAIT);
		virtual_clock_set_wrong(0);
		expect_issued_at_once();
		machine_world_stop(&machine);
	}
}

static void an_authority_that_could_not_be_reached_is_asked_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < AHEAD_COUNT; i++) {
		world_start(3, AHEAD[i]);
		ca->preauthorized = -1;
		ca->is_down = true;
		machine_run(&machine, VIRTUAL_START + 120);
		virtual_clock_set_wrong(0);
		ca->is_down = false;
		expect_issued_at_once();
		machine_world_stop(&machine);
	}
}

/* The CA is asked about the order, not for the first time; and the loop sees it before that step has come to its end. */
static void set_right_meanwhile(void)
{
	if (!virtual_clock_wrong() || virtual_clock_true() < VIRTUAL_START + 30)
		return;
	virtual_clock_set_wrong(0);
	loop_look_around(machine.loop);
}

static void a_step_in_which_the_clock_is_set_right_holds_nothing_up(void **state)
{
	(void)state;
	world_start(1, 2 * HOUR);
	ca->preauthorized = -1;
	ca->approval = 120;
	ca->on_order = set_right_meanwhile;
	machine_run(&machine, VIRTUAL_START + 60);
	assert_int_equal(virtual_clock_wrong(), 0);
	assert_int_equal(phase(), ORDER_AWAIT);
	expect_issued_at_once();
	machine_world_stop(&machine);
}

static unsigned generations_of_c0(void)
{
	char path[512];
	struct stat status;
	unsigned count = 0;

	for (unsigned generation = 1; generation < 100; generation++) {
		snprintf(path, sizeof(path), "%s/archive/c0/%u", machine.config->state, generation);
		count += stat(path, &status) == 0;
	}
	return count;
}

/* Weeks ahead, so that it is renewed by that clock. */
static void what_was_superseded_goes_from_the_archive_as_if_the_clock_had_been_right(void **state)
{
	(void)state;
	for (unsigned is_restarted = 0; is_restarted < 2; is_restarted++) {
		world_start(1, 0);
		ca->preauthorized = -1;
		machine_run(&machine, VIRTUAL_START + 20 * FAKE_DAY);
		virtual_clock_set_wrong(65 * FAKE_DAY);
		machine_run(&machine, VIRTUAL_START + 20 * FAKE_DAY + HOUR);
		virtual_clock_set_wrong(0);
		if (is_restarted) {
			machine_stop(&machine);
			machine_start(&machine);
		}
		machine_check_all(&machine);
		assert_int_equal(machine.views[0].generation, 2);
		assert_int_equal(generations_of_c0(), 2);
		machine_run(&machine, VIRTUAL_START + 22 * FAKE_DAY + 2 * HOUR);
		assert_int_equal(generations_of_c0(), 1);
		machine_world_stop(&machine);
	}
}

static void rotating(FILE *file, void *ctx)
{
	(void)ctx;
	fprintf(file, "policies:\n  - { name: p, ari: false, boot-spread: 0s }\ncertificates:\n"
		      "  - name: c0\n    authority: ca0\n    policy: p\n    key: { token: t0, type: ec-p256, rotate: 50d }\n"
		      "    names: [\"dns:c0.example\"]\n");
}

static struct store_certificate record_of_c0(void)
{
	struct store_certificate record;

	assert_int_equal(store_certificate_load(machine.store, "c0", &record, NULL), RC_OK);
	return record;
}

/* Nobody knows how old a key is that is yet to be made. */
static void a_key_that_was_made_by_such_a_clock_is_rotated_all_the_same(void **state)
{
	(void)state;
	ca = machine_world_start(1);
	ca->order_life = 7 * FAKE_DAY;
	ca->preauthorized = -1;
	ca->approval = 120;
	virtual_clock_set_wrong(1000 * FAKE_DAY);
	machine_new(&machine, 0, rotating, NULL);
	machine_start(&machine);
	machine_run(&machine, VIRTUAL_START + 60);
	virtual_clock_set_wrong(0);
	machine_run(&machine, VIRTUAL_START + FAKE_DAY);
	const struct store_certificate first = record_of_c0();
	assert_int_equal(first.generation, 1);
	assert_true(first.live_key.created_at > VIRTUAL_START + 999 * FAKE_DAY);
	machine_run(&machine, VIRTUAL_START + 70 * FAKE_DAY);
	const struct store_certificate second = record_of_c0();
	assert_int_equal(second.generation, 2);
	assert_memory_not_equal(second.live_key.name.id, first.live_key.name.id, TOKEN_ID_LEN);
	machine_world_stop(&machine);
}

/* A failure that is yet to happen keeps nobody from what is due: neither is it looked for in vain each minute. */
static void the_ca_is_asked_when_to_renew_after_a_failure_by_such_a_clock(void **state)
{
	static struct machine_alike alike_asked = { .policy = "ari: true, boot-spread: 0s", .certificates = 1 };

	(void)state;
	ca = machine_world_start(1);
	ca->preauthorized = -1;
	ca->has_renewal_info = true;
	machine_new(&machine, 0, machine_alike, &alike_asked);
	machine_start(&machine);
	machine_run(&machine, VIRTUAL_START + 10 * HOUR);
	struct store_certificate record = record_of_c0();
	assert_int_equal(record.generation, 1);
	record.failed_at = virtual_clock_true() + 20 * FAKE_DAY;
	record.retry_at = record.failed_at + HOUR;
	record.attempts = 1;
	assert_int_equal(store_certificate_save(machine.store, &record, virtual_clock_true(), 0, NULL, NULL), RC_OK);
	machine_stop(&machine);
	machine_start(&machine);
	size_t requests = ca->requests.count;
	unsigned turns = machine.turns;
	machine_run(&machine, VIRTUAL_START + 10 * HOUR + FAKE_DAY);
	assert_true(ca->requests.count > requests);
	assert_in_range(machine.turns - turns, 1, 100); /* superseded keys are looked for each hour */
	machine_world_stop(&machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_that_was_made_by_such_a_clock_is_rotated_all_the_same),
		cmocka_unit_test(the_ca_is_asked_when_to_renew_after_a_failure_by_such_a_clock),
		cmocka_unit_test(an_order_goes_on_when_the_clock_is_set_right),
		cmocka_unit_test(so_it_does_after_a_restart),
		cmocka_unit_test(an_order_that_is_with_the_ca_is_asked_about),
		cmocka_unit_test(an_authority_that_could_not_be_reached_is_asked_again),
		cmocka_unit_test(a_step_in_which_the_clock_is_set_right_holds_nothing_up),
		cmocka_unit_test(what_was_superseded_goes_from_the_archive_as_if_the_clock_had_been_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
