/* asked_test.c -- who has a renewal forced while the daemon does something less for the certificate gets one, and not that work's answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "fake_ca.h"
#include "fake_token.h"
#include "loop.h"
#include "machine.h"
#include "virtual_clock.h"

#define MINUTE INT64_C(60)

static struct machine machine;
static const char *probe; /* of the certificate, as options */
static struct {
	enum renewal_call call;
	/* What hooks and probes come to, one after another, until there is another certificate: '.' well, 'x' not, '!' well, and it is asked
	 * meanwhile, '?' not, and it is asked. The last goes for all that come after it. */
	const char *course;
	char live[64]; /* the serial number when it was asked; "": it was not */
	unsigned issued, answers;
	/* the first answer */
	enum rc rc;
	enum renewal_result result;
	char serial[64];
} story;

static void configure(FILE *file, void *ctx)
{
	const bool *has_hook = ctx;

	fprintf(file, "policies:\n  - { name: p, ari: %s }\ncertificates:\n", *has_hook ? "false" : "true");
	fprintf(file, "  - name: c0\n    authority: ca0\n    policy: p\n    key: { token: t0, type: ec-p256 }\n"
		      "    names: [\"dns:c0.example\"]\n");
	if (*has_hook)
		fprintf(file, "    deploy: { run: [/hook] }\n%s", probe);
}

static void ask(enum renewal_call call)
{
	struct store_certificate record;

	if (story.live[0])
		return;
	assert_int_equal(store_certificate_load(machine.store, "c0", &record, NULL), RC_OK);
	snprintf(story.live, sizeof(story.live), "%s", record.serial);
	story.issued = fake_ca_get(0)->issued;
	loop_ask(machine.loop, &machine.config->certificates[0], call);
}

static void ask_while_the_ca_is_asked(void)
{
	ask(RENEWAL_FORCED);
}

static void ask_while_a_hook_runs(void)
{
	struct fake_ca *ca = fake_ca_get(0);
	bool is_another = story.live[0] && ca->issued > story.issued;
	char now = is_another ? '.' : *story.course;

	machine.hook_fails_one_in = now == 'x' || now == '?';
	if (!is_another && story.course[1])
		story.course++;
	if (now != '?' && now != '!')
		return;
	ca->is_down = false;
	ask(story.call);
}

static void hear(const struct renewal_outcome *outcome, enum rc rc)
{
	if (!story.live[0] || story.answers++)
		return;
	story.rc = rc;
	story.result = outcome->result;
	snprintf(story.serial, sizeof(story.serial), "%s", outcome->record.serial);
}

static struct fake_ca *world_start(bool has_hook)
{
	struct fake_ca *ca = machine_world_start(1);
	ca->preauthorized = -1;
	ca->has_renewal_info = !has_hook;
	machine_new(&machine, 0, configure, &has_hook);
	machine_start(&machine);
	machine.on_done = hear;
	return ca;
}

static void world_stop(void)
{
	machine_check_all(&machine);
	machine_world_stop(&machine);
}

/* What was asked for was done, and who asked is told of that. */
static void expect_renewed(void)
{
	assert_true(story.answers > 0);
	assert_int_equal(story.rc, RC_OK);
	assert_int_equal(story.result, RENEWAL_RENEWED);
	assert_string_not_equal(story.serial, story.live);
	machine_check_all(&machine);
	assert_int_equal(machine.views[0].generation, 2);
}

static int fresh(void **state)
{
	(void)state;
	memset(&story, 0, sizeof(story));
	story.call = RENEWAL_FORCED;
	probe = "";
	return 0;
}

static void a_look_that_finds_nothing_to_do_is_no_answer_to_who_forces(void **state)
{
	(void)state;
	struct fake_ca *ca = world_start(false);
	machine_run(&machine, VIRTUAL_START + FAKE_DAY);
	assert_int_equal(ca->issued, 1);
	ca->on_renewal_info = ask_while_the_ca_is_asked;
	machine_run(&machine, VIRTUAL_START + 3 * FAKE_DAY);
	assert_int_equal(ca->issued, 2);
	expect_renewed();
	world_stop();
}

