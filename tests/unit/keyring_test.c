/* keyring_test.c -- a token is opened once; a refused PIN is never sent again, a token that is away is tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "clock.h"
#include "keyd_process.h"
#include "keyring.h"
#include "softhsm.h"
#include "swtpm.h"

static struct softhsm softhsm;
static struct swtpm swtpm;
static char label[] = "unit", other_label[] = "other", wrong_pin[96];
static struct config_token tokens[3];
static struct config config = { .path = (char[]){ "hwacme.yaml" }, .tokens = tokens, .token_count = 3 };

static struct keyd_process keyd = { .config = &config };
static struct remote_link *engine_link;

static int start(void **state)
{
	static char wrong[] = "wrong", tpm[] = "tpm";

	(void)state;
	if (swtpm_start(&swtpm) != 0 || softhsm_start(&softhsm) != 0 || softhsm_add(label) != 0 || softhsm_add(other_label) != 0)
		return -1;
	config.state = softhsm.dir;
	tokens[0] = softhsm_config(&softhsm, label);
	tokens[1] = tokens[0];
	tokens[1].name = wrong;
	/* Another token: where a session is logged in already, no PIN is looked at. */
	tokens[1].token_label = other_label;
	snprintf(wrong_pin, sizeof(wrong_pin), "%s/wrong", softhsm.dir);
	tokens[1].pin = (struct config_secret){ SECRET_FILE, wrong_pin };
	tokens[2] = (struct config_token){ .name = tpm, .tcti = swtpm.tcti };
	engine_link = keyd_process_link(&keyd);
	return softhsm_write(wrong_pin, "00001111");
}

static int stop(void **state)
{
	(void)state;
	remote_link_free(engine_link);
	(void)keyd_process_end(&keyd);
	swtpm_stop(&swtpm);
	softhsm_stop(&softhsm);
	return 0;
}

static void a_token_is_opened_once(void **state)
{
	AUTO(keyring) struct keyring *keyring = NULL;
	struct token *first = NULL, *second = NULL;

	(void)state;
	assert_int_equal(keyring_new(&config, engine_link, &keyring, NULL), RC_OK);
	assert_int_equal(keyring_token(keyring, "hsm", &first, NULL), RC_OK);
	assert_int_equal(keyring_token(keyring, "hsm", &second, NULL), RC_OK);
	assert_ptr_equal(first, second);
}

/* The second answer comes from the disk: nothing was sent. */
static void a_refused_pin_that_stays_is_looked_at_again_and_not_sent_again(void **state)
{
	AUTO(keyring) struct keyring *keyring = NULL;
	struct token *token = NULL;
	struct err first = { 0 }, second = { 0 }, third = { 0 };

	(void)state;
	assert_int_equal(keyring_new(&config, engine_link, &keyring, NULL), RC_OK);
	assert_int_equal(keyring_token(keyring, "wrong", &token, &first), RC_DENIED);
	assert_non_null(strstr(first.text, wrong_pin));
	assert_null(strstr(first.text, "00001111"));
	/* Not at once: a back-off of its own lies between. */
	assert_int_equal(keyring_token(keyring, "wrong", &token, &second), RC_DENIED);
	assert_string_equal(first.text, second.text);
	keyring_hasten(keyring);
	assert_int_equal(keyring_token(keyring, "wrong", &token, &third), RC_DENIED);
	assert_non_null(strstr(third.text, "it was refused before and is not sent again; correct it there"));
	assert_non_null(strstr(third.text, wrong_pin));
	assert_null(token);
}

static void a_pin_that_was_corrected_is_taken_without_a_new_start(void **state)
{
	AUTO(keyring) struct keyring *keyring = NULL;
	struct token *token = NULL;
	int64_t deadline = clock_monotonic_ms() + 20000;

	(void)state;
	assert_int_equal(keyring_new(&config, engine_link, &keyring, NULL), RC_OK);
	assert_int_equal(keyring_token(keyring, "wrong", &token, NULL), RC_DENIED);
	assert_int_equal(softhsm_write(wrong_pin, SOFTHSM_PIN), 0);
	while (keyring_token(keyring, "wrong", &token, NULL) != RC_OK && clock_monotonic_ms() < deadline)
		clock_wait_until(INT64_MAX, 20);
	assert_non_null(token);
}

