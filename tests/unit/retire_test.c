/* retire_test.c -- on a SoftHSM and a swtpm: a superseded key goes when its time has come and its successor is in service, and rotations leave none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "keyd_process.h"
#include "renewal.h"
#include "softhsm.h"
#include "swtpm.h"

#define ROTATIONS 40 /* HWACME_ROTATIONS in the environment: so many */
#define FAR       INT64_C(4000000000)

static struct softhsm softhsm;
static struct swtpm swtpm;
static char label[] = "unit", tpm_name[] = "tpm", hsm_name[] = "hsm", policy_name[] = "sba", program[] = "/bin/true";
static char names[][8] = { "amf", "smf", "upf" };
static char *run[] = { program };
static struct config_token tokens[2];
static struct config_policy policies[] = { { .name = policy_name, .keep = 1 } };
static struct config_certificate certificates[] = {
	{ .name = names[0], .policy = policy_name, .key = { hsm_name, KEY_EC_P256 } },
	{ .name = names[1], .policy = policy_name, .key = { tpm_name, KEY_EC_P256 } },
	{ .name = names[2], .policy = policy_name, .key = { hsm_name, KEY_EC_P256 }, .deploy_run = run, .deploy_run_count = 1 },
};
static const struct config_certificate *by_name[] = { &certificates[0], &certificates[1], &certificates[2] };
static struct config config = { .path = (char[]){ "hwacme.yaml" },
				.tokens = tokens,
				.token_count = 2,
				.policies = policies,
				.policy_count = 1,
				.certificates = certificates,
				.certificate_count = 3,
				.by_name = by_name };
static struct keyd_process keyd = { .config = &config };
static struct remote_link *engine_link;
static struct renewal_desk desk = { .config = &config };

static int start(void **state)
{
	(void)state;
	if (softhsm_start(&softhsm) != 0 || softhsm_add(label) != 0 || swtpm_start(&swtpm) != 0)
		return -1;
	config.state = softhsm.dir;
	tokens[0] = softhsm_config(&softhsm, label);
	tokens[1] = (struct config_token){ .name = tpm_name, .tcti = swtpm.tcti };
	engine_link = keyd_process_link(&keyd);
	return store_open(config.state, &desk.store, NULL) == RC_OK &&
			       keyring_new(&config, engine_link, &desk.keyring, NULL) == RC_OK
		       ? 0
		       : -1;
}

static int stop(void **state)
{
	(void)state;
	keyring_free(desk.keyring);
	store_close(desk.store);
	remote_link_free(engine_link);
	(void)keyd_process_end(&keyd);
	softhsm_stop(&softhsm);
	swtpm_stop(&swtpm);
	return 0;
}

static enum rc count_one(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	(void)key;
	(void)custody;
	(void)err;
	++*(unsigned *)ctx;
	return RC_OK;
}

/* As the token itself has them. */
static unsigned keys_in(const char *name)
{
	struct token *token;
	unsigned count = 0;

	assert_int_equal(keyring_token(desk.keyring, name, &token, NULL), RC_OK);
	assert_int_equal(token_list(token, count_one, &count, NULL), RC_OK);
	return count;
}

static unsigned overdue_at(int64_t now)
{
	struct store_retired retired[RENEWAL_OVERDUE_MAX];

	return renewal_overdue(&config, desk.store, now, retired, RENEWAL_OVERDUE_MAX);
}

/* What a renewal does with keys: the next is made and goes live, and the one before it waits for `erase_at`. */
static void rotate(struct store_certificate *record, const struct config_certificate *certificate, int64_t erase_at)
{
	AUTO(token_key) struct token_key *made = NULL;
	struct err err = { 0 };
	int64_t now = clock_now();

	snprintf(record->name, sizeof(record->name), "%s", certificate->name);
	assert_int_equal(keyring_reserve(desk.keyring, desk.store, record->name, &certificate->key, now, &record->next_key, &err),
			 RC_OK);
	assert_int_equal(store_certificate_save(desk.store, record, now, erase_at, NULL, &err), RC_OK);
	if (keyring_find_or_generate(desk.keyring, &record->next_key, &made, &err) != RC_OK)
		fail_msg("%s", err.text);
	record->live_key = record->next_key;
	record->next_key = (struct store_key){ 0 };
	record->generation++;
	record->not_after = FAR;
	record->state = CERT_IN_SERVICE;
	assert_int_equal(store_certificate_save(desk.store, record, now, erase_at, NULL, &err), RC_OK);
}

