/* agenda_test.c -- the earliest first, whatever is put in, moved and taken out; compared with looking at all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agenda.h"

#define ITEMS 61
#define STEPS 20000

static uint32_t seed = 7;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

static void test_empty(void **state)
{
	AUTO(agenda) struct agenda *agenda = NULL;
	unsigned item = 9;
	int64_t at = 9;

	(void)state;
	assert_int_equal(agenda_new(0, &agenda, NULL), RC_OK);
	assert_false(agenda_first(agenda, &item, &at));
	assert_int_equal(item, 9);
}

static void test_moved_item_is_in_once(void **state)
{
	AUTO(agenda) struct agenda *agenda = NULL;
	unsigned item;
	int64_t at;

	(void)state;
	assert_int_equal(agenda_new(3, &agenda, NULL), RC_OK);
	agenda_set(agenda, 2, 20);
	agenda_set(agenda, 1, 10);
	agenda_set(agenda, 1, 30);
	assert_true(agenda_first(agenda, &item, &at));
	assert_int_equal(item, 2);
	assert_int_equal(at, 20);
	agenda_remove(agenda, 2);
	agenda_remove(agenda, 2);
	assert_true(agenda_has(agenda, 1));
	assert_false(agenda_has(agenda, 2));
	agenda_remove(agenda, 1);
	assert_false(agenda_first(agenda, &item, &at));
}

/* -1: the item is not in. */
static void check_first(const struct agenda *agenda, const int64_t times[ITEMS])
{
	int64_t least = INT64_MAX, at = 0;
	unsigned item = 0;

	for (unsigned i = 0; i < ITEMS; i++) {
		assert_int_equal(agenda_has(agenda, i), times[i] >= 0);
		if (times[i] >= 0 && times[i] < least)
			least = times[i];
	}
	assert_int_equal(agenda_first(agenda, &item, &at), least != INT64_MAX);
	if (least == INT64_MAX)
		return;
	assert_int_equal(at, least);
	assert_int_equal(times[item], least);
}

static void test_as_a_scan_would(void **state)
{
	AUTO(agenda) struct agenda *agenda = NULL;
	int64_t times[ITEMS];

	(void)state;
	assert_int_equal(agenda_new(ITEMS, &agenda, NULL), RC_OK);
	for (unsigned i = 0; i < ITEMS; i++)
		times[i] = -1;
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned item = draw(ITEMS);

		if (draw(3) == 0) {
			agenda_remove(agenda, item);
			times[item] = -1;
		} else {
			times[item] = draw(100); /* so few that many are the same */
			agenda_set(agenda, item, times[item]);
		}
		check_first(agenda, times);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_moved_item_is_in_once),
		cmocka_unit_test(test_as_a_scan_would),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
