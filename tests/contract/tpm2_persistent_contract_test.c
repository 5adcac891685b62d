/* tpm2_persistent_contract_test.c -- keys under a persistent parent, over TCP: the contract, and which parents are refused. */
#include "tpm2_fixture.h"

#define STORAGE "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt"

/* A primary of the owner at `handle`, of this algorithm, these attributes and this authorisation value ("" for none). */
static int provision_of(const char *algorithm, const char *handle, const char *attributes, const char *auth)
{
	return tools("tpm2_createprimary -Q -C o -G %s%s -c parent.ctx -a '%s' -p '%s' && tpm2_evictcontrol -Q -C o -c "
		     "parent.ctx %s && tpm2_flushcontext -t",
		     algorithm, strstr(attributes, "restricted") ? ":aes128cfb" : "", attributes, auth, handle);
}

static int provision(const char *handle, const char *attributes, const char *auth)
{
	return provision_of("ecc256", handle, attributes, auth);
}

static int unprovision(const char *handle)
{
	return tools("tpm2_evictcontrol -Q -C o -c %s", handle);
}

static int start(void **state)
{
	*state = &fixture;
	if (swtpm_start_tcp(&swtpm) != 0 || tpm2_fixture_describe("TPM 2.0 over TCP, persistent parent") != 0)
		return -1;
	return provision("0x81000001", STORAGE "|noda", "");
}

static uint32_t parent_in_file(const struct token_key *key)
{
	char command[320], line[64] = "";

	/* The only INTEGER of the file. */
	snprintf(command, sizeof(command), "openssl asn1parse -in %s/%s.pem | sed -n 's/.*INTEGER *://p'", keys_dir,
		 key->name.label);
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_non_null(fgets(line, sizeof(line), pipe));
	pclose(pipe);
	return (uint32_t)strtoul(line, NULL, 16);
}

static void expect_refused(const struct config_token *which, enum rc rc, const char *words)
{
	struct token *token = NULL;
	struct err err = { 0 };

	contract_expect(token_open(which, keys_dir, &token, &err), rc, &err, "open");
	assert_null(token);
	expect_says(&err, words);
}

static void the_storage_root_key_is_found_and_written_into_the_file(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256);

	assert_int_equal(parent_in_file(key), 0x81000001);
	expect_signs(key);
	contract_drop(key);
	token_close(token);
	expect_nothing_left();
}

/* tpm2-openssl before 1.2 reads the parent's number as a long. */
static void openssl_uses_the_file(void **state)
{
	if (sizeof(long) < 8)
		skip();
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256);

	assert_int_equal(tools("openssl req -new -subj /CN=x -provider tpm2 -provider default -propquery '?provider=tpm2' -key "
			       "keys/%s.pem -out csr.pem && openssl req -in csr.pem -verify -noout",
			       key->name.label),
			 0);
	contract_drop(key);
	token_close(token);
}

static void a_configured_parent_is_used(void **state)
{
	struct config_token other = config;

	(void)state;
	assert_int_equal(provision("0x81000042", STORAGE "|noda", ""), 0);
	other.parent = 0x81000042;
	struct token *token = open_it(&other);
	struct token_key *key = contract_generate(token, KEY_EC_P256);
	assert_int_equal(parent_in_file(key), 0x81000042);
	expect_signs(key);
	contract_drop(key);
	token_close(token);
	assert_int_equal(unprovision("0x81000042"), 0);
	/* Once known and now missing is another thing than never there. */
	expect_refused(&other, RC_DENIED, "another TPM, or it was cleared");
}

static void a_configured_parent_that_is_absent_is_named(void **state)
{
	struct config_token other = config;

	(void)state;
	other.parent = 0x81000043;
	expect_refused(&other, RC_ABSENT, "0x81000043");
}

static void a_parent_that_is_no_storage_key_is_refused(void **state)
{
	struct config_token other = config;

	(void)state;
	assert_int_equal(provision("0x81000044", "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign|noda", ""), 0);
	other.parent = 0x81000044;
	expect_refused(&other, RC_INPUT, "no storage key");
	assert_int_equal(unprovision("0x81000044"), 0);
}

/* Of an application that knew no better; none is written down as a parent, and none that was known is passed over. */
static void at_the_usual_place_a_key_that_is_no_storage_key_is_somebody_elses(void **state)
{
	static const char signing[] = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign|noda";
	struct token_key_name name;
	struct token_key *refused = NULL;
	struct err err = { 0 };
	char known[128];

	(void)state;
	snprintf(known, sizeof(known), "%s/.known-tpm-81000001", keys_dir);
	assert_int_equal(unprovision("0x81000001"), 0);
	assert_int_equal(provision("0x81000001", signing, ""), 0);
	/* Where a storage key was known there, this is another TPM. */
	struct token *token = open_it(&config);
	contract_expect(token_key_name_make("other", 0, &name, &err), RC_OK, &err, "name");
	contract_expect(token_generate(token, &name, KEY_EC_P256, &refused, &err), RC_DENIED, &err, "generate");
	expect_says(&err, "this is another TPM, or it was cleared");
	assert_int_equal(unlink(known), 0);
	for (int i = 0; i < 2; i++) {
		struct token_key *key = contract_generate(token, KEY_EC_P256);

		assert_int_equal(parent_in_file(key), TPM2_RH_OWNER);
		expect_signs(key);
		contract_drop(key);
	}
	assert_int_not_equal(access(known, F_OK), 0);
	token_close(token);
	assert_int_equal(unprovision("0x81000001"), 0);
	assert_int_equal(provision("0x81000001", STORAGE "|noda", ""), 0);
	expect_nothing_left();
}

