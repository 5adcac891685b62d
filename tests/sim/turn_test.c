/* turn_test.c -- a command that waits for its turn beside a daemon that always has something under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "fake_ca.h"
#include "fake_token.h"
#include "machine.h"
#include "state_turn.h"
#include "virtual_clock.h"

#define CERTIFICATES 200
#define BEGUN        20

static struct machine machine;
static struct fake_ca *ca;
static struct store *other;
static int64_t wanted_at_ms, had_at_ms;
static size_t orders_then, issued_then;

static struct machine_alike alike = { .policy = "ari: false, boot-spread: 0s",
				      .certificates = CERTIFICATES,
				      .each = MACHINE_CHALLENGED };

static int world_start(void **state)
{
	(void)state;
	ca = machine_world_start(1);
	machine_new(&machine, 0, machine_alike, &alike);
	machine_start(&machine);
	assert_int_equal(store_lock_daemon(machine.store, NULL), RC_OK);
	assert_int_equal(store_open(machine.config->state, &other, NULL), RC_OK);
	wanted_at_ms = had_at_ms = 0;
	machine.ctx = NULL;
	return 0;
}

static int world_stop(void **state)
{
	(void)state;
	store_close(other);
	machine_world_stop(&machine);
	return 0;
}

/* As `hwacme account` does it; what it does then takes no time. */
static void try_often(struct machine *unused, void *ctx)
{
	(void)unused;
	(void)ctx;
	if (had_at_ms || ca->orders.count < BEGUN)
		return;
	bool has_turn = store_lock(other, NULL) == RC_OK;
	if (has_turn)
		store_unlock(other);
	if (!wanted_at_ms && !has_turn) {
		wanted_at_ms = clock_monotonic_ms();
		orders_then = ca->orders.count;
		store_lock_want(other);
	} else if (wanted_at_ms && has_turn) {
		had_at_ms = clock_monotonic_ms();
		issued_then = ca->issued;
		assert_int_equal(ca->orders.count, orders_then);
	}
}

static void it_has_its_turn_before_more_is_begun(void **state)
{
	(void)state;
	machine.after_turn = try_often;
	machine_run(&machine, VIRTUAL_START + 3600);
	print_message("after %lld ms, %zu of %zu orders were done\n", (long long)(had_at_ms - wanted_at_ms), issued_then,
		      orders_then);
	assert_true(had_at_ms != 0);
	assert_true(had_at_ms - wanted_at_ms < STATE_TURN_YIELD * 1000);
	assert_int_equal(ca->issued, CERTIFICATES);
}

/* It waits, and does not take it. */
static void never(struct machine *unused, void *ctx)
{
	(void)unused;
	(void)ctx;
	if (ca->orders.count >= BEGUN)
		store_lock_want(other);
}

static void nobody_waits_for_it_for_ever(void **state)
{
	(void)state;
	machine.after_turn = never;
	machine_run(&machine, VIRTUAL_START + 3600);
	assert_int_equal(ca->issued, CERTIFICATES);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, world_start, world_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(it_has_its_turn_before_more_is_begun),
		IN_A_WORLD(nobody_waits_for_it_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
