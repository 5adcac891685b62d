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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_CONTRACT_TESTS,
		cmocka_unit_test(the_value_is_never_seen_on_the_bus),
		cmocka_unit_test(without_a_session_it_would_be_seen),
		cmocka_unit_test(nothing_is_left_in_the_tpm),
	};

	return cmocka_run_group_tests_name("TPM 2.0, keys with an authorisation value", tests, start, tpm2_fixture_stop);
}
