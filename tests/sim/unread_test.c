/* unread_test.c -- what an authority said of when to come again is in a record that cannot be read: it is not asked as if it had said nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_ca.h"
#include "machine.h"
#include "virtual_clock.h"

#define CERTIFICATES 12
#define MINUTE       INT64_C(60)
#define HOUR         INT64_C(3600)
#define DUE          (VIRTUAL_START + 62 * FAKE_DAY) /* two thirds of 90 days are over */

static struct machine machine;

static struct fake_ca *begin(char *policy)
{
	struct fake_ca *ca = machine_world_start(1);

	ca->preauthorized = -1;
	ca->has_renewal_info = true;
	machine_new(&machine, 0, machine_alike, &(struct machine_alike){ .policy = policy, .certificates = CERTIFICATES });
	machine_start(&machine);
	machine_run(&machine, VIRTUAL_START + HOUR);
	assert_int_equal(ca->issued, CERTIFICATES);
	return ca;
}

/* One is told for how long it is out of order; then the disk is bad until that is over. */
static void out_of_order(struct fake_ca *ca, int64_t seconds)
{
	int64_t ends_at = virtual_clock_true() + seconds;
	size_t asked = ca->requests.count;

	ca->busy_until_ms = ends_at * 1000;
	while (ca->requests.count == asked && virtual_clock_true() < ends_at)
		machine_run(&machine, virtual_clock_true() + 1);
	assert_true(ca->quiet_until_ms > virtual_clock_true_ms());
	machine.is_unread = true;
	machine_run(&machine, ends_at);
	print_message("%zu requests while it was out of order\n", ca->requests.count - asked);
	assert_string_equal(ca->too_early_what, "");
	machine.is_unread = false;
}

static void no_question_is_asked_meanwhile(void **state)
{
	static char policy[] = "ari: true, boot-spread: 0s";

	(void)state;
	struct fake_ca *ca = begin(policy);
	out_of_order(ca, 20 * HOUR);
	size_t asked = ca->requests.count;
	machine_run(&machine, virtual_clock_true() + FAKE_DAY);
	assert_in_range(ca->requests.count - asked, CERTIFICATES, 6 * CERTIFICATES);
	machine_world_stop(&machine);
}

static void nothing_is_revoked_meanwhile(void **state)
{
	static char policy[] = "ari: false, boot-spread: 0s, jitter: 0%, revoke-superseded: true, retire-after: 6h";

	(void)state;
	struct fake_ca *ca = begin(policy);
	while (ca->issued < 2 * CERTIFICATES && virtual_clock_true() < DUE)
		machine_run(&machine, virtual_clock_true() + MINUTE);
	assert_int_equal(ca->issued, 2 * CERTIFICATES);
	machine_run(&machine, virtual_clock_true() + 5 * HOUR);
	out_of_order(ca, 5 * HOUR);
	assert_int_equal(ca->revocations.count, 0);
	machine_run(&machine, virtual_clock_true() + 2 * HOUR);
	assert_int_equal(ca->revocations.count, CERTIFICATES);
	assert_int_equal(ca->too_early, 0);
	machine_world_stop(&machine);
}

/* All of them have an order that waits. */
static void no_order_goes_on_meanwhile(void **state)
{
	static char policy[] = "ari: false, boot-spread: 0s, jitter: 0%";

	(void)state;
	struct fake_ca *ca = begin(policy);
	ca->approval = 2 * MINUTE;
	while (ca->issued < 2 * CERTIFICATES && virtual_clock_true() < DUE)
		machine_run(&machine, virtual_clock_true() + 1);
	assert_int_equal(ca->issued, 2 * CERTIFICATES);
	out_of_order(ca, HOUR);
	machine_run(&machine, virtual_clock_true() + HOUR);
	machine_check_all(&machine);
	for (unsigned i = 0; i < CERTIFICATES; i++)
		assert_int_equal(machine.views[i].generation, 2);
	assert_int_equal(ca->orders.count, 2 * CERTIFICATES);
	machine_world_stop(&machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_question_is_asked_meanwhile),
		cmocka_unit_test(nothing_is_revoked_meanwhile),
		cmocka_unit_test(no_order_goes_on_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
