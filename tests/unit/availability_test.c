/* availability_test.c -- one asks while an authority is down, the next authority after a while, and no more orders than it takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "availability.h"
#include "problem.h"

#define NOW  INT64_C(1795000000)
#define HOUR INT64_C(3600)

static char FIRST[] = "first", SECOND[] = "second", POLICY[] = "sba", NAME[] = "amf";
static char *FALLBACK[] = { SECOND };
static struct config_authority authorities[] = { { .name = FIRST, .orders_per_hour = 100 }, { .name = SECOND } };
static struct config_policy policies[] = { { .name = POLICY, .fallback_after = HOUR } };
static const struct config_certificate certificate = {
	.name = NAME, .authority = FIRST, .policy = POLICY, .fallback = FALLBACK, .fallback_count = 1
};
static const struct config config = { .authorities = authorities, .authority_count = 2, .policies = policies, .policy_count = 1 };
static const struct err unreachable = { .rc = RC_RETRY, .origin = ERR_CURL, .code = 7 };

static char directory[64];
static struct store *store;
static struct availability_refusal refusal;

static int start(void **state)
{
	(void)state;
	refusal = (struct availability_refusal){ 0 };
	snprintf(directory, sizeof(directory), "/tmp/hwacme-availability-XXXXXX");
	return mkdtemp(directory) && store_open(directory, &store, NULL) == RC_OK ? 0 : -1;
}

static int stop(void **state)
{
	char command[128];

	(void)state;
	store_close(store);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

static const char *chosen(int64_t not_after, int64_t now)
{
	const struct config_authority *authority = NULL;

	assert_int_equal(availability_choose(store, &config, &certificate, NULL, &refusal, not_after, now, &authority, NULL),
			 RC_OK);
	return authority->name;
}

static int64_t admitted(const struct config_authority *authority, bool orders, int64_t now)
{
	int64_t at = 0;

	assert_int_equal(availability_admit(store, authority, orders, now, &at, NULL), RC_OK);
	return at;
}

static int64_t quiet_until(const char *authority, int64_t now)
{
	int64_t at = 0;

	assert_int_equal(availability_quiet_until(store, authority, now, &at, NULL), RC_OK);
	return at;
}

static void failed(const char *authority, int64_t now)
{
	assert_int_equal(availability_note(store, authority, &unreachable, now, NULL), RC_OK);
}

static void answered(const char *authority, int64_t now)
{
	assert_int_equal(availability_note(store, authority, NULL, now, NULL), RC_OK);
}

static void test_one_lost_answer_holds_nobody_up(void **state)
{
	(void)state;
	failed(SECOND, NOW);
	assert_int_equal(admitted(&authorities[1], true, NOW), NOW);
	assert_int_equal(admitted(&authorities[1], true, NOW), NOW);
}

static void test_one_asks_ever_less_often(void **state)
{
	int64_t now = NOW, pause = 0, before = 0;

	(void)state;
	failed(SECOND, now);
	failed(SECOND, now);
	failed(SECOND, now); /* another one that was under way: the same failure */
	for (unsigned i = 0; i < 12; i++) {
		int64_t at = admitted(&authorities[1], true, now);

		pause = at - now;
		assert_true(pause >= AVAILABILITY_RETRY_FIRST && pause <= AVAILABILITY_RETRY_LAST && pause >= before);
		before = pause;
		now = at;
		assert_int_equal(admitted(&authorities[1], true, now), now);
		/* The others wait for it. */
		assert_int_equal(admitted(&authorities[1], true, now), now + AVAILABILITY_PROBE);
		failed(SECOND, now);
	}
	assert_int_equal(pause, AVAILABILITY_RETRY_LAST);
	answered(SECOND, now);
	assert_int_equal(admitted(&authorities[1], true, now), now);
	assert_int_equal(admitted(&authorities[1], true, now), now);
}

static void test_its_own_word_is_obeyed(void **state)
{
	struct err later = { .rc = RC_RETRY, .origin = ERR_HTTP, .code = 503, .retry_at = NOW + 5000 };

	(void)state;
	assert_int_equal(availability_note(store, SECOND, &later, NOW, NULL), RC_OK);
	assert_int_equal(admitted(&authorities[1], true, NOW), NOW + 5000);
	/* Also by what is under way. */
	assert_int_equal(quiet_until(SECOND, NOW), NOW + 5000);
	assert_true(quiet_until(FIRST, NOW) <= NOW);
}

