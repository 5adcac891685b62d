/* connection_test.c -- which client certificate is shown follows from record and clock, and its key is in keyd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "connection.h"
#include "keyd_process.h"
#include "softhsm.h"
#include "tls_pair.h"

static struct softhsm softhsm;
static char label[] = "unit", token_name[] = "hsm", ours[] = "amf", operators_label[] = "oam-client", operators_file[96];
static struct config_token tokens[1];
static struct config_authority authorities[1];
static struct config config = {
	.path = (char[]){ "hwacme.yaml" }, .tokens = tokens, .token_count = 1, .authorities = authorities, .authority_count = 1
};
static struct keyd_process keyd = { .config = &config };
static struct remote_link *engine_link;
static struct keyring *keyring;
static struct store *store;
static struct connection_desk desk;
static struct tls_ca ca;

static void chain_write(const char *path, const struct store_key *key)
{
	AUTO(token_key) struct token_key *found = NULL;
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	AUTO(buf) struct buf pem = BUF_MAX(HTTP_CHAIN_MAX);

	assert_int_equal(keyring_find(keyring, key, &found, NULL), RC_OK);
	assert_int_equal(token_public_key(found, &spki, NULL), RC_OK);
	tls_chain(&ca, buf_span(&spki), &pem);
	assert_int_equal(softhsm_write(path, buf_text(&pem)), 0);
}

/* The operator's key, and its certificate. */
static int operators_make(void)
{
	struct store_key key = { .token = "hsm", .name = { .label = "oam-client" } };

	if (system("pkcs11-tool --module " SOFTHSM_MODULE " --token-label unit --login --pin " SOFTHSM_PIN
		   " --keypairgen --key-type EC:prime256v1 --label oam-client --id 0a01 >/dev/null 2>&1") != 0)
		return -1;
	snprintf(operators_file, sizeof(operators_file), "%s/oam.pem", softhsm.dir);
	chain_write(operators_file, &key);
	return 0;
}

static int start(void **state)
{
	(void)state;
	if (softhsm_start(&softhsm) != 0 || softhsm_add(label) != 0)
		return -1;
	ca = tls_ca_make();
	config.state = softhsm.dir;
	tokens[0] = softhsm_config(&softhsm, label);
	tokens[0].name = token_name;
	authorities[0].client = (struct config_client){ .file = operators_file, .token = token_name, .label = operators_label };
	engine_link = keyd_process_link(&keyd);
	if (keyring_new(&config, engine_link, &keyring, NULL) != RC_OK || store_open(softhsm.dir, &store, NULL) != RC_OK)
		return -1;
	desk = (struct connection_desk){ &config, store, keyring };
	return operators_make();
}

static int stop(void **state)
{
	(void)state;
	store_close(store);
	keyring_free(keyring);
	remote_link_free(engine_link);
	int status = keyd_process_end(&keyd);
	tls_ca_free(&ca);
	softhsm_stop(&softhsm);
	return status;
}

/* A generation with a key of its own goes live; its chain is written only when asked for. */
static struct store_certificate issue(unsigned generation, int64_t not_after, bool with_chain)
{
	struct store_certificate record = {
		.name = "amf", .state = CERT_IN_SERVICE, .generation = generation, .not_after = not_after
	};
	const struct config_key wanted = { .token = token_name, .type = KEY_EC_P256 };
	AUTO(token_key) struct token_key *key = NULL;
	char command[160], path[160];

	assert_int_equal(keyring_reserve(keyring, store, "amf", &wanted, clock_now(), &record.live_key, NULL), RC_OK);
	assert_int_equal(keyring_find_or_generate(keyring, &record.live_key, &key, NULL), RC_OK);
	snprintf(command, sizeof(command), "mkdir -p %s/archive/amf/%u", softhsm.dir, generation);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/archive/amf/%u/fullchain.pem", softhsm.dir, generation);
	if (with_chain)
		chain_write(path, &record.live_key);
	assert_int_equal(store_certificate_save(store, &record, clock_now(), clock_now(), NULL, NULL), RC_OK);
	return record;
}

static enum rc opened(const struct config_client *client, struct err *err)
{
	AUTO(http) struct http *http = NULL;

	return connection_open(&desk, NULL, client, &http, err);
}