static unsigned lockout_counter(void)
{
	return (unsigned)WEXITSTATUS(tools("exit $(($(tpm2_getcap properties-variable | sed -n 's/.*LOCKOUT_COUNTER: *//p')))"));
}

/* Without noDA each failure counts towards a lock-out of the whole TPM. */
static void a_parent_with_an_authorisation_value_costs_one_failure_in_a_life(void **state)
{
	struct config_token other = config;
	struct token_key_name name;
	struct token_key *key = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(tools("tpm2_dictionarylockout -s -n 5 -t 3600 -l 3600"), 0);
	assert_int_equal(provision("0x81000045", STORAGE, "secret"), 0);
	other.parent = 0x81000045;
	contract_expect(token_key_name_make("da", 0, &name, &err), RC_OK, &err, "name");
	for (int life = 0; life < 4; life++) {
		struct token *token = open_it(&other);
		for (int i = 0; i < 2; i++)
			contract_expect(token_generate(token, &name, KEY_EC_P256, &key, &err), RC_DENIED, &err, "generate");
		token_close(token);
	}
	assert_int_equal(lockout_counter(), 1);
	assert_int_equal(unprovision("0x81000045"), 0);
	assert_int_equal(tools("tpm2_dictionarylockout -c"), 0);
}

static void the_failure_that_would_lock_the_tpm_is_left_to_the_operator(void **state)
{
	struct config_token other = config;
	struct token_key_name name;
	struct token_key *key = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(tools("tpm2_dictionarylockout -s -n 2 -t 3600 -l 3600"), 0);
	assert_int_equal(provision("0x81000046", STORAGE, "another"), 0);
	assert_int_not_equal(tools("tpm2_create -Q -C 0x81000046 -P wrong -G ecc -u x.pub -r x.priv"), 0);
	assert_int_equal(lockout_counter(), 1);
	other.parent = 0x81000046;
	struct token *token = open_it(&other);
	contract_expect(token_key_name_make("da", 0, &name, &err), RC_OK, &err, "name");
	contract_expect(token_generate(token, &name, KEY_EC_P256, &key, &err), RC_DENIED, &err, "generate");
	expect_says(&err, "1 of 2");
	token_close(token);
	assert_int_equal(lockout_counter(), 1);
	assert_int_equal(unprovision("0x81000046"), 0);
	assert_int_equal(tools("tpm2_dictionarylockout -c && tpm2_dictionarylockout -s -n 32 -t 3600 -l 3600"), 0);
}

static void a_signature_is_three_commands(void **state)
{
	struct config_token wired = wire_config();
	struct token *token = open_it(&wired);
	struct token_key *key = contract_generate(token, KEY_EC_P256);

	(void)state;
	assert_int_equal(cost_of_signing(key, 10), 30);
	contract_drop(key);
	token_close(token);
	struct wire *wire = wire_of();
	expect_within_bounds(wire);
	wire_free(wire);
}

static unsigned key_files(void)
{
	return (unsigned)WEXITSTATUS(tools("exit $(ls keys | wc -l)"));
}

static void expect_another_tpm(enum rc rc, const struct err *err, bool is_provisioned)
{
	contract_expect(rc, RC_DENIED, err, "with another TPM");
	expect_says(err, "this is another TPM, or it was cleared");
	expect_says(err, is_provisioned ? "its is 000b" : "it has no such key");
	expect_says(err, ".known-tpm-81000001");
}

