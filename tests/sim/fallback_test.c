/* fallback_test.c -- an authority that says itself for how long it is out of order: the next one is asked when `fallback-after` is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_ca.h"
#include "machine.h"
#include "virtual_clock.h"

#define CERTIFICATES 6
#define HOUR         INT64_C(3600)
#define DUE          (VIRTUAL_START + 62 * FAKE_DAY) /* two thirds of 90 days are over */

static struct machine machine;

static unsigned with_generation(unsigned least)
{
	unsigned count = 0;

	machine_check_all(&machine);
	for (unsigned i = 0; i < CERTIFICATES; i++)
		count += machine.views[i].generation >= least;
	return count;
}

/* When all of them are renewed (unix time). */
static int64_t renewed_at(int64_t until)
{
	while (with_generation(2) < CERTIFICATES && virtual_clock_true() < until)
		machine_run(&machine, virtual_clock_true() + 60);
	return virtual_clock_true();
}

static const char *policy = "boot-spread: 0s, jitter: 0%, fallback-after: 1h, ari: false";

static void configure(FILE *file, void *ctx)
{
	static char each[] = "    fallback: [ca1]\n" MACHINE_CHALLENGED;

	(void)ctx;
	machine_alike(file, &(struct machine_alike){ .policy = policy, .certificates = CERTIFICATES, .each = each });
}

/* All have been issued by the first of two authorities that ask for no challenge, and none is due yet. */
static struct fake_ca *begin(const char *ari)
{
	static char text[128];

	snprintf(text, sizeof(text), "boot-spread: 0s, jitter: 0%%, fallback-after: 1h, ari: %s", ari);
	policy = text;
	struct fake_ca *ca = machine_world_start(1);
	ca->preauthorized = fake_ca_get(1)->preauthorized = -1;
	ca->has_renewal_info = true;
	machine_new(&machine, 0, configure, NULL);
	machine_start(&machine);
	machine_run(&machine, DUE - 4 * FAKE_DAY);
	assert_int_equal(with_generation(1), CERTIFICATES);
	assert_int_equal(with_generation(2), 0);
	return ca;
}

static void expect_renewed_after(int64_t told_at, int64_t least, int64_t most)
{
	int64_t at = renewed_at(told_at + 2 * FAKE_DAY);

	print_message("all are renewed %lld min after the first was sent away\n", (long long)(at - told_at) / 60);
	assert_in_range(at - told_at, least, most);
	assert_int_equal(fake_ca_get(0)->too_early, 0);
	machine_check_keys(&machine);
	machine_world_stop(&machine);
}

static void who_is_sent_away_for_a_day_turns_to_the_next_in_an_hour(void **state)
{
	(void)state;
	struct fake_ca *ca = begin("false");
	size_t asked = ca->requests.count;

	while (ca->requests.count == asked) {
		ca->busy_until_ms = (virtual_clock_true() + 20 * HOUR) * 1000;
		machine_run(&machine, virtual_clock_true() + 10);
	}
	expect_renewed_after(virtual_clock_true(), HOUR / 2, HOUR + 10 * 60);
}

/* Its answers are out, and it was not told of them. */
static void who_is_sent_away_in_the_middle_of_an_order_turns_to_the_next_as_well(void **state)
{
	(void)state;
	struct fake_ca *ca = begin("false");

	ca->preauthorized = 0;
	ca->challenge_busy_s = 20 * HOUR;
	while (ca->challenge_busy_s)
		machine_run(&machine, virtual_clock_true() + 1);
	expect_renewed_after(virtual_clock_true(), HOUR / 2, HOUR + 10 * 60);
}

