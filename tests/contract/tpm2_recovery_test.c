/* tpm2_recovery_test.c -- a TPM that is reset, restarted, replaced, shared or left full by killed processes. */
#include "tpm2_fixture.h"

#include <pthread.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include "tpm2.h"

#define VALUE "come back"

static struct swtpm other;
static struct config_token variants[3]; /* plain, with an authorisation value, kept loaded with one */

static int start(void **state)
{
	*state = &fixture;
	if (tpm2_fixture_start("TPM 2.0 in trouble") != 0)
		return -1;
	variants[0] = variants[1] = variants[2] = config;
	config.auth = variants[1].auth = variants[2].auth = secret_file("auth", VALUE);
	variants[2].keep_loaded = true;
	return 0;
}

static void a_restarted_tpm_is_found_again_by_the_same_handle(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct token *token = open_it(&variants[i]);
		struct token_key *key = contract_generate(token, KEY_EC_P256), *another;
		struct err err = { 0 };

		expect_signs(key);
		swtpm_halt(&swtpm);
		enum rc rc = try_sign(key, &err);
		assert_true(rc == RC_RETRY || rc == RC_ABSENT);
		expect_says(&err, swtpm.tcti);
		assert_int_equal(swtpm_run(&swtpm), 0);
		expect_signs(key);
		/* And unnoticed: saved contexts and kept handles are of no use, nobody said so. */
		swtpm_halt(&swtpm);
		assert_int_equal(swtpm_run(&swtpm), 0);
		expect_signs(key);
		swtpm_halt(&swtpm);
		assert_int_equal(swtpm_run(&swtpm), 0);
		another = contract_generate(token, KEY_EC_P256);
		expect_signs(another);
		contract_drop(another);
		contract_drop(key);
		token_close(token);
		expect_nothing_left();
	}
}

/* A refusal, or "not there", would be of the key: what can be made anew would be, in place of a key that is only out of reach. */
static void a_tpm_that_is_away_says_nothing_about_its_keys(void **state)
{
	struct token *token = open_it(&variants[0]);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *found = NULL;
	struct err err = { 0 };

	(void)state;
	swtpm_halt(&swtpm);
	contract_expect(token_find(token, &key->name, &found, &err), RC_RETRY, &err, "find without a TPM");
	expect_says(&err, swtpm.tcti);
	contract_expect(token_find(token, &key->name, &found, &err), RC_RETRY, &err, "find once more");
	assert_int_equal(swtpm_run(&swtpm), 0);
	contract_expect(token_find(token, &key->name, &found, &err), RC_OK, &err, "find");
	token_key_free(found);
	contract_drop(key);
	token_close(token);
	expect_nothing_left();
}

/* TPM2_Startup is nobody's business but ours when a swtpm is reset. */
static void a_reset_without_a_startup_is_mended(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct token *token = open_it(&variants[i]);
		struct token_key *key = contract_generate(token, KEY_EC_P256);

		expect_signs(key);
		assert_int_equal(tools("swtpm_ioctl --unix sock.ctrl -i"), 0);
		expect_signs(key);
		expect_signs(key);
		contract_drop(key);
		token_close(token);
		expect_nothing_left();
	}
}

static void a_replaced_tpm_is_called_that(void **state)
{
	struct token *token = open_it(&config);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *found = NULL;
	struct token_key_name name = key->name, next;
	struct config_token replaced = wire_config();
	struct err err = { 0 };
	char tcti[128];

	(void)state;
	token_key_free(key);
	token_close(token);
	assert_int_equal(swtpm_start(&other), 0);
	snprintf(tcti, sizeof(tcti), "pcap:%s", other.tcti);
	replaced.tcti = tcti;
	token = open_it(&replaced);
	contract_expect(token_find(token, &name, &found, &err), RC_DENIED, &err, "find");
	expect_says(&err, "this is another TPM, or it was cleared");
	expect_says(&err, "enrol anew");
	contract_expect(token_key_name_make("next", 0, &next, &err), RC_OK, &err, "name");
	contract_expect(token_generate(token, &next, KEY_EC_P256, &found, &err), RC_DENIED, &err, "generate");
	expect_says(&err, ".known-tpm-40000001");
	assert_null(found);
	token_close(token);
	/* Whoever it is learns nothing of the value: no session was begun, no key made or loaded. */
	struct wire *wire = wire_of();
	assert_int_equal(wire_count(wire, TPM2_CC_CreatePrimary, false), 2);
	assert_int_equal(wire_count(wire, TPM2_CC_StartAuthSession, false), 0);
	assert_int_equal(wire_count(wire, TPM2_CC_Create, false), 0);
	assert_int_equal(wire_count(wire, TPM2_CC_Load, false), 0);
	wire_free(wire);

	/* The operator says it was on purpose: new keys are made; the old one is still known to be another's. */
	char path[160];
	snprintf(path, sizeof(path), "%s/.known-tpm-40000001", keys_dir);
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(unlink(path), 0);
	token = open_it(&replaced);
	contract_expect(token_find(token, &name, &found, &err), RC_DENIED, &err, "find");
	expect_says(&err, "belongs to another TPM");
	key = contract_generate(token, KEY_EC_P256);
	expect_signs(key);
	contract_drop(key);
	token_close(token);
	swtpm_stop(&other);

	/* Back in the first one. */
	assert_int_equal(unlink(path), 0);
	token = open_it(&config);
	contract_expect(token_find(token, &name, &found, &err), RC_OK, &err, "find");
	contract_drop(found);
	token_close(token);
}

