/* tpm2_kept_contract_test.c -- keep-loaded: the contract, one command a signature, and handles that others took away. */
#include "tpm2_fixture.h"

#define VALUE "kept in mind"

static int start(void **state)
{
	*state = &fixture;
	if (tpm2_fixture_start("TPM 2.0, keys kept loaded") != 0)
		return -1;
	config.keep_loaded = true;
	return 0;
}

static void a_signature_is_one_command(void **state)
{
	struct config_token wired = wire_config();
	struct token *token = open_it(&wired);
	struct token_key *key = contract_generate(token, KEY_EC_P256);

	(void)state;
	assert_int_equal(cost_of_signing(key, 1), 2); /* loaded by its saved context */
	assert_int_equal(cost_of_signing(key, 20), 20);
	assert_int_equal(count_of("handles-transient"), 1);
	contract_drop(key);
	token_close(token);
	struct wire *wire = wire_of();
	expect_within_bounds(wire);
	wire_free(wire);
}

static void with_an_authorisation_value_too(void **state)
{
	struct config_token wired = wire_config();

	(void)state;
	wired.auth = secret_file("auth", VALUE);
	struct token *token = open_it(&wired);
	struct token_key *key = contract_generate(token, KEY_EC_P256);
	expect_signs(key);
	assert_int_equal(cost_of_signing(key, 20), 20);
	assert_int_equal(count_of("handles-loaded-session"), 1);
	contract_drop(key);
	token_close(token);
	expect_nothing_left();
	struct wire *wire = wire_of();
	expect_within_bounds(wire);
	assert_false(wire_contains(wire, VALUE, strlen(VALUE)));
	wire_free(wire);
	free(wired.auth.where);
}

static void keys_in_turn_are_one_loaded_at_a_time(void **state)
{
	struct config_token wired = wire_config();
	struct token *token = open_it(&wired);
	struct token_key *keys[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		keys[i] = contract_generate(token, i % 2 ? KEY_EC_P384 : KEY_EC_P256);
	for (int i = 0; i < 25; i++) {
		static const uint8_t digest[48] = { 4 };
		AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
		struct token_key *key = keys[i * 3 % 5];
		bool wide = key->type == KEY_EC_P384;
		struct err err = { 0 };

		contract_expect(token_sign(key, TOKEN_ECDSA, wide ? TOKEN_SHA384 : TOKEN_SHA256, span_of(digest, wide ? 48 : 32),
					   &sig, &err),
				RC_OK, &err, "sign");
		assert_int_equal(count_of("handles-transient"), 1);
	}
	for (int i = 0; i < 5; i++)
		contract_drop(keys[i]);
	token_close(token);
	struct wire *wire = wire_of();
	expect_within_bounds(wire);
	wire_free(wire);
}

static void freeing_the_handle_flushes_the_key(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *found = NULL;
	struct token_key_name name = key->name;
	struct err err = { 0 };

	expect_signs(key);
	assert_int_equal(count_of("handles-transient"), 1);
	token_key_free(key);
	expect_nothing_left();
	contract_expect(token_find(token, &name, &found, &err), RC_OK, &err, "find");
	contract_drop(found);
	token_close(token);
}

static void a_key_that_others_flushed_is_loaded_again(void **state)
{
	struct config_token with_auth = config;

	(void)state;
	with_auth.auth = secret_file("auth", VALUE);
	for (int auth = 0; auth < 2; auth++) {
		struct token *token = open_it(auth ? &with_auth : &config);
		struct token_key *key = contract_generate(token, KEY_EC_P256);

		expect_signs(key);
		assert_int_equal(tools("tpm2_flushcontext -t"), 0);
		expect_signs(key);
		assert_int_equal(tools("tpm2_flushcontext -l"), 0);
		expect_signs(key);
		contract_drop(key);
		token_close(token);
		expect_nothing_left();
	}
	free(with_auth.auth.where);
}

/* Without a session the TPM would sign with it and report success. */
static void another_key_at_the_same_handle_never_signs_for_ours(void **state)
{
	struct config_token with_auth = config;

	(void)state;
	with_auth.auth = secret_file("auth", VALUE);
	for (int auth = 0; auth < 2; auth++) {
		struct token *token = open_it(auth ? &with_auth : &config);
		struct token_key *key = contract_generate(token, KEY_EC_P256);

		expect_signs(key);
		assert_int_equal(tools("tpm2_flushcontext -t && tpm2_createprimary -Q -C o -G ecc256:ecdsa -c other.ctx -a "
				       "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign'"),
				 0);
		assert_int_equal(count_of("handles-transient"), 1);
		expect_signs(key);
		expect_signs(key);
		contract_drop(key);
		token_close(token);
		assert_int_equal(tools("tpm2_flushcontext -t"), 0);
	}
	free(with_auth.auth.where);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_CONTRACT_TESTS,
		cmocka_unit_test(a_signature_is_one_command),
		cmocka_unit_test(with_an_authorisation_value_too),
		cmocka_unit_test(keys_in_turn_are_one_loaded_at_a_time),
		cmocka_unit_test(freeing_the_handle_flushes_the_key),
		cmocka_unit_test(a_key_that_others_flushed_is_loaded_again),
		cmocka_unit_test(another_key_at_the_same_handle_never_signs_for_ours),
	};

	return cmocka_run_group_tests_name("TPM 2.0, keys kept loaded", tests, start, tpm2_fixture_stop);
}
