/* pkcs11_login_test.c -- a module that answers what nobody can read: how often a PIN is sent, and how the token comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>

#include "pkcs11.h"
#include "proxied_softhsm.h"

#define VENDORS    "0x80000123"
#define SECOND_MS  1000
#define MINUTE_MS  60000
#define HOUR_MS    3600000
#define THREADS    8
#define SIGNATURES 25

static char label[] = "login";

/* libp11's own: what it had listed of the slots when the listing failed. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libp11.so\n";
}

static int start(void **state)
{
	(void)state;
	return proxied_start(label);
}

/* The fault is over, and so is every back-off: it opens, and is opened again without waiting. */
static void it_works_again(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/.refused", softhsm.dir);
	unlink(path);
	sweep_clock_advance(HOUR_MS);
	p11_proxy_script("");
	sweep_case("afterwards");
	world_check(&world);
	world_check(&world);
	assert_int_equal(sweep_end("afterwards"), 0);
}

static void expect_says(const struct err *err, const char *words)
{
	if (!strstr(err->text, words))
		fail_msg("no \"%s\" in: %s", words, err->text);
}

static enum rc open_anew(struct err *err)
{
	struct stage stage;

	*err = (struct err){ 0 };
	stage_begin(&stage, &world);
	enum rc rc = stage_open(&stage, err);
	stage_end(&stage);
	return rc;
}