static void a_token_that_is_away_is_opened_when_it_is_back(void **state)
{
	AUTO(keyring) struct keyring *keyring = NULL;
	struct token *token = NULL;
	struct err err = { 0 };
	char present[96], away[96];
	int64_t began = clock_monotonic_ms(), deadline = began + 20000;

	(void)state;
	snprintf(present, sizeof(present), "%s/tokens", softhsm.dir);
	snprintf(away, sizeof(away), "%s/away", softhsm.dir);
	assert_int_equal(keyring_new(&config, engine_link, &keyring, NULL), RC_OK);
	assert_int_equal(rename(present, away), 0);
	enum rc rc = keyring_token(keyring, "hsm", &token, &err);
	assert_true(rc == RC_RETRY || rc == RC_ABSENT);
	assert_int_equal(rename(away, present), 0);
	/* Not at once: a back-off of its own lies between. */
	assert_int_equal(keyring_token(keyring, "hsm", &token, NULL), rc);
	while (keyring_token(keyring, "hsm", &token, NULL) != RC_OK && clock_monotonic_ms() < deadline)
		clock_wait_until(INT64_MAX, 20);
	assert_non_null(token);
	assert_true(clock_monotonic_ms() - began >= 900);
}

static void a_reserved_key_is_made_once_and_found_again(void **state)
{
	AUTO(keyring) struct keyring *keyring = NULL;
	AUTO(token_key) struct token_key *made = NULL;
	AUTO(token_key) struct token_key *found = NULL;
	AUTO(token_key) struct token_key *again = NULL;
	char token[] = "hsm";
	const struct config_key wanted = { .token = token, .type = KEY_EC_P256 };
	AUTO(store) struct store *store = NULL;
	struct store_key key;

	(void)state;
	assert_int_equal(keyring_new(&config, engine_link, &keyring, NULL), RC_OK);
	assert_int_equal(store_open(softhsm.dir, &store, NULL), RC_OK);
	assert_int_equal(keyring_reserve(keyring, store, "amf", &wanted, 5, &key, NULL), RC_OK);
	assert_int_equal(strncmp(key.name.label, "hwacme-amf-", 11), 0);
	assert_int_equal(keyring_find(keyring, &key, &found, NULL), RC_ABSENT);
	assert_int_equal(keyring_find_or_generate(keyring, &key, &made, NULL), RC_OK);
	assert_int_equal(keyring_find_or_generate(keyring, &key, &again, NULL), RC_OK);
	assert_int_equal(keyring_find(keyring, &key, &found, NULL), RC_OK);
	assert_int_equal(token_erase(found, NULL), RC_OK);
}

static void a_key_reserved_just_now_is_made_without_a_look_and_never_in_the_place_of_another(void **state)
{
	AUTO(keyring) struct keyring *keyring = NULL;
	AUTO(token_key) struct token_key *made = NULL;
	AUTO(token_key) struct token_key *found = NULL;
	AUTO(buf) struct buf first = BUF_MAX(TOKEN_SPKI_MAX);
	AUTO(buf) struct buf second = BUF_MAX(TOKEN_SPKI_MAX);
	struct token_key *none = NULL;
	char token[] = "hsm";
	const struct config_key wanted = { .token = token, .type = KEY_EC_P256 };
	AUTO(store) struct store *store = NULL;
	struct store_key key;

	(void)state;
	assert_int_equal(keyring_new(&config, engine_link, &keyring, NULL), RC_OK);
	assert_int_equal(store_open(softhsm.dir, &store, NULL), RC_OK);
	assert_int_equal(keyring_reserve(keyring, store, "smf", &wanted, 5, &key, NULL), RC_OK);
	assert_int_equal(keyring_generate(keyring, &key, &made, NULL), RC_OK);
	assert_int_equal(keyring_generate(keyring, &key, &none, NULL), RC_INPUT);
	assert_null(none);
	assert_int_equal(keyring_find(keyring, &key, &found, NULL), RC_OK);
	assert_int_equal(token_public_key(made, &first, NULL), RC_OK);
	assert_int_equal(token_public_key(found, &second, NULL), RC_OK);
	assert_true(span_equal(buf_span(&first), buf_span(&second)));
	assert_int_equal(token_erase(found, NULL), RC_OK);
}

/* SoftHSM, killed in C_GenerateKeyPair, leaves an object with our name that it does not call local: as one that was imported. */
static void leave_half_made(const struct store_key *key)
{
	assert_int_equal(softhsm_import(&softhsm, label, key->name.label, key->name.id), 0);
}

