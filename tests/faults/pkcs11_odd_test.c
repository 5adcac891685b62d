/* pkcs11_odd_test.c -- modules that go their own way, each as one of a vendor does; on a SoftHSM behind the proxy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <pthread.h>

#include "pkcs11.h"
#include "proxied_softhsm.h"

#define THREADS    4
#define SIGNATURES 5

static char label[] = "odd";

static int start(void **state)
{
	(void)state;
	return proxied_start(label);
}

/* The module itself, under the login of the open token. */
static CK_FUNCTION_LIST *look_begin(CK_SESSION_HANDLE *ret_session)
{
	CK_C_GetFunctionList get_list;
	CK_FUNCTION_LIST *call = NULL;
	CK_SLOT_ID slots[16];
	CK_ULONG count = 16;
	void *symbol = dlsym(dlopen(SOFTHSM_MODULE, RTLD_NOW | RTLD_LOCAL), "C_GetFunctionList");

	memcpy(&get_list, &symbol, sizeof(get_list));
	assert_int_equal(get_list(&call), CKR_OK);
	assert_int_equal(call->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
	for (CK_ULONG i = 0; i < count; i++) {
		CK_TOKEN_INFO info;

		assert_int_equal(call->C_GetTokenInfo(slots[i], &info), CKR_OK);
		if (memcmp(info.label, label, strlen(label)) == 0)
			assert_int_equal(
				call->C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, ret_session),
				CKR_OK);
	}
	return call;
}

/* A key pair of somebody else, with that id. */
static void make_foreign(struct span id, CK_BBOOL wants_pin)
{
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	static char text[] = "foreign";
	struct span curve = key_type_oid(KEY_EC_P256);
	CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_ATTRIBUTE public_key[] = { { CKA_TOKEN, &yes, 1 },
				      { CKA_EC_PARAMS, (void *)(uintptr_t)curve.at, curve.len },
				      { CKA_ID, (void *)(uintptr_t)id.at, id.len },
				      { CKA_LABEL, text, strlen(text) } };
	CK_ATTRIBUTE private_key[] = { { CKA_TOKEN, &yes, 1 },
				       { CKA_PRIVATE, &yes, 1 },
				       { CKA_SENSITIVE, &yes, 1 },
				       { CKA_EXTRACTABLE, &no, 1 },
				       { CKA_SIGN, &yes, 1 },
				       { CKA_ALWAYS_AUTHENTICATE, &wants_pin, 1 },
				       { CKA_ID, (void *)(uintptr_t)id.at, id.len },
				       { CKA_LABEL, text, strlen(text) } };
	CK_OBJECT_HANDLE public_object, private_object;
	CK_SESSION_HANDLE session = 0;
	CK_FUNCTION_LIST *call = look_begin(&session);

	assert_int_equal(
		call->C_GenerateKeyPair(session, &mechanism, public_key, 4, private_key, 8, &public_object, &private_object),
		CKR_OK);
	assert_int_equal(call->C_CloseSession(session), CKR_OK);
}

/* How many objects there are of somebody else; `is_over`: they are destroyed. */
static CK_ULONG foreign(bool is_over)
{
	static char text[] = "foreign";
	CK_ATTRIBUTE wanted = { CKA_LABEL, text, strlen(text) };
	CK_OBJECT_HANDLE objects[8];
	CK_ULONG count = 0;
	CK_SESSION_HANDLE session = 0;
	CK_FUNCTION_LIST *call = look_begin(&session);

	assert_int_equal(call->C_FindObjectsInit(session, &wanted, 1), CKR_OK);
	assert_int_equal(call->C_FindObjects(session, objects, 8, &count), CKR_OK);
	call->C_FindObjectsFinal(session);
	for (CK_ULONG i = 0; i < count && is_over; i++)
		assert_int_equal(call->C_DestroyObject(session, objects[i]), CKR_OK);
	assert_int_equal(call->C_CloseSession(session), CKR_OK);
	return count;
}

/* YubiHSM's before 2.4 keeps two bytes of an id, and finds by them: another's key is not ours for that, and is not destroyed. */
static void a_module_that_cuts_ids_costs_nobody_a_key(void **state)
{
	static const char *const ways[] = { "id-length 2", "id-length 2\nC_GenerateKeyPair 1 return CKR_FUNCTION_FAILED" };
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		p11_proxy_script(ways[i]);
		stage_begin(&stage, &world);
		expect(stage_open(&stage, &err), RC_OK, &err);
		make_foreign(span_of(stage.made.id, 2), CK_FALSE);
		expect(stage_generate(&stage, &err), RC_PROTOCOL, &err);
		assert_non_null(strstr(err.text, "did not give it the id"));
		assert_int_equal(foreign(false), 2);
		expect(token_find(stage.token, &stage.made, &stage.key, &err), RC_ABSENT, &err);
		expect(token_erase_name(stage.token, &stage.made, &err), RC_ABSENT, &err);
		assert_int_equal(foreign(true), 2);
		stage_end(&stage);
	}
	the_kept_key_is_there();
}