static void erase_all(struct store_certificate *record)
{
	record->live_key = (struct store_key){ 0 };
	record->not_after = 1;
	assert_int_equal(store_certificate_save(desk.store, record, 1, 1, NULL, NULL), RC_OK);
	(void)renewal_retire(&desk, FAR, NULL);
}

static void rotations_leave_one_key(void **state)
{
	unsigned rotations = getenv("HWACME_ROTATIONS") ? (unsigned)strtoul(getenv("HWACME_ROTATIONS"), NULL, 10) : ROTATIONS;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct store_certificate record = { .generation = 0 };
		int64_t began = clock_monotonic_ms();

		for (unsigned turn = 0; turn <= rotations; turn++) {
			rotate(&record, &certificates[i], 1);
			assert_int_equal(renewal_retire(&desk, clock_now(), NULL), turn > 0);
		}
		assert_int_equal(keys_in(certificates[i].key.token), 1);
		printf("%u rotations in \"%s\" in %lld ms\n", rotations, certificates[i].key.token,
		       (long long)(clock_monotonic_ms() - began));
		erase_all(&record);
		assert_int_equal(keys_in(certificates[i].key.token), 0);
	}
}

/* Nobody but the renewals themselves clears away: two keys of theirs at a time, and no others'. */
static void a_renewal_that_makes_a_key_erases_what_is_due_of_its_own(void **state)
{
	struct store_certificate amf = { .generation = 0 }, upf = { .generation = 0 };
	int64_t now = clock_now();

	(void)state;
	for (int i = 0; i < 6; i++)
		rotate(&amf, &certificates[0], i < 5 ? 1 : now + 1000);
	for (int i = 0; i < 2; i++)
		rotate(&upf, &certificates[2], 1);
	assert_int_equal(keys_in(hsm_name), 8);
	for (unsigned expected = 2; expected; expected--) {
		assert_int_equal(renewal_retire_own(&desk, names[0], hsm_name, now), 2);
		assert_int_equal(keys_in(hsm_name), 4 + 2 * (expected - 1));
	}
	/* One is not due yet, and none is in the other token. */
	assert_int_equal(renewal_retire_own(&desk, names[0], tpm_name, now + 1000), 0);
	assert_int_equal(renewal_retire_own(&desk, names[0], hsm_name, now), 0);
	assert_int_equal(renewal_retire_own(&desk, names[0], hsm_name, now + 1000), 1);
	/* The hook of upf has not ended well. */
	assert_int_equal(renewal_retire_own(&desk, names[2], hsm_name, now), 0);
	upf.service.deployed_at = 5;
	assert_int_equal(store_certificate_save(desk.store, &upf, 1, 1, NULL, NULL), RC_OK);
	assert_int_equal(renewal_retire_own(&desk, names[2], hsm_name, now), 1);
	erase_all(&amf);
	erase_all(&upf);
}

