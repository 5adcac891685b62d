/* superseded_test.c -- what was replaced is to be revoked while its authority is out of order: none of it is asked for before its time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_ca.h"
#include "machine.h"
#include "virtual_clock.h"

#define CERTIFICATES 12
#define HOUR         INT64_C(3600)
#define DUE          (VIRTUAL_START + 62 * FAKE_DAY) /* two thirds of 90 days are over */
#define AWAY         (5 * HOUR)

static struct machine machine;

/* All are renewed, and in an hour what they have replaced is to be revoked. */
static struct fake_ca *begin(void)
{
	static char policy[] = "ari: false, boot-spread: 0s, jitter: 0%, revoke-superseded: true, retire-after: 6h";
	struct fake_ca *ca = machine_world_start(1);

	ca->preauthorized = -1;
	machine_new(&machine, 0, machine_alike, &(struct machine_alike){ .policy = policy, .certificates = CERTIFICATES });
	machine_start(&machine);
	while (ca->issued < 2 * CERTIFICATES && virtual_clock_true() < DUE)
		machine_run(&machine, virtual_clock_true() + 60);
	assert_int_equal(ca->issued, 2 * CERTIFICATES);
	machine_run(&machine, virtual_clock_true() + 5 * HOUR);
	assert_int_equal(ca->revocations.count, 0);
	return ca;
}

/* The authority was out of order, and is well again. */
static void end(struct fake_ca *ca, size_t asked, size_t most)
{
	print_message("%zu requests while it was out of order\n", ca->requests.count - asked);
	assert_in_range(ca->requests.count - asked, 1, most);
	assert_int_equal(ca->revocations.count, 0);
	machine_run(&machine, virtual_clock_true() + HOUR);
	assert_int_equal(ca->revocations.count, CERTIFICATES);
	assert_int_equal(ca->too_early, 0);
	for (size_t i = 1; i <= 2 * CERTIFICATES; i++)
		assert_int_equal(fake_ca_has_revoked(0, i), i <= CERTIFICATES);
	machine_world_stop(&machine);
}

static void what_one_revocation_is_told_all_others_heed(void **state)
{
	(void)state;
	struct fake_ca *ca = begin();
	size_t asked = ca->requests.count;

	ca->busy_until_ms = (virtual_clock_true() + AWAY) * 1000;
	machine_run(&machine, virtual_clock_true() + AWAY);
	end(ca, asked, 3);
}

/* Two find out; then one asks for all. */
static void while_it_is_away_one_revocation_is_tried_for_all(void **state)
{
	(void)state;
	struct fake_ca *ca = begin();
	size_t asked = ca->requests.count;

	ca->is_down = true;
	machine_run(&machine, virtual_clock_true() + AWAY);
	ca->is_down = false;
	end(ca, asked, 3 + AWAY / HOUR * 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_revocation_is_told_all_others_heed),
		cmocka_unit_test(while_it_is_away_one_revocation_is_tried_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