/* They were asked for: who did so is told that it takes longer, and from then on they wait as all others do. */
static void who_is_sent_away_in_the_middle_of_what_was_asked_for_turns_to_the_next_as_well(void **state)
{
	(void)state;
	struct fake_ca *ca = begin("false");

	ca->preauthorized = 0;
	ca->challenge_busy_s = 20 * HOUR;
	for (unsigned i = 0; i < CERTIFICATES; i++)
		loop_ask(machine.loop, &machine.config->certificates[i], RENEWAL_FORCED);
	while (ca->challenge_busy_s)
		machine_run(&machine, virtual_clock_true() + 1);
	/* He did not wait for what the first was told. */
	ca->too_early = 0;
	int64_t told_at = virtual_clock_true();
	machine_run(&machine, told_at + RENEWAL_PATIENCE);
	ca->too_early = 0;
	expect_renewed_after(told_at, HOUR / 2, HOUR + 10 * 60);
}

/* A proxy, a page where one signs in, another server: whatever is there, it is not the authority. */
static void an_authority_that_does_not_speak_acme_is_passed_over(void **state)
{
	(void)state;
	for (unsigned which = 1; which <= FAKE_NONSENSE; which += 3) {
		struct fake_ca *ca = begin("false");
		size_t asked = ca->requests.count;

		ca->nonsense_one_in = 1;
		ca->nonsense = which;
		while (ca->requests.count == asked)
			machine_run(&machine, virtual_clock_true() + 10);
		expect_renewed_after(virtual_clock_true(), HOUR / 2, HOUR + 10 * 60);
	}
}

static void makes_wrong_certificates(struct fake_ca *ca)
{
	ca->wrong_one_in = 1;
}

static void has_had_enough_of_us(struct fake_ca *ca)
{
	ca->mishaps.limited = 1;
}

static void finds_no_answer_to_its_challenges(struct fake_ca *ca)
{
	ca->preauthorized = 0;
	ca->mishaps.invalid = 1;
}

/* It speaks ACME, and nothing comes of it. */
static void an_authority_that_refuses_for_an_hour_is_passed_over(void **state)
{
	/* What is not valid yet may be so by our own clock: that is waited for for longer. */
	static const struct {
		void (*begin)(struct fake_ca *ca);
		int64_t most;
	} WAYS[] = { { makes_wrong_certificates, 4 * HOUR },
		     { has_had_enough_of_us, HOUR + 30 * 60 },
		     { finds_no_answer_to_its_challenges, HOUR + 30 * 60 } };

	(void)state;
	for (unsigned i = 0; i < sizeof(WAYS) / sizeof(WAYS[0]); i++) {
		struct fake_ca *ca = begin("false");
		size_t asked = ca->requests.count;

		WAYS[i].begin(ca);
		while (ca->requests.count == asked)
			machine_run(&machine, virtual_clock_true() + 10);
		expect_renewed_after(virtual_clock_true(), HOUR / 2, WAYS[i].most);
	}
}

/* It was out of order when it was asked for renewal information, and has answered ever since: it is not away from that day on. */
static void an_authority_that_answers_questions_again_is_not_away(void **state)
{
	struct store_availability availability;

	(void)state;
	struct fake_ca *ca = begin("true");
	ca->busy_until_ms = (virtual_clock_true() + 7 * HOUR) * 1000;
	machine_run(&machine, virtual_clock_true() + 7 * HOUR);
	assert_int_equal(store_availability_load(machine.store, "ca0", &availability, NULL), RC_OK);
	assert_true(availability.down_since > 0);
	machine_run(&machine, virtual_clock_true() + 7 * HOUR);
	assert_int_equal(with_generation(2), 0);
	assert_int_equal(store_availability_load(machine.store, "ca0", &availability, NULL), RC_OK);
	assert_int_equal(availability.down_since, 0);
	assert_int_equal(ca->too_early, 0);
	machine_world_stop(&machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_sent_away_for_a_day_turns_to_the_next_in_an_hour),
		cmocka_unit_test(who_is_sent_away_in_the_middle_of_an_order_turns_to_the_next_as_well),
		cmocka_unit_test(who_is_sent_away_in_the_middle_of_what_was_asked_for_turns_to_the_next_as_well),
		cmocka_unit_test(an_authority_that_does_not_speak_acme_is_passed_over),
		cmocka_unit_test(an_authority_that_refuses_for_an_hour_is_passed_over),
		cmocka_unit_test(an_authority_that_answers_questions_again_is_not_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