/* The same TPM and a file whose wrapped part was changed: that is no other TPM. */
static void a_damaged_file_is_called_that(void **state)
{
	struct token *token = open_it(&config);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *found = NULL;
	struct token_key_name name = key->name;
	struct err err = { 0 };
	char path[256];

	(void)state;
	token_key_free(key);
	token_close(token);
	file_of(&name, path);
	assert_int_equal(
		tools("openssl asn1parse -in %s -noout -out key.der && python3 -c 'd = bytearray(open(\"key.der\", "
		      "\"rb\").read()); d[-1] ^= 1; open(\"key.der\", \"wb\").write(d)' && { echo '-----BEGIN TSS2 PRIVATE "
		      "KEY-----'; base64 -w 64 key.der; echo '-----END TSS2 PRIVATE KEY-----'; } >%s",
		      path, path),
		0);
	token = open_it(&config);
	contract_expect(token_find(token, &name, &found, &err), RC_DENIED, &err, "find");
	expect_says(&err, "damaged");
	assert_null(strstr(err.text, "another TPM"));
	token_close(token);
	unlink(path);
}

struct signer {
	struct token *token;
	struct token_key *key;
	pthread_t thread;
	int failed;
};

static void *sign_often(void *ctx)
{
	struct signer *signer = ctx;

	for (int i = 0; i < 25; i++) {
		struct token_custody custody;
		struct err err = { 0 };

		if (try_sign(signer->key, &err) != RC_OK || (i % 5 == 0 && token_custody(signer->key, &custody, &err) != RC_OK)) {
			fprintf(stderr, "thread: %s\n", err.text);
			signer->failed = 1;
		}
	}
	return NULL;
}

static void *generate_often(void *ctx)
{
	struct signer *signer = ctx;

	for (int i = 0; i < 4; i++) {
		struct token_key_name name;
		struct token_key *key = NULL;
		struct err err = { 0 };

		if (token_key_name_make("thread", 0, &name, &err) != RC_OK ||
		    token_generate(signer->token, &name, KEY_EC_P256, &key, &err) != RC_OK || try_sign(key, &err) != RC_OK ||
		    token_erase(key, &err) != RC_OK) {
			fprintf(stderr, "thread: %s\n", err.text);
			signer->failed = 1;
		}
		token_key_free(key);
	}
	return NULL;
}

static void many_threads_use_one_token(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct config_token wired = variants[i], traced = wire_config();
		struct signer signers[8] = { 0 };

		wired.tcti = traced.tcti;
		struct token *token = open_it(&wired);
		for (int n = 0; n < 8; n++) {
			signers[n].token = token;
			/* Each key in two threads. */
			signers[n].key = n % 2 ? signers[n - 1].key : contract_generate(token, KEY_EC_P256);
		}
		for (int n = 0; n < 8; n++)
			assert_int_equal(
				pthread_create(&signers[n].thread, NULL, n == 7 ? generate_often : sign_often, &signers[n]), 0);
		for (int n = 0; n < 8; n++)
			pthread_join(signers[n].thread, NULL);
		for (int n = 0; n < 8; n++) {
			assert_int_equal(signers[n].failed, 0);
			if (n % 2 == 0)
				contract_drop(signers[n].key);
		}
		token_close(token);
		struct wire *wire = wire_of();
		expect_within_bounds(wire);
		wire_free(wire);
	}
}

/* Until some process has a session open, as its journal tells. */
static void wait_for_session(void)
{
	struct tpm2_token reader = { .base.name = token_name, .keys_dir = keys_dir };
	struct tpm2_journal_view view = { 0 };
	int64_t deadline = clock_monotonic_ms() + 5000;

	while ((view.live_count == 0 || view.live[0] == TPM2_JOURNAL_OPENING) && clock_monotonic_ms() < deadline)
		tpm2_journal_view(&reader, &view);
}

/* A process that signs until it is killed, `after_ms` past its first signature, or (-1) as soon as it has a session. */
static void kill_while_signing(const struct token_key_name *name, int after_ms)
{
	int signing[2];
	char byte = 0;

	assert_int_equal(pipe(signing), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct token *token = NULL;
		struct token_key *key = NULL;
		struct err err = { 0 };

		if (token_open(&variants[1], keys_dir, &token, &err) == RC_OK && token_find(token, name, &key, &err) == RC_OK)
			while (try_sign(key, &err) == RC_OK)
				(void)!write(signing[1], &byte, 1);
		fprintf(stderr, "victim: %s\n", err.text);
		_exit(1);
	}
	close(signing[1]);
	(void)!read(signing[0], &byte, 1);
	if (after_ms < 0)
		wait_for_session();
	else
		poll(NULL, 0, after_ms);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(signing[0]);
}

