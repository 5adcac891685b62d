/* waiting_test.c -- thousands of renewals that wait at once, with their answers out: what each of them holds, and that all go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>

#include "chance.h"
#include "fake_ca.h"
#include "fake_token.h"
#include "machine.h"
#include "virtual_clock.h"

/* With sanitizers each turn takes too long for every change. */
#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void); /* of the sanitizer; gcc has no header for it */
long long sqlite3_memory_used(void);                  /* its cache has a bound, which these are too few for */
#define WAITING 500u
#else
#define WAITING 5000u
#endif
#define GOING_ON    200u
#define HELD_MAX    2048 /* bytes by each that waits */
#define PROPAGATION (2 * INT64_C(3600))

static struct machine machine;
static unsigned certificates;
static const char *fallback = ""; /* options of each certificate */
static int64_t fast;              /* seconds that the machine's clock is when it begins */

/* By everything in this process: the engine, and the authority and the tokens of the simulation. */
static size_t held(void)
{
#ifdef __SANITIZE_ADDRESS__
	return __sanitizer_get_current_allocated_bytes() - (size_t)sqlite3_memory_used();
#else
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
#endif
}

static void configure(FILE *file, void *ctx)
{
	(void)ctx;
	fputs("policies:\n  - { name: p, ari: false, boot-spread: 0s, fallback-after: 1h }\ncertificates:\n", file);
	for (unsigned i = 0; i < certificates; i++)
		fprintf(file,
			"  - name: c%u\n    authority: ca0\n%s    policy: p\n    key: { token: t0, type: ec-p256 }\n"
			"    names: [\"dns:c%u.example\"]\n"
			"    challenge: { dns-01: { hook: [/bin/true], propagation: %lldh } }\n",
			i, fallback, i, (long long)(PROPAGATION / 3600));
}

static unsigned issued(void)
{
	unsigned count = 0;

	machine_check_all(&machine);
	for (unsigned i = 0; i < certificates; i++)
		count += machine.views[i].generation > 0;
	return count;
}

/* Until each has told its hook, and none has told the CA. */
static size_t wait_all(unsigned count)
{
	certificates = count;
	chance_start(1);
	virtual_clock_start(0);
	virtual_clock_set_wrong(fast);
	fake_tokens_start();
	fake_ca_start();
	machine_new(&machine, 0, configure, NULL);
	size_t before = held();
	machine_start(&machine);
	size_t idle = held() - before;
	machine_run(&machine, VIRTUAL_START + PROPAGATION / 2);
	assert_int_equal(fake_ca_get(0)->orders.count, count);
	assert_int_equal(issued(), 0);
	return idle;
}

static void world_stop(void)
{
	machine_free(&machine);
	fake_ca_stop();
	fake_tokens_stop();
}

static void thousands_wait_at_once_in_little_memory(void **state)
{
	(void)state;
	size_t idle = wait_all(WAITING), running = held();
	/* What the authority and the tokens hold stays when the daemon ends. */
	machine_stop(&machine);
	size_t each = (running - held() - idle) / WAITING;
	print_message("%u renewals wait at once: %zu bytes each\n", WAITING, each);
	assert_in_range(each, 1, HELD_MAX);
	world_stop();
}

static void who_has_waited_goes_on_with_the_same_order(void **state)
{
	(void)state;
	wait_all(GOING_ON);
	machine_run(&machine, VIRTUAL_START + 2 * PROPAGATION);
	assert_int_equal(issued(), GOING_ON);
	assert_int_equal(fake_ca_get(0)->orders.count, GOING_ON);
	machine_check_keys(&machine);
	world_stop();
}

/* The record was placed in a year that is not yet. */
static void who_waits_while_the_clock_is_set_back_goes_on_with_the_same_order(void **state)
{
	(void)state;
	fast = 400 * FAKE_DAY;
	wait_all(GOING_ON);
	fast = 0;
	virtual_clock_set_wrong(0);
	machine_run(&machine, VIRTUAL_START + 4 * PROPAGATION);
	assert_int_equal(issued(), GOING_ON);
	assert_int_equal(fake_ca_get(0)->orders.count, GOING_ON);
	world_stop();
}