/* Two got no answer, and one that was under way as well did. */
static void test_its_own_word_is_obeyed_by_those_who_wait_already(void **state)
{
	struct err later = { .rc = RC_RETRY, .origin = ERR_HTTP, .code = 503, .retry_at = NOW + 5000 };
	struct store_availability known;

	(void)state;
	failed(SECOND, NOW - 5);
	failed(SECOND, NOW - 5);
	assert_int_equal(availability_note(store, SECOND, &later, NOW, NULL), RC_OK);
	assert_int_equal(quiet_until(SECOND, NOW), NOW + 5000);
	/* It is the same failure all the same, and one that is told less says nothing new. */
	failed(SECOND, NOW + 1);
	later.retry_at = NOW + 100;
	assert_int_equal(availability_note(store, SECOND, &later, NOW + 1, NULL), RC_OK);
	assert_int_equal(quiet_until(SECOND, NOW + 1), NOW + 5000);
	assert_int_equal(store_availability_load(store, SECOND, &known, NULL), RC_OK);
	assert_int_equal(known.failures, 2);
	assert_int_equal(known.down_since, NOW - 5);
}

static void test_word_heard_by_a_clock_that_was_ahead(void **state)
{
	struct err later = { .rc = RC_RETRY, .origin = ERR_HTTP, .code = 503, .retry_at = NOW + 300 * 24 * HOUR + 5000 };

	(void)state;
	assert_int_equal(availability_note(store, SECOND, &later, NOW + 300 * 24 * HOUR, NULL), RC_OK);
	assert_int_equal(quiet_until(SECOND, NOW + 300 * 24 * HOUR), NOW + 300 * 24 * HOUR + 5000);
	assert_true(quiet_until(SECOND, NOW) <= NOW);
	assert_int_equal(admitted(&authorities[1], true, NOW), NOW);
	later.retry_at = NOW + 60;
	assert_int_equal(availability_note(store, SECOND, &later, NOW, NULL), RC_OK);
	assert_int_equal(admitted(&authorities[1], true, NOW), NOW + 60);
}

/* By less than the longest Retry-After, so that it looks as if the authority had said so. */
static void test_failures_noted_by_a_clock_that_was_ahead_by_hours(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		failed(SECOND, NOW + 2 * HOUR + 1000 * i);
	assert_true(quiet_until(SECOND, NOW + 2 * HOUR + 2000) > NOW + 2 * HOUR + 2000);
	assert_true(quiet_until(SECOND, NOW) <= NOW);
	/* One asks, and the others wait for it. */
	assert_int_equal(admitted(&authorities[1], true, NOW), NOW);
	assert_int_equal(admitted(&authorities[1], true, NOW), NOW + AVAILABILITY_PROBE);
	/* What is noted by the clock that is right is believed. */
	failed(SECOND, NOW + 1);
	assert_true(quiet_until(SECOND, NOW + 2) > NOW + 2);
	/* Also when it was noted that one asks, long after they had begun. */
	int64_t ahead = quiet_until(SECOND, NOW + 2) + 2 * HOUR;
	assert_int_equal(admitted(&authorities[1], true, ahead), ahead);
	assert_int_equal(admitted(&authorities[1], true, ahead - HOUR), ahead - HOUR);
}

/* What it refuses, it answers. */
static void test_refusal_is_an_answer(void **state)
{
	struct err refused = { .rc = RC_DENIED, .origin = ERR_ACME, .code = 403 };

	(void)state;
	failed(SECOND, NOW);
	failed(SECOND, NOW);
	assert_int_equal(availability_note(store, SECOND, &refused, NOW + 60, NULL), RC_OK);
	assert_int_equal(admitted(&authorities[1], true, NOW + 60), NOW + 60);
}

/* What is there in its place, and what no server of ACME says.  That something is gone, or was too much, a CA may tell by
 * the status alone. */
