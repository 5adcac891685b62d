/* interrupted_test.c -- what comes between the beginning of a renewal and its end: the power, an operator who revokes, a CA with other ideas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "certificate.h"
#include "clock.h"
#include "fake_ca.h"
#include "fake_token.h"
#include "fingerprint.h"
#include "machine.h"
#include "virtual_clock.h"

#define DUE        (VIRTUAL_START + 62 * FAKE_DAY) /* two thirds of 90 days are over */
#define LESS_LIFE  (10 * FAKE_DAY)
#define ASKED_MOST 40u /* times that a certificate is ordered which ends before the present one: once a day */

static struct machine machine;
static const char *rotate = "always", *token = "t0";

static void configure(FILE *file, void *ctx)
{
	(void)ctx;
	fprintf(file,
		"policies:\n  - { name: p, ari: false, boot-spread: 0s, jitter: 0%% }\ncertificates:\n"
		"  - name: c0\n    authority: ca0\n    policy: p\n    key: { token: %s, type: ec-p256, rotate: %s }\n"
		"    names: [\"dns:c0.example\"]\n",
		token, rotate);
}

static struct fake_ca *begin(const char *rotates)
{
	rotate = rotates;
	struct fake_ca *ca = machine_world_start(1);
	ca->preauthorized = -1;
	machine_new(&machine, 0, configure, NULL);
	machine_start(&machine);
	machine_run(&machine, VIRTUAL_START + 3600);
	return ca;
}

static void end(void)
{
	machine_check_all(&machine);
	assert_int_equal(machine.views[0].expired, 0);
	machine_world_stop(&machine);
}

static struct store_certificate record(void)
{
	struct store_certificate record;

	assert_int_equal(store_certificate_load(machine.store, "c0", &record, NULL), RC_OK);
	return record;
}

/* What the record tells of the certificate is so of the one that servers read. */
static void expect_record_of_what_is_live(void)
{
	AUTO(buf) struct buf pem = BUF_MAX(65536);
	AUTO(buf) struct buf der = BUF_MAX(65536);
	const struct store_certificate stored = record();
	char path[512], chunk[4096], fingerprint[65];
	size_t got;

	snprintf(path, sizeof(path), "%s/live/c0/cert.pem", machine.config->state);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
		assert_int_equal(buf_append(&pem, span_of(chunk, got), NULL), RC_OK);
	fclose(file);
	assert_int_equal(certificate_leaf_der(buf_span(&pem), &der, NULL), RC_OK);
	fingerprint_print(buf_span(&der), fingerprint);
	assert_string_equal(stored.fingerprint, fingerprint);
}

static void cut_off_at_the_switch(bool ca_forgets)
{
	machine.dies_at_switch = true;
	while (!machine.is_cut_off && virtual_clock_true() < DUE)
		machine_run(&machine, virtual_clock_true() + 60);
	assert_true(machine.is_cut_off);
	machine_stop(&machine);
	machine.is_cut_off = machine.dies_at_switch = false;
	if (ca_forgets)
		fake_ca_forget(0);
}

/* The power fails when the new set has just gone live; what was ordered is then fetched again, or is not known to the CA any more. */
static void what_went_live_unrecorded_is_recorded_or_replaced(void **state)
{
	(void)state;
	for (unsigned is_forgotten = 0; is_forgotten < 2; is_forgotten++) {
		struct fake_ca *ca = begin("always");

		cut_off_at_the_switch(is_forgotten);
		machine_start(&machine);
		machine_run(&machine, DUE + FAKE_DAY);
		print_message("%u issued, generation %u is live\n", ca->issued, machine.views[0].generation);
		assert_int_equal(ca->issued, 2 + is_forgotten);
		assert_int_equal(record().generation, machine.views[0].generation);
		assert_int_equal(record().next_generation, 0);
		expect_record_of_what_is_live();
		end();
	}
}

/* The power fails at the switch, and who comes to look writes another token into the configuration.  Whatever the CA does now, the key of
 * what servers read is there. */
static void the_key_of_what_went_live_unrecorded_stays_when_another_is_configured(void **state)
{
	(void)state;
	for (unsigned is_forgotten = 0; is_forgotten < 2; is_forgotten++) {
		struct fake_ca *ca = begin("always");

		cut_off_at_the_switch(is_forgotten);
		ca->is_down = true;
		token = "t1";
		machine_reload(&machine, configure, NULL);
		machine_run(&machine, virtual_clock_true() + FAKE_DAY);
		/* It is looked at as if it were new. */
		machine.views[0].generation = 0;
		machine_check_live(&machine, 0);
		ca->is_down = false;
		machine_run(&machine, virtual_clock_true() + 2 * FAKE_DAY);
		assert_string_equal(record().live_key.token, "t1");
		assert_int_equal(record().generation, machine.views[0].generation);
		expect_record_of_what_is_live();
		machine_check_keys(&machine);
		token = "t0";
		end();
	}
}

