/* maintenance_test.c -- maintenance windows: no challenge is asked for because of them, and what is with the CA does not wait for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_ca.h"
#include "machine.h"
#include "virtual_clock.h"

#define HOUR INT64_C(3600)

static struct machine machine;

/* TR 33.776, 6.9.1.1: of what is renewed in time nothing is proven again. */
static void the_interval_without_challenges_is_kept(void **state)
{
	static const char *const windows[] = { "Sat 01:00-05:00", "Sat-Sun 01:00-05:00 Europe/Paris" };

	(void)state;
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		char policy[128];
		struct machine_alike alike = { .certificates = 20, .policy = policy, .each = MACHINE_CHALLENGED };
		struct fake_ca *ca = machine_world_start(1);

		snprintf(policy, sizeof(policy), "ari: false, boot-spread: 0s, preauthorized: 336h, windows: [\"%s\"]",
			 windows[i]);
		ca->preauthorized = 336 * HOUR;
		ca->order_life = 60 * FAKE_DAY;
		machine_new(&machine, 0, machine_alike, &alike);
		machine_start(&machine);
		machine_run(&machine, VIRTUAL_START + 180 * FAKE_DAY);
		print_message("%s: %u issued, %u challenges\n", windows[i], ca->issued, ca->challenged);
		assert_int_equal(ca->challenged, alike.certificates);
		/* Each window is used at most, and the interval nearly. */
		assert_in_range(ca->issued, alike.certificates * 180 / 14, alike.certificates * (1 + 180 / 7));
		machine_check_all(&machine);
		machine_world_stop(&machine);
	}
}

static struct store_certificate record(void)
{
	struct store_certificate record = { 0 };

	assert_int_equal(store_certificate_load(machine.store, "c0", &record, NULL), RC_OK);
	return record;
}

/* Ordered on a Saturday, approved on Wednesday; on Monday the CA is away for ten minutes.  The next Saturday is too late for the order. */
static void an_order_that_waits_for_approval_outlasts_an_outage(void **state)
{
	struct machine_alike alike = { .certificates = 1,
				       .policy = "ari: false, boot-spread: 0s, windows: [\"Sat 01:00-05:00\"]",
				       .each = MACHINE_CHALLENGED };
	struct fake_ca *ca = machine_world_start(1);
	int64_t now = VIRTUAL_START + FAKE_DAY;

	(void)state;
	machine_new(&machine, 0, machine_alike, &alike);
	machine_start(&machine);
	machine_run(&machine, now);
	assert_int_equal(ca->issued, 1);
	ca->approval = 4 * FAKE_DAY;
	ca->order_life = 5 * FAKE_DAY;
	while (ca->orders.count == 1 && now < VIRTUAL_START + 90 * FAKE_DAY)
		machine_run(&machine, now += HOUR);
	machine_run(&machine, now += 2 * FAKE_DAY);
	assert_int_equal(record().order.phase, ORDER_AWAIT);
	assert_int_equal(record().attempts, 0);
	ca->is_down = true;
	machine_run(&machine, now += 600);
	ca->is_down = false;
	assert_true(record().attempts > 0);
	assert_int_equal(record().order.phase, ORDER_AWAIT);
	machine_run(&machine, now + 2 * FAKE_DAY + HOUR);
	assert_int_equal(ca->orders.count, 2);
	assert_int_equal(ca->issued, 2);
	assert_int_equal(record().generation, 2);
	machine_check_all(&machine);
	machine_world_stop(&machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_interval_without_challenges_is_kept),
		cmocka_unit_test(an_order_that_waits_for_approval_outlasts_an_outage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