static void test_who_does_not_speak_acme_does_not_answer(void **state)
{
	const struct err none_of_acme[] = {
		{ .rc = RC_PROTOCOL, .origin = ERR_SELF },
		{ .rc = RC_PROTOCOL, .origin = ERR_HTTP, .code = 302 },
		{ .rc = RC_DENIED, .origin = ERR_HTTP, .code = 403 },
		{ .rc = RC_PROTOCOL, .origin = ERR_CURL },
	};
	const struct err of_one[] = { { .rc = RC_ABSENT, .origin = ERR_HTTP, .code = 404 },
				      { .rc = RC_RETRY, .origin = ERR_HTTP, .code = 429 } };

	(void)state;
	for (size_t i = 0; i < sizeof(none_of_acme) / sizeof(none_of_acme[0]); i++) {
		answered(SECOND, NOW);
		for (int times = 0; times < 2; times++)
			assert_int_equal(availability_note(store, SECOND, &none_of_acme[i], NOW, NULL), RC_OK);
		assert_true(admitted(&authorities[1], true, NOW) > NOW);
	}
	for (size_t i = 0; i < sizeof(of_one) / sizeof(of_one[0]); i++) {
		failed(SECOND, NOW);
		failed(SECOND, NOW);
		assert_int_equal(availability_note(store, SECOND, &of_one[i], NOW + 60, NULL), RC_OK);
		assert_int_equal(admitted(&authorities[1], true, NOW + 60), NOW + 60);
	}
}

static void test_next_authority_in_its_turn(void **state)
{
	(void)state;
	assert_string_equal(chosen(0, NOW), FIRST);
	failed(FIRST, NOW);
	failed(FIRST, NOW);
	assert_string_equal(chosen(0, NOW + HOUR - 1), FIRST);
	/* Down for long, and due to be asked: by one. */
	assert_string_equal(chosen(0, NOW + HOUR), FIRST);
	assert_int_equal(admitted(&authorities[0], true, NOW + HOUR), NOW + HOUR);
	assert_string_equal(chosen(0, NOW + HOUR), SECOND);
	failed(FIRST, NOW + HOUR);
	assert_string_equal(chosen(0, NOW + HOUR), SECOND);
	/* The second is down as well: whichever is asked first. */
	failed(SECOND, NOW - HOUR);
	failed(SECOND, NOW + HOUR + 1);
	assert_string_equal(chosen(0, NOW + HOUR + 2), SECOND);
	answered(FIRST, NOW + HOUR + 3);
	assert_string_equal(chosen(0, NOW + HOUR + 3), FIRST);
}

/* Half of what is left to live is kept for the others. */
static void test_short_of_time_the_patience_is_short(void **state)
{
	(void)state;
	failed(FIRST, NOW);
	failed(FIRST, NOW);
	assert_string_equal(chosen(NOW + 100000, NOW + 30), FIRST);
	assert_string_equal(chosen(NOW + 80, NOW + 30), SECOND);
}

static int64_t turns_at(const char *authority, int64_t not_after, int64_t now)
{
	int64_t at = 0;

	assert_int_equal(availability_turns_at(store, &config, &certificate, authority, &refusal, not_after, now, &at, NULL),
			 RC_OK);
	return at;
}

/* It says itself that it is away for longer than anybody waits. */
static void test_when_the_next_one_is_asked_is_known_before(void **state)
{
	struct err later = { .rc = RC_RETRY, .origin = ERR_HTTP, .code = 503, .retry_at = NOW + 20 * HOUR };

	(void)state;
	assert_int_equal(turns_at(FIRST, 0, NOW), INT64_MAX);
	assert_int_equal(availability_note(store, FIRST, &later, NOW, NULL), RC_OK);
	assert_int_equal(turns_at(FIRST, 0, NOW), NOW + HOUR);
	assert_string_equal(chosen(0, NOW + HOUR - 1), FIRST);
	assert_string_equal(chosen(0, NOW + HOUR), SECOND);
	/* Little of the life is left; the patience is in whole seconds. */
	for (int64_t left = 997; left < 4 * HOUR; left += 997) {
		int64_t at = turns_at(FIRST, NOW + left, NOW);

		assert_true(at > NOW && at <= NOW + HOUR);
		assert_string_equal(chosen(NOW + left, at - 2), FIRST);
		assert_string_equal(chosen(NOW + left, at), SECOND);
	}
	assert_int_equal(turns_at(FIRST, 0, NOW + HOUR), INT64_MAX);
	assert_int_equal(turns_at(SECOND, 0, NOW), INT64_MAX);
	/* Nor is the other one asked before its time. */
	later.retry_at = NOW + 2 * HOUR;
	assert_int_equal(availability_note(store, SECOND, &later, NOW, NULL), RC_OK);
	assert_int_equal(turns_at(FIRST, 0, NOW), NOW + 2 * HOUR);
}

