/* outage_test.c -- a thousand certificates through three days without their CA, and through a day on which it wants all of them back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "chance.h"
#include "fake_ca.h"
#include "fake_token.h"
#include "machine.h"
#include "virtual_clock.h"

/* With sanitizers, each turn of a thousand takes too long for every change; the proportions are the same. */
#ifdef __SANITIZE_ADDRESS__
#define CERTIFICATES 300
#define PER_HOUR     90
#else
#define CERTIFICATES 1000
#define PER_HOUR     300
#endif
#define HOUR    INT64_C(3600)
#define HOUR_MS (HOUR * 1000)

static struct machine machine;

static void world_start(void)
{
	const char *seed = getenv("SIM_SEED");

	chance_start(seed ? strtoull(seed, NULL, 0) : 1);
	virtual_clock_start(0);
	fake_tokens_start();
	fake_ca_start();
	/* Its operator has authorised all names: no challenge is in the way of the figures. */
	fake_ca_get(0)->preauthorized = -1;
}

static void world_stop(void)
{
	machine_free(&machine);
	fake_ca_stop();
	fake_tokens_stop();
}

static unsigned with_generation(unsigned least)
{
	unsigned count = 0;

	machine_check_all(&machine);
	for (unsigned i = 0; i < CERTIFICATES; i++)
		count += machine.views[i].generation >= least;
	return count;
}

static void three_days_without_a_ca_lose_nothing_and_are_made_up_for_in_turn(void **state)
{
	static char policy[] = "ari: false";
	const int64_t from = VIRTUAL_START + 57 * FAKE_DAY, to = from + 3 * FAKE_DAY;

	(void)state;
	world_start();
	machine_new(&machine, PER_HOUR, machine_alike, &(struct machine_alike){ .policy = policy, .certificates = CERTIFICATES });
	machine_start(&machine);
	struct fake_ca *ca = fake_ca_get(0);
	machine_run(&machine, from);
	assert_int_equal(with_generation(1), CERTIFICATES);
	unsigned early = with_generation(2);
	ca->is_down = true;
	machine_run(&machine, to);
	ca->is_down = false;
	size_t asked = fake_times_within(&ca->requests, from * 1000, to * 1000);
	unsigned due = CERTIFICATES - early;
	machine_run(&machine, to + 12 * HOUR);
	unsigned expired = 0, renewed = with_generation(2);
	for (unsigned i = 0; i < CERTIFICATES; i++)
		expired += machine.views[i].expired;
	size_t busiest = fake_times_most(&ca->orders, HOUR_MS);
	print_message(
		"outage of 72 h: %u certificates were due, %zu requests; %zu orders in the busiest hour of %u; %u renewed 12 h "
		"later, the last orders in the %lldth hour; %u expired\n",
		due, asked, busiest, PER_HOUR, renewed, (long long)((ca->orders.at[ca->orders.count - 1] / 1000 - to) / HOUR + 1),
		expired);
	assert_true(due > CERTIFICATES * 9 / 10);
	assert_int_equal(expired, 0);
	assert_int_equal(renewed, CERTIFICATES);
	/* One look in fifteen minutes, for all of them. */
	assert_true(asked <= 72 * 4 + 20);
	assert_true(busiest <= PER_HOUR);
	machine_check_keys(&machine);
	world_stop();
}

static void a_ca_that_wants_all_of_them_back_has_them_renewed_within_a_day(void **state)
{
	static char policy[] = "ari: true";
	const int64_t at = VIRTUAL_START + FAKE_DAY;

	(void)state;
	world_start();
	struct fake_ca *ca = fake_ca_get(0);
	ca->has_renewal_info = true;
	machine_new(&machine, PER_HOUR, machine_alike, &(struct machine_alike){ .policy = policy, .certificates = CERTIFICATES });
	machine_start(&machine);
	machine_run(&machine, at);
	assert_int_equal(with_generation(1), CERTIFICATES);
	assert_int_equal(with_generation(2), 0);
	ca->wants_back_before = at;
	machine_run(&machine, at + FAKE_DAY);
	unsigned renewed = with_generation(2), again = with_generation(3);
	size_t busiest = fake_times_most(&ca->orders, HOUR_MS);
	print_message("mass revocation: %u of %u renewed within 24 h, the last after %lld min; %u twice; %u orders named what "
		      "they replace; "
		      "%zu orders in the busiest hour of %u\n",
		      renewed, CERTIFICATES, (long long)((ca->orders.at[ca->orders.count - 1] / 1000 - at) / 60), again,
		      ca->replaced, busiest, PER_HOUR);
	assert_int_equal(renewed, CERTIFICATES);
	assert_int_equal(again, 0);
	assert_int_equal(ca->replaced, CERTIFICATES);
	assert_true(busiest <= PER_HOUR);
	/* While it is away it is not asked by each of them when it wants them next, but by one in fifteen minutes for all, when that
	 * is known: the first answer of each that is lost holds nobody up. */
	const int64_t from = at + FAKE_DAY, to = from + 6 * HOUR;
	ca->is_down = true;
	machine_run(&machine, to);
	size_t asked = fake_times_within(&ca->requests, from * 1000, to * 1000);
	print_message("six hours without it: %zu requests\n", asked);
	assert_true(asked > 6 && asked <= 6 * 4 + 40);
	world_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_days_without_a_ca_lose_nothing_and_are_made_up_for_in_turn),
		cmocka_unit_test(a_ca_that_wants_all_of_them_back_has_them_renewed_within_a_day),
	};

	cmocka_set_test_filter(getenv("SIM_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
