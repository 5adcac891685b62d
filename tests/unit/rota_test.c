/* rota_test.c -- whose turn it is, by time, by gate and by rank. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rota.h"

#define ITEMS 4

static struct rota *rota;

static int start(void **state)
{
	(void)state;
	return rota_new(ITEMS, 2, 100, &rota, NULL) == RC_OK ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	rota_free(rota);
	return 0;
}

static void take_all(void)
{
	unsigned item;

	while (rota_take(rota, 100, 0, &item))
		;
}

static void expect_turn(int64_t now, unsigned expected)
{
	unsigned item;

	assert_true(rota_take(rota, now, 0, &item));
	assert_int_equal(item, expected);
}

static void expect_none(int64_t now)
{
	unsigned item;

	assert_false(rota_take(rota, now, 0, &item));
}

static void each_has_its_turn_once(void **state)
{
	unsigned seen = 0, item;

	(void)state;
	expect_none(99);
	for (unsigned i = 0; i < ITEMS; i++) {
		assert_true(rota_take(rota, 100, 0, &item));
		seen |= 1U << item;
	}
	assert_int_equal(seen, (1U << ITEMS) - 1);
	expect_none(INT64_MAX);
	assert_int_equal(rota_next(rota, 0), INT64_MAX);
}

static void the_earliest_is_first_and_what_is_under_way_before_it(void **state)
{
	(void)state;
	take_all();
	assert_int_equal(rota_wait(rota, 0, 300), 300);
	rota_wait(rota, 1, 200);
	rota_go_on(rota, 2, 250);
	assert_int_equal(rota_next(rota, 0), 200);
	expect_turn(200, 1);
	expect_turn(300, 2);
	expect_turn(300, 0);
}

static void nothing_is_begun_before_its_time_but_what_is_under_way_goes_on(void **state)
{
	unsigned item;

	(void)state;
	take_all();
	rota_wait(rota, 0, 200);
	rota_go_on(rota, 1, 400);
	assert_int_equal(rota_next(rota, 300), 300);
	assert_int_equal(rota_next(rota, INT64_MAX), 400);
	assert_false(rota_take(rota, 299, 300, &item));
	assert_true(rota_take(rota, 500, INT64_MAX, &item));
	assert_int_equal(item, 1);
	assert_false(rota_take(rota, 500, INT64_MAX, &item));
	assert_true(rota_take(rota, 300, 300, &item));
}

static void hold(unsigned item, unsigned gate, int64_t rank, int64_t passes_at)
{
	const struct rota_gate at = { .number = gate, .opens_at = 500, .rank = rank, .passes_at = passes_at };

	assert_int_equal(rota_hold(rota, item, &at), passes_at < 500 ? passes_at : 500);
}

static void a_gate_lets_the_lowest_rank_go_and_then_the_next(void **state)
{
	(void)state;
	take_all();
	hold(0, 0, 30, INT64_MAX);
	hold(1, 0, 10, INT64_MAX);
	hold(2, 1, 5, INT64_MAX);
	assert_int_equal(rota_next(rota, 0), 500);
	expect_none(499);
	expect_turn(500, 1);
	/* It comes back, and so the gate is closed for all behind it. */
	const struct rota_gate closed = { .number = 0, .opens_at = 900, .rank = 10, .passes_at = INT64_MAX };
	rota_hold(rota, 1, &closed);
	expect_turn(500, 2);
	expect_none(899);
	expect_turn(900, 1);
	expect_turn(900, 0);
	expect_none(INT64_MAX);
}

static void one_that_is_held_passes_by_itself_and_is_held_no_more(void **state)
{
	(void)state;
	take_all();
	hold(0, 0, 30, 400);
	expect_none(399);
	expect_turn(400, 0);
	rota_wait(rota, 0, 1000);
	expect_none(999); /* the gate opened, and nobody was there */
	expect_turn(1000, 0);
}

static void what_is_hastened_goes_at_once_wherever_it_is(void **state)
{
	(void)state;
	take_all();
	assert_false(rota_hasten(rota, 0, 150));
	hold(0, 0, 30, INT64_MAX);
	rota_wait(rota, 1, 1000);
	rota_go_on(rota, 2, 1000);
	for (unsigned i = 0; i < 3; i++)
		assert_true(rota_hasten(rota, i, 150));
	expect_turn(150, 2);
	take_all();
	for (unsigned i = 0; i < 3; i++)
		rota_wait(rota, i, 1000);
	expect_none(999); /* and nothing was left behind */
}

static void all_that_wait_are_hastened_and_the_gates_open(void **state)
{
	unsigned turns = 0, item;

	(void)state;
	take_all();
	hold(0, 0, 30, INT64_MAX);
	hold(3, 0, 20, INT64_MAX);
	rota_wait(rota, 1, 1000);
	rota_go_on(rota, 2, 1000);
	rota_hasten_waiting(rota, 150);
	while (rota_take(rota, 150, 0, &item)) {
		assert_int_not_equal(item, 2);
		turns++;
	}
	assert_int_equal(turns, 3);
	rota_hasten_all(rota, 150);
	expect_turn(150, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_has_its_turn_once, start, stop),
		cmocka_unit_test_setup_teardown(the_earliest_is_first_and_what_is_under_way_before_it, start, stop),
		cmocka_unit_test_setup_teardown(nothing_is_begun_before_its_time_but_what_is_under_way_goes_on, start, stop),
		cmocka_unit_test_setup_teardown(a_gate_lets_the_lowest_rank_go_and_then_the_next, start, stop),
		cmocka_unit_test_setup_teardown(one_that_is_held_passes_by_itself_and_is_held_no_more, start, stop),
		cmocka_unit_test_setup_teardown(what_is_hastened_goes_at_once_wherever_it_is, start, stop),
		cmocka_unit_test_setup_teardown(all_that_wait_are_hastened_and_the_gates_open, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