/* A thousand want an order at once, and come again when they are told to. */
static void test_no_hour_has_more_orders_than_it_takes(void **state)
{
	static int64_t times[1000];
	int64_t now = NOW;
	unsigned count = 0;

	(void)state;
	while (count < 1000) {
		int64_t at = admitted(&authorities[0], true, now);

		if (at == now)
			times[count++] = now;
		assert_true(at < now + HOUR);
		now = at;
	}
	for (unsigned i = 100; i < 1000; i++)
		assert_true(times[i] - times[i - 100] >= HOUR);
	/* Nor is much of it left unused. */
	assert_true(times[999] - NOW < 11 * HOUR);
	assert_int_equal(admitted(&authorities[0], false, now), now);
}

static void test_clock_set_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(admitted(&authorities[0], true, NOW + 1000 * HOUR), NOW + 1000 * HOUR);
	assert_int_equal(admitted(&authorities[0], true, NOW), NOW);
}

static const char *chosen_with_order_at(const char *ordered, int64_t now)
{
	const struct config_authority *authority = NULL;

	assert_int_equal(availability_choose(store, &config, &certificate, ordered, &refusal, 0, now, &authority, NULL), RC_OK);
	return authority->name;
}

static void test_order_under_way_is_finished_where_it_was_made(void **state)
{
	(void)state;
	failed(FIRST, NOW);
	failed(FIRST, NOW + HOUR);
	/* The first one's time to be asked again has come: by whoever has nothing to lose at the other. */
	int64_t again = quiet_until(FIRST, NOW + HOUR);
	assert_string_equal(chosen(0, again), FIRST);
	assert_string_equal(chosen_with_order_at(SECOND, again), SECOND);
	assert_string_equal(chosen_with_order_at(FIRST, NOW + HOUR), SECOND);
	/* But not when that one is gone, too. */
	failed(SECOND, NOW);
	failed(SECOND, NOW + 2 * HOUR);
	assert_string_equal(chosen_with_order_at(SECOND, NOW + 2 * HOUR), FIRST);
}

/* It answers all the while. */
static void test_who_refuses_is_not_waited_for_for_longer_than_who_is_away(void **state)
{
	(void)state;
	refusal = (struct availability_refusal){ .since = NOW, .by = FIRST };
	assert_int_equal(turns_at(FIRST, 0, NOW + 60), NOW + HOUR);
	assert_string_equal(chosen(0, NOW + HOUR - 1), FIRST);
	assert_string_equal(chosen(0, NOW + HOUR), SECOND);
	assert_string_equal(chosen_with_order_at(FIRST, NOW + HOUR), SECOND);
	/* A third of what there was to live. */
	assert_string_equal(chosen(NOW + 3000, NOW + 999), FIRST);
	assert_string_equal(chosen(NOW + 3000, NOW + 1000), SECOND);
	/* They take turns, */
	refusal.by = SECOND;
	assert_string_equal(chosen(0, NOW + 2 * HOUR), FIRST);
	assert_string_equal(chosen_with_order_at(SECOND, NOW + 2 * HOUR), FIRST);
	/* but for one that is away, */
	refusal.by = FIRST;
	failed(SECOND, NOW);
	failed(SECOND, NOW + HOUR);
	assert_string_equal(chosen(0, NOW + HOUR), FIRST);
	/* and one that is configured no more has no turn. */
	refusal.by = "third";
	assert_string_equal(chosen(0, NOW + 2 * HOUR), FIRST);
}

static void test_question_that_was_lost_keeps_the_others_back_and_turns_nobody_away(void **state)
{
	int64_t long_after = NOW + 20 * HOUR;

	(void)state;
	assert_int_equal(availability_note_question(store, SECOND, &unreachable, false, NOW, NULL), RC_OK);
	assert_true(quiet_until(SECOND, NOW) <= NOW);
	assert_int_equal(availability_note_question(store, SECOND, &unreachable, true, NOW, NULL), RC_OK);
	assert_int_equal(quiet_until(SECOND, NOW), NOW + AVAILABILITY_RETRY_FIRST);
	/* Others that found out at the same time. */
	assert_int_equal(availability_note_question(store, SECOND, &unreachable, false, NOW + 1, NULL), RC_OK);
	assert_int_equal(quiet_until(SECOND, NOW), NOW + AVAILABILITY_RETRY_FIRST);
	assert_int_equal(availability_note_question(store, SECOND, &unreachable, false, long_after, NULL), RC_OK);
	assert_int_equal(quiet_until(SECOND, long_after), long_after + AVAILABILITY_RETRY_LAST);
	assert_string_equal(chosen_with_order_at(SECOND, long_after), SECOND);
	assert_int_equal(availability_note_question(store, SECOND, NULL, false, long_after + 1, NULL), RC_OK);
	assert_true(quiet_until(SECOND, long_after + 1) <= long_after + 1);
	/* An order that is answered ends it, too: nobody waits for one that asks. */
	assert_int_equal(availability_note_question(store, SECOND, &unreachable, true, long_after + 2, NULL), RC_OK);
	answered(SECOND, long_after + 100);
	assert_int_equal(admitted(&authorities[1], true, long_after + 100), long_after + 100);
	assert_int_equal(admitted(&authorities[1], true, long_after + 100), long_after + 100);
	/* What is known of orders stays. */
	failed(SECOND, long_after + 200);
	failed(SECOND, long_after + 200);
	int64_t quiet = quiet_until(SECOND, long_after + 200);
	assert_int_equal(availability_note_question(store, SECOND, NULL, false, long_after + 201, NULL), RC_OK);
	assert_int_equal(quiet_until(SECOND, long_after + 201), quiet);
}