/* ProtectToolkit's: CKF_LOGIN_REQUIRED is not told, and without a login there is no private key. */
static void a_pin_that_is_configured_is_used_though_the_token_does_not_ask_for_it(void **state)
{
	struct token_info info;
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	p11_proxy_script("token-flags-off 0x4");
	stage_begin(&stage, &world);
	expect(stage_open(&stage, &err), RC_OK, &err);
	assert_int_equal(p11_proxy_calls("C_Login"), 1);
	expect(token_info(stage.token, &info, &err), RC_OK, &err);
	assert_string_equal(info.pin_state, "ok");
	expect(stage_find(&stage, &err), RC_OK, &err);
	expect(stage_sign(&stage, &err), RC_OK, &err);
	stage_end(&stage);
	the_kept_key_is_there();
}

/* CKF_USER_PIN_TO_BE_CHANGED: of the PIN that the security officer has set, or that has expired; CKF_USER_PIN_COUNT_LOW: 0x10000. */
static void a_pin_that_is_to_be_changed_is_told_of(void **state)
{
	static const char *const cases[][2] = { { "token-flags-on 0x80000", "ok; the token wants it changed" },
						{ "token-flags-on 0x90000",
						  "ok; a wrong one was tried before; the token wants it changed" },
						{ "token-flags-on 0x10000", "ok; a wrong one was tried before" },
						{ "token-flags-on 0x0", "ok" } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct token_info info;
		struct stage stage;
		struct err err = { 0 };

		p11_proxy_script(cases[i][0]);
		stage_begin(&stage, &world);
		expect(stage_open(&stage, &err), RC_OK, &err);
		expect(token_info(stage.token, &info, &err), RC_OK, &err);
		assert_string_equal(info.pin_state, cases[i][1]);
		/* It is good for everything else. */
		expect(stage_find(&stage, &err), RC_OK, &err);
		expect(stage_sign(&stage, &err), RC_OK, &err);
		stage_end(&stage);
	}
	the_kept_key_is_there();
}

/* CK_UNAVAILABLE_INFORMATION is all ones of a CK_ULONG, which has 32 bits here and 64 there; SoftHSM says so, under any name. */
static void memory_that_a_token_does_not_count_is_not_told(void **state)
{
	struct token_info info;
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	p11_proxy_script("");
	setenv("HWA_P11_PROXY_MODEL", "unknown", 1);
	stage_begin(&stage, &world);
	expect(stage_open(&stage, &err), RC_OK, &err);
	expect(token_info(stage.token, &info, &err), RC_OK, &err);
	unsetenv("HWA_P11_PROXY_MODEL");
	assert_string_equal(info.model, "unknown");
	assert_int_equal(info.free_memory, -1);
	stage_end(&stage);
}

/* nShield's accelerator: it has no PIN, and says so to who brings one. */
static void a_token_that_has_no_pin_is_open_to_who_brings_one(void **state)
{
	static const char *const answers[] = { "CKR_USER_PIN_NOT_INITIALIZED", "CKR_FUNCTION_NOT_SUPPORTED" };
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		char script[128];

		snprintf(script, sizeof(script), "token-flags-off 0x4\nC_Login * return %s", answers[i]);
		p11_proxy_script(script);
		stage_begin(&stage, &world);
		expect(stage_open(&stage, &err), RC_OK, &err);
		expect(token_find(stage.token, &stage.made, &stage.key, &err), RC_ABSENT, &err);
		stage_end(&stage);
		/* Where it has to be, that is a failure. */
		snprintf(script, sizeof(script), "C_Login * return %s", answers[i]);
		p11_proxy_script(script);
		stage_begin(&stage, &world);
		assert_int_not_equal(stage_open(&stage, &err), RC_OK);
		stage_end(&stage);
		sweep_clock_advance(2 * 3600000);
	}
	the_kept_key_is_there();
}

