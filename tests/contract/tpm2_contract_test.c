/* tpm2_contract_test.c -- the TPM 2.0 backend keeps the token contract on a real swtpm, and its own promises. */
#include "tpm2_fixture.h"

static struct swtpm other;

static int start(void **state)
{
	*state = &fixture;
	return tpm2_fixture_start("TPM 2.0 on swtpm");
}

static void no_object_is_left_in_the_tpm_and_more_keys_work_than_it_has_room_for(void **state)
{
	struct token *token = open_it(&config);
	struct token_key *keys[6];

	(void)state;
	for (size_t i = 0; i < 6; i++)
		keys[i] = contract_generate(token, KEY_EC_P256);
	for (size_t i = 0; i < 6; i++)
		expect_signs(keys[i]);
	expect_nothing_left();
	for (size_t i = 0; i < 6; i++)
		contract_drop(keys[i]);
	token_close(token);
}

/* What a process killed between two commands leaves in a TPM without a resource manager. */
static void leave_loaded(void)
{
	assert_int_equal(tools("tpm2_createprimary -Q -C o -G ecc256:aes128cfb -c left.ctx -a "
			       "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt'"),
			 0);
}

static void what_killed_processes_left_loaded_is_flushed(void **state)
{
	struct token *token = open_it(&config);
	struct token_key *key = contract_generate(token, KEY_EC_P256);

	(void)state;
	for (int i = 0; i < 3; i++)
		leave_loaded();
	expect_signs(key);
	struct token_key *another = contract_generate(token, KEY_EC_P256);
	expect_nothing_left();
	contract_drop(another);
	contract_drop(key);
	token_close(token);
}

static void a_key_is_there_after_the_tpm_was_restarted_under_us(void **state)
{
	struct token *token = open_it(&config);
	struct token_key *key = contract_generate(token, KEY_EC_P256);
	static const uint8_t digest[32] = { 9 };
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	struct err err = { 0 };

	(void)state;
	swtpm_halt(&swtpm);
	enum rc rc = token_sign(key, TOKEN_ECDSA, TOKEN_SHA256, SPAN(digest), &sig, &err);
	assert_true(rc == RC_RETRY || rc == RC_ABSENT);
	assert_non_null(strstr(err.text, swtpm.tcti));
	assert_int_equal(swtpm_run(&swtpm), 0);
	expect_signs(key);
	contract_drop(key);
	token_close(token);
}

static void an_absent_tpm_is_named(void **state)
{
	char tcti[] = "swtpm:path=/nowhere/sock";
	struct config_token absent = { .name = token_name, .tcti = tcti };
	struct token *token = NULL;
	struct err err = { 0 };
	enum rc rc = token_open(&absent, keys_dir, &token, &err);

	(void)state;
	assert_true(rc == RC_ABSENT || rc == RC_RETRY);
	assert_null(token);
	assert_non_null(strstr(err.text, tcti));
}

static void a_way_to_a_tpm_that_there_is_not_is_told_what_to_write(void **state)
{
	char tcti[] = "devcie:/dev/tpmrm0";
	struct config_token misspelt = { .name = token_name, .tcti = tcti };
	struct token *token = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_not_equal(token_open(&misspelt, keys_dir, &token, &err), RC_OK);
	assert_non_null(strstr(err.text, tcti));
	assert_non_null(strstr(err.text, "write device:PATH"));
}

static void a_key_wrapped_by_another_tpm_is_refused(void **state)
{
	struct token *token = open_it(&config);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *found = NULL;
	const struct token_key_name key_name = key->name;
	struct err err = { 0 };

	(void)state;
	token_key_free(key);
	token_close(token);
	assert_int_equal(swtpm_start(&other), 0);
	struct config_token replaced = { .name = token_name, .tcti = other.tcti };
	token = open_it(&replaced);
	assert_int_not_equal(token_find(token, &key_name, &found, &err), RC_OK);
	assert_null(found);
	token_close(token);
	swtpm_stop(&other);
	token = open_it(&config);
	contract_expect(token_find(token, &key_name, &found, &err), RC_OK, &err, "find");
	contract_drop(found);
	token_close(token);
}

