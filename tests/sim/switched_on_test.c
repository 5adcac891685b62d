/* switched_on_test.c -- ten thousand appliances that are switched on at the same midnight do not order in the same second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "fake_ca.h"
#include "fake_token.h"
#include "machine.h"
#include "virtual_clock.h"

#define APPLIANCES 10000
#define WHOLE      60 /* of them run the whole daemon */
#define AT_ONCE    (APPLIANCES / 200)
#define HORIZON    (90 * FAKE_DAY)

static struct machine machine;

/* One certificate, of the same name on all. */
static void configure(FILE *file, void *ctx)
{
	(void)ctx;
	fputs("certificates:\n  - name: amf\n    authority: ca0\n    key: { token: t0, type: ec-p256 }\n"
	      "    names: [\"dns:amf.example\"]\n    deploy: { run: [/hook] }\n",
	      file);
}

/* Most of them in one second. */
static unsigned busiest(const int64_t at[APPLIANCES])
{
	uint16_t *seconds = calloc((size_t)HORIZON, sizeof(uint16_t));
	unsigned most = 0;

	assert_non_null(seconds);
	for (unsigned i = 0; i < APPLIANCES; i++) {
		int64_t second = at[i] - VIRTUAL_START;

		assert_true(second >= 0 && second < HORIZON);
		most = ++seconds[second] > most ? seconds[second] : most;
	}
	free(seconds);
	return most;
}

static void no_second_sees_more_than_half_a_percent_of_the_orders(void **state)
{
	const struct config_policy *policy = config_policy_get(NULL, NULL);
	static int64_t first[APPLIANCES], later[APPLIANCES], overdue[APPLIANCES];

	(void)state;
	chance_start(1);
	for (unsigned i = 0; i < APPLIANCES; i++) {
		uint64_t instance = (uint32_t)chance_draw();

		first[i] = VIRTUAL_START + plan_turn_after_boot(policy, "amf", instance, 0, VIRTUAL_START);
		/* Its renewal in two months: the certificate is another on each. */
		struct plan_facts facts = { .issued = true,
					    .not_before = first[i],
					    .not_after = first[i] + 90 * FAKE_DAY,
					    .issued_at = first[i],
					    .seed = chance_draw() };
		later[i] = plan_next(policy, "amf", &facts, first[i]).when;
		/* The same after they were all switched off until a week before expiry. */
		overdue[i] = VIRTUAL_START +
			     plan_turn_after_boot(policy, "amf", instance, VIRTUAL_START + 7 * FAKE_DAY, VIRTUAL_START);
	}
	print_message(
		"%u appliances switched on together: at most %u first orders in one second, %u renewals in one second two months "
		"later, %u when they were overdue; %u is half a percent\n",
		APPLIANCES, busiest(first), busiest(later), busiest(overdue), AT_ONCE);
	assert_true(busiest(first) <= AT_ONCE);
	assert_true(busiest(later) <= AT_ONCE);
	assert_true(busiest(overdue) <= AT_ONCE);
}

/* Whole daemons, each in its own world at the same midnight, order when it is their turn, and not again when they are restarted. */
static void the_daemon_waits_for_its_turn_after_boot(void **state)
{
	(void)state;
	chance_start(2);
	fake_tokens_start();
	fake_ca_start();
	struct fake_ca *ca = fake_ca_get(0);
	ca->preauthorized = -1;
	for (unsigned i = 0; i < WHOLE; i++) {
		size_t before = ca->orders.count;

		virtual_clock_start(0);
		chance_instance = (uint32_t)chance_draw();
		machine_new(&machine, 0, configure, NULL);
		int64_t turn = plan_turn_after_boot(config_policy_get(machine.config, NULL), "amf", chance_instance, 0, 0);
		machine_start(&machine);
		machine_run(&machine, VIRTUAL_START + turn / 2);
		machine_stop(&machine);
		machine_start(&machine);
		machine_run(&machine, VIRTUAL_START + 900);
		assert_int_equal(ca->orders.count, before + 1);
		/* A second for what comes before the order. */
		int64_t ordered = ca->orders.at[before] / 1000 - VIRTUAL_START;
		assert_true(ordered >= turn && ordered <= turn + 3);
		machine_free(&machine);
	}
	fake_ca_stop();
	fake_tokens_stop();
}

/* Nor does a person who asks for it before, with what comes of that: no CA is spared by a hook that is tried again later. */
static void an_owed_hook_has_no_turn(void **state)
{
	(void)state;
	chance_start(4);
	fake_tokens_start();
	fake_ca_start();
	fake_ca_get(0)->preauthorized = -1;
	virtual_clock_start(0);
	chance_instance = (uint32_t)chance_draw();
	machine_new(&machine, 0, configure, NULL);
	const struct config_policy *policy = config_policy_get(machine.config, NULL);
	while (plan_turn_after_boot(policy, "amf", chance_instance, 0, 0) < 300)
		chance_instance++;
	machine_start(&machine);
	machine.hook_fails_one_in = 1;
	loop_ask(machine.loop, &machine.config->certificates[0], RENEWAL_ASKED);
	machine_run(&machine, VIRTUAL_START + 30);
	assert_int_equal(fake_ca_get(0)->issued, 1);
	assert_int_equal(machine.failed_hooks, 1);
	machine.hook_fails_one_in = 0;
	machine_run(&machine, VIRTUAL_START + 120);
	assert_int_equal(machine.hooks, 2);
	assert_int_equal(machine.failed_hooks, 1);
	machine_free(&machine);
	fake_ca_stop();
	fake_tokens_stop();
}

/* A person who starts it on a machine that has been running does not wait. */
static void a_machine_that_runs_for_long_orders_at_once(void **state)
{
	(void)state;
	chance_start(3);
	fake_tokens_start();
	fake_ca_start();
	fake_ca_get(0)->preauthorized = -1;
	virtual_clock_start(INT64_C(3600000));
	machine_new(&machine, 0, configure, NULL);
	machine_start(&machine);
	machine_run(&machine, VIRTUAL_START + 30);
	assert_int_equal(fake_ca_get(0)->orders.count, 1);
	assert_true(fake_ca_get(0)->orders.at[0] / 1000 - VIRTUAL_START <= 3);
	machine_free(&machine);
	fake_ca_stop();
	fake_tokens_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_second_sees_more_than_half_a_percent_of_the_orders),
		cmocka_unit_test(the_daemon_waits_for_its_turn_after_boot),
		cmocka_unit_test(an_owed_hook_has_no_turn),
		cmocka_unit_test(a_machine_that_runs_for_long_orders_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
