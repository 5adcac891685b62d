/* pkcs11_limits_test.c -- small tokens, full tokens and tokens that say that a key may leave; on a SoftHSM behind the proxy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>

#include "pkcs11.h"
#include "proxied_softhsm.h"
#define THREADS    8
#define SIGNATURES 25

static char label[] = "limits";

static int start(void **state)
{
	(void)state;
	return proxied_start(label);
}

static void one_session_is_enough_for_everything(void **state)
{
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	p11_proxy_script("max-sessions 1");
	stage_begin(&stage, &world);
	expect(stage_open(&stage, &err), RC_OK, &err);
	expect(stage_generate(&stage, &err), RC_OK, &err);
	expect(stage_sign(&stage, &err), RC_OK, &err);
	expect(stage_list(&stage, &err), RC_OK, &err);
	expect(stage_erase(&stage, &err), RC_OK, &err);
	assert_int_equal(p11_proxy_state().sessions_most, 1);
	assert_int_equal(p11_proxy_state().logins, 1);
	stage_end(&stage);
	the_kept_key_is_there();
}

static void *sign_often(void *ctx)
{
	const struct stage *shared = ctx;
	struct stage stage;
	struct err err = { 0 };
	enum rc rc;

	stage_begin(&stage, &world);
	stage.token = shared->token;
	rc = stage_find(&stage, &err);
	for (int i = 0; i < SIGNATURES && rc == RC_OK; i++)
		rc = stage_sign(&stage, &err);
	token_key_free(stage.key);
	return (void *)(uintptr_t)rc;
}

static void eight_callers_share_four_sessions_and_one_login(void **state)
{
	pthread_t threads[THREADS];
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	p11_proxy_script("");
	stage_begin(&stage, &world);
	expect(stage_open(&stage, &err), RC_OK, &err);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sign_often, &stage), 0);
	for (int i = 0; i < THREADS; i++) {
		void *rc;

		assert_int_equal(pthread_join(threads[i], &rc), 0);
		assert_int_equal((uintptr_t)rc, RC_OK);
	}
	assert_int_equal(p11_proxy_calls("C_Sign"), THREADS * SIGNATURES);
	assert_in_range(p11_proxy_state().sessions_most, 1, PKCS11_SESSIONS_DEFAULT);
	assert_int_equal(p11_proxy_state().logins, 1);
	stage_end(&stage);
	assert_int_equal(p11_proxy_state().sessions, 0);
}

static void a_full_token_says_so_and_keeps_what_it_has(void **state)
{
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	p11_proxy_script("max-keys 1");
	stage_begin(&stage, &world);
	expect(stage_open(&stage, &err), RC_OK, &err);
	expect(stage_generate(&stage, &err), RC_RESOURCE, &err);
	assert_non_null(strstr(err.text, "CKR_DEVICE_MEMORY"));
	expect(stage_find(&stage, &err), RC_OK, &err);
	expect(stage_sign(&stage, &err), RC_OK, &err);
	stage_end(&stage);
	the_kept_key_is_there();
}

static const char *const LIES[] = {
	"lie CKA_EXTRACTABLE 1", "lie CKA_SENSITIVE 0",         "lie CKA_ALWAYS_SENSITIVE 0", "lie CKA_NEVER_EXTRACTABLE 0",
	"lie CKA_LOCAL 0",       "lie CKA_EXTRACTABLE unknown", "lie CKA_SENSITIVE unknown",  "lie CKA_NEVER_EXTRACTABLE unknown",
};

static void a_key_that_could_leave_is_refused_and_not_erased(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(LIES) / sizeof(LIES[0]); i++) {
		struct stage stage;
		struct err err = { 0 };

		p11_proxy_script(LIES[i]);
		stage_begin(&stage, &world);
		expect(stage_open(&stage, &err), RC_OK, &err);
		expect(stage_find(&stage, &err), RC_DENIED, &err);
		assert_int_equal(p11_proxy_calls("C_DestroyObject"), 0);
		stage_end(&stage);
	}
	the_kept_key_is_there();
}

static void a_new_key_that_could_leave_is_destroyed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(LIES) / sizeof(LIES[0]); i++) {
		struct token_key *key = NULL;
		struct stage stage;
		struct err err = { 0 };

		p11_proxy_script(LIES[i]);
		stage_begin(&stage, &world);
		expect(stage_open(&stage, &err), RC_OK, &err);
		expect(stage_generate(&stage, &err), RC_DENIED, &err);
		p11_proxy_script("");
		expect(token_find(stage.token, &stage.made, &key, &err), RC_ABSENT, &err);
		stage_end(&stage);
	}
	the_kept_key_is_there();
}

static enum rc note_type(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	(void)custody, (void)err;
	if (key->type == KEY_RSA_2048)
		++*(unsigned *)ctx;
	return RC_OK;
}

/* PKCS#11 2.40 (current mechanisms), 2.1.3: only since then must a token store the CKA_PUBLIC_EXPONENT of a private key. */
static void an_rsa_key_that_tells_half_of_its_public_half_is_a_key(void **state)
{
	static const char *const ways[] = { "lie CKA_PUBLIC_EXPONENT unknown private",
					    "lie CKA_PUBLIC_EXPONENT unknown private\nlie CKA_MODULUS unknown private" };
	static const uint8_t digest[32] = { 1, 2, 3 };

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
		struct token_key *key = NULL;
		struct stage stage;
		struct err err = { 0 };
		unsigned listed = 0;

		p11_proxy_script(ways[i]);
		stage_begin(&stage, &world);
		expect(stage_open(&stage, &err), RC_OK, &err);
		expect(token_generate(stage.token, &stage.made, KEY_RSA_2048, &stage.key, &err), RC_OK, &err);
		expect(token_find(stage.token, &stage.made, &key, &err), RC_OK, &err);
		expect(token_sign(key, TOKEN_RSA_PSS, TOKEN_SHA256, SPAN(digest), &sig, &err), RC_OK, &err);
		token_key_free(key);
		expect(token_list(stage.token, note_type, &listed, &err), RC_OK, &err);
		assert_int_equal(listed, 1);
		expect(stage_erase(&stage, &err), RC_OK, &err);
		stage_end(&stage);
	}
	the_kept_key_is_there();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_session_is_enough_for_everything),
		cmocka_unit_test(eight_callers_share_four_sessions_and_one_login),
		cmocka_unit_test(a_full_token_says_so_and_keeps_what_it_has),
		cmocka_unit_test(a_key_that_could_leave_is_refused_and_not_erased),
		cmocka_unit_test(a_new_key_that_could_leave_is_destroyed),
		cmocka_unit_test(an_rsa_key_that_tells_half_of_its_public_half_is_a_key),
	};

	return cmocka_run_group_tests(tests, start, proxied_stop);
}