/* Each certificate was due before it was issued, by that clock, and is valid still. */
static void a_clock_that_is_ahead_renews_nothing_without_end(void **state)
{
	(void)state;
	fast = 84 * FAKE_DAY;
	wait_all(GOING_ON);
	fast = 0;
	assert_int_equal(fake_ca_get(0)->life, 90 * FAKE_DAY);
	machine_run(&machine, VIRTUAL_START + FAKE_DAY);
	assert_int_equal(issued(), GOING_ON);
	assert_int_equal(fake_ca_get(0)->orders.count, GOING_ON);
	world_stop();
}

/* What one order hears when it tells the CA of its answer, all others heed. */
static void a_ca_that_takes_no_challenge_now_is_asked_nothing_by_anybody(void **state)
{
	(void)state;
	wait_all(GOING_ON);
	fake_ca_get(0)->challenge_busy_s = 600;
	machine_run(&machine, VIRTUAL_START + PROPAGATION + 600);
	assert_int_equal(fake_ca_get(0)->challenge_busy_s, 0);
	machine_run(&machine, VIRTUAL_START + 4 * PROPAGATION);
	if (fake_ca_get(0)->too_early)
		fail_msg("asked %u times before its Retry-After: %s", fake_ca_get(0)->too_early, fake_ca_get(0)->too_early_what);
	assert_int_equal(issued(), GOING_ON);
	assert_int_equal(fake_ca_get(0)->orders.count, GOING_ON);
	world_stop();
}

/* Its answers went with it: they are put out anew when the wait is over, and have to be seen again. */
static void who_was_ended_while_waiting_goes_on_with_the_same_order(void **state)
{
	(void)state;
	wait_all(GOING_ON);
	machine_stop(&machine);
	machine_start(&machine);
	machine_run(&machine, VIRTUAL_START + 4 * PROPAGATION);
	assert_int_equal(issued(), GOING_ON);
	assert_int_equal(fake_ca_get(0)->orders.count, GOING_ON);
	machine_check_keys(&machine);
	world_stop();
}

/* The authority is away for longer than `fallback-after`, the next one places no order, and the first is back. */
static void the_order_goes_on_where_it_was(void)
{
	fake_ca_get(0)->is_down = true;
	machine_run(&machine, VIRTUAL_START + 3 * PROPAGATION);
	assert_int_equal(issued(), 0);
	fake_ca_get(0)->is_down = false;
	machine_run(&machine, VIRTUAL_START + 24 * PROPAGATION);
	fallback = "";
	assert_int_equal(issued(), GOING_ON);
	assert_int_equal(fake_ca_get(0)->orders.count, GOING_ON);
	machine_check_keys(&machine);
	world_stop();
}

static void an_order_is_kept_while_the_next_authority_is_away_as_well(void **state)
{
	(void)state;
	fallback = "    fallback: [ca1]\n";
	wait_all(GOING_ON);
	fake_ca_get(1)->is_down = true;
	the_order_goes_on_where_it_was();
}

static void an_order_is_kept_while_the_next_authority_takes_none(void **state)
{
	(void)state;
	fallback = "    fallback: [ca1]\n";
	wait_all(GOING_ON);
	fake_ca_get(1)->mishaps.limited = 1;
	the_order_goes_on_where_it_was();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thousands_wait_at_once_in_little_memory),
		cmocka_unit_test(who_has_waited_goes_on_with_the_same_order),
		cmocka_unit_test(who_waits_while_the_clock_is_set_back_goes_on_with_the_same_order),
		cmocka_unit_test(a_clock_that_is_ahead_renews_nothing_without_end),
		cmocka_unit_test(a_ca_that_takes_no_challenge_now_is_asked_nothing_by_anybody),
		cmocka_unit_test(who_was_ended_while_waiting_goes_on_with_the_same_order),
		cmocka_unit_test(an_order_is_kept_while_the_next_authority_is_away_as_well),
		cmocka_unit_test(an_order_is_kept_while_the_next_authority_takes_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