/* As with orders, two in a row do; whatever is answered in between ends the row. */
static void test_question_that_is_the_second_to_be_lost_keeps_the_others_back_whoever_asked(void **state)
{
	(void)state;
	assert_int_equal(availability_note_question(store, SECOND, &unreachable, false, NOW, NULL), RC_OK);
	assert_int_equal(availability_note_question(store, SECOND, NULL, false, NOW + 1, NULL), RC_OK);
	assert_int_equal(availability_note_question(store, SECOND, &unreachable, false, NOW + 2, NULL), RC_OK);
	answered(SECOND, NOW + 3);
	assert_int_equal(availability_note_question(store, SECOND, &unreachable, false, NOW + 4, NULL), RC_OK);
	assert_true(quiet_until(SECOND, NOW + 4) <= NOW + 4);
	assert_int_equal(admitted(&authorities[1], true, NOW + 4), NOW + 4);
	assert_int_equal(admitted(&authorities[1], true, NOW + 4), NOW + 4);
	assert_int_equal(availability_note_question(store, SECOND, &unreachable, false, NOW + 5, NULL), RC_OK);
	assert_int_equal(quiet_until(SECOND, NOW + 5), NOW + 5 + AVAILABILITY_RETRY_FIRST);
	assert_string_equal(chosen_with_order_at(SECOND, NOW + 5), SECOND);
}

/* A gateway's answer is as good as none; the CA's own word about one question is not. */
static void test_question_that_a_gateway_answered_was_lost(void **state)
{
	const struct err gateway = { .rc = RC_RETRY, .origin = ERR_HTTP, .code = 502 };
	const struct err own = { .rc = RC_RETRY, .origin = ERR_ACME, .code = 500, .problem = PROBLEM_SERVER_INTERNAL };

	(void)state;
	assert_int_equal(availability_note_question(store, FIRST, &own, true, NOW, NULL), RC_OK);
	assert_true(quiet_until(FIRST, NOW) <= NOW);
	assert_int_equal(availability_note_question(store, FIRST, &gateway, false, NOW, NULL), RC_OK);
	assert_true(quiet_until(FIRST, NOW) <= NOW);
	assert_int_equal(availability_note_question(store, FIRST, &gateway, true, NOW, NULL), RC_OK);
	assert_int_equal(quiet_until(FIRST, NOW), NOW + AVAILABILITY_RETRY_FIRST);
	answered(FIRST, NOW + 1);
	assert_true(quiet_until(FIRST, NOW + 1) <= NOW + 1);
}

/* Whoever is told first when to come again, all heed it; that it answers such questions again ends it. */
static void test_question_that_was_sent_away_is_over_with_the_next_answer(void **state)
{
	struct err later = { .rc = RC_RETRY, .origin = ERR_HTTP, .code = 503, .retry_at = NOW + 2 * HOUR };
	struct err limited = { .rc = RC_DENIED, .origin = ERR_ACME, .code = 429, .retry_at = NOW + 2 * HOUR };

	(void)state;
	/* That one asks too often says nothing of the others. */
	assert_int_equal(availability_note_question(store, FIRST, &limited, false, NOW, NULL), RC_OK);
	assert_true(quiet_until(FIRST, NOW) <= NOW);
	assert_int_equal(availability_note_question(store, FIRST, &later, false, NOW, NULL), RC_OK);
	assert_int_equal(quiet_until(FIRST, NOW), NOW + 2 * HOUR);
	assert_string_equal(chosen(0, NOW + HOUR - 1), FIRST);
	assert_string_equal(chosen(0, NOW + HOUR), SECOND);
	assert_int_equal(availability_note_question(store, FIRST, NULL, false, NOW + 2 * HOUR, NULL), RC_OK);
	/* Weeks later one answer is lost. */
	failed(FIRST, NOW + 500 * HOUR);
	failed(FIRST, NOW + 500 * HOUR + 1);
	assert_string_equal(chosen(0, NOW + 500 * HOUR + 2), FIRST);
}

