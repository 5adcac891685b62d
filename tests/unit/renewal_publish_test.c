/* renewal_publish_test.c -- on a SoftHSM: what the live generation has in the archive comes to stand in the token, and the record says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "clock.h"
#include "keyd_process.h"
#include "made_certificate.h"
#include "renewal_steps.h"
#include "softhsm.h"

static struct softhsm softhsm;
static char token_label[] = "unit", hsm_name[] = "hsm", policy_name[] = "sba", name[] = "amf", stable[] = "amf-tls";
static struct config_token tokens[1];
static struct config_policy policies[] = { { .name = policy_name, .keep = 1 } };
static struct config_certificate certificates[] = {
	{ .name = name, .policy = policy_name, .key = { hsm_name, KEY_EC_P256 }, .objects = { true, true, stable } }
};
static struct config config = { .path = (char[]){ "hwacme.yaml" },
				.tokens = tokens,
				.token_count = 1,
				.policies = policies,
				.policy_count = 1,
				.certificates = certificates,
				.certificate_count = 1 };
static struct keyd_process keyd = { .config = &config };
static struct remote_link *engine_link;
static struct renewal_desk desk = { .config = &config };
static struct store_certificate record_at_hand;
static struct renewal renewal = {
	.desk = &desk, .certificate = &certificates[0], .policy = &policies[0], .record = &record_at_hand
};

static void directory_make(const char *below)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", softhsm.dir, below);
	assert_int_equal(mkdir(path, 0700), 0);
}

/* As archive_stage() has left it. */
static void archive_write(const char *file, const struct buf *der)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/archive/amf/1/%s", softhsm.dir, file);
	FILE *to = fopen(path, "w");
	assert_non_null(to);
	if (der)
		assert_true(PEM_write(to, "CERTIFICATE", "", der->at, (long)der->len) > 0);
	assert_int_equal(fclose(to), 0);
}

static void archive_remove(const char *file)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/archive/amf/1/%s", softhsm.dir, file);
	assert_int_equal(unlink(path), 0);
}

static int start(void **state)
{
	(void)state;
	if (softhsm_start(&softhsm) != 0 || softhsm_add(token_label) != 0)
		return -1;
	config.state = softhsm.dir;
	tokens[0] = softhsm_config(&softhsm, token_label);
	engine_link = keyd_process_link(&keyd);
	directory_make("archive");
	directory_make("archive/amf");
	directory_make("archive/amf/1");
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
	return 0;
}

/* A live certificate with its key, as a renewal leaves it. */
static void live_make(struct buf *own)
{
	struct store_certificate *record = renewal.record;
	struct token_key *key = NULL;
	struct err err = { 0 };

	*record = (struct store_certificate){ .state = CERT_INSTALLED, .generation = 1, .not_after = INT64_C(4000000000) };
	snprintf(record->name, sizeof(record->name), "%s", name);
	assert_int_equal(
		keyring_reserve(desk.keyring, desk.store, name, &certificates[0].key, clock_now(), &record->live_key, &err),
		RC_OK);
	if (keyring_find_or_generate(desk.keyring, &record->live_key, &key, &err) != RC_OK)
		fail_msg("%s", err.text);
	made_certificate_of(key, name, 1, own);
	token_key_free(key);
	archive_write("cert.pem", own);
}

static void expect_stored(const char *objects)
{
	struct store_certificate stored;

	assert_int_equal(store_certificate_load(desk.store, name, &stored, NULL), RC_OK);
	assert_string_equal(stored.service.published, objects);
	assert_string_equal(renewal.record->service.published, objects);
}

static void the_live_set_is_put_beside_its_key(void **state)
{
	AUTO(buf) struct buf own = BUF_MAX(TOKEN_MESSAGE_MAX);
	AUTO(buf) struct buf issuer = BUF_MAX(TOKEN_MESSAGE_MAX);
	struct err err = { 0 };

	(void)state;
	live_make(&own);
	made_certificate(span_of(NULL, 0), "issuer", 2, &issuer);
	archive_write("chain.pem", &issuer);
	renewal.record->service.retry_at = 7;
	if (renewal_publish(&renewal, &err) != RC_OK)
		fail_msg("%s", err.text);
	expect_stored("certificate, chain, label amf-tls");
	assert_int_equal(renewal.record->service.retry_at, 0);
	assert_int_equal(renewal.blame, BLAME_NOBODY);
	/* A chain of none, below a root that the client has. */
	archive_write("chain.pem", NULL);
	renewal.record->service.deployed_at = 8;
	assert_int_equal(renewal_publish(&renewal, &err), RC_OK);
	assert_int_equal(renewal.record->service.deployed_at, 8);
	/* The hook was run without them. */
	renewal.record->service.hook_by = 7;
	assert_int_equal(renewal_publish(&renewal, &err), RC_OK);
	assert_int_equal(renewal.record->service.deployed_at, 0);
	assert_int_equal(renewal.record->service.hook_by, 0);
	archive_remove("chain.pem");
	archive_remove("cert.pem");
}

/* Whose failure it is, and what can be done; nothing is written down as done. */
static void what_is_missing_is_told_and_nothing_is_recorded(void **state)
{
	AUTO(buf) struct buf own = BUF_MAX(TOKEN_MESSAGE_MAX);
	struct err err = { 0 };

	(void)state;
	live_make(&own);
	assert_int_equal(renewal_record_save(&renewal, NULL, NULL), RC_OK);
	assert_int_equal(renewal_publish(&renewal, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "hwacme renew --force amf"));
	assert_int_equal(renewal.blame, BLAME_LOCAL);
	expect_stored("");
	archive_write("chain.pem", NULL);
	/* The key is not in the token any more. */
	bool was_there = false;
	assert_int_equal(keyring_erase(desk.keyring, &renewal.record->live_key, &was_there, &err), RC_OK);
	assert_true(was_there);
	assert_int_equal(renewal_publish(&renewal, &err), RC_ABSENT);
	assert_int_equal(renewal.blame, BLAME_TOKEN);
	expect_stored("");
	archive_remove("cert.pem");
	assert_int_equal(renewal_publish(&renewal, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "archive/amf/1/cert.pem"));
	archive_remove("chain.pem");
}

/* A key that is kept has the old certificate beside it: that is owed, whatever is wanted now. */
static void what_is_beside_a_kept_key_is_not_forgotten(void **state)
{
	struct store_service next = { 0 };

	(void)state;
	*renewal.record = (struct store_certificate){ .generation = 1, .service = { .published = "certificate" } };
	snprintf(renewal.record->name, sizeof(renewal.record->name), "%s", name);
	renewal.record->live_key.name.id[0] = renewal.record->next_key.name.id[0] = 1;
	assert_int_equal(renewal_supersede(&renewal, &next, NULL), RC_OK);
	assert_string_equal(next.published, "of generation 1");
	renewal.record->next_key.name.id[0] = 2;
	assert_int_equal(renewal_supersede(&renewal, &next, NULL), RC_OK);
	assert_string_equal(next.published, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_live_set_is_put_beside_its_key),
		cmocka_unit_test(what_is_missing_is_told_and_nothing_is_recorded),
		cmocka_unit_test(what_is_beside_a_kept_key_is_not_forgotten),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
