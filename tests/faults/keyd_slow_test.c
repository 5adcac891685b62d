/* keyd_slow_test.c -- a TPM that takes long to make a key: who waits behind that does not have keyd ended, and what hangs is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>

#include "keyd_process.h"
#include "softhsm.h"
#include "swtpm.h"
#include "token.h"

/* As a TPM's proportions are: a key takes longer than any other call may, and less than it may itself; two take longer than one may. */
#define DEADLINE_MS          3000
#define GENERATE_DEADLINE_MS 8000
#define SLOW                 "5000"
#define START_MS             20000

static struct swtpm swtpm;
static char tpm_name[] = "tpm", tcti[512], script_path[96], counts_path[96];
static struct config_token tokens[] = { { .name = tpm_name, .tcti = tcti } };
static struct config config = { .tokens = tokens, .token_count = 1 };
static struct keyd_process keyd = { .config = &config };

static int start(void **state)
{
	(void)state;
	if (swtpm_start(&swtpm) != 0)
		return -1;
	config.state = swtpm.dir;
	snprintf(tcti, sizeof(tcti), "%s:%s", TCTI_PROXY, swtpm.tcti);
	snprintf(script_path, sizeof(script_path), "%s/script", swtpm.dir);
	snprintf(counts_path, sizeof(counts_path), "%s/counts", swtpm.dir);
	return setenv("HWA_TCTI_PROXY", script_path, 1);
}

static int stop(void **state)
{
	(void)state;
	swtpm_stop(&swtpm);
	return 0;
}

struct rig {
	struct remote_link *link;
	struct token *token;
	struct token_key *key;
	unsigned starts; /* of keyd, before it was slow */
};

/* One rule for the next keyd; its count goes on in the one after that, so that "1 hang" is one. */
static void break_it(const char *rule)
{
	char text[256];

	keyd_process_kill(&keyd);
	unlink(counts_path);
	snprintf(text, sizeof(text), "counts %s\n%s\n", counts_path, rule);
	assert_int_equal(softhsm_write(script_path, text), 0);
}

static enum rc make_key(struct token *token, struct token_key **ret_key, struct err *err)
{
	struct token_key_name name;
	enum rc rc = token_key_name_make("slow", 0, &name, err);

	return rc == RC_OK ? token_generate(token, &name, KEY_EC_P256, ret_key, err) : rc;
}

static struct rig rig_open(const char *rule)
{
	struct remote_starter starter = { .ctx = &keyd,
					  .start = keyd_process_start,
					  .kill = keyd_process_kill,
					  .deadline_ms = DEADLINE_MS,
					  .generate_deadline_ms = GENERATE_DEADLINE_MS };
	struct rig rig = { 0 };
	struct err err = { 0 };

	break_it("");
	assert_int_equal(remote_link_new(&starter, &rig.link, NULL), RC_OK);
	if (remote_open(rig.link, tpm_name, &rig.token, &err) != RC_OK)
		fail_msg("%s", err.text);
	if (make_key(rig.token, &rig.key, &err) != RC_OK)
		fail_msg("%s", err.text);
	break_it(rule);
	rig.starts = keyd.starts;
	return rig;
}

static void rig_close(struct rig *rig)
{
	break_it("");
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

struct maker {
	struct token *token;
	struct token_key *key;
	enum rc rc;
	struct err err;
	pthread_t thread;
};

static void *maker_work(void *ctx)
{
	struct maker *maker = ctx;

	maker->rc = make_key(maker->token, &maker->key, &maker->err);
	return NULL;
}

static bool is_making(void)
{
	static const char name[] = "TPM2_Create"; /* with its NUL: TPM2_CreatePrimary is another */
	static char counts[65536];
	FILE *file = fopen(counts_path, "r");
	size_t len = file ? fread(counts, 1, sizeof(counts), file) : 0;

	if (file)
		fclose(file);
	return memmem(counts, len, name, sizeof(name)) != NULL;
}

/* Returns when the TPM is at the first of them. */
static void makers_start(struct maker *makers, size_t count, const struct rig *rig)
{
	int64_t deadline = clock_monotonic_ms() + START_MS;

	for (size_t i = 0; i < count; i++) {
		makers[i] = (struct maker){ .token = rig->token };
		assert_int_equal(pthread_create(&makers[i].thread, NULL, maker_work, &makers[i]), 0);
	}
	while (!is_making() && clock_monotonic_ms() < deadline)
		clock_wait_until(INT64_MAX, 5);
	assert_true(is_making());
}

static void makers_join(struct maker *makers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		pthread_join(makers[i].thread, NULL);
		token_key_free(makers[i].key);
	}
	for (size_t i = 0; i < count; i++)
		if (makers[i].rc != RC_OK)
			fail_msg("%s", makers[i].err.text);
}

static void who_waits_behind_a_key_that_is_made_waits_for_it(void **state)
{
	struct rig rig = rig_open("TPM2_Create 1 delay " SLOW);
	struct maker maker;
	struct err err = { 0 };

	(void)state;
	makers_start(&maker, 1, &rig);
	enum rc rc = sign(&rig, &err);
	makers_join(&maker, 1);
	if (rc != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(keyd.starts, rig.starts + 1);
	rig_close(&rig);
}

static void a_key_that_waits_behind_another_has_its_own_time(void **state)
{
	struct rig rig = rig_open("TPM2_Create * delay " SLOW);
	struct maker makers[2];
	struct err err = { 0 };

	(void)state;
	makers_start(makers, 2, &rig);
	enum rc rc = sign(&rig, &err);
	makers_join(makers, 2);
	if (rc != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(keyd.starts, rig.starts + 1);
	rig_close(&rig);
}

static void what_hangs_while_no_key_is_made_is_found_as_ever(void **state)
{
	struct rig rig = rig_open("TPM2_Sign 1 hang");
	struct err err = { 0 };
	int64_t began = clock_monotonic_ms();

	(void)state;
	if (sign(&rig, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(keyd.starts, rig.starts + 2);
	assert_in_range(clock_monotonic_ms() - began, DEADLINE_MS, GENERATE_DEADLINE_MS - 1);
	rig_close(&rig);
}

static void expect_found(unsigned hanging)
{
	struct rig rig = rig_open("TPM2_Create 1 hang");
	struct maker makers[2];
	struct err err = { 0 };
	int64_t began = clock_monotonic_ms();

	makers_start(makers, hanging, &rig);
	enum rc rc = sign(&rig, &err);
	makers_join(makers, hanging);
	if (rc != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(keyd.starts, rig.starts + 2);
	assert_in_range(clock_monotonic_ms() - began, hanging * GENERATE_DEADLINE_MS, (hanging + 1) * GENERATE_DEADLINE_MS - 1);
	rig_close(&rig);
}

static void a_key_whose_making_hangs_is_found_by_its_own_deadline(void **state)
{
	(void)state;
	expect_found(1);
}

static void keys_that_wait_for_each_other_are_found_when_all_are_overdue(void **state)
{
	(void)state;
	expect_found(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_behind_a_key_that_is_made_waits_for_it),
		cmocka_unit_test(a_key_that_waits_behind_another_has_its_own_time),
		cmocka_unit_test(what_hangs_while_no_key_is_made_is_found_as_ever),
		cmocka_unit_test(a_key_whose_making_hangs_is_found_by_its_own_deadline),
		cmocka_unit_test(keys_that_wait_for_each_other_are_found_when_all_are_overdue),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
