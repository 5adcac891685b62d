/* workers_test.c -- all work is done, also what comes while they are asleep; several at once; a signal ends them between two turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "clock.h"
#include "workers.h"

#define DEADLINE_MS 20000

static struct workers workers;
static atomic_uint left, done, at_once, most_at_once;
static atomic_bool is_held;

/* Takes one of what is left. */
static bool turn(void *ctx)
{
	unsigned seen = atomic_load(&left);

	(void)ctx;
	while (seen > 0 && !atomic_compare_exchange_weak(&left, &seen, seen - 1))
		;
	if (seen == 0)
		return false;
	unsigned now = atomic_fetch_add(&at_once, 1) + 1, most = atomic_load(&most_at_once);
	while (now > most && !atomic_compare_exchange_weak(&most_at_once, &most, now))
		;
	/* The test, which is the main thread, wants to look. */
	if (is_held)
		workers_tell(&workers, clock_monotonic_ms() + 1);
	while (is_held && !workers_are_stopping(&workers))
		(void)!clock_wait_until(INT64_MAX, 1);
	atomic_fetch_sub(&at_once, 1);
	atomic_fetch_add(&done, 1);
	return true;
}

static int start(void **state)
{
	(void)state;
	left = done = at_once = most_at_once = 0;
	is_held = false;
	return workers_start(&workers, 4, turn, NULL, NULL) == RC_OK ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	assert_true(workers_stop(&workers));
	return 0;
}

static void rounds_until_done(unsigned count)
{
	int64_t deadline = clock_monotonic_ms() + DEADLINE_MS;

	while (done < count && clock_monotonic_ms() < deadline)
		workers_await(&workers, left ? 0 : 5);
	assert_int_equal(done, count);
}

static void test_all_is_done(void **state)
{
	(void)state;
	left = 1000;
	rounds_until_done(1000);
	left = 3;
	rounds_until_done(1003);
}

static void test_several_at_once(void **state)
{
	int64_t deadline = clock_monotonic_ms() + DEADLINE_MS;

	(void)state;
	is_held = true;
	left = 10;
	while (at_once < 4 && clock_monotonic_ms() < deadline)
		workers_await(&workers, left && at_once < 4 ? 0 : 5);
	assert_int_equal(most_at_once, 4);
	is_held = false;
	rounds_until_done(10);
	assert_int_equal(most_at_once, 4);
}

static void *tell(void *ctx)
{
	(void)ctx;
	(void)!clock_wait_until(INT64_MAX, 20);
	workers_tell(&workers, clock_monotonic_ms() + 1);
	return NULL;
}

/* The main thread sleeps for long, and is told of something sooner. */
static void test_sleeper_is_told(void **state)
{
	pthread_t teller;
	int64_t began = clock_monotonic_ms();

	(void)state;
	assert_int_equal(pthread_create(&teller, NULL, tell, NULL), 0);
	workers_await(&workers, DEADLINE_MS);
	assert_true(clock_monotonic_ms() - began < DEADLINE_MS / 2);
	pthread_join(teller, NULL);
}

/* Between two sleeps it has reckoned how long the next one is, and is told of what it did not reckon with. */
static void test_who_is_about_to_sleep_is_told(void **state)
{
	int64_t began;

	(void)state;
	workers_await(&workers, 1);
	(void)!clock_wait_until(INT64_MAX, 20);
	began = clock_monotonic_ms();
	workers_tell(&workers, began + 20);
	workers_await(&workers, DEADLINE_MS);
	assert_true(clock_monotonic_ms() - began < DEADLINE_MS / 2);
}

static void test_signal_stops(void **state)
{
	int64_t deadline = clock_monotonic_ms() + DEADLINE_MS;

	(void)state;
	is_held = true;
	left = 100;
	workers_await(&workers, 0);
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	/* A worker that begins only now may end a sleep first: ppoll() then leaves the signal for the next one. */
	while (!workers_are_stopping(&workers) && clock_monotonic_ms() < deadline)
		workers_await(&workers, DEADLINE_MS);
	assert_true(workers_are_stopping(&workers));
	/* stop() returns although not all is done. */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_is_done, start, stop),
		cmocka_unit_test_setup_teardown(test_several_at_once, start, stop),
		cmocka_unit_test_setup_teardown(test_sleeper_is_told, start, stop),
		cmocka_unit_test_setup_teardown(test_who_is_about_to_sleep_is_told, start, stop),
		cmocka_unit_test_setup_teardown(test_signal_stops, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
