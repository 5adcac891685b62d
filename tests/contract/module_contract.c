/* module_contract.c -- the token contract on any PKCS#11 module: swtpm-ci/token-NAME says in the environment which. */
#include "token_contract.h"
#include "token_contract.c"

#include <signal.h>
#include <stdlib.h>

#include "at_once.h"
#include "clock.h"
#include "config.h"
#include "pkcs11.h"

#define THREADS 4
#define TURNS   25

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

static struct token_fixture fixture = { .can = can, .keys_dir = keys_dir, .stable = "contract-tls" };

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

static enum rc count_one(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	(void)key, (void)custody, (void)err;
	++*(unsigned *)ctx;
	return RC_OK;
}

static unsigned contract_count(struct token *token)
{
	unsigned count = 0;
	struct err err = { 0 };

	contract_expect(token_list(token, count_one, &count, &err), RC_OK, &err, "list");
	return count;
}

static void threads_sign_at_once(void **state)
{
	struct token *token = contract_open(*state);
	struct at_once workers[THREADS] = { 0 };

	for (size_t i = 0; i < THREADS; i++)
		workers[i] = (struct at_once){ .turn = try_sign, .key = contract_key(*state, token) };
	at_once(workers, THREADS, TURNS);
	for (size_t i = 0; i < THREADS; i++)
		contract_drop(workers[i].key);
	token_close(token);
}

static enum rc find_again(struct token_key *key, struct err *err)
{
	AUTO(token_key) struct token_key *found = NULL;

	return token_find(key->token, &key->name, &found, err);
}

/* One of the same type. */
static enum rc make_use_and_erase(struct token_key *like, struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	struct token_key_name name;
	enum rc rc = token_key_name_make("contract", 0, &name, err);

	if (rc == RC_OK)
		rc = token_generate(like->token, &name, like->type, &key, err);
	if (rc == RC_OK)
		rc = try_sign(key, err);
	return rc == RC_OK ? token_erase(key, err) : rc;
}

/* NSS, left to itself, never comes back from this. */
static void threads_make_find_and_use_keys_at_once(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_key(*state, token);
	struct at_once workers[] = { { .turn = make_use_and_erase, .key = key },
				     { .turn = make_use_and_erase, .key = key },
				     { .turn = find_again, .key = key },
				     { .turn = try_sign, .key = key } };
	unsigned before = contract_count(token);

	at_once(workers, sizeof(workers) / sizeof(workers[0]), TURNS);
	assert_int_equal(contract_count(token), before);
	contract_drop(key);
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
		cmocka_unit_test(threads_make_find_and_use_keys_at_once),
		cmocka_unit_test(a_daemon_restarted_behind_the_module_is_recovered),
	};

	return cmocka_run_group_tests_name("module", tests, start, stop);
}