static struct availability_view seen(unsigned index, int64_t now)
{
	struct store_availability availability;

	assert_int_equal(store_availability_load(store, authorities[index].name, &availability, NULL), RC_OK);
	return availability_look(&authorities[index], &availability, now);
}

static void test_what_people_are_shown(void **state)
{
	(void)state;
	struct availability_view view = seen(0, NOW);
	assert_true(view.down_since == 0 && view.asked_at == 0 && view.failures == 0 && view.order_at == NOW);
	failed(FIRST, NOW);
	failed(FIRST, NOW + 1);
	view = seen(0, NOW + 2);
	assert_int_equal(view.down_since, NOW);
	assert_int_equal(view.failures, 2);
	assert_int_equal(view.asked_at, quiet_until(FIRST, NOW + 2));
	assert_false(view.is_probed);
	/* One goes and asks. */
	assert_int_equal(admitted(&authorities[0], false, NOW + HOUR), NOW + HOUR);
	view = seen(0, NOW + HOUR + 1);
	assert_true(view.is_probed);
	assert_int_equal(view.asked_at, NOW + HOUR + AVAILABILITY_PROBE);
	answered(FIRST, NOW + HOUR + 2);
	/* The view agrees with the gate. */
	while (admitted(&authorities[0], true, NOW + 2 * HOUR) == NOW + 2 * HOUR)
		assert_int_equal(seen(1, NOW + 2 * HOUR).order_at, NOW + 2 * HOUR);
	assert_int_equal(seen(0, NOW + 2 * HOUR).order_at, admitted(&authorities[0], true, NOW + 2 * HOUR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_lost_answer_holds_nobody_up, start, stop),
		cmocka_unit_test_setup_teardown(test_one_asks_ever_less_often, start, stop),
		cmocka_unit_test_setup_teardown(test_its_own_word_is_obeyed, start, stop),
		cmocka_unit_test_setup_teardown(test_its_own_word_is_obeyed_by_those_who_wait_already, start, stop),
		cmocka_unit_test_setup_teardown(test_word_heard_by_a_clock_that_was_ahead, start, stop),
		cmocka_unit_test_setup_teardown(test_failures_noted_by_a_clock_that_was_ahead_by_hours, start, stop),
		cmocka_unit_test_setup_teardown(test_refusal_is_an_answer, start, stop),
		cmocka_unit_test_setup_teardown(test_who_does_not_speak_acme_does_not_answer, start, stop),
		cmocka_unit_test_setup_teardown(test_next_authority_in_its_turn, start, stop),
		cmocka_unit_test_setup_teardown(test_short_of_time_the_patience_is_short, start, stop),
		cmocka_unit_test_setup_teardown(test_when_the_next_one_is_asked_is_known_before, start, stop),
		cmocka_unit_test_setup_teardown(test_no_hour_has_more_orders_than_it_takes, start, stop),
		cmocka_unit_test_setup_teardown(test_clock_set_back, start, stop),
		cmocka_unit_test_setup_teardown(test_order_under_way_is_finished_where_it_was_made, start, stop),
		cmocka_unit_test_setup_teardown(test_who_refuses_is_not_waited_for_for_longer_than_who_is_away, start, stop),
		cmocka_unit_test_setup_teardown(test_question_that_was_lost_keeps_the_others_back_and_turns_nobody_away, start,
						stop),
		cmocka_unit_test_setup_teardown(test_question_that_is_the_second_to_be_lost_keeps_the_others_back_whoever_asked,
						start, stop),
		cmocka_unit_test_setup_teardown(test_question_that_a_gateway_answered_was_lost, start, stop),
		cmocka_unit_test_setup_teardown(test_question_that_was_sent_away_is_over_with_the_next_answer, start, stop),
		cmocka_unit_test_setup_teardown(test_what_people_are_shown, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
