/* tpm2_auth_contract_test.c -- keys with an authorisation value: the contract, one attempt, and nothing to read on the bus. */
#include "tpm2_fixture.h"

#define VALUE       "correct horse"
#define OWNER_VALUE "battery staple"

static int start(void **state)
{
	*state = &fixture;
	if (tpm2_fixture_start("TPM 2.0, keys with an authorisation value") != 0)
		return -1;
	config.auth = secret_file("auth", VALUE "\n");
	fixture.secret = VALUE;
	return 0;
}

static void the_value_is_never_seen_on_the_bus(void **state)
{
	struct config_token wired = wire_config();
	struct token *token = open_it(&wired);
	struct token_key *key = contract_generate(token, KEY_EC_P256);

	(void)state;
	for (int i = 0; i < 3; i++)
		expect_signs(key);
	contract_drop(key);
	token_close(token);
	struct wire *wire = wire_of();
	assert_true(wire->count > 10);
	assert_false(wire_contains(wire, VALUE, strlen(VALUE)));
	wire_free(wire);
}

/* The same search finds what is sent in clear: else the test above could not fail. */
static void without_a_session_it_would_be_seen(void **state)
{
	struct config_token wired = wire_config();

	(void)state;
	assert_int_equal(
		tools("export TPM2TOOLS_TCTI=%s && tpm2_createprimary -Q -C o -c p.ctx && tpm2_create -Q -C p.ctx -G ecc "
		      "-p '" VALUE "' -u p.pub -r p.priv && tpm2_flushcontext -t",
		      wired.tcti),
		0);
	struct wire *wire = wire_of();
	assert_true(wire_contains(wire, VALUE, strlen(VALUE)));
	wire_free(wire);
}

static void nothing_is_left_in_the_tpm(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *keys[4];

	for (int i = 0; i < 4; i++)
		keys[i] = contract_generate(token, KEY_EC_P256);
	for (int i = 0; i < 12; i++)
		expect_signs(keys[i % 4]);
	expect_nothing_left();
	for (int i = 0; i < 4; i++)
		contract_drop(keys[i]);
	token_close(token);
	expect_nothing_left();
}

static void a_wrong_value_is_tried_once_in_a_life(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256);
	struct token_key_name name = key->name;
	struct err err = { 0 };

	token_key_free(key);
	token_close(token);
	struct config_token wrong = wire_config();
	wrong.auth = secret_file("mistyped", "correct hoarse");
	for (int life = 0; life < 3; life++) {
		token = open_it(&wrong);
		contract_expect(token_find(token, &name, &key, &err), RC_OK, &err, "find");
		for (int i = 0; i < 3; i++) {
			contract_expect(try_sign(key, &err), RC_DENIED, &err, "sign");
			expect_says(&err, wrong.auth.where);
			expect_says(&err, "correct it there");
			assert_null(strstr(err.text, "hoarse"));
		}
		token_key_free(key);
		token_close(token);
	}
	struct wire *wire = wire_of();
	assert_int_equal(wire_count(wire, TPM2_CC_Sign, false), 1);
	assert_int_equal(wire_count(wire, TPM2_CC_Sign, true), 1);
	assert_false(wire_contains(wire, "hoarse", 6));
	wire_free(wire);
	expect_nothing_left();

	/* Corrected where it is, it works at once; and other keys never stopped. */
	secret_write("mistyped", VALUE);
	token = open_it(&wrong);
	contract_expect(token_find(token, &name, &key, &err), RC_OK, &err, "find");
	expect_signs(key);
	contract_drop(key);
	token_close(token);
	free(wrong.auth.where);
}

static void a_value_that_is_not_configured_is_asked_for(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *found = NULL;
	struct token_key_name name = key->name;
	struct config_token without = config;
	struct err err = { 0 };

	token_key_free(key);
	token_close(token);
	without.auth = (struct config_secret){ 0 };
	token = open_it(&without);
	contract_expect(token_find(token, &name, &found, &err), RC_OK, &err, "find");
	contract_expect(try_sign(found, &err), RC_INPUT, &err, "sign");
	expect_says(&err, "auth: {");
	contract_drop(found);
	token_close(token);
}

static void keys_from_before_the_value_was_configured_still_sign(void **state)
{
	struct config_token without = config;
	struct token *token;
	struct token_key *key, *found = NULL;
	struct err err = { 0 };

	without.auth = (struct config_secret){ 0 };
	token = open_it(&without);
	key = contract_generate(token, KEY_EC_P256);
	struct token_key_name name = key->name;
	token_key_free(key);
	token_close(token);
	token = contract_open(*state);
	contract_expect(token_find(token, &name, &found, &err), RC_OK, &err, "find");
	expect_signs(found);
	contract_drop(found);
	token_close(token);
}

