/* unheard_test.c -- a look at the DNS, while an authority does not answer, is no answer of that authority. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "fake_ca.h"
#include "machine.h"
#include "virtual_clock.h"

#define CERTIFICATES 20
#define MINUTE       INT64_C(60)
#define HOUR         INT64_C(3600)
#define DUE          (VIRTUAL_START + 62 * FAKE_DAY) /* two thirds of 90 days are over */
#define ASKED_MOST   8                               /* two find out, then one asks for all */

static struct machine machine;

/* All are issued; from now on no record can be seen. */
static struct fake_ca *begin(void)
{
	static char policy[] = "ari: false, boot-spread: 0s, jitter: 0%", each[] = MACHINE_CHALLENGED;
	struct fake_ca *ca = machine_world_start(1);

	machine_new(&machine, 0, machine_alike,
		    &(struct machine_alike){ .policy = policy, .certificates = CERTIFICATES, .each = each });
	machine_start(&machine);
	machine_run(&machine, VIRTUAL_START + HOUR);
	assert_int_equal(ca->issued, CERTIFICATES);
	machine.records_seen_at_ms = (DUE + FAKE_DAY) * 1000;
	return ca;
}

static void end(void)
{
	machine_check_all(&machine);
	machine_world_stop(&machine);
}

/* The records of all are there, and are seen one after another. */
static void two_find_out_that_it_is_away_and_the_others_wait(void **state)
{
	(void)state;
	struct fake_ca *ca = begin();

	while (ca->orders.count < 2 * CERTIFICATES && virtual_clock_true() < DUE)
		machine_run(&machine, virtual_clock_true() + 10);
	assert_int_equal(ca->orders.count, 2 * CERTIFICATES);
	machine_run(&machine, virtual_clock_true() + MINUTE);
	size_t asked = ca->requests.count;
	ca->is_down = true;
	machine.records_seen_at_ms = virtual_clock_true_ms();
	machine.records_apart_ms = MINUTE * 1000;
	machine_run(&machine, virtual_clock_true() + CERTIFICATES * MINUTE);
	print_message("%zu requests while it was away\n", ca->requests.count - asked);
	assert_in_range(ca->requests.count - asked, 2, ASKED_MOST);
	ca->is_down = false;
	machine_run(&machine, virtual_clock_true() + 2 * HOUR);
	assert_int_equal(ca->issued, 2 * CERTIFICATES);
	assert_int_equal(ca->orders.count, 2 * CERTIFICATES);
	end();
}

static int64_t quiet_until(void)
{
	struct store_availability known;

	assert_int_equal(store_availability_load(machine.store, "ca0", &known, NULL), RC_OK);
	return known.retry_at;
}

/* Somebody has two renewed, and the second is told for how long it is out of order. */
static void what_one_is_told_is_not_forgotten_while_another_looks(void **state)
{
	(void)state;
	struct fake_ca *ca = begin();

	loop_ask(machine.loop, &machine.config->certificates[0], RENEWAL_FORCED);
	machine_run(&machine, virtual_clock_true() + MINUTE);
	assert_int_equal(ca->orders.count, CERTIFICATES + 1);
	int64_t ends_at = virtual_clock_true() + 5 * HOUR;
	ca->busy_until_ms = ends_at * 1000;
	loop_ask(machine.loop, &machine.config->certificates[1], RENEWAL_FORCED);
	machine_run(&machine, virtual_clock_true() + 5);
	assert_true(quiet_until() >= ends_at);
	machine_run(&machine, virtual_clock_true() + 6 * MINUTE);
	assert_true(quiet_until() >= ends_at);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_find_out_that_it_is_away_and_the_others_wait),
		cmocka_unit_test(what_one_is_told_is_not_forgotten_while_another_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
