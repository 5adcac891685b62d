/*
 * pkcs11_cost_test.c -- how many calls each operation costs, and what becomes of handles whose object is another's by now.
 *
 * A search is what costs: SoftHSM opens and locks the file of each object in the token for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxied_softhsm.h"
#include "pkcs11.h"

static char label[] = "cost";

static int start(void **state)
{
	(void)state;
	return proxied_start(label);
}

/* Since the script was set. */
static void expect_calls(const char *what, unsigned searches, unsigned readings, unsigned asked_token, unsigned all)
{
	if (p11_proxy_calls("C_FindObjectsInit") != searches || p11_proxy_calls("C_GetAttributeValue") != readings ||
	    p11_proxy_calls("C_GetTokenInfo") != asked_token || p11_proxy_calls("*") != all)
		fail_msg("%s: %u searches, %u readings, %u times C_GetTokenInfo, %u calls", what,
			 (unsigned)p11_proxy_calls("C_FindObjectsInit"), (unsigned)p11_proxy_calls("C_GetAttributeValue"),
			 (unsigned)p11_proxy_calls("C_GetTokenInfo"), (unsigned)p11_proxy_calls("*"));
	p11_proxy_script("");
}

static struct stage begin(void)
{
	struct stage stage;
	struct err err = { 0 };

	stage_begin(&stage, &world);
	expect(stage_open(&stage, &err), RC_OK, &err);
	p11_proxy_script("");
	return stage;
}

/* The numbers of calls are those of tokens/README.md. */
static void each_operation_costs_what_the_documents_say(void **state)
{
	struct stage stage = begin();
	struct err err = { 0 };

	(void)state;
	expect(stage_generate(&stage, &err), RC_OK, &err);
	expect_calls("generate under a fresh name, SoftHSM", 0, 2, 0, 7);
	expect(stage_sign(&stage, &err), RC_OK, &err);
	expect_calls("sign", 0, 0, 0, 2);
	expect(stage_custody(&stage, &err), RC_OK, &err);
	expect_calls("custody", 0, 1, 0, 1);
	expect(stage.key->ops->confirm(stage.key, &err), RC_OK, &err);
	expect_calls("confirm", 0, 1, 0, 1);
	expect(stage_erase(&stage, &err), RC_OK, &err);
	expect_calls("erase what was made here", 0, 4, 1, 7);
	expect(stage_erase(&stage, &err), RC_OK, &err);
	expect_calls("erase what is gone", 1, 1, 1, 6);
	expect(token_erase_name(stage.token, &stage.made, &err), RC_ABSENT, &err);
	expect_calls("erase a name that nothing has", 1, 0, 1, 5);
	token_key_free(TAKE(stage.key));
	expect(stage_generate(&stage, &err), RC_OK, &err);
	expect_calls("generate under a name that was tried", 1, 2, 0, 11);
	expect(token_erase_name(stage.token, &stage.made, &err), RC_OK, &err);
	expect_calls("erase by name", 1, 4, 1, 11);
	token_key_free(TAKE(stage.key));
	expect(stage_find(&stage, &err), RC_OK, &err);
	expect_calls("find", 1, 2, 0, 6);
	/* However many keys there are. */
	expect(stage_list(&stage, &err), RC_OK, &err);
	expect_calls("list", 2, 3, 0, 12);
	token_key_free(TAKE(stage.key));
	expect(stage_generate(&stage, &err), RC_OK, &err);
	p11_proxy_script("");
	expect(stage_list(&stage, &err), RC_OK, &err);
	expect_calls("list of two", 2, 2 * 3, 0, 15);
	expect(stage_erase(&stage, &err), RC_OK, &err);
	stage_end(&stage);
}

/* As when another program has replaced the token's objects: the module need not be started anew for that. */
static void a_stale_handle_is_found_again_once(void **state)
{
	static const char *const scripts[] = { "C_SignInit 1 return CKR_KEY_HANDLE_INVALID",
					       "C_SignInit 1 return CKR_OBJECT_HANDLE_INVALID" };
	struct stage stage = begin();
	struct err err = { 0 };

	(void)state;
	expect(stage_find(&stage, &err), RC_OK, &err);
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		p11_proxy_script(scripts[i]);
		expect(stage_sign(&stage, &err), RC_OK, &err);
		assert_int_equal(p11_proxy_calls("C_FindObjectsInit"), 1);
		assert_int_equal(p11_proxy_calls("C_SignInit"), 2);
		assert_int_equal(p11_proxy_calls("C_Initialize"), 0);
	}
	p11_proxy_script("C_GetAttributeValue 1 return CKR_OBJECT_HANDLE_INVALID");
	expect(stage_custody(&stage, &err), RC_OK, &err);
	assert_int_equal(p11_proxy_calls("C_Initialize"), 0);
	/* It is asked of the handle alone: the caller finds it again. */
	p11_proxy_script("C_GetAttributeValue 1 return CKR_OBJECT_HANDLE_INVALID");
	expect(stage.key->ops->confirm(stage.key, &err), RC_ABSENT, &err);
	assert_int_equal(p11_proxy_calls("C_FindObjectsInit"), 0);
	assert_int_equal(p11_proxy_calls("C_Initialize"), 0);
	stage_end(&stage);
}