static void a_value_no_tpm_takes_is_refused_before_it_is_sent(void **state)
{
	struct config_token wrong = config;
	struct token *token;
	struct token_key *key = NULL;
	struct token_key_name name;
	struct err err = { 0 };

	(void)state;
	wrong.auth = secret_file("long", "123456789012345678901234567890123");
	token = open_it(&wrong);
	contract_expect(token_key_name_make("long", 0, &name, &err), RC_OK, &err, "name");
	contract_expect(token_generate(token, &name, KEY_EC_P256, &key, &err), RC_INPUT, &err, "generate");
	expect_says(&err, wrong.auth.where);
	assert_null(key);
	token_close(token);
	expect_nothing_left();
	free(wrong.auth.where);
}

/* What nginx does with ssl_certificate_key and ssl_password_file, through the provider that servers use. */
static void openssl_uses_the_file_with_the_value_as_its_passphrase(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *keys[] = { contract_generate(token, KEY_EC_P256), contract_generate(token, KEY_RSA_2048) };

	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			tools("openssl req -new -subj /CN=x -provider tpm2 -provider default -propquery '?provider=tpm2' "
			      "-key keys/%s.pem -passin file:auth -out csr.pem && openssl req -in csr.pem -verify -noout",
			      keys[i]->name.label),
			0);
		assert_int_not_equal(tools("openssl req -new -subj /CN=x -provider tpm2 -provider default -propquery "
					   "'?provider=tpm2' -key keys/%s.pem -passin pass:wrong -out csr.pem",
					   keys[i]->name.label),
				     0);
		contract_drop(keys[i]);
	}
	token_close(token);
	assert_int_equal(tools("tpm2_flushcontext -t"), 0);
}

static void the_owner_hierarchy_is_opened_by_its_value_which_nobody_sees(void **state)
{
	struct config_token wired = wire_config();
	struct token *token;
	struct token_key_name name;
	struct token_key *key = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(tools("tpm2_changeauth -c owner '" OWNER_VALUE "'"), 0);
	contract_expect(token_key_name_make("owner", 0, &name, &err), RC_OK, &err, "name");
	token = open_it(&wired);
	contract_expect(token_generate(token, &name, KEY_EC_P256, &key, &err), RC_DENIED, &err, "without");
	expect_says(&err, "owner-auth");
	token_close(token);

	wired.owner_auth = secret_file("owner", "battery stable");
	for (int life = 0; life < 3; life++) {
		token = open_it(&wired);
		contract_expect(token_generate(token, &name, KEY_EC_P256, &key, &err), RC_DENIED, &err, "with a wrong one");
		expect_says(&err, wired.owner_auth.where);
		token_close(token);
	}
	secret_write("owner", OWNER_VALUE "\n");
	token = open_it(&wired);
	contract_expect(token_generate(token, &name, KEY_EC_P256, &key, &err), RC_OK, &err, "with the right one");
	expect_signs(key);
	contract_drop(key);
	token_close(token);
	struct wire *wire = wire_of();
	/* Per life: one for the salt, and one of the owner but where the value was known to be wrong. */
	assert_int_equal(wire_count(wire, TPM2_CC_CreatePrimary, true), 2);
	assert_false(wire_contains(wire, "battery", 7));
	wire_free(wire);
	expect_nothing_left();
	assert_int_equal(tools("tpm2_changeauth -c owner -p '" OWNER_VALUE "'"), 0);
	free(wired.owner_auth.where);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_CONTRACT_TESTS,
		cmocka_unit_test(the_value_is_never_seen_on_the_bus),
		cmocka_unit_test(without_a_session_it_would_be_seen),
		cmocka_unit_test(nothing_is_left_in_the_tpm),
		cmocka_unit_test(a_wrong_value_is_tried_once_in_a_life),
		cmocka_unit_test(a_value_that_is_not_configured_is_asked_for),
		cmocka_unit_test(keys_from_before_the_value_was_configured_still_sign),
		cmocka_unit_test(a_value_no_tpm_takes_is_refused_before_it_is_sent),
		cmocka_unit_test(openssl_uses_the_file_with_the_value_as_its_passphrase),
		cmocka_unit_test(the_owner_hierarchy_is_opened_by_its_value_which_nobody_sees),
	};

	return cmocka_run_group_tests_name("TPM 2.0, keys with an authorisation value", tests, start, tpm2_fixture_stop);
}
