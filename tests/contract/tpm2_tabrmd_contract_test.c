/* tpm2_tabrmd_contract_test.c -- a TPM behind tpm2-abrmd, keys kept loaded: the contract, and a broker that dies. */
#include "tpm2_fixture.h"

#include "abrmd.h"

#define VALUE "brokered"

static struct abrmd abrmd;
static char tcti[] = "tabrmd:bus_type=session";

static int start(void **state)
{
	*state = &fixture;
	if (tpm2_fixture_start("TPM 2.0 behind tpm2-abrmd") != 0 || abrmd_start(&abrmd, &swtpm) != 0)
		return -1;
	config.tcti = tcti;
	config.keep_loaded = true;
	config.auth = secret_file("auth", VALUE);
	fixture.secret = VALUE;
	return 0;
}

static int stop(void **state)
{
	abrmd_stop(&abrmd);
	return tpm2_fixture_stop(state);
}

static int child_signs(void)
{
	struct token *token = NULL;
	struct token_key *key = NULL;
	struct token_key_name name;
	struct err err = { 0 };
	enum rc rc = token_open(&config, keys_dir, &token, &err);

	if (rc == RC_OK)
		rc = token_key_name_make("child", 0, &name, &err);
	if (rc == RC_OK)
		rc = token_generate(token, &name, KEY_EC_P256, &key, &err);
	for (int i = 0; rc == RC_OK && i < 20; i++)
		rc = try_sign(key, &err);
	if (rc == RC_OK)
		rc = token_erase(key, &err);
	token_key_free(key);
	token_close(token);
	if (rc != RC_OK)
		fprintf(stderr, "child: %s\n", err.text);
	return (int)rc;
}

/* The first test: a process that has talked to the broker leaves its children a GLib that works no more. */
static void more_processes_than_the_tpm_has_room_for_sign_at_once(void **state)
{
	pid_t children[6];

	(void)state;
	for (int i = 0; i < 6; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(child_signs());
	}
	for (int i = 0; i < 6; i++) {
		int status = -1;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
}

static void a_broker_that_died_and_came_back_is_reached_again(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256);
	struct err err = { 0 };

	expect_signs(key);
	abrmd_halt(&abrmd);
	enum rc rc = try_sign(key, &err);
	assert_true(rc == RC_RETRY || rc == RC_ABSENT);
	expect_says(&err, tcti);
	assert_int_equal(abrmd_run(&abrmd, &swtpm), 0);
	expect_signs(key);
	/* And one that came back unnoticed. */
	abrmd_halt(&abrmd);
	assert_int_equal(abrmd_run(&abrmd, &swtpm), 0);
	expect_signs(key);
	contract_drop(key);
	token_close(token);
}

static void no_broker_at_all_is_absent_and_named(void **state)
{
	struct token *token = NULL;
	struct err err = { 0 };

	(void)state;
	abrmd_halt(&abrmd);
	enum rc rc = token_open(&config, keys_dir, &token, &err);
	assert_true(rc == RC_RETRY || rc == RC_ABSENT);
	assert_null(token);
	expect_says(&err, tcti);
	assert_int_equal(abrmd_run(&abrmd, &swtpm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_processes_than_the_tpm_has_room_for_sign_at_once),
		TOKEN_CONTRACT_TESTS,
		cmocka_unit_test(a_broker_that_died_and_came_back_is_reached_again),
		cmocka_unit_test(no_broker_at_all_is_absent_and_named),
	};

	return cmocka_run_group_tests_name("TPM 2.0 behind tpm2-abrmd", tests, start, stop);
}