/* An open token that was used with the TPM as it was, in all the ways that its parent is; then it is looked at as it is now. */
static void swap_under(struct config_token which, const char *algorithm, bool is_provisioned)
{
	struct token_key_name next;
	struct token_key *found = NULL;
	struct err err = { 0 };
	char known[128];

	snprintf(known, sizeof(known), "%s/.known-tpm-81000001", keys_dir);
	unlink(known);
	assert_int_equal(tools("tpm2_clear -Q"), 0);
	assert_int_equal(provision_of(algorithm, "0x81000001", STORAGE "|noda", ""), 0);
	for (int i = 0; i < 3; i++) {
		struct token *token = open_it(&which);
		struct token_key *key = contract_generate(token, KEY_EC_P256);
		struct token_key_name name = key->name;
		unsigned files = key_files();

		expect_signs(key);
		assert_int_equal(tools("tpm2_clear -Q"), 0);
		if (is_provisioned)
			assert_int_equal(provision_of(algorithm, "0x81000001", STORAGE "|noda", ""), 0);
		/* Each may be the first to see it. */
		contract_expect(token_key_name_make("next", 0, &next, &err), RC_OK, &err, "name");
		for (int at = i; at < i + 3; at++) {
			err = (struct err){ 0 };
			enum rc rc = at % 3 == 0   ? token_generate(token, &next, KEY_EC_P256, &found, &err)
				     : at % 3 == 1 ? token_find(token, &name, &found, &err)
						   : try_sign(key, &err);
			expect_another_tpm(rc, &err, is_provisioned);
		}
		assert_int_equal(key_files(), files);
		expect_nothing_left();
		if (!is_provisioned)
			assert_int_equal(provision_of(algorithm, "0x81000001", STORAGE "|noda", ""), 0);
		/* The operator says it was on purpose; nothing has to be started anew. */
		assert_int_equal(unlink(known), 0);
		contract_expect(token_find(token, &name, &found, &err), RC_DENIED, &err, "find");
		expect_says(&err, "belongs to another TPM");
		contract_drop(key);
		key = contract_generate(token, KEY_EC_P256);
		expect_signs(key);
		contract_drop(key);
		token_close(token);
	}
}

static void a_tpm_cleared_under_an_open_token_is_another(void **state)
{
	struct config_token with_auth = config, kept, named = config;

	(void)state;
	named.parent = 0x81000001;
	with_auth.auth = secret_file("value", "correct horse");
	kept = with_auth;
	kept.keep_loaded = true;
	swap_under(config, "ecc256", true);
	swap_under(config, "ecc256", false);
	swap_under(named, "ecc256", false);
	swap_under(with_auth, "ecc256", true);
	swap_under(kept, "ecc256", true);
	/* It cannot even read the salt of the session. */
	swap_under(with_auth, "rsa2048", true);
	free(with_auth.auth.where);
}

/* What was said to be known, of a parent that is another now: a key is made with the next call, and no file with this one. */
static void a_parent_made_known_anew_before_it_was_seen_is_used(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256);
	struct token_key_name next;
	struct err err = { 0 };
	char known[128];

	contract_drop(key);
	assert_int_equal(tools("tpm2_clear -Q"), 0);
	assert_int_equal(provision("0x81000001", STORAGE "|noda", ""), 0);
	snprintf(known, sizeof(known), "%s/.known-tpm-81000001", keys_dir);
	assert_int_equal(unlink(known), 0);
	unsigned files = key_files();
	contract_expect(token_key_name_make("next", 0, &next, &err), RC_OK, &err, "name");
	contract_expect(token_generate(token, &next, KEY_EC_P256, &key, &err), RC_RETRY, &err, "generate");
	expect_says(&err, "was another until now");
	assert_int_equal(key_files(), files);
	key = contract_generate(token, KEY_EC_P256);
	expect_signs(key);
	contract_drop(key);
	token_close(token);
}

/* The last test: what was known of this TPM is no longer true of it. */
static void a_storage_root_key_that_is_gone_means_another_tpm(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *found = NULL;
	struct token_key_name name = key->name, next;
	struct err err = { 0 };

	token_key_free(key);
	token_close(token);
	assert_int_equal(tools("tpm2_clear -Q"), 0);
	token = contract_open(*state);
	contract_expect(token_find(token, &name, &found, &err), RC_DENIED, &err, "find");
	expect_says(&err, "another TPM, or it was cleared");
	expect_says(&err, "enrol anew");
	contract_expect(token_key_name_make("next", 0, &next, &err), RC_OK, &err, "name");
	contract_expect(token_generate(token, &next, KEY_EC_P256, &found, &err), RC_DENIED, &err, "generate");
	expect_says(&err, ".known-tpm-81000001");
	token_close(token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_CONTRACT_TESTS,
		cmocka_unit_test(the_storage_root_key_is_found_and_written_into_the_file),
		cmocka_unit_test(openssl_uses_the_file),
		cmocka_unit_test(a_configured_parent_is_used),
		cmocka_unit_test(a_configured_parent_that_is_absent_is_named),
		cmocka_unit_test(a_parent_that_is_no_storage_key_is_refused),
		cmocka_unit_test(at_the_usual_place_a_key_that_is_no_storage_key_is_somebody_elses),
		cmocka_unit_test(a_parent_with_an_authorisation_value_costs_one_failure_in_a_life),
		cmocka_unit_test(the_failure_that_would_lock_the_tpm_is_left_to_the_operator),
		cmocka_unit_test(a_signature_is_three_commands),
		cmocka_unit_test(a_tpm_cleared_under_an_open_token_is_another),
		cmocka_unit_test(a_parent_made_known_anew_before_it_was_seen_is_used),
		cmocka_unit_test(a_storage_root_key_that_is_gone_means_another_tpm),
	};

	return cmocka_run_group_tests_name("TPM 2.0 over TCP, persistent parent", tests, start, tpm2_fixture_stop);
}
