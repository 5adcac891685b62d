/* tpm2_cost_test.c -- how many commands a signature costs, each way to use a TPM; tokens/README.md tells these numbers. */
#include "tpm2_fixture.h"

static int start(void **state)
{
	*state = &fixture;
	return tpm2_fixture_start("TPM 2.0, commands counted");
}

static struct config_secret secret;

/* In the order of the table: plain, auth, pcrs, both; under the owner's primary, a persistent parent, and kept loaded. */
static void a_signature_costs_what_the_documents_say(void **state)
{
	static const unsigned costs[4][3] = { { 3, 3, 1 }, { 6, 4, 1 }, { 5, 5, 2 }, { 8, 6, 3 } };

	(void)state;
	assert_int_equal(tools("tpm2_createprimary -Q -C o -G ecc256:aes128cfb -c parent.ctx -a "
			       "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt' && "
			       "tpm2_evictcontrol -Q -C o -c parent.ctx 0x81000002 && tpm2_flushcontext -t"),
			 0);
	secret = secret_file("auth", "counted");
	for (unsigned row = 0; row < 4; row++) {
		for (unsigned column = 0; column < 3; column++) {
			struct config_token wired = wire_config();

			wired.parent = column == 1 ? 0x81000002 : 0;
			wired.keep_loaded = column == 2;
			if (row & 1)
				wired.auth = secret;
			if (row & 2)
				wired.pcrs = (struct config_pcrs){ .bank = "sha256", .mask = 1 };
			struct token *token = open_it(&wired);
			struct token_key *key = contract_generate(token, KEY_EC_P256);
			expect_signs(key); /* the first one after a key is found may cost more */
			unsigned cost = cost_of_signing(key, 8);
			if (cost != 8 * costs[row][column])
				fail_msg("row %u, column %u: %u commands for 8 signatures", row, column, cost);
			contract_drop(key);
			token_close(token);
			struct wire *wire = wire_of();
			expect_within_bounds(wire);
			wire_free(wire);
		}
	}
	free(secret.where);
}

static unsigned count_now(void)
{
	struct wire *wire = wire_of();
	unsigned count = wire->count;

	wire_free(wire);
	return count;
}

/* Made: GetCapability, the parent's ContextLoad, Create, FlushContext; and then found, as tokens/README.md has it. */
static void a_key_costs_what_the_documents_say(void **state)
{
	struct config_token wired = wire_config();
	struct token *token = open_it(&wired);
	struct token_key *key, *found = NULL;
	struct token_custody custody;
	struct err err = { 0 };

	(void)state;
	contract_drop(contract_generate(token, KEY_EC_P256)); /* the parent is made with the first */
	unsigned before = count_now();
	key = contract_generate(token, KEY_EC_P256);
	assert_int_equal(count_now() - before, 9);
	before = count_now();
	contract_expect(token_find(token, &key->name, &found, &err), RC_OK, &err, "find");
	assert_int_equal(count_now() - before, 5);
	before = count_now();
	contract_expect(found->ops->confirm(found, &err), RC_OK, &err, "confirm");
	contract_expect(token_custody(found, &custody, &err), RC_OK, &err, "custody");
	assert_int_equal(count_now() - before, 2 * 3);
	before = count_now();
	contract_expect(token_erase_name(token, &key->name, &err), RC_OK, &err, "erase by name");
	assert_int_equal(count_now() - before, 1);
	contract_expect(found->ops->confirm(found, &err), RC_ABSENT, &err, "confirm what is gone");
	contract_expect(token_erase_name(token, &key->name, &err), RC_ABSENT, &err, "erase what is gone");
	token_key_free(found);
	token_key_free(key);
	token_close(token);
}

/* From a process's first command to its last, as a renewal has it: open, generate, three signatures, find, erase. */
static void a_whole_life_is_bounded_too(void **state)
{
	struct config_token wired = wire_config();
	struct token *token = open_it(&wired);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *found = NULL;
	struct token_key_name name = key->name;
	struct err err = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		expect_signs(key);
	contract_expect(token_find(token, &name, &found, &err), RC_OK, &err, "find");
	token_key_free(found);
	contract_drop(key);
	token_close(token);
	struct wire *wire = wire_of();
	print_message("%u commands\n", wire->count);
	assert_in_range(wire->count, 10, 35);
	expect_within_bounds(wire);
	wire_free(wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signature_costs_what_the_documents_say),
		cmocka_unit_test(a_key_costs_what_the_documents_say),
		cmocka_unit_test(a_whole_life_is_bounded_too),
	};

	return cmocka_run_group_tests_name("TPM 2.0, commands counted", tests, start, tpm2_fixture_stop);
}
