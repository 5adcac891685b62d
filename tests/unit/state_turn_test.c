/* state_turn_test.c -- the state directory is the loop's, or another command's, and who waits has a turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "state_fixture.h"
#include "state_turn.h"

static const struct config config;
static struct store *ours, *others;
static struct renewal_desk desk;
static struct state_turn turn;

static int start(void **state)
{
	(void)state;
	ours = open_it();
	others = open_it();
	desk = (struct renewal_desk){ .config = &config, .store = ours };
	turn = (struct state_turn){ .desk = &desk };
	return store_lock_daemon(ours, NULL) == RC_OK ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	state_turn_close(&turn);
	store_close(ours);
	store_close(others);
	return 0;
}

static void expect_free(bool is_free)
{
	assert_int_equal(store_lock(others, NULL), is_free ? RC_OK : RC_RETRY);
	if (is_free)
		store_unlock(others);
}

static void it_is_ours_while_a_worker_needs_it(void **state)
{
	(void)state;
	assert_int_equal(state_turn_begin(&turn, NULL), RC_OK);
	assert_int_equal(state_turn_begin(&turn, NULL), RC_OK);
	state_turn_end(&turn, 0, 0);
	expect_free(false);
	state_turn_end(&turn, 0, 0);
	expect_free(true);
	assert_null(desk.authorities);
}

static void what_is_under_way_keeps_it_until_all_of_that_rests(void **state)
{
	(void)state;
	assert_int_equal(state_turn_begin(&turn, NULL), RC_OK);
	state_turn_end(&turn, 2, 1);
	expect_free(false);
	assert_int_equal(state_turn_begin(&turn, NULL), RC_OK);
	state_turn_end(&turn, 2, 2);
	expect_free(true);
	/* They share the sessions, which are there still. */
	assert_non_null(desk.authorities);
}

static void another_s_turn_is_waited_for(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(store_lock(others, NULL), RC_OK);
	assert_int_equal(state_turn_begin(&turn, &err), RC_RETRY);
	assert_false(turn.is_ours);
	assert_true(turn.blocked_until > clock_monotonic_ms());
	assert_true(turn.is_blocked_told);
	store_unlock(others);
	assert_int_equal(state_turn_begin(&turn, NULL), RC_OK);
	assert_false(turn.is_blocked_told);
	state_turn_end(&turn, 0, 0);
}

static void what_another_changed_is_noticed_once(void **state)
{
	const struct store_certificate record = { .name = "amf" };

	(void)state;
	assert_int_equal(state_turn_begin(&turn, NULL), RC_OK);
	state_turn_end(&turn, 1, 1);
	unsigned seen = turn.changes_seen;
	assert_int_equal(store_certificate_save(others, &record, 1000, 0, NULL, NULL), RC_OK);
	assert_int_equal(state_turn_changes(&turn), seen + 1);
	assert_int_equal(state_turn_changes(&turn), seen + 1);
	/* Whoever was under way by then, and its sessions, saw less. */
	assert_int_equal(state_turn_begin(&turn, NULL), RC_OK);
	assert_int_equal(turn.changes_seen, seen + 1);
	state_turn_end(&turn, 0, 0);
}

static void who_waits_is_given_way_to_but_not_for_ever(void **state)
{
	(void)state;
	assert_false(state_turn_yields(&turn));
	assert_int_equal(state_turn_begin(&turn, NULL), RC_OK);
	store_lock_want(others);
	assert_true(state_turn_yields(&turn));
	assert_true(turn.blocked_until > clock_monotonic_ms());
	turn.wanted_since -= STATE_TURN_YIELD * INT64_C(1000);
	assert_false(state_turn_yields(&turn));
	state_turn_end(&turn, 0, 0);
	/* It has had its turn: the next who waits is another. */
	expect_free(true);
	assert_false(state_turn_yields(&turn));
	assert_int_equal(turn.wanted_since, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_ours_while_a_worker_needs_it, start, stop),
		cmocka_unit_test_setup_teardown(what_is_under_way_keeps_it_until_all_of_that_rests, start, stop),
		cmocka_unit_test_setup_teardown(another_s_turn_is_waited_for, start, stop),
		cmocka_unit_test_setup_teardown(what_another_changed_is_noticed_once, start, stop),
		cmocka_unit_test_setup_teardown(who_waits_is_given_way_to_but_not_for_ever, start, stop),
	};

	return cmocka_run_group_tests(tests, state_fixture_start, state_fixture_stop);
}
