/* module_contract.c -- the token contract on any PKCS#11 module: swtpm-ci/token-NAME says in the environment which. */
#include "token_contract.h"
#include "token_contract.c"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "clock.h"
#include "config.h"
#include "pkcs11.h"

#define THREADS 4

/* What a module keeps for itself at its end is not our leak. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libsofthsm2.so\nleak:libsoftokn3.so\nleak:libtpm2_pkcs11.so\nleak:PKCS11_API.so\nleak:libpkcs11_sw.so\n"
	       "leak:p11-kit-client.so\nleak:libnspr4.so\nleak:libnssutil3.so\nleak:libtss2\n";
}

static struct config *config;
static struct config_token *token_config;
static char keys_dir[] = "/tmp/hwa-module-XXXXXX";
static const char *types, *restart;

static bool can(enum key_type type)
{
	char padded[256], wanted[64];

	snprintf(padded, sizeof(padded), " %s ", types);
	snprintf(wanted, sizeof(wanted), " %s ", key_type_name(type));
	return strstr(padded, wanted) != NULL;
}

static struct token_fixture fixture = { .can = can, .keys_dir = keys_dir };

/* The configuration is the one that the script wrote for the renewal: what is tested here is what is used there. */
static int start(void **state)
{
	struct err err = { 0 };
	const char *path = getenv("TOKEN_CONFIG");

	types = getenv("TOKEN_TYPES");
	restart = getenv("TOKEN_RESTART");
	fixture.secret = getenv("TOKEN_PIN");
	fixture.name = getenv("TOKEN_LABEL");
	/* p11-kit's client writes to a socket whose other end may have died. */
	signal(SIGPIPE, SIG_IGN);
	if (!types || !path || !fixture.secret || !mkdtemp(keys_dir))
		return -1;
	if (config_load(path, &config, &err) != RC_OK) {
		print_error("%s\n", err.text);
		return -1;
	}
	token_config = &config->tokens[0];
	fixture.config = token_config;
	*state = &fixture;
	return 0;
}

static int stop(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/.refused", keys_dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/.refused.lock", keys_dir);
	unlink(path);
	config_free(config);
	return rmdir(keys_dir);
}

static enum rc try_sign(struct token_key *key, struct err *err)
{
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	static const uint8_t digest[32] = { 7 };

	return token_sign(key, key_type_family(key->type) == FAMILY_EC ? TOKEN_ECDSA : TOKEN_RSA_PKCS1, TOKEN_SHA256,
			  SPAN(digest), &sig, err);
}

static void info_names_mechanisms_and_says_whether_it_is_software(void **state)
{
	struct token *token = contract_open(*state);
	struct token_info info = { 0 };
	struct err err = { 0 };

	contract_expect(token_info(token, &info, &err), RC_OK, &err, "info");
	assert_non_null(strstr(info.mechanisms, "CKM_RSA_PKCS"));
	assert_true(info.free_memory >= -1);
	print_message("%s %s, serial %s, firmware %s, %s, %s, %lld bytes free\n", info.manufacturer, info.model, info.serial,
		      info.firmware, info.software ? "software" : "hardware", info.mechanisms, (long long)info.free_memory);
	token_close(token);
}

/* Attributes are a claim: a token that gives a key out is one that the configuration accepts by name, or none. */
static void what_the_token_gives_out_is_accepted_by_name_only(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_key(*state, token);
	struct config_token strict = *token_config;
	struct token *refused = NULL;
	struct err err = { 0 };

	contract_expect(token_audit_try(key, &err), RC_OK, &err, "audit by attempt");
	if (token_config->accept_wrapping) {
		/* As if nobody had accepted it: the attempt itself finds out. */
		PKCS11(token)->accept_wrapping = false;
		contract_expect(token_audit_try(key, &err), RC_DENIED, &err, "audit by attempt, not accepted");
		assert_non_null(strstr(err.text, "C_WrapKey"));
		PKCS11(token)->accept_wrapping = true;
		strict.accept_wrapping = false;
		contract_expect(token_open(&strict, keys_dir, &refused, &err), RC_DENIED, &err, "open without accept-wrapping");
		assert_non_null(strstr(err.text, "accept-wrapping: true"));
	}
	contract_drop(key);
	token_close(token);
}

/* tpm2-pkcs11 loses an object slot with each of them and is started anew in time. */
static void forty_keys_are_made_by_one_process(void **state)
{
	struct token *token = contract_open(*state);

	for (int i = 0; i < 40; i++) {
		struct token_key *key = contract_key(*state, token);
		struct err err = { 0 };

		contract_expect(try_sign(key, &err), RC_OK, &err, "sign");
		contract_drop(key);
	}
	token_close(token);
}

static void a_daemon_restarted_behind_the_module_is_recovered(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_key(*state, token);
	int64_t deadline = clock_monotonic_ms() + 30000;
	struct err err = { 0 };

	for (int i = 0; i < 2 && restart && restart[0]; i++) {
		assert_int_equal(system(restart), 0);
		while (try_sign(key, &err) != RC_OK) {
			assert_non_null(strstr(err.text, "token unavailable"));
			if (clock_monotonic_ms() > deadline)
				fail_msg("not back in time: %s", err.text);
			clock_wait_until(INT64_MAX, 50);
		}
	}
	contract_drop(key);
	token_close(token);
}

struct worker {
	struct token_key *key;
	unsigned failed;
	struct err err;
};

static void *work(void *arg)
{
	struct worker *worker = arg;

	for (int i = 0; i < 25 && !worker->failed; i++)
		worker->failed += try_sign(worker->key, &worker->err) != RC_OK;
	return NULL;
}

static void threads_sign_at_once(void **state)
{
	struct token *token = contract_open(*state);
	struct worker workers[THREADS] = { 0 };
	pthread_t threads[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		workers[i].key = contract_key(*state, token);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		if (workers[i].failed)
			fail_msg("%s", workers[i].err.text);
		contract_drop(workers[i].key);
	}
	token_close(token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_CONTRACT_TESTS,
		cmocka_unit_test(info_names_mechanisms_and_says_whether_it_is_software),
		cmocka_unit_test(what_the_token_gives_out_is_accepted_by_name_only),
		cmocka_unit_test(forty_keys_are_made_by_one_process),
		cmocka_unit_test(threads_sign_at_once),
		cmocka_unit_test(a_daemon_restarted_behind_the_module_is_recovered),
	};

	return cmocka_run_group_tests_name("module", tests, start, stop);
}