static void a_wrong_pin_is_refused_once_by_a_token_that_does_not_ask_for_it(void **state)
{
	struct stage stage;
	struct err err = { 0 };
	char path[128];

	(void)state;
	p11_proxy_script("token-flags-off 0x4\nC_Login * return CKR_PIN_INCORRECT");
	for (int i = 0; i < 2; i++) {
		stage_begin(&stage, &world);
		expect(stage_open(&stage, &err), RC_DENIED, &err);
		stage_end(&stage);
	}
	assert_int_equal(p11_proxy_calls("C_Login"), 1);
	snprintf(path, sizeof(path), "%s/.refused", softhsm.dir);
	unlink(path);
	the_kept_key_is_there();
}

/* Some modules end texts with NULs, not blanks: consumers are told the label, and no NULs. */
static void a_label_that_ends_with_nuls_is_the_same_in_the_uri(void **state)
{
	AUTO(buf) struct buf plain = BUF_MAX(TOKEN_REFERENCE_MAX);
	AUTO(buf) struct buf padded = BUF_MAX(TOKEN_REFERENCE_MAX);
	static const char *const scripts[] = { "", "token-pad-nul 1" };
	struct buf *const uris[] = { &plain, &padded };
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		AUTO(buf) struct buf pem = BUF_MAX(TOKEN_REFERENCE_MAX);
		struct stage stage;

		p11_proxy_script(scripts[i]);
		stage_begin(&stage, &world);
		expect(stage_with_key(&stage, &err), RC_OK, &err);
		expect(token_reference(stage.key, &pem, uris[i], &err), RC_OK, &err);
		stage_end(&stage);
	}
	assert_string_equal(buf_text(&padded), buf_text(&plain));
	the_kept_key_is_there();
}

/* A smart card's key for signatures with the force of law, say: nobody is there to give the PIN each time. */
static void a_key_that_wants_its_pin_each_time_is_refused_for_what_it_is(void **state)
{
	static const struct token_key_name name = { .label = "foreign" };
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	p11_proxy_script("");
	stage_begin(&stage, &world);
	expect(stage_open(&stage, &err), RC_OK, &err);
	make_foreign(span_of("1", 1), CK_TRUE);
	expect(token_find(stage.token, &name, &stage.key, &err), RC_INPUT, &err);
	assert_non_null(strstr(err.text, "CKA_ALWAYS_AUTHENTICATE"));
	assert_int_equal(foreign(true), 2);
	/* Where a token makes all keys so, a new one does not stay. */
	p11_proxy_script("lie CKA_ALWAYS_AUTHENTICATE 1 private");
	expect(stage_generate(&stage, &err), RC_INPUT, &err);
	p11_proxy_script("");
	expect(token_find(stage.token, &stage.made, &stage.key, &err), RC_ABSENT, &err);
	assert_int_equal(p11_proxy_calls("C_Initialize"), 0);
	stage_end(&stage);
	the_kept_key_is_there();
}

static void *sign_some(void *ctx)
{
	const struct stage *shared = ctx;
	struct stage stage = { .world = shared->world, .token = shared->token, .key = shared->key };
	struct err err = { 0 };
	enum rc rc = RC_OK;

	for (int i = 0; i < SIGNATURES && rc == RC_OK; i++)
		rc = stage_sign(&stage, &err);
	return (void *)(uintptr_t)rc;
}

/* As many sessions as were open at once. */
static unsigned sessions_of_many(struct stage *stage, const char *script)
{
	pthread_t threads[THREADS];

	p11_proxy_script(script);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sign_some, stage), 0);
	for (int i = 0; i < THREADS; i++) {
		void *rc;

		assert_int_equal(pthread_join(threads[i], &rc), 0);
		assert_int_equal((uintptr_t)rc, RC_OK);
	}
	return p11_proxy_state().sessions_most;
}

/* Others had the rest of the token's sessions for a moment: we live with one, and not for ever. */
static void a_shortage_of_sessions_is_over_when_it_is_over(void **state)
{
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	p11_proxy_script("");
	stage_begin(&stage, &world);
	expect(stage_with_used_key(&stage, &err), RC_OK, &err);
	assert_int_equal(sessions_of_many(&stage, "C_Sign * delay 2\nC_OpenSession 1 return CKR_SESSION_COUNT"), 1);
	assert_int_equal(sessions_of_many(&stage, "C_Sign * delay 2"), 1);
	assert_int_equal(p11_proxy_calls("C_OpenSession"), 0);
	sweep_clock_advance(2 * 60000);
	assert_in_range(sessions_of_many(&stage, "C_Sign * delay 2"), 2, PKCS11_SESSIONS_DEFAULT);
	stage_end(&stage);
	the_kept_key_is_there();
}

