/* pkcs11_turn_test.c -- keys are made, found, relabelled and used at the same time in SoftHSM, and none is mixed up with another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>

#include "at_once.h"
#include "soft_token.h"

#define SESSIONS 6
#define ROUNDS   60

static struct softhsm softhsm;
static struct token *token;

static int start(void **state)
{
	static char label[] = "turns";

	(void)state;
	if (softhsm_start(&softhsm) != 0 || softhsm_add(label) != 0)
		return -1;
	struct config_token config = softhsm_config(&softhsm, label);
	config.sessions = SESSIONS;
	return token_open(&config, softhsm.dir, &token, NULL) == RC_OK ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	token_close(token);
	softhsm_stop(&softhsm);
	return 0;
}

static struct token_key *key_made(void)
{
	struct token_key_name name;
	struct token_key *key = NULL;

	assert_int_equal(token_key_name_make("turns", 7, &name, NULL), RC_OK);
	assert_int_equal(token_generate(token, &name, KEY_EC_P256, &key, NULL), RC_OK);
	return key;
}

static enum rc make_and_erase(struct token_key *unused, struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	struct token_key_name name;
	enum rc rc = token_key_name_make("turns", 7, &name, err);

	(void)unused;
	if (rc == RC_OK)
		rc = token_generate(token, &name, KEY_EC_P256, &key, err);
	return rc == RC_OK ? token_erase(key, err) : rc;
}

static enum rc find(struct token_key *key, struct err *err)
{
	enum rc rc = RC_OK;

	/* Much faster than a key is made. */
	for (unsigned i = 0; i < 10 && rc == RC_OK; i++) {
		AUTO(token_key) struct token_key *found = NULL;

		rc = token_find(token, &key->name, &found, err);
	}
	return rc;
}

static enum rc sign(struct token_key *key, struct err *err)
{
	AUTO(buf) struct buf signature = BUF_MAX(TOKEN_SIG_MAX);

	return token_sign_message(key, TOKEN_ECDSA, TOKEN_SHA256, SPAN("message"), &signature, err);
}

static enum rc take_label_and_give_it_back(struct token_key *key, struct err *err)
{
	struct token_objects objects = { .label = "nf" };
	enum rc rc = token_publish(key, &objects, err);

	objects.label = "";
	return rc == RC_OK ? token_publish(key, &objects, err) : rc;
}

/* What it left may have neither name nor class and be listed by nobody: each object is a file, and one more is the token's. */
static void expect_one_pair(void)
{
	char pattern[128];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/tokens/*/*.object", softhsm.dir);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 2 + 1);
	globfree(&found);
}

/* SoftHSM answers CKR_GENERAL_ERROR to who makes a key while another looks for one, and keeps an object without a name. */
static void keys_are_made_while_others_are_looked_for(void **state)
{
	AUTO(token_key) struct token_key *stable = key_made();
	struct at_once workers[] = { { .turn = make_and_erase },
				     { .turn = make_and_erase },
				     { .turn = find, .key = stable },
				     { .turn = find, .key = stable } };

	(void)state;
	at_once(workers, sizeof(workers) / sizeof(workers[0]), ROUNDS);
	expect_one_pair();
	assert_int_equal(token_erase(stable, NULL), RC_OK);
}

/* Nothing is searched for under a fresh name: all of these are in C_GenerateKeyPair at the same time. */
static void keys_are_made_at_the_same_time(void **state)
{
	AUTO(token_key) struct token_key *stable = key_made();
	struct at_once workers[] = { { .turn = make_and_erase }, { .turn = make_and_erase }, { .turn = make_and_erase },
				     { .turn = make_and_erase }, { .turn = make_and_erase }, { .turn = sign, .key = stable } };

	(void)state;
	at_once(workers, sizeof(workers) / sizeof(workers[0]), ROUNDS);
	expect_one_pair();
	assert_int_equal(token_erase(stable, NULL), RC_OK);
}

/* SoftHSM loses sight of an object that is read while it is changed. */
static void a_label_moves_while_its_key_is_used(void **state)
{
	AUTO(token_key) struct token_key *stable = key_made();
	struct at_once workers[] = { { .turn = take_label_and_give_it_back, .key = stable },
				     { .turn = sign, .key = stable },
				     { .turn = sign, .key = stable },
				     { .turn = find, .key = stable },
				     { .turn = make_and_erase } };

	(void)state;
	at_once(workers, sizeof(workers) / sizeof(workers[0]), ROUNDS);
	expect_one_pair();
	assert_int_equal(token_erase(stable, NULL), RC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_made_while_others_are_looked_for),
		cmocka_unit_test(keys_are_made_at_the_same_time),
		cmocka_unit_test(a_label_moves_while_its_key_is_used),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
