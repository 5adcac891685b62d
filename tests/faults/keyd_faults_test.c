/* keyd_faults_test.c -- a module that crashes, hangs or babbles in keyd costs one retry, no key and no second PIN attempt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "keyd_process.h"
#include "softhsm.h"
#include "token.h"

#define DEADLINE_MS 4000 /* of each call: a hanging module is given up after it */

static struct softhsm softhsm;
static char label[] = "keyd", proxy[] = P11_PROXY, script_path[96], counts_path[96], log_path[96];
static struct config_token tokens[1];
static struct config config = { .tokens = tokens, .token_count = 1 };
static struct keyd_process keyd = { .config = &config };

static int start(void **state)
{
	(void)state;
	if (softhsm_start(&softhsm) != 0 || softhsm_add(label) != 0)
		return -1;
	config.state = softhsm.dir;
	tokens[0] = softhsm_config(&softhsm, label);
	tokens[0].module = proxy;
	snprintf(script_path, sizeof(script_path), "%s/script", softhsm.dir);
	snprintf(counts_path, sizeof(counts_path), "%s/counts", softhsm.dir);
	snprintf(log_path, sizeof(log_path), "%s/calls", softhsm.dir);
	return setenv("HWA_P11_PROXY", script_path, 1);
}

static int stop(void **state)
{
	(void)state;
	softhsm_stop(&softhsm);
	return 0;
}

/* One rule; its count goes on in a keyd that is started anew, so that "1 crash" is one crash. */
static void break_it(const char *rule)
{
	char text[400];

	unlink(counts_path);
	unlink(log_path);
	snprintf(text, sizeof(text), "log %s\ncounts %s\n%s\n", log_path, counts_path, rule);
	assert_int_equal(softhsm_write(script_path, text), 0);
}

static unsigned logged(const char *function)
{
	FILE *log = fopen(log_path, "r");
	char line[512];
	unsigned count = 0;

	while (log && fgets(line, sizeof(line), log))
		count += strstr(line, function) != NULL;
	if (log)
		fclose(log);
	return count;
}

struct rig {
	struct remote_link *link;
	struct token *token;
	struct token_key *key;
};

static struct rig rig_open(void)
{
	struct remote_starter starter = {
		.ctx = &keyd, .start = keyd_process_start, .kill = keyd_process_kill, .deadline_ms = DEADLINE_MS
	};
	struct rig rig = { 0 };
	struct token_key_name name;
	struct err err = { 0 };

	break_it("");
	assert_int_equal(remote_link_new(&starter, &rig.link, NULL), RC_OK);
	if (remote_open(rig.link, tokens[0].name, &rig.token, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(token_key_name_make("keyd", 0, &name, NULL), RC_OK);
	assert_int_equal(token_generate(rig.token, &name, KEY_EC_P256, &rig.key, NULL), RC_OK);
	return rig;
}

/* The next keyd reads the script that was set meanwhile. */
static void rig_restart_with(const char *rule)
{
	keyd_process_kill(&keyd);
	break_it(rule);
}

static void rig_close(struct rig *rig)
{
	rig_restart_with("");
	assert_int_equal(token_erase(rig->key, NULL), RC_OK);
	token_key_free(rig->key);
	token_close(rig->token);
	remote_link_free(rig->link);
	(void)keyd_process_end(&keyd);
}

static enum rc sign(const struct rig *rig, struct err *err)
{
	static const uint8_t digest[32] = { 7 };
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);

	return token_sign(rig->key, TOKEN_ECDSA, TOKEN_SHA256, SPAN(digest), &sig, err);
}

static void a_module_that_crashes_or_hangs_once_costs_one_retry(void **state)
{
	static const char *const rules[] = { "C_Sign 1 crash", "C_SignInit 1 abort", "C_Sign 1 hang" };

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct rig rig = rig_open();
		struct err err = { 0 };

		rig_restart_with(rules[i]);
		unsigned before = keyd.starts;
		if (sign(&rig, &err) != RC_OK)
			fail_msg("%s: %s", rules[i], err.text);
		assert_int_equal(keyd.starts, before + 2); /* ours, which breaks, and one more */
		rig_close(&rig);
	}
}

static void a_module_that_always_crashes_is_named_and_costs_two_logins_at_most(void **state)
{
	struct rig rig = rig_open();
	struct err err = { 0 };

	(void)state;
	rig_restart_with("C_Sign * crash");
	assert_int_equal(sign(&rig, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "keyd"));
	assert_true(logged(" C_Login ") <= 2);
	rig_close(&rig);
}

static unsigned listed;
static enum rc count_key(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	(void)ctx, (void)key, (void)custody, (void)err;
	listed++;
	return RC_OK;
}

static void a_crash_after_the_key_was_made_leaves_one_key_and_finds_it(void **state)
{
	struct rig rig = rig_open();
	struct token_key *key = NULL;
	struct token_key_name name;
	struct err err = { 0 };

	(void)state;
	rig_restart_with("C_GetAttributeValue 1 crash"); /* custody is read back when the key is there */
	assert_int_equal(token_key_name_make("keyd", 0, &name, NULL), RC_OK);
	if (token_generate(rig.token, &name, KEY_EC_P256, &key, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(logged(" C_GenerateKeyPair "), 1);
	listed = 0;
	assert_int_equal(token_list(rig.token, count_key, NULL, &err), RC_OK);
	assert_int_equal(listed, 2);
	assert_int_equal(token_erase(key, &err), RC_OK);
	token_key_free(key);
	rig_close(&rig);
}

static void what_a_module_prints_harms_nobody(void **state)
{
	struct rig rig = rig_open();
	struct err err = { 0 };

	(void)state;
	rig_restart_with("* * noise");
	assert_int_equal(sign(&rig, &err), RC_OK);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_module_that_crashes_or_hangs_once_costs_one_retry),
		cmocka_unit_test(a_module_that_always_crashes_is_named_and_costs_two_logins_at_most),
		cmocka_unit_test(a_crash_after_the_key_was_made_leaves_one_key_and_finds_it),
		cmocka_unit_test(what_a_module_prints_harms_nobody),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