static void expect_shown(const struct config_client *client, const char *words)
{
	char text[256];
	struct err err = { 0 };

	connection_describe(&desk, client, text, sizeof(text));
	assert_string_equal(text, words);
	if (opened(client, &err) != RC_OK)
		fail_msg("%s: %s", words, err.text);
}

static const struct config_client NONE,
	OURS = { .certificate = ours }, OPERATORS = { .file = operators_file, .token = token_name, .label = operators_label },
	BOTH = { .certificate = ours, .file = operators_file, .token = token_name, .label = operators_label };

/* TS 33.310, annex J.2: what the NF was given at first, and then what it was issued. */
static void ours_is_shown_while_it_is_good_and_the_operators_otherwise(void **state)
{
	char operators[128];
	int64_t now = clock_now();

	(void)state;
	snprintf(operators, sizeof(operators), "client certificate %s", operators_file);
	expect_shown(&NONE, "");
	expect_shown(&OPERATORS, operators);
	expect_shown(&OURS, "client certificate amf, which is not issued yet: none is shown");
	expect_shown(&BOTH, operators);
	struct store_certificate record = issue(1, now + 3600, true);
	expect_shown(&OURS, "client certificate amf");
	expect_shown(&BOTH, "client certificate amf");
	record.revoked_at = now;
	assert_int_equal(store_certificate_save(store, &record, now, now, NULL, NULL), RC_OK);
	expect_shown(&OURS, "client certificate amf");
	expect_shown(&BOTH, operators);
	issue(2, now - 1, true);
	expect_shown(&OURS, "client certificate amf");
	expect_shown(&BOTH, operators);
	/* RFC 5280, 4.2.1.12: its CA has ceased to issue for clients; and does so again. */
	ca.usage = "serverAuth";
	issue(3, now + 3600, true);
	expect_shown(&OURS, "client certificate amf");
	expect_shown(&BOTH, operators);
	ca.usage = "serverAuth,clientAuth";
	issue(4, now + 3600, true);
	expect_shown(&BOTH, "client certificate amf");
	ca.usage = NULL;
}

static void generation_and_key_are_those_of_one_record(void **state)
{
	struct err err = { 0 };
	char path[128], command[300];

	(void)state;
	issue(5, clock_now() + 3600, true);
	issue(6, clock_now() + 3600, false);
	assert_int_equal(opened(&OURS, &err), RC_INPUT);
	snprintf(path, sizeof(path), "client-certificate amf: %s/archive/amf/6/fullchain.pem", softhsm.dir);
	assert_non_null(strstr(err.text, path));
	snprintf(command, sizeof(command), "cp %s/archive/amf/5/fullchain.pem %s/archive/amf/6/", softhsm.dir, softhsm.dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(opened(&OURS, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "not for the key in the token"));
}

static void a_key_that_is_gone_is_the_tokens_failure(void **state)
{
	static char lost[] = "hwacme-lost";
	const struct config_client client = { .file = operators_file, .token = token_name, .label = lost };
	struct store_certificate record = issue(7, clock_now() + 3600, true);
	struct err err = { 0 };
	bool was_there;

	(void)state;
	/* keyd signs with no key of others that its configuration does not name. */
	assert_int_equal(opened(&client, &err), RC_DENIED);
	assert_int_equal(keyring_erase(keyring, &record.live_key, &was_there, NULL), RC_OK);
	assert_true(was_there);
	assert_int_equal(opened(&OURS, &err), RC_ABSENT);
	assert_true(err_is_token(&err));
	assert_non_null(strstr(err.text, record.live_key.name.label));
}

static void a_file_is_read_within_bounds(void **state)
{
	static char big[96];
	static char text[HTTP_CHAIN_MAX + 2];
	struct config_client client = OPERATORS;
	struct err err = { 0 };

	(void)state;
	client.file = softhsm.dir;
	assert_int_equal(opened(&client, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "not a regular file"));
	snprintf(big, sizeof(big), "%s/big.pem", softhsm.dir);
	memset(text, 'A', sizeof(text) - 1);
	assert_int_equal(softhsm_write(big, text), 0);
	client.file = big;
	assert_int_equal(opened(&client, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "more than"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours_is_shown_while_it_is_good_and_the_operators_otherwise),
		cmocka_unit_test(generation_and_key_are_those_of_one_record),
		cmocka_unit_test(a_key_that_is_gone_is_the_tokens_failure),
		cmocka_unit_test(a_file_is_read_within_bounds),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
