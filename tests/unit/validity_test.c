/* validity_test.c -- how long `authorize` waits, and for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "clock.h"
#include "validity.h"

#define BEGAN      INT64_C(1800000000)
#define LOOK_PAUSE 10

/* A clock that stands still unless somebody waits, and answers that can be seen, and were looked at, by it. */
static struct {
	int64_t now_ms;
	int64_t seen_at, valid_at;
	unsigned looks;
} world;

int64_t __wrap_clock_now(void);
bool __wrap_clock_wait_until(int64_t at, int64_t max_ms);
enum rc __wrap_authorizations_look(struct authorizations *authorizations, int64_t now, struct authorizations_state *ret_state,
				   struct err *err);

int64_t __wrap_clock_now(void)
{
	return world.now_ms / 1000;
}

bool __wrap_clock_wait_until(int64_t at, int64_t max_ms)
{
	int64_t wait = at > INT64_MAX / 1000 ? max_ms : at * 1000 - world.now_ms;

	world.now_ms += wait < 0 ? 0 : wait < max_ms ? wait : max_ms;
	return true;
}

enum rc __wrap_authorizations_look(struct authorizations *authorizations, int64_t now, struct authorizations_state *ret_state,
				   struct err *err)
{
	(void)authorizations;
	(void)err;
	world.looks++;
	*ret_state = now >= world.valid_at ? (struct authorizations_state){ 0 }
		     : now >= world.seen_at
			     ? (struct authorizations_state){ .waiting = 1, .retry_at = now + LOOK_PAUSE }
			     : (struct authorizations_state){ .waiting = 1, .is_unready = true, .retry_at = world.seen_at };
	return RC_OK;
}

static enum rc await(int64_t propagation, int64_t validation, struct err *err)
{
	memset(&world, 0, sizeof(world));
	world.now_ms = BEGAN * 1000;
	world.seen_at = BEGAN + propagation;
	world.valid_at = world.seen_at + validation;
	return validity_await(NULL,
			      (struct authorizations_state){
				      .waiting = 1, .is_unready = propagation != 0, .retry_at = propagation ? world.seen_at : 0 },
			      err);
}

static void what_a_record_takes_to_be_seen_is_not_counted_as_the_ca_s(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(await(150, 40, &err), RC_OK);
	assert_int_equal(await(1800, 40, &err), RC_OK);
	assert_int_equal(await(86400, 40, &err), RC_OK);
	assert_int_equal(err.rc, RC_OK);
}

/* Six tries, five minutes: as a renewal gives it. */
static void a_ca_that_is_asked_to_try_again_has_the_time_for_that(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(await(0, 315, &err), RC_OK);
}

static void the_ca_is_not_waited_for_without_end(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(await(1800, 3600, &err), RC_RETRY);
	assert_string_equal(err.text, "the CA has not validated the challenges in time");
	assert_true(clock_now() < BEGAN + 1800 + 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_record_takes_to_be_seen_is_not_counted_as_the_ca_s),
		cmocka_unit_test(a_ca_that_is_asked_to_try_again_has_the_time_for_that),
		cmocka_unit_test(the_ca_is_not_waited_for_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
