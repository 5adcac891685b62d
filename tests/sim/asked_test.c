/* asked_test.c -- who has a renewal forced while the daemon looks at the certificate for another reason gets one, and not that look's answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chance.h"
#include "fake_ca.h"
#include "fake_token.h"
#include "loop.h"
#include "machine.h"
#include "virtual_clock.h"

static struct machine machine;
static unsigned asked;

static void configure(FILE *file, void *ctx)
{
	(void)ctx;
	fprintf(file, "policies:\n  - { name: p, ari: true }\ncertificates:\n"
		      "  - name: c0\n    authority: ca0\n    policy: p\n    key: { token: t0, type: ec-p256 }\n"
		      "    names: [\"dns:c0.example\"]\n");
}

static void ask(void)
{
	if (asked++ == 0)
		loop_ask(machine.loop, &machine.config->certificates[0], RENEWAL_FORCED);
}

static void a_look_that_finds_nothing_to_do_is_no_answer_to_who_forces(void **state)
{
	(void)state;
	chance_start(1);
	virtual_clock_start(0);
	fake_tokens_start();
	fake_ca_start();
	struct fake_ca *ca = fake_ca_get(0);
	ca->preauthorized = -1;
	ca->has_renewal_info = true;
	machine_new(&machine, 0, configure, NULL);
	machine_start(&machine);
	machine_run(&machine, VIRTUAL_START + FAKE_DAY);
	assert_int_equal(ca->issued, 1);
	ca->on_renewal_info = ask;
	machine_run(&machine, VIRTUAL_START + 3 * FAKE_DAY);
	assert_true(asked > 0);
	assert_int_equal(ca->issued, 2);
	assert_int_equal(machine.views[0].generation, 2);
	machine_check_all(&machine);
	machine_free(&machine);
	fake_ca_stop();
	fake_tokens_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_look_that_finds_nothing_to_do_is_no_answer_to_who_forces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
