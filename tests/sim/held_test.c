/* held_test.c -- certificates whose renewal is held while their CA is away, and whose hooks fail: the hooks are tried again in their time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_ca.h"
#include "fake_token.h"
#include "loop.h"
#include "http.h"
#include "machine.h"
#include "virtual_clock.h"

#define CERTIFICATES  20
#define HOOK_BACK_OFF 3600

static struct machine machine;

static struct machine_alike alike = { .policy = "ari: false",
				      .certificates = CERTIFICATES,
				      .each = "    deploy: { run: [/hook] }\n" };

static void a_hook_does_not_wait_for_the_authority(void **state)
{
	const int64_t away = VIRTUAL_START + 57 * FAKE_DAY;

	(void)state;
	struct fake_ca *ca = machine_world_start(1);
	ca->preauthorized = -1;
	machine_new(&machine, 0, machine_alike, &alike);
	machine_start(&machine);
	machine.hook_fails_one_in = 1;
	machine_run(&machine, away);
	ca->is_down = true;
	machine_run(&machine, away + 8 * FAKE_DAY);
	size_t asked = fake_times_within(&ca->requests, away * 1000, (away + 8 * FAKE_DAY) * 1000);
	print_message("%u hooks, at most %u s apart, and %zu requests while the CA was away\n", machine.hooks,
		      machine.longest_hook_gap_s, asked);
	assert_true(asked > 2 * CERTIFICATES);
	/* Its back-off ends at an hour; another failure of the same certificate may come just before, and, where one thread does everything,
	 * an exchange of another one. */
	assert_in_range(machine.longest_hook_gap_s, HOOK_BACK_OFF, HOOK_BACK_OFF + LOOP_REST + HTTP_TIMEOUT_MS / 1000);
	machine_world_stop(&machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hook_does_not_wait_for_the_authority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