/* A handle that another object has taken over: nothing is signed with that one, and it is not erased. */
static void a_handle_that_means_another_object_by_now_harms_nobody(void **state)
{
	struct stage stage = begin();
	struct token_key *mine, *kept = NULL;
	struct err err = { 0 };

	(void)state;
	expect(stage_generate(&stage, &err), RC_OK, &err);
	mine = stage.key;
	expect(token_find(stage.token, &world.kept, &kept, &err), RC_OK, &err);
	PKCS11_KEY(mine)->handle = PKCS11_KEY(kept)->handle;
	PKCS11_KEY(mine)->public_handle = PKCS11_KEY(kept)->public_handle;
	assert_int_not_equal(stage_sign(&stage, &err), RC_OK);
	expect(mine->ops->confirm(mine, &err), RC_PROTOCOL, &err);
	expect(stage_erase(&stage, &err), RC_OK, &err);
	token_key_free(TAKE(stage.key));
	expect(token_find(stage.token, &stage.made, &stage.key, &err), RC_ABSENT, &err);
	expect(kept->ops->confirm(kept, &err), RC_OK, &err);
	token_key_free(kept);
	stage_end(&stage);
	p11_proxy_script("");
	sweep_case("afterwards");
	world_check(&world);
	assert_int_equal(sweep_end("afterwards"), 0);
}

/* As those of a token that was lost: what is void was not erased by it. */
static void handles_that_are_void_are_no_proof_that_a_key_is_gone(void **state)
{
	struct stage stage = begin();
	struct err err = { 0 };

	(void)state;
	expect(stage_generate(&stage, &err), RC_OK, &err);
	p11_proxy_script(
		"C_DestroyObject 1+ return CKR_OBJECT_HANDLE_INVALID\nC_GetAttributeValue 3+ return CKR_OBJECT_HANDLE_INVALID");
	assert_int_not_equal(stage_erase(&stage, &err), RC_OK);
	p11_proxy_script("");
	token_key_free(TAKE(stage.key));
	expect(token_find(stage.token, &stage.made, &stage.key, &err), RC_OK, &err);
	expect(stage_erase(&stage, &err), RC_OK, &err);
	stage_end(&stage);
}

/* A template that is refused after it has made a key: two of one name are not kept. */
static void a_key_made_by_a_refused_template_is_not_left_beside_the_next(void **state)
{
	setenv("HWA_P11_PROXY_MODEL", "unknown", 1);
	struct stage stage = begin();
	struct err err = { 0 };

	(void)state;
	unsetenv("HWA_P11_PROXY_MODEL");
	p11_proxy_script("C_GenerateKeyPair 1 lose CKR_TEMPLATE_INCONSISTENT");
	expect(stage_generate(&stage, &err), RC_DENIED, &err);
	p11_proxy_script("");
	expect(token_find(stage.token, &stage.made, &stage.key, &err), RC_ABSENT, &err);
	stage_end(&stage);
}

/* Of any name, in the token and in its sessions. */
static CK_ULONG private_keys(const struct stage *stage)
{
	CK_FUNCTION_LIST *call = PKCS11(stage->token)->call;
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE wanted = { CKA_CLASS, &class, sizeof(class) };
	CK_OBJECT_HANDLE objects[64];
	CK_SESSION_HANDLE session;
	CK_ULONG count = 0;

	assert_int_equal(call->C_OpenSession(PKCS11(stage->token)->slot, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
	assert_int_equal(call->C_FindObjectsInit(session, &wanted, 1), CKR_OK);
	assert_int_equal(call->C_FindObjects(session, objects, 64, &count), CKR_OK);
	assert_int_equal(call->C_FindObjectsFinal(session), CKR_OK);
	assert_int_equal(call->C_CloseSession(session), CKR_OK);
	return count;
}

/* A pair of SoftHSM is made in the session first: what is left there goes with it. */
static void a_pair_that_is_cut_off_leaves_nothing_in_its_session(void **state)
{
	static const char *const scripts[] = { "C_GenerateKeyPair 1 lose CKR_DEVICE_MEMORY",
					       "C_CopyObject 1 return CKR_DEVICE_MEMORY",
					       "C_CopyObject 2 return CKR_DEVICE_MEMORY",
					       "C_DestroyObject 1 return CKR_DEVICE_MEMORY" };
	struct stage stage = begin();
	struct err err = { 0 };
	CK_ULONG before = private_keys(&stage);

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		p11_proxy_script(scripts[i]);
		bool is_made = stage_generate(&stage, &err) == RC_OK;
		p11_proxy_script("");
		assert_int_equal(is_made, strncmp(scripts[i], "C_DestroyObject", 15) == 0);
		if (is_made)
			expect(stage_erase(&stage, &err), RC_OK, &err);
		assert_int_equal(private_keys(&stage), before);
	}
	stage_end(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_operation_costs_what_the_documents_say),
		cmocka_unit_test(a_stale_handle_is_found_again_once),
		cmocka_unit_test(a_handle_that_means_another_object_by_now_harms_nobody),
		cmocka_unit_test(handles_that_are_void_are_no_proof_that_a_key_is_gone),
		cmocka_unit_test(a_key_made_by_a_refused_template_is_not_left_beside_the_next),
		cmocka_unit_test(a_pair_that_is_cut_off_leaves_nothing_in_its_session),
	};

	return cmocka_run_group_tests(tests, start, proxied_stop);
}