/* The disk is full for a moment, or locked: the failure is told of until the record follows, and no longer. */
static void what_went_live_unrecorded_once_is_in_order_soon(void **state)
{
	(void)state;
	struct fake_ca *ca = begin("always");

	machine.is_unsaved_at_switch = true;
	while (machine.views[0].failures == 0 && virtual_clock_true() < DUE)
		machine_run(&machine, virtual_clock_true() + 1);
	assert_int_equal(machine.views[0].failures, 1);
	struct store_certificate stored = record();
	assert_int_equal(stored.generation, 1);
	assert_int_equal(stored.state, CERT_ISSUED);
	assert_int_equal(stored.attempts, 1);
	assert_non_null(strstr(stored.last_error, "No space left on device"));
	machine_run(&machine, virtual_clock_true() + 3600);
	stored = record();
	assert_int_equal(stored.generation, 2);
	assert_int_equal(stored.state, CERT_IN_SERVICE);
	assert_int_equal(stored.attempts, 0);
	assert_string_equal(stored.last_error, "");
	assert_int_equal(ca->issued, 2);
	expect_record_of_what_is_live();
	end();
}

/* The order was begun with the key that stays; then it is revoked, as `hwacme revoke` notes it. */
static void a_revoked_key_is_not_certified_by_what_was_begun_before(void **state)
{
	(void)state;
	struct fake_ca *ca = begin("never");
	const struct token_key_name kept = record().live_key.name;

	machine_run(&machine, DUE - 4 * FAKE_DAY);
	ca->mishaps.internal = 1;
	machine_run(&machine, DUE);
	struct store_certificate stored = record();
	assert_string_equal(stored.next_key.name.label, kept.label);
	stored.revoked_at = clock_now();
	assert_int_equal(store_certificate_save(machine.store, &stored, clock_now(), clock_now(), "revoked", NULL), RC_OK);
	ca->mishaps.internal = 0;
	machine_run(&machine, DUE + FAKE_DAY);
	stored = record();
	assert_int_equal(stored.generation, 2);
	assert_string_not_equal(stored.live_key.name.label, kept.label);
	assert_int_equal(stored.revoked_at, 0);
	end();
}

/* Where the token is there and says so; one that is away says nothing. */
static void a_key_that_was_to_be_kept_and_is_lost_has_a_successor(void **state)
{
	(void)state;
	for (unsigned is_away = 0; is_away < 2; is_away++) {
		begin("never");
		const struct token_key_name kept = record().live_key.name;

		machine_run(&machine, DUE - 4 * FAKE_DAY);
		if (is_away)
			fake_token_get("t0")->is_away = true;
		else
			fake_key_lose(&kept);
		machine_run(&machine, DUE + FAKE_DAY);
		assert_int_equal(record().generation, is_away ? 1 : 2);
		fake_token_get("t0")->is_away = false;
		machine_run(&machine, DUE + 2 * FAKE_DAY);
		assert_int_equal(record().generation, 2);
		assert_int_equal(strcmp(record().live_key.name.label, kept.label) == 0, is_away);
		end();
	}
}

/* Somebody has to approve it; what comes of that is of no use to anybody.  Nor is it the CA's failure. */
static void a_key_that_is_lost_while_its_order_is_with_the_ca_has_a_successor_and_that_an_order(void **state)
{
	(void)state;
	struct fake_ca *ca = begin("always");

	ca->approval = 2 * FAKE_DAY;
	while (record().order.phase != ORDER_AWAIT && virtual_clock_true() < DUE + FAKE_DAY)
		machine_run(&machine, virtual_clock_true() + 60);
	const struct store_certificate waiting = record();
	assert_int_equal(waiting.order.phase, ORDER_AWAIT);
	machine_stop(&machine);
	fake_key_lose(&waiting.next_key.name);
	machine_start(&machine);
	machine_run(&machine, DUE + FAKE_DAY);
	assert_string_not_equal(record().next_key.name.label, waiting.next_key.name.label);
	assert_string_not_equal(record().order.url, waiting.order.url);
	machine_run(&machine, DUE + 5 * FAKE_DAY);
	assert_int_equal(record().generation, 2);
	assert_int_equal(machine.views[0].failures, 0);
	assert_int_equal(ca->orders.count, 3);
	end();
}

/* What it makes ends before the present one, nearly to the end of that. */
static void a_ca_that_shortens_its_lifetimes_is_not_asked_each_hour(void **state)
{
	(void)state;
	struct fake_ca *ca = begin("always");

	ca->life = LESS_LIFE;
	machine_run(&machine, VIRTUAL_START + 88 * FAKE_DAY);
	print_message("%u certificates were made\n", ca->issued);
	assert_in_range(ca->issued, 3, ASKED_MOST);
	assert_true(machine.views[0].generation > 1);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_went_live_unrecorded_is_recorded_or_replaced),
		cmocka_unit_test(the_key_of_what_went_live_unrecorded_stays_when_another_is_configured),
		cmocka_unit_test(what_went_live_unrecorded_once_is_in_order_soon),
		cmocka_unit_test(a_revoked_key_is_not_certified_by_what_was_begun_before),
		cmocka_unit_test(a_key_that_was_to_be_kept_and_is_lost_has_a_successor),
		cmocka_unit_test(a_key_that_is_lost_while_its_order_is_with_the_ca_has_a_successor_and_that_an_order),
		cmocka_unit_test(a_ca_that_shortens_its_lifetimes_is_not_asked_each_hour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
