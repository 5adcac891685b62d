/* limit_test.c -- no hour has more than `orders-per-hour`, whatever becomes of the orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_ca.h"
#include "fake_token.h"
#include "machine.h"
#include "virtual_clock.h"

#define CERTIFICATES 40
#define PER_HOUR     20
#define HOUR         INT64_C(3600)

static struct machine machine;
static struct fake_ca *ca;

static struct machine_alike alike = { .policy = "ari: false, boot-spread: 0s",
				      .certificates = CERTIFICATES,
				      .each = MACHINE_CHALLENGED };

static int world_start(void **state)
{
	(void)state;
	ca = machine_world_start(1);
	machine_new(&machine, PER_HOUR, machine_alike, &alike);
	machine_start(&machine);
	return 0;
}

static int world_stop(void **state)
{
	(void)state;
	machine_world_stop(&machine);
	return 0;
}

static void expect_no_hour_with_more(void)
{
	size_t busiest = fake_times_most(&ca->orders, HOUR * 1000);

	print_message("%zu orders, %zu of them in the busiest hour of %u\n", ca->orders.count, busiest, PER_HOUR);
	assert_in_range(busiest, 1, PER_HOUR);
}

static void an_order_that_follows_one_that_failed_is_counted(void **state)
{
	(void)state;
	ca->mishaps.invalid = 1;
	machine_run(&machine, VIRTUAL_START + 8 * HOUR);
	/* Each was tried again. */
	assert_true(ca->orders.count > 2 * CERTIFICATES);
	expect_no_hour_with_more();
	ca->mishaps.invalid = 0;
	machine_run(&machine, VIRTUAL_START + 20 * HOUR);
	assert_int_equal(ca->issued, CERTIFICATES);
	expect_no_hour_with_more();
}

/* All of them were open when the machine was switched off, and are not when it is back. */
static void an_order_in_the_place_of_one_that_is_void_is_counted(void **state)
{
	const int64_t back_at = VIRTUAL_START + FAKE_DAY;

	(void)state;
	ca->order_life = 12 * HOUR;
	machine.records_seen_at_ms = back_at * 1000;
	machine_run(&machine, VIRTUAL_START + 4 * HOUR);
	assert_int_equal(ca->orders.count, CERTIFICATES);
	machine_stop(&machine);
	virtual_clock_pass((back_at - virtual_clock_true()) * 1000);
	machine_start(&machine);
	machine_run(&machine, back_at + 6 * HOUR);
	assert_int_equal(ca->issued, CERTIFICATES);
	assert_int_equal(ca->orders.count, 2 * CERTIFICATES);
	expect_no_hour_with_more();
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, world_start, world_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(an_order_that_follows_one_that_failed_is_counted),
		IN_A_WORLD(an_order_in_the_place_of_one_that_is_void_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