/* I4: the hook of upf has not ended well. */
static void a_key_that_may_be_in_use_stays_until_its_certificate_has_expired(void **state)
{
	struct store_certificate record = { .generation = 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		rotate(&record, &certificates[2], 1);
	assert_int_equal(renewal_retire(&desk, clock_now(), NULL), 0);
	assert_int_equal(keys_in(hsm_name), 3);
	record.service.deployed_at = 5;
	assert_int_equal(store_certificate_save(desk.store, &record, 1, 1, NULL, NULL), RC_OK);
	assert_int_equal(renewal_retire(&desk, clock_now(), NULL), 2);
	rotate(&record, &certificates[2], 1);
	record.service.deployed_at = 0;
	assert_int_equal(store_certificate_save(desk.store, &record, 1, 1, NULL, NULL), RC_OK);
	assert_int_equal(renewal_retire(&desk, FAR - 1, NULL), 0);
	/* Who erases looks once an hour: nothing is amiss before that. */
	assert_int_equal(overdue_at(FAR + RENEWAL_OVERDUE - 1), 0);
	assert_int_equal(overdue_at(FAR + RENEWAL_OVERDUE), 1);
	assert_int_equal(renewal_retire(&desk, FAR, NULL), 1);
	assert_int_equal(keys_in(hsm_name), 1);
	erase_all(&record);
}

static void time_and_the_policy_keep_a_key(void **state)
{
	struct store_certificate record = { .generation = 0 };
	int64_t now = clock_now();

	(void)state;
	rotate(&record, &certificates[0], now);
	rotate(&record, &certificates[0], now + 1000);
	assert_int_equal(renewal_retire(&desk, now + 999, NULL), 0);
	assert_int_equal(renewal_retire(&desk, now + 1000, NULL), 1);
	policies[0].keep = 3;
	for (int i = 0; i < 5; i++)
		rotate(&record, &certificates[0], 1);
	assert_int_equal(renewal_retire(&desk, now, NULL), 3);
	assert_int_equal(keys_in(hsm_name), 3);
	policies[0].keep = 1;
	assert_int_equal(renewal_retire(&desk, now, NULL), 2);
	assert_int_equal(keys_in(hsm_name), 1);
	erase_all(&record);
}

/* More keys that have to stay than are looked at in one go: one behind them goes all the same. */
static void those_that_stay_do_not_hide_one_that_may_go(void **state)
{
	struct store_certificate stays = { .generation = 0 }, goes = { .generation = 0 };

	(void)state;
	for (int i = 0; i < 41; i++)
		rotate(&stays, &certificates[2], 1);
	rotate(&goes, &certificates[0], 2);
	rotate(&goes, &certificates[0], 2);
	assert_int_equal(renewal_retire(&desk, clock_now(), NULL), 1);
	assert_int_equal(keys_in(hsm_name), 42);
	erase_all(&stays);
	erase_all(&goes);
	assert_int_equal(keys_in(hsm_name), 0);
}

/* By a clock that was ahead: once it is right, no key waits for longer than the longest policy says. */
/* It was taken out of the configuration: nothing is overdue that cannot be reached, and nothing forgotten. */
static void what_is_in_a_token_that_is_gone_waits_for_its_return(void **state)
{
	struct store_certificate record = { .generation = 0 };
	struct store_retired overdue[4];
	struct err err = { 0 };

	(void)state;
	rotate(&record, &certificates[1], 1);
	rotate(&record, &certificates[1], 1);
	assert_int_equal(renewal_overdue(&config, desk.store, clock_now(), overdue, 4), 1);
	config.token_count = 1;
	assert_int_equal(renewal_overdue(&config, desk.store, clock_now(), overdue, 4), 0);
	assert_int_equal(renewal_retire(&desk, clock_now(), &err), 0);
	assert_int_equal(err.rc, RC_OK);
	config.token_count = 2;
	assert_int_equal(renewal_retire(&desk, clock_now(), &err), 1);
	erase_all(&record);
	assert_int_equal(keys_in(tpm_name), 0);
}

static void what_was_retired_by_a_clock_that_was_ahead_is_erased_in_time(void **state)
{
	struct store_certificate record = { .generation = 0 };
	int64_t now = clock_now();

	(void)state;
	policies[0].retire_after = 3 * INT64_C(86400);
	rotate(&record, &certificates[0], FAR);
	record.not_before = now - 60;
	rotate(&record, &certificates[0], FAR);
	/* The CA's certificate is of a time to come: the clock is behind. */
	renewal_retire_hasten(&desk, now - 3600);
	assert_int_equal(renewal_retire(&desk, FAR - 1, NULL), 0);
	renewal_retire_hasten(&desk, now);
	assert_int_equal(renewal_retire(&desk, now + policies[0].retire_after - 1, NULL), 0);
	assert_int_equal(renewal_retire(&desk, now + policies[0].retire_after, NULL), 1);
	policies[0].retire_after = 0;
	erase_all(&record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_a_token_that_is_gone_waits_for_its_return),
		cmocka_unit_test(what_was_retired_by_a_clock_that_was_ahead_is_erased_in_time),
		cmocka_unit_test(rotations_leave_one_key),
		cmocka_unit_test(a_renewal_that_makes_a_key_erases_what_is_due_of_its_own),
		cmocka_unit_test(a_key_that_may_be_in_use_stays_until_its_certificate_has_expired),
		cmocka_unit_test(time_and_the_policy_keep_a_key),
		cmocka_unit_test(those_that_stay_do_not_hide_one_that_may_go),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
