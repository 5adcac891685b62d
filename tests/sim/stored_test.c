/* stored_test.c -- how often a renewal is stored: once before each effect outside and before each wait, and not more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_ca.h"
#include "fake_token.h"
#include "machine.h"
#include "virtual_clock.h"

#define CERTIFICATES 50u
#define SAVES_LEAST  5 /* key reserved; ordering; order accepted and CSR about to be sent; chain staged; live */
#define SAVES_MOST   7 /* the CA may have us wait for the certificate: once before that, and once when it has us wait again */

static struct machine machine;

static struct machine_alike alike = { .policy = "ari: false, boot-spread: 0s", .certificates = CERTIFICATES };

static void a_renewal_is_stored_once_before_each_effect_and_each_wait(void **state)
{
	unsigned issued = 0;

	(void)state;
	machine_world_start(1)->preauthorized = -1;
	machine_new(&machine, 0, machine_alike, &alike);
	machine_start(&machine);
	machine_run(&machine, VIRTUAL_START + 3600);
	machine_check_all(&machine);
	for (unsigned i = 0; i < CERTIFICATES; i++)
		issued += machine.views[i].generation == 1;
	assert_int_equal(issued, CERTIFICATES);
	print_message("%u certificates were issued without a challenge, and their records stored %u times\n", issued,
		      machine.saves);
	assert_in_range(machine.saves, CERTIFICATES * SAVES_LEAST, CERTIFICATES * SAVES_MOST);
	machine_world_stop(&machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_renewal_is_stored_once_before_each_effect_and_each_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