static void force_during(const char *course)
{
	story.course = course;
	world_start(true);
	machine.on_hook = ask_while_a_hook_runs;
	machine_run(&machine, VIRTUAL_START + 10 * MINUTE);
	expect_renewed();
	world_stop();
}

static void a_hook_that_is_tried_again_is_no_answer_to_who_forces(void **state)
{
	(void)state;
	force_during("x!");
}

static void nor_is_its_failure(void **state)
{
	(void)state;
	force_during("x?");
}

/* The hook fails and is tried again; the probe fails at first, too, and has its time of grace. */
static void a_probe_in_its_time_of_grace_is_no_answer_to_who_forces(void **state)
{
	(void)state;
	probe = "    probe: { run: [/probe], grace: 30s, every: 0s }\n";
	force_during("x.?x.");
}

/* A day later the service presents another certificate, for all of the time of grace. */
static void nor_is_that_it_did_not_pass(void **state)
{
	(void)state;
	probe = "    probe: { run: [/probe], grace: 10s, every: 24h }\n";
	story.course = "..x?x";
	world_start(true);
	machine.on_hook = ask_while_a_hook_runs;
	machine_run(&machine, VIRTUAL_START + FAKE_DAY + 10 * MINUTE);
	expect_renewed();
	world_stop();
}

/* A renewal is due that its authority, being away, holds up; who asks does not wait for that, nor for the hook. */
static void a_hook_is_no_answer_to_who_asks_for_what_is_due(void **state)
{
	(void)state;
	story.call = RENEWAL_ASKED;
	story.course = "x";
	struct fake_ca *ca = world_start(true);
	machine.on_hook = ask_while_a_hook_runs;
	machine_run(&machine, VIRTUAL_START + 57 * FAKE_DAY);
	ca->is_down = true;
	machine_run(&machine, VIRTUAL_START + 65 * FAKE_DAY);
	assert_int_equal(ca->issued, 1);
	story.course = "!";
	machine_run(&machine, VIRTUAL_START + 65 * FAKE_DAY + 70 * MINUTE);
	expect_renewed();
	world_stop();
}

/* Somebody at the CA has to approve it: the daemon puts it down, or is started anew, and goes on with it by itself. */
static void what_was_forced_is_taken_however_long_it_takes(void **state)
{
	bool has_hook = false;

	(void)state;
	for (unsigned is_restarted = 0; is_restarted < 2; is_restarted++) {
		struct fake_ca *ca = machine_world_start(1);

		ca->preauthorized = -1;
		ca->order_life = 7 * FAKE_DAY;
		machine_new(&machine, 0, configure, &has_hook);
		machine_start(&machine);
		machine_run(&machine, VIRTUAL_START + FAKE_DAY);
		/* From now on its certificates end before the one that is live. */
		ca->life = 30 * FAKE_DAY;
		ca->approval = 3 * 3600;
		memset(&story, 0, sizeof(story));
		ask(RENEWAL_FORCED);
		machine_run(&machine, VIRTUAL_START + FAKE_DAY + 20 * MINUTE);
		if (is_restarted) {
			machine_stop(&machine);
			machine_start(&machine);
		}
		machine_run(&machine, VIRTUAL_START + FAKE_DAY + 4 * 60 * MINUTE);
		machine_check_all(&machine);
		assert_int_equal(machine.views[0].generation, 2);
		assert_int_equal(ca->orders.count, 2);
		/* It is over with that: what is not forced is judged as ever. */
		struct store_certificate record;
		assert_int_equal(store_certificate_load(machine.store, "c0", &record, NULL), RC_OK);
		assert_false(record.is_forced);
		machine_world_stop(&machine);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_forced_is_taken_however_long_it_takes),
		cmocka_unit_test_setup(a_look_that_finds_nothing_to_do_is_no_answer_to_who_forces, fresh),
		cmocka_unit_test_setup(a_hook_that_is_tried_again_is_no_answer_to_who_forces, fresh),
		cmocka_unit_test_setup(nor_is_its_failure, fresh),
		cmocka_unit_test_setup(a_probe_in_its_time_of_grace_is_no_answer_to_who_forces, fresh),
		cmocka_unit_test_setup(nor_is_that_it_did_not_pass, fresh),
		cmocka_unit_test_setup(a_hook_is_no_answer_to_who_asks_for_what_is_due, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