static void sessions_of_killed_processes_are_flushed(void **state)
{
	struct token *token = open_it(&variants[1]);
	struct token_key *key = contract_generate(token, KEY_EC_P256);
	int64_t deadline = clock_monotonic_ms() + 120000;
	unsigned kills = 0;

	(void)state;
	while (count_of("handles-loaded-session") < 3 && clock_monotonic_ms() < deadline) {
		kill_while_signing(&key->name, -1);
		kills++;
		/* Objects are another test's. */
		assert_int_equal(tools("tpm2_flushcontext -t"), 0);
	}
	print_message("%u kills left three sessions\n", kills);
	assert_int_equal(count_of("handles-loaded-session"), 3);
	expect_signs(key);
	expect_nothing_left();
	contract_drop(key);
	token_close(token);
}

/* Killed at random, objects and sessions alike, without anybody's help: the next process works. */
static void processes_killed_at_random_leave_a_tpm_that_works(void **state)
{
	struct token *token = open_it(&variants[1]);
	struct token_key *key = contract_generate(token, KEY_EC_P256);

	(void)state;
	for (int kills = 0; kills < 12; kills++)
		kill_while_signing(&key->name, kills * 13 % 40);
	expect_signs(key);
	contract_drop(key);
	token_close(token);
}

/* Sessions of other programs: nobody's journal tells of them, so they stay, and the operator is told. */
static void sessions_of_others_are_left_alone(void **state)
{
	struct config_token plain = variants[0], with_auth = variants[1];
	TSS2_TCTI_CONTEXT *tcti = NULL;
	ESYS_CONTEXT *esys = NULL;
	ESYS_TR sessions[3];
	static const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(tools("tpm2_flushcontext -t && tpm2_flushcontext -l"), 0); /* of the killed */
	assert_int_equal(Tss2_TctiLdr_Initialize(swtpm.tcti, &tcti), 0);
	assert_int_equal(Esys_Initialize(&esys, tcti, NULL), 0);
	struct token *token = open_it(&with_auth);
	struct token_key *key = contract_generate(token, KEY_EC_P256);
	for (int i = 0; i < 3; i++)
		assert_int_equal(Esys_StartAuthSession(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
						       NULL, TPM2_SE_HMAC, &none, TPM2_ALG_SHA256, &sessions[i]),
				 0);
	contract_expect(try_sign(key, &err), RC_RETRY, &err, "sign");
	expect_says(&err, "no room for another session");
	assert_int_equal(count_of("handles-loaded-session"), 3);
	/* What needs no session goes on. */
	struct token *other_token = open_it(&plain);
	struct token_key *other_key = contract_generate(other_token, KEY_EC_P256);
	expect_signs(other_key);
	contract_drop(other_key);
	token_close(other_token);
	for (int i = 0; i < 3; i++)
		assert_int_equal(Esys_FlushContext(esys, sessions[i]), 0);
	expect_signs(key);
	contract_drop(key);
	token_close(token);
	Esys_Finalize(&esys);
	Tss2_TctiLdr_Finalize(&tcti);
}

/* Renewals must not wear out the memory of a TPM. */
static void nothing_is_written_into_the_tpm(void **state)
{
	static const uint32_t writers[] = { TPM2_CC_EvictControl, TPM2_CC_NV_Write,        TPM2_CC_NV_DefineSpace,
					    TPM2_CC_NV_Increment, TPM2_CC_NV_Extend,       TPM2_CC_HierarchyChangeAuth,
					    TPM2_CC_ChangePPS,    TPM2_CC_Clear,           TPM2_CC_DictionaryAttackParameters,
					    TPM2_CC_PCR_Allocate, TPM2_CC_SetPrimaryPolicy };
	struct config_token traced = wire_config();

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct config_token wired = variants[i];

		wired.tcti = traced.tcti;
		struct token *token = open_it(&wired);
		struct token_key *key = contract_generate(token, KEY_EC_P256);
		expect_signs(key);
		contract_drop(key);
		token_close(token);
	}
	struct wire *wire = wire_of();
	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++)
		assert_int_equal(wire_count(wire, writers[i], false), 0);
	wire_free(wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_restarted_tpm_is_found_again_by_the_same_handle),
		cmocka_unit_test(a_tpm_that_is_away_says_nothing_about_its_keys),
		cmocka_unit_test(a_reset_without_a_startup_is_mended),
		cmocka_unit_test(a_replaced_tpm_is_called_that),
		cmocka_unit_test(a_damaged_file_is_called_that),
		cmocka_unit_test(many_threads_use_one_token),
		cmocka_unit_test(sessions_of_killed_processes_are_flushed),
		cmocka_unit_test(processes_killed_at_random_leave_a_tpm_that_works),
		cmocka_unit_test(sessions_of_others_are_left_alone),
		cmocka_unit_test(nothing_is_written_into_the_tpm),
	};

	return cmocka_run_group_tests_name("TPM 2.0 in trouble", tests, start, tpm2_fixture_stop);
}