static void a_login_without_a_verdict_is_repeated_after_a_time_that_doubles(void **state)
{
	static const struct {
		const char *code, *name;
		enum rc rc;
	} answers[] = {
		{ VENDORS, "a code of its vendor", RC_RETRY },
		{ "0x3ff", "an unknown code", RC_RETRY },
		{ "CKR_GENERAL_ERROR", "CKR_GENERAL_ERROR", RC_RETRY },
		{ "CKR_USER_PIN_NOT_INITIALIZED", "CKR_USER_PIN_NOT_INITIALIZED", RC_RETRY },
		{ "CKR_ACTION_PROHIBITED", "CKR_ACTION_PROHIBITED", RC_DENIED },
		{ "CKR_FUNCTION_REJECTED", "CKR_FUNCTION_REJECTED", RC_DENIED },
		{ "CKR_PIN_LOCKED", "CKR_PIN_LOCKED", RC_DENIED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		char script[64];
		struct err err;

		snprintf(script, sizeof(script), "C_Login * return %s", answers[i].code);
		p11_proxy_script(script);
		for (unsigned sent = 1, seconds = 1; sent <= 9; sent++, seconds *= 2) {
			expect(open_anew(&err), answers[i].rc, &err);
			expect_says(&err, answers[i].name);
			assert_int_equal(p11_proxy_calls("C_Login"), sent);
			sweep_clock_advance(seconds * SECOND_MS / 2);
			/* Whoever asks meanwhile gets the same answer, and is told that none was sent; not where this takes as long. */
			for (int caller = 0; caller < 3 && seconds > MINUTE_MS / SECOND_MS; caller++) {
				expect(open_anew(&err), answers[i].rc, &err);
				expect_says(&err, answers[i].name);
				expect_says(&err, "is sent again in");
				assert_int_equal(p11_proxy_calls("C_Login"), sent);
			}
			sweep_clock_advance(seconds * SECOND_MS / 2);
		}
		it_works_again();
	}
}

/* A token that forgets failures by the hour can forget them, however many callers it has. */
static void a_day_of_them_costs_a_try_an_hour(void **state)
{
	struct err err;

	(void)state;
	p11_proxy_script("C_Login * return " VENDORS);
	for (int minute = 0; minute < 24 * 60; minute++) {
		expect(open_anew(&err), RC_RETRY, &err);
		sweep_clock_advance(MINUTE_MS);
	}
	assert_in_range(p11_proxy_calls("C_Login"), 24, 24 + 12);
	it_works_again();
}

static void a_pin_that_has_expired_is_not_sent_again(void **state)
{
	struct err err;

	(void)state;
	p11_proxy_script("C_Login * return CKR_PIN_EXPIRED");
	for (int day = 0; day < 3; day++) {
		expect(open_anew(&err), RC_DENIED, &err);
		expect_says(&err, "refused");
		sweep_clock_advance(24 * HOUR_MS);
	}
	assert_int_equal(p11_proxy_calls("C_Login"), 1);
	it_works_again();
}

struct signer {
	pthread_t thread;
	struct token *token;
	unsigned signatures;
	enum rc rc;
};

static void *sign_often(void *ctx)
{
	struct signer *signer = ctx;
	struct stage stage;
	struct err err = { 0 };

	stage_begin(&stage, &world);
	stage.token = signer->token;
	signer->rc = stage_find(&stage, &err);
	for (unsigned i = 0; i < signer->signatures && signer->rc == RC_OK; i++)
		signer->rc = stage_sign(&stage, &err);
	token_key_free(stage.key);
	return NULL;
}

static void sign_by_many(struct token *token, unsigned signatures, enum rc wanted)
{
	struct signer signers[THREADS];

	for (int i = 0; i < THREADS; i++) {
		signers[i] = (struct signer){ .token = token, .signatures = signatures };
		assert_int_equal(pthread_create(&signers[i].thread, NULL, sign_often, &signers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(signers[i].thread, NULL), 0);
		assert_int_equal(signers[i].rc, wanted);
	}
}

/* They lose their sessions together, and each is on the way back; the time between two logins is long enough by then. */
static void many_callers_of_a_lost_token_wait_for_the_same_login(void **state)
{
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	p11_proxy_script("");
	stage_begin(&stage, &world);
	expect(stage_open(&stage, &err), RC_OK, &err);
	p11_proxy_script("C_FindObjectsInit * return CKR_DEVICE_REMOVED\nC_Login * return " VENDORS);
	for (unsigned sent = 1; sent <= 12; sent++) {
		sweep_clock_advance(HOUR_MS);
		expect(open_anew(&err), RC_RETRY, &err);
		assert_int_equal(p11_proxy_calls("C_Login"), sent);
	}
	sign_by_many(stage.token, 1, RC_RETRY);
	assert_int_equal(p11_proxy_calls("C_Login"), 12);
	/* And while it waits, nothing is asked of the module at all. */
	uint64_t calls = p11_proxy_calls("*");
	expect(stage_find(&stage, &err), RC_RETRY, &err);
	expect_says(&err, "token unavailable");
	assert_int_equal(p11_proxy_calls("*"), calls);
	sweep_clock_advance(HOUR_MS);
	p11_proxy_script("");
	expect(stage_find(&stage, &err), RC_OK, &err);
	stage_end(&stage);
	it_works_again();
}

/* What is behind the module was lost, and its vendor has a code of its own for that. */
static void a_code_of_a_vendor_while_connecting_starts_the_module_anew(void **state)
{
	static const char *const functions[] = { "C_OpenSession", "C_GetTokenInfo" };

	(void)state;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		struct stage stage;
		struct err err = { 0 };
		char script[128];

		p11_proxy_script("");
		stage_begin(&stage, &world);
		expect(stage_with_key(&stage, &err), RC_OK, &err);
		/* Where it is lost, found so at the way back, and there again at the second start. */
		snprintf(script, sizeof(script), "C_SignInit 1 return CKR_DEVICE_REMOVED\n%s * return " VENDORS, functions[i]);
		p11_proxy_script(script);
		expect(stage_sign(&stage, &err), RC_RETRY, &err);
		expect_says(&err, "token unavailable");
		expect_says(&err, "a code of its vendor");
		uint64_t calls = p11_proxy_calls("*"), starts = p11_proxy_calls("C_Finalize");
		expect(stage_sign(&stage, &err), RC_RETRY, &err);
		assert_int_equal(p11_proxy_calls("*"), calls);
		sweep_clock_advance(MINUTE_MS);
		expect(stage_sign(&stage, &err), RC_RETRY, &err);
		assert_true(p11_proxy_calls("C_Finalize") > starts);
		sweep_clock_advance(MINUTE_MS);
		p11_proxy_script("");
		expect(stage_sign(&stage, &err), RC_OK, &err);
		stage_end(&stage);
		it_works_again();
	}
}

static void a_code_of_a_vendor_in_a_session_has_it_replaced(void **state)
{
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	p11_proxy_script("");
	stage_begin(&stage, &world);
	expect(stage_with_key(&stage, &err), RC_OK, &err);
	p11_proxy_script("C_GetAttributeValue 1 return " VENDORS);
	expect(stage_custody(&stage, &err), RC_RETRY, &err);
	assert_int_equal(p11_proxy_calls("C_CloseSession"), 1);
	assert_int_equal(p11_proxy_calls("C_OpenSession"), 1);
	/* Where another cannot be had either, the way back begins. */
	p11_proxy_script("C_GetAttributeValue 1 return " VENDORS "\nC_OpenSession 1 return " VENDORS);
	expect(stage_custody(&stage, &err), RC_RETRY, &err);
	expect(stage_sign(&stage, &err), RC_OK, &err);
	assert_int_equal(p11_proxy_calls("C_Login"), 1);
	stage_end(&stage);
	it_works_again();
}

static void a_session_too_many_for_a_vendor_is_done_without(void **state)
{
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	p11_proxy_script("C_OpenSession 2+ return " VENDORS);
	stage_begin(&stage, &world);
	expect(stage_open(&stage, &err), RC_OK, &err);
	sign_by_many(stage.token, SIGNATURES, RC_OK);
	assert_int_equal(p11_proxy_calls("C_Sign"), THREADS * SIGNATURES);
	assert_int_equal(p11_proxy_calls("C_Login"), 1);
	stage_end(&stage);
	it_works_again();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_login_without_a_verdict_is_repeated_after_a_time_that_doubles),
		cmocka_unit_test(a_day_of_them_costs_a_try_an_hour),
		cmocka_unit_test(a_pin_that_has_expired_is_not_sent_again),
		cmocka_unit_test(many_callers_of_a_lost_token_wait_for_the_same_login),
		cmocka_unit_test(a_code_of_a_vendor_while_connecting_starts_the_module_anew),
		cmocka_unit_test(a_code_of_a_vendor_in_a_session_has_it_replaced),
		cmocka_unit_test(a_session_too_many_for_a_vendor_is_done_without),
	};

	return cmocka_run_group_tests(tests, start, proxied_stop);
}