static void a_damaged_key_file_is_refused_and_named(void **state)
{
	struct token *token = open_it(&config);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *found = NULL;
	const struct token_key_name key_name = key->name;
	struct err err = { 0 };
	char path[256];

	(void)state;
	token_key_free(key);
	file_of(&key_name, path);
	FILE *file = fopen(path, "r+");
	assert_non_null(file);
	fseek(file, 120, SEEK_SET);
	fputs("!!!!", file);
	fclose(file);
	assert_int_not_equal(token_find(token, &key_name, &found, &err), RC_OK);
	assert_null(found);
	assert_non_null(strstr(err.text, key_name.label));
	unlink(path);
	token_close(token);
}

static enum rc keep_text(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	(void)key;
	(void)err;
	snprintf(ctx, sizeof(custody->text), "%s", custody->text);
	return RC_OK;
}

/* A long path is no reason not to say what is wrong with it, nor one to say half of it. */
static void why_a_key_is_not_told_of_is_told_whole(void **state)
{
	struct token *token = NULL;
	struct err err = { 0 };
	char deep[512], odd[sizeof(deep) + 16], text[sizeof(((struct token_custody *)0)->text)] = "";

	(void)state;
	snprintf(deep, sizeof(deep), "%s/%0200d", keys_dir, 0);
	snprintf(odd, sizeof(odd), "%s/odd.pem", deep);
	assert_int_equal(mkdir(deep, 0700), 0);
	assert_int_equal(mkdir(odd, 0700), 0);
	contract_expect(token_open(&config, deep, &token, &err), RC_OK, &err, "open");
	contract_expect(token_list(token, keep_text, text, &err), RC_OK, &err, "list");
	if (!strstr(text, "odd.pem"))
		fail_msg("%s", text);
	rmdir(odd);
	token_close(token);
	rmdir(deep);
}

static void a_key_file_is_for_its_owner_only(void **state)
{
	struct token *token = open_it(&config);
	struct token_key *key = contract_generate(token, KEY_EC_P256);
	struct stat status;
	char path[256];

	(void)state;
	file_of(&key->name, path);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(token_erase(key, NULL), RC_OK);
	assert_int_not_equal(stat(path, &status), 0);
	contract_drop(key);
	token_close(token);
}

/* What is in the way of a key is told, and not called a key. */
static void a_directory_that_is_not_safe_for_keys_is_named_when_one_is_made(void **state)
{
	struct token *token = open_it(&config);
	struct token_key *key = NULL;
	struct token_key_name name;
	struct err err = { 0 };

	(void)state;
	contract_expect(token_key_name_make("unsafe", 0, &name, &err), RC_OK, &err, "name");
	assert_int_equal(chmod(keys_dir, 0777), 0);
	enum rc rc = token_generate(token, &name, KEY_EC_P256, &key, &err);
	assert_int_equal(chmod(keys_dir, 0700), 0);
	assert_int_not_equal(rc, RC_OK);
	expect_says(&err, keys_dir);
	assert_null(strstr(err.text, "exists already"));
	token_close(token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_CONTRACT_TESTS,
		cmocka_unit_test(no_object_is_left_in_the_tpm_and_more_keys_work_than_it_has_room_for),
		cmocka_unit_test(what_killed_processes_left_loaded_is_flushed),
		cmocka_unit_test(a_key_is_there_after_the_tpm_was_restarted_under_us),
		cmocka_unit_test(an_absent_tpm_is_named),
		cmocka_unit_test(a_way_to_a_tpm_that_there_is_not_is_told_what_to_write),
		cmocka_unit_test(a_key_wrapped_by_another_tpm_is_refused),
		cmocka_unit_test(a_damaged_key_file_is_refused_and_named),
		cmocka_unit_test(why_a_key_is_not_told_of_is_told_whole),
		cmocka_unit_test(a_key_file_is_for_its_owner_only),
		cmocka_unit_test(a_directory_that_is_not_safe_for_keys_is_named_when_one_is_made),
	};

	return cmocka_run_group_tests_name("TPM 2.0 on swtpm", tests, start, tpm2_fixture_stop);
}
