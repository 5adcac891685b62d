/* tpm2_pcr_contract_test.c -- keys bound to platform registers, with an authorisation value: the contract, and a change. */
#include "tpm2_fixture.h"

#include "tss2_key.h"

#define VALUE "sealed lips"

static int start(void **state)
{
	*state = &fixture;
	if (tpm2_fixture_start("TPM 2.0, keys bound to registers") != 0)
		return -1;
	config.pcrs = (struct config_pcrs){ .bank = "sha256", .mask = 1u << 0 | 1u << 7 | 1u << 16 };
	config.auth = secret_file("auth", VALUE);
	fixture.secret = VALUE;
	return 0;
}

static void expect_bound(const struct config_token *which)
{
	struct token *token = open_it(which);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *found = NULL;
	struct token_key_name name = key->name;
	struct token_custody custody;
	struct err err = { 0 };

	contract_expect(token_custody(key, &custody, &err), RC_OK, &err, "custody");
	assert_non_null(strstr(custody.text, "sha256:0,7,16"));
	expect_signs(key);
	assert_int_equal(tools("tpm2_pcrextend 16:sha256=%064d", 1), 0);
	for (int i = 0; i < 2; i++) {
		contract_expect(try_sign(key, &err), RC_DENIED, &err, "sign");
		expect_says(&err, "sha256:0,7,16");
		expect_says(&err, "Enrol anew");
	}
	expect_nothing_left();
	token_key_free(key);
	token_close(token);

	/* Back at the values of its making it works, in a process that never knew of the change. */
	assert_int_equal(tools("tpm2_pcrreset 16"), 0);
	token = open_it(which);
	contract_expect(token_find(token, &name, &found, &err), RC_OK, &err, "find");
	expect_signs(found);
	contract_drop(found);
	token_close(token);
}

static void a_key_is_of_no_use_after_a_register_changed(void **state)
{
	(void)state;
	expect_bound(&config);
}

static void without_an_authorisation_value_too(void **state)
{
	struct config_token without = config;

	(void)state;
	without.auth = (struct config_secret){ 0 };
	expect_bound(&without);
}

/* userWithAuth is clear: the value alone, or nothing at all, opens it to nobody. */
static void the_value_alone_does_not_open_it(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256);
	char path[256];

	file_of(&key->name, path);
	/* Our file without the policy, as a tool that knows none would see the key. */
	AUTO(buf) struct buf pem = BUF_MAX(TSS2_KEY_PEM_MAX);
	AUTO(buf) struct buf uri = BUF_MAX(TOKEN_REFERENCE_MAX);
	struct tss2_key file;
	assert_int_equal(token_reference(key, &pem, &uri, NULL), RC_OK);
	assert_int_equal(tss2_key_parse(buf_span(&pem), &file, NULL), RC_OK);
	assert_false(file.public.publicArea.objectAttributes & TPMA_OBJECT_USERWITHAUTH);
	file.policy.pcrs.count = 0;
	buf_clear(&pem);
	assert_int_equal(tss2_key_print(&file, &pem, NULL), RC_OK);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fwrite(pem.at, 1, pem.len, out);
	fclose(out);

	struct token_key *found = NULL;
	struct err err = { 0 };
	contract_expect(token_find(token, &key->name, &found, &err), RC_OK, &err, "find");
	contract_expect(try_sign(found, &err), RC_DENIED, &err, "sign");
	expect_says(&err, "policy");
	token_key_free(found);
	contract_drop(key);
	token_close(token);
	expect_nothing_left();
}

static void a_bank_that_the_tpm_does_not_have_is_named(void **state)
{
	struct config_token other = config;
	struct token_key_name name;
	struct token_key *key = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(tools("tpm2_pcrallocate -Q sha1:none+sha256:all+sha384:all+sha512:none && tpm2_shutdown -c"), 0);
	swtpm_halt(&swtpm); /* banks change at the next start */
	assert_int_equal(swtpm_run(&swtpm), 0);
	memcpy(other.pcrs.bank, "sha512", 7);
	struct token *token = open_it(&other);
	contract_expect(token_key_name_make("bank", 0, &name, &err), RC_OK, &err, "name");
	contract_expect(token_generate(token, &name, KEY_EC_P256, &key, &err), RC_INPUT, &err, "generate");
	expect_says(&err, "sha512");
	token_close(token);
}

/* Ten registers are read in two commands, and hashed in the TPM's order. */
static void more_registers_than_one_command_reads(void **state)
{
	struct config_token many = config;

	(void)state;
	many.pcrs.mask = 0x00ff03ff;
	struct token *token = open_it(&many);
	struct token_key *key = contract_generate(token, KEY_RSA_2048);
	expect_signs(key);
	contract_drop(key);
	token_close(token);
}

static void the_bounds_hold_and_the_value_is_not_seen(void **state)
{
	struct config_token wired = wire_config();
	struct token *token = open_it(&wired);
	struct token_key *key = contract_generate(token, KEY_EC_P256);

	(void)state;
	print_message("%u commands in a signature\n", cost_of_signing(key, 10) / 10);
	contract_drop(key);
	token_close(token);
	struct wire *wire = wire_of();
	expect_within_bounds(wire);
	assert_false(wire_contains(wire, VALUE, strlen(VALUE)));
	wire_free(wire);
}

/* Said in the documents: servers with tpm2-openssl of Debian 12 cannot use such a key.  When this fails, say so no more. */
static void tpm2_openssl_of_debian_12_does_not_read_the_file(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256);

	assert_int_not_equal(tools("openssl pkey -provider tpm2 -provider default -in keys/%s.pem -passin file:auth -pubout -out "
				   "pub.pem",
				   key->name.label),
			     0);
	contract_drop(key);
	token_close(token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_CONTRACT_TESTS,
		cmocka_unit_test(a_key_is_of_no_use_after_a_register_changed),
		cmocka_unit_test(without_an_authorisation_value_too),
		cmocka_unit_test(the_value_alone_does_not_open_it),
		cmocka_unit_test(more_registers_than_one_command_reads),
		cmocka_unit_test(the_bounds_hold_and_the_value_is_not_seen),
		cmocka_unit_test(tpm2_openssl_of_debian_12_does_not_read_the_file),
		cmocka_unit_test(a_bank_that_the_tpm_does_not_have_is_named),
	};

	return cmocka_run_group_tests_name("TPM 2.0, keys bound to registers", tests, start, tpm2_fixture_stop);
}