static void a_key_that_was_cut_off_while_it_was_made_is_made_anew(void **state)
{
	AUTO(keyring) struct keyring *keyring = NULL;
	AUTO(token_key) struct token_key *made = NULL;
	AUTO(store) struct store *store = NULL;
	const struct config_key wanted = { .token = tokens[0].name, .type = KEY_EC_P256 };
	struct token_custody custody;
	struct store_key key;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(keyring_new(&config, engine_link, &keyring, NULL), RC_OK);
	assert_int_equal(store_open(softhsm.dir, &store, NULL), RC_OK);
	assert_int_equal(keyring_reserve(keyring, store, "amf", &wanted, 5, &key, NULL), RC_OK);
	leave_half_made(&key);
	assert_int_equal(keyring_find(keyring, &key, &made, &err), RC_DENIED);
	if (keyring_find_or_generate(keyring, &key, &made, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(token_custody(made, &custody, NULL), RC_OK);
	assert_true(custody.held);
	assert_int_equal(token_erase(made, NULL), RC_OK);
}

struct namesakes {
	const struct token_key_name *name;
	unsigned held, broken;
};

static enum rc namesake_count(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	struct namesakes *namesakes = ctx;
	bool is_one = memcmp(key->name.id, namesakes->name->id, TOKEN_ID_LEN) == 0;

	(void)err;
	namesakes->held += is_one && custody->held;
	namesakes->broken += is_one && custody->is_broken;
	return RC_OK;
}

/* An erasure goes by the id: it would take along what is kept as it must be. */
static void what_somebody_puts_under_the_name_of_a_key_does_not_cost_the_key(void **state)
{
	AUTO(keyring) struct keyring *keyring = NULL;
	AUTO(token_key) struct token_key *made = NULL;
	AUTO(store) struct store *store = NULL;
	const struct config_key wanted = { .token = tokens[0].name, .type = KEY_EC_P256 };
	struct token_key *none = NULL;
	struct store_key key;
	struct namesakes namesakes = { .name = &key.name };
	struct err err = { 0 };
	bool was_there = false;

	(void)state;
	assert_int_equal(keyring_new(&config, engine_link, &keyring, NULL), RC_OK);
	assert_int_equal(store_open(softhsm.dir, &store, NULL), RC_OK);
	assert_int_equal(keyring_reserve(keyring, store, "smf", &wanted, 5, &key, NULL), RC_OK);
	assert_int_equal(keyring_find_or_generate(keyring, &key, &made, NULL), RC_OK);
	leave_half_made(&key);
	keyd_process_kill(&keyd);
	assert_int_equal(keyring_find_or_generate(keyring, &key, &none, &err), RC_DENIED);
	assert_non_null(strstr(err.text, "more than one key in the token has its id"));
	assert_int_equal(token_list(made->token, namesake_count, &namesakes, NULL), RC_OK);
	assert_int_equal(namesakes.held, 1);
	assert_int_equal(namesakes.broken, 1);
	assert_int_equal(keyring_erase(keyring, &key, &was_there, NULL), RC_OK);
	assert_true(was_there);
}

static void tpm_tools(const char *commands)
{
	char command[512];

	snprintf(command, sizeof(command), "cd %s && export TPM2TOOLS_TCTI=%s TSS2_LOG=all+NONE && %s", swtpm.dir, swtpm.tcti,
		 commands);
	assert_int_equal(system(command), 0);
}

static void the_key_is(struct keyring *keyring, const struct store_key *key, struct span spki)
{
	AUTO(token_key) struct token_key *found = NULL;
	AUTO(buf) struct buf now = BUF_MAX(TOKEN_SPKI_MAX);
	struct err err = { 0 };

	if (keyring_find_or_generate(keyring, key, &found, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(token_public_key(found, &now, NULL), RC_OK);
	assert_true(span_equal(buf_span(&now), spki));
}

/* Its storage root key, as `tpm2_createprimary -C o` makes it, counts failures: near the lockout nothing is tried with it, nor told of keys. */
static void what_a_tpm_near_its_lockout_refuses_is_there_when_that_is_over(void **state)
{
	AUTO(keyring) struct keyring *keyring = NULL;
	AUTO(token_key) struct token_key *made = NULL;
	AUTO(store) struct store *store = NULL;
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	const struct config_key wanted = { .token = tokens[2].name, .type = KEY_EC_P256 };
	struct token_key *none = NULL;
	struct store_key key;
	struct err err = { 0 };

	(void)state;
	tpm_tools("tpm2_createprimary -Q -C o -c srk && tpm2_evictcontrol -Q -C o -c srk 0x81000001 && tpm2_flushcontext -t");
	assert_int_equal(keyring_new(&config, engine_link, &keyring, NULL), RC_OK);
	assert_int_equal(store_open(softhsm.dir, &store, NULL), RC_OK);
	assert_int_equal(keyring_reserve(keyring, store, "amf", &wanted, 5, &key, NULL), RC_OK);
	assert_int_equal(keyring_find_or_generate(keyring, &key, &made, NULL), RC_OK);
	assert_int_equal(token_public_key(made, &spki, NULL), RC_OK);
	keyd_process_kill(&keyd);
	tpm_tools("tpm2_dictionarylockout -s -n 1 -t 3600 -l 3600");
	assert_int_equal(keyring_find_or_generate(keyring, &key, &none, &err), RC_DENIED);
	assert_non_null(strstr(err.text, "one more failure locks the TPM"));
	tpm_tools("tpm2_dictionarylockout -c && tpm2_dictionarylockout -s -n 32 -t 3600 -l 3600");
	the_key_is(keyring, &key, buf_span(&spki));
	assert_int_equal(token_erase(made, NULL), RC_OK);
}

static void a_key_is_erased_also_when_it_is_not_kept_as_it_must(void **state)
{
	AUTO(keyring) struct keyring *keyring = NULL;
	AUTO(token_key) struct token_key *found = NULL;
	AUTO(store) struct store *store = NULL;
	const struct config_key wanted = { .token = tokens[0].name, .type = KEY_EC_P256 };
	struct store_key key, elsewhere;
	struct token_key *none = NULL;
	struct err err = { 0 };
	bool was_there = true;

	(void)state;
	assert_int_equal(keyring_new(&config, engine_link, &keyring, NULL), RC_OK);
	assert_int_equal(store_open(softhsm.dir, &store, NULL), RC_OK);
	assert_int_equal(keyring_reserve(keyring, store, "amf", &wanted, 5, &key, NULL), RC_OK);
	assert_int_equal(keyring_erase(keyring, &key, &was_there, &err), RC_OK);
	assert_int_equal(err.rc, RC_OK);
	assert_false(was_there);
	leave_half_made(&key);
	assert_int_equal(keyring_erase(keyring, &key, &was_there, NULL), RC_OK);
	assert_true(was_there);
	assert_int_equal(keyring_find(keyring, &key, &found, NULL), RC_ABSENT);
	assert_int_equal(keyring_find_or_generate(keyring, &key, &found, NULL), RC_OK);
	assert_int_equal(keyring_erase(keyring, &key, &was_there, NULL), RC_OK);
	assert_true(was_there);
	/* A token that is not there says nothing about its keys. */
	elsewhere = key;
	snprintf(elsewhere.token, sizeof(elsewhere.token), "away");
	assert_int_equal(keyring_erase(keyring, &elsewhere, &was_there, NULL), RC_RETRY);
	assert_int_equal(keyring_find(keyring, &elsewhere, &none, NULL), RC_RETRY);
}

static void destroy_behind_its_back(const struct store_key *key)
{
	assert_int_equal(softhsm_delete(label, key->name.label, key->name.id), 0);
}

/* keyd has its handle still, and asks the token all the same. */
static void a_key_that_another_program_has_destroyed_is_found_no_more_and_can_be_made_anew(void **state)
{
	AUTO(keyring) struct keyring *keyring = NULL;
	AUTO(token_key) struct token_key *made = NULL;
	AUTO(token_key) struct token_key *again = NULL;
	AUTO(store) struct store *store = NULL;
	const struct config_key wanted = { .token = tokens[0].name, .type = KEY_EC_P256 };
	struct token_key *none = NULL;
	struct store_key key;
	bool was_there = false;

	(void)state;
	assert_int_equal(keyring_new(&config, engine_link, &keyring, NULL), RC_OK);
	assert_int_equal(store_open(softhsm.dir, &store, NULL), RC_OK);
	assert_int_equal(keyring_reserve(keyring, store, "nrf", &wanted, 5, &key, NULL), RC_OK);
	assert_int_equal(keyring_generate(keyring, &key, &made, NULL), RC_OK);
	destroy_behind_its_back(&key);
	assert_int_equal(keyring_find(keyring, &key, &none, NULL), RC_ABSENT);
	assert_int_equal(keyring_generate(keyring, &key, &again, NULL), RC_OK);
	assert_int_equal(keyring_erase(keyring, &key, &was_there, NULL), RC_OK);
	assert_true(was_there);
}

/* "Not there" would be taken for "erased", and the key forgotten; or for "never made", and the account's only key given up. */
static void a_new_keyd_that_does_not_find_the_token_is_not_believed_about_its_keys(void **state)
{
	AUTO(keyring) struct keyring *keyring = NULL;
	AUTO(token_key) struct token_key *made = NULL;
	AUTO(store) struct store *store = NULL;
	const struct config_key wanted = { .token = tokens[0].name, .type = KEY_EC_P256 };
	char present[96], away[96];
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	struct token_key *none = NULL;
	struct store_key key;
	struct err err = { 0 };
	bool was_there = true;

	(void)state;
	snprintf(present, sizeof(present), "%s/tokens", softhsm.dir);
	snprintf(away, sizeof(away), "%s/away", softhsm.dir);
	assert_int_equal(keyring_new(&config, engine_link, &keyring, NULL), RC_OK);
	assert_int_equal(store_open(softhsm.dir, &store, NULL), RC_OK);
	assert_int_equal(keyring_reserve(keyring, store, "udm", &wanted, 5, &key, NULL), RC_OK);
	assert_int_equal(keyring_generate(keyring, &key, &made, NULL), RC_OK);
	keyd_process_kill(&keyd);
	assert_int_equal(rename(present, away), 0);
	assert_int_equal(mkdir(present, 0700), 0); /* a module that starts, and has no token */
	enum rc rc = keyring_erase(keyring, &key, &was_there, NULL);
	enum rc found = keyring_find(keyring, &key, &none, &err);
	enum rc signed_with = token_sign_message(made, TOKEN_ECDSA, TOKEN_SHA256, span_text("?"), &sig, NULL);
	assert_int_equal(rmdir(present), 0);
	assert_int_equal(rename(away, present), 0);
	assert_int_equal(rc, RC_RETRY);
	assert_false(was_there);
	assert_int_equal(found, RC_RETRY);
	assert_int_equal(err.rc, RC_RETRY);
	assert_int_equal(signed_with, RC_RETRY);
	keyd_process_kill(&keyd);
	assert_int_equal(keyring_erase(keyring, &key, &was_there, NULL), RC_OK);
	assert_true(was_there);
}

static void a_token_that_is_not_configured_is_named(void **state)
{
	AUTO(keyring) struct keyring *keyring = NULL;
	struct token *token = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(keyring_new(&config, engine_link, &keyring, NULL), RC_OK);
	assert_int_equal(keyring_token(keyring, "other", &token, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "\"other\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: keyd keeps open what was opened. */
		cmocka_unit_test(a_token_that_is_away_is_opened_when_it_is_back),
		cmocka_unit_test(a_token_is_opened_once),
		cmocka_unit_test(a_refused_pin_that_stays_is_looked_at_again_and_not_sent_again),
		cmocka_unit_test(a_pin_that_was_corrected_is_taken_without_a_new_start),
		cmocka_unit_test(a_reserved_key_is_made_once_and_found_again),
		cmocka_unit_test(a_key_reserved_just_now_is_made_without_a_look_and_never_in_the_place_of_another),
		cmocka_unit_test(a_key_that_was_cut_off_while_it_was_made_is_made_anew),
		cmocka_unit_test(what_somebody_puts_under_the_name_of_a_key_does_not_cost_the_key),
		cmocka_unit_test(what_a_tpm_near_its_lockout_refuses_is_there_when_that_is_over),
		cmocka_unit_test(a_key_is_erased_also_when_it_is_not_kept_as_it_must),
		cmocka_unit_test(a_key_that_another_program_has_destroyed_is_found_no_more_and_can_be_made_anew),
		cmocka_unit_test(a_new_keyd_that_does_not_find_the_token_is_not_believed_about_its_keys),
		cmocka_unit_test(a_token_that_is_not_configured_is_named),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