/* Of two partitions of one HSM, one is away: whoever asks for it, again and again, does not end the logins of the other each time. */
static void a_token_that_is_not_there_seldom_disturbs_another_of_its_module(void **state)
{
	static char nowhere[] = "nowhere";
	struct config_token other = world.config;
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	other.token_label = nowhere;
	p11_proxy_script("");
	stage_begin(&stage, &world);
	expect(stage_with_key(&stage, &err), RC_OK, &err);
	p11_proxy_script("");
	for (int second = 0; second < 600; second++) {
		struct token *token = NULL;

		expect(token_open(&other, world.keys_dir, &token, &err), RC_ABSENT, &err);
		expect(stage_sign(&stage, &err), RC_OK, &err);
		sweep_clock_advance(1000);
	}
	assert_in_range(p11_proxy_calls("C_Login"), 600 / 30, 600 / 30 + 8);
	/* What comes later is looked for at once. */
	sweep_clock_advance(3600000);
	p11_proxy_script("");
	assert_int_equal(softhsm_add(nowhere), 0);
	struct token *token = NULL;
	expect(token_open(&other, world.keys_dir, &token, &err), RC_OK, &err);
	token_close(token);
	stage_end(&stage);
	the_kept_key_is_there();
}

/* Whatever is asked of it is refused; that is no proof that a key cannot be taken out. */
static void an_audit_of_a_token_that_went_away_proves_nothing(void **state)
{
	static const char *const codes[] = { "CKR_DEVICE_REMOVED", "CKR_DEVICE_ERROR", "CKR_USER_NOT_LOGGED_IN",
					     "CKR_SESSION_CLOSED", "0x80000123" };
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		char script[512];

		p11_proxy_script("");
		stage_begin(&stage, &world);
		expect(stage_with_key(&stage, &err), RC_OK, &err);
		expect(token_audit_try(stage.key, &err), RC_OK, &err);
		assert_true(p11_proxy_calls("C_WrapKey") > 0);
		snprintf(script, sizeof(script),
			 "C_GenerateKey * return %s\nC_GenerateKeyPair * return %s\nC_GetAttributeValue * return %s\n"
			 "C_WrapKey * return %s",
			 codes[i], codes[i], codes[i], codes[i]);
		p11_proxy_script(script);
		expect(token_audit_try(stage.key, &err), RC_RETRY, &err);
		stage_end(&stage);
		sweep_clock_advance(3600000);
	}
	the_kept_key_is_there();
}

/* A card that is finished: its keys can be used, as that of a client certificate, and no key made. */
static void a_token_that_is_write_protected_signs(void **state)
{
	struct stage stage;
	struct err err = { 0 };

	(void)state;
	p11_proxy_script("write-protected 1");
	stage_begin(&stage, &world);
	expect(stage_with_key(&stage, &err), RC_OK, &err);
	expect(stage_sign(&stage, &err), RC_OK, &err);
	expect(stage_list(&stage, &err), RC_OK, &err);
	assert_false(stage.is_incomplete);
	token_key_free(TAKE(stage.key));
	expect(stage_generate(&stage, &err), RC_DENIED, &err);
	assert_non_null(strstr(err.text, "write-protected"));
	expect(token_erase_name(stage.token, &world.kept, &err), RC_DENIED, &err);
	stage_end(&stage);
	the_kept_key_is_there();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_module_that_cuts_ids_costs_nobody_a_key),
		cmocka_unit_test(a_pin_that_is_configured_is_used_though_the_token_does_not_ask_for_it),
		cmocka_unit_test(a_pin_that_is_to_be_changed_is_told_of),
		cmocka_unit_test(memory_that_a_token_does_not_count_is_not_told),
		cmocka_unit_test(a_token_that_has_no_pin_is_open_to_who_brings_one),
		cmocka_unit_test(a_wrong_pin_is_refused_once_by_a_token_that_does_not_ask_for_it),
		cmocka_unit_test(a_label_that_ends_with_nuls_is_the_same_in_the_uri),
		cmocka_unit_test(a_key_that_wants_its_pin_each_time_is_refused_for_what_it_is),
		cmocka_unit_test(a_shortage_of_sessions_is_over_when_it_is_over),
		cmocka_unit_test(an_audit_of_a_token_that_went_away_proves_nothing),
		cmocka_unit_test(a_token_that_is_write_protected_signs),
		cmocka_unit_test(a_token_that_is_not_there_seldom_disturbs_another_of_its_module),
	};

	return cmocka_run_group_tests(tests, start, proxied_stop);
}
