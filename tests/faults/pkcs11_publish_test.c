/*
 * pkcs11_publish_test.c -- what a consumer finds in the token, looked at by the module itself: after publishing, and after each call
 * that changes the token when everything after it failed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>

#include "made_certificate.h"
#include "p11_proxy.h"
#include "pkcs11.h"
#include "softhsm.h"
#include "sweep.h"

#define STABLE "nf-tls"

static struct softhsm softhsm;
static char label[] = "publish", module[] = P11_PROXY;
static struct config_token config;
static struct token *token;
static CK_FUNCTION_LIST *call;
static CK_SESSION_HANDLE session;

/* A session of the test's own in the module itself, under the login of the open token. */
static void look_begin(void)
{
	CK_C_GetFunctionList get_list;
	CK_SLOT_ID slots[8];
	CK_ULONG count = 8;
	void *symbol = dlsym(dlopen(SOFTHSM_MODULE, RTLD_NOW | RTLD_LOCAL), "C_GetFunctionList");

	memcpy(&get_list, &symbol, sizeof(get_list));
	assert_int_equal(get_list(&call), CKR_OK);
	assert_int_equal(call->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
	for (CK_ULONG i = 0; i < count; i++) {
		CK_TOKEN_INFO info;

		assert_int_equal(call->C_GetTokenInfo(slots[i], &info), CKR_OK);
		if (memcmp(info.label, label, strlen(label)) == 0)
			assert_int_equal(call->C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
					 CKR_OK);
	}
}

static CK_ULONG look(CK_OBJECT_CLASS class, const uint8_t *id, const char *text, CK_OBJECT_HANDLE objects[32])
{
	CK_ATTRIBUTE wanted[3] = { { CKA_CLASS, &class, sizeof(class) } };
	CK_ULONG terms = 1, count = 0;

	if (id)
		wanted[terms++] = (CK_ATTRIBUTE){ CKA_ID, (void *)(uintptr_t)id, TOKEN_ID_LEN };
	if (text)
		wanted[terms++] = (CK_ATTRIBUTE){ CKA_LABEL, (void *)(uintptr_t)text, strlen(text) };
	assert_int_equal(call->C_FindObjectsInit(session, wanted, terms), CKR_OK);
	assert_int_equal(call->C_FindObjects(session, objects, 32, &count), CKR_OK);
	assert_int_equal(call->C_FindObjectsFinal(session), CKR_OK);
	return count;
}

static CK_ULONG count_of(CK_OBJECT_CLASS class, const uint8_t *id, const char *text)
{
	CK_OBJECT_HANDLE objects[32];

	return look(class, id, text, objects);
}

static struct span attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
	static CK_BYTE value[4096];
	CK_ATTRIBUTE wanted = { type, value, sizeof(value) };

	assert_int_equal(call->C_GetAttributeValue(session, object, &wanted, 1), CKR_OK);
	return span_of(value, wanted.ulValueLen);
}

/* A key and what is to stand beside it. */
struct pair {
	struct token_key *key;
	struct buf own, issuer;
	struct token_objects objects;
};

static struct pair pair_make(long serial)
{
	struct pair pair = { .own = BUF_MAX(TOKEN_MESSAGE_MAX), .issuer = BUF_MAX(TOKEN_MESSAGE_MAX) };
	struct token_key_name name;
	struct err err = { 0 };

	assert_int_equal(token_key_name_make("nf", 7, &name, NULL), RC_OK);
	if (token_generate(token, &name, KEY_EC_P256, &pair.key, &err) != RC_OK)
		fail_msg("%s", err.text);
	made_certificate_of(pair.key, "nf", serial, &pair.own);
	made_certificate(span_of(NULL, 0), "issuer", 1, &pair.issuer);
	pair.objects = (struct token_objects){
		.label = STABLE, .certificate = buf_span(&pair.own), .chain = { buf_span(&pair.issuer) }, .chain_count = 1
	};
	return pair;
}

static void pair_end(struct pair *pair)
{
	struct err err = { 0 };

	if (token_erase(pair->key, &err) != RC_OK)
		fail_msg("%s", err.text);
	token_key_free(pair->key);
	buf_clear(&pair->own);
	buf_clear(&pair->issuer);
}

static void expect_published(const struct pair *pair)
{
	struct err err = { 0 };

	if (token_publish(pair->key, &pair->objects, &err) != RC_OK)
		fail_msg("%s", err.text);
}

static void what_is_written_is_what_consumers_search_for(void **state)
{
	struct pair pair = pair_make(0x1234);
	CK_OBJECT_HANDLE objects[32];
	const uint8_t serial[] = { 0x02, 0x02, 0x12, 0x34 };
	const unsigned char *at = pair.own.at;
	X509 *x509 = d2i_X509(NULL, &at, (long)pair.own.len);
	unsigned char *name = NULL;
	CK_ULONG category = 0;

	(void)state;
	expect_published(&pair);
	assert_int_equal(look(CKO_CERTIFICATE, pair.key->name.id, STABLE, objects), 1);
	assert_true(span_equal(attribute(objects[0], CKA_VALUE), buf_span(&pair.own)));
	assert_true(span_equal(attribute(objects[0], CKA_SERIAL_NUMBER), SPAN(serial)));
	int len = i2d_X509_NAME(X509_get_subject_name(x509), &name);
	assert_true(span_equal(attribute(objects[0], CKA_SUBJECT), span_of(name, (size_t)len)));
	OPENSSL_free(name);
	name = NULL;
	len = i2d_X509_NAME(X509_get_issuer_name(x509), &name);
	assert_true(span_equal(attribute(objects[0], CKA_ISSUER), span_of(name, (size_t)len)));
	memcpy(&category, attribute(objects[0], CKA_CERTIFICATE_CATEGORY).at, sizeof(category));
	assert_int_equal(category, 1);
	assert_int_equal(attribute(objects[0], CKA_PRIVATE).at[0], CK_FALSE);
	assert_int_equal(attribute(objects[0], CKA_TOKEN).at[0], CK_TRUE);
	assert_int_equal(count_of(CKO_PRIVATE_KEY, pair.key->name.id, STABLE), 1);
	assert_int_equal(count_of(CKO_PUBLIC_KEY, pair.key->name.id, STABLE), 1);
	/* The chain: an authority's, under another label and another id. */
	assert_int_equal(count_of(CKO_CERTIFICATE, NULL, NULL), 2);
	assert_int_equal(count_of(CKO_CERTIFICATE, NULL, STABLE), 1);
	char chain[80];
	snprintf(chain, sizeof(chain), "%s chain", pair.key->name.label);
	assert_int_equal(look(CKO_CERTIFICATE, NULL, chain, objects), 1);
	assert_true(span_equal(attribute(objects[0], CKA_VALUE), buf_span(&pair.issuer)));
	memcpy(&category, attribute(objects[0], CKA_CERTIFICATE_CATEGORY).at, sizeof(category));
	assert_int_equal(category, 2);
	OPENSSL_free(name);
	X509_free(x509);
	pair_end(&pair);
	assert_int_equal(count_of(CKO_CERTIFICATE, NULL, NULL), 0);
	assert_int_equal(count_of(CKO_PUBLIC_KEY, NULL, NULL), 0);
}

/* The same key, another certificate: the old one goes, and the new one is under the label. */
static void a_kept_key_has_one_certificate(void **state)
{
	struct pair pair = pair_make(1);
	CK_OBJECT_HANDLE objects[32];

	(void)state;
	expect_published(&pair);
	buf_clear(&pair.own);
	buf_clear(&pair.issuer);
	made_certificate_of(pair.key, "nf", 2, &pair.own);
	made_certificate(span_of(NULL, 0), "another issuer", 1, &pair.issuer);
	pair.objects.certificate = buf_span(&pair.own);
	pair.objects.chain[0] = buf_span(&pair.issuer);
	expect_published(&pair);
	assert_int_equal(count_of(CKO_CERTIFICATE, NULL, NULL), 2);
	assert_int_equal(look(CKO_CERTIFICATE, pair.key->name.id, NULL, objects), 1);
	assert_true(span_equal(attribute(objects[0], CKA_VALUE), buf_span(&pair.own)));
	/* Done again it does nothing. */
	p11_proxy_script("");
	expect_published(&pair);
	assert_int_equal(p11_proxy_calls("C_CreateObject") + p11_proxy_calls("C_SetAttributeValue") +
				 p11_proxy_calls("C_DestroyObject"),
			 0);
	pair.objects.chain_count = 0;
	expect_published(&pair);
	assert_int_equal(count_of(CKO_CERTIFICATE, NULL, NULL), 1);
	pair_end(&pair);
}

/* Objects under the stable label that belong together: a whole pair of one generation. */
static bool whole_pair(const struct pair *pair)
{
	CK_OBJECT_HANDLE objects[32];
	const uint8_t *id = pair->key->name.id;

	return look(CKO_CERTIFICATE, id, STABLE, objects) == 1 &&
	       span_equal(attribute(objects[0], CKA_VALUE), buf_span(&pair->own)) &&
	       look(CKO_PRIVATE_KEY, id, STABLE, objects) == 1;
}

/* Cut off before any call that changes the token, a whole pair is under the label; and done again, it ends as if nothing had been. */
static void cut_off(const char *function)
{
	for (unsigned nth = 1;; nth++) {
		struct pair old = pair_make(1), new = pair_make(2);
		struct err err = { 0 };
		char script[96];

		expect_published(&old);
		snprintf(script, sizeof(script), "%s %u+ return CKR_USER_TYPE_INVALID\n", function, nth);
		p11_proxy_script(script);
		enum rc rc = token_publish(new.key, &new.objects, &err);
		unsigned calls = (unsigned)p11_proxy_calls(function);
		p11_proxy_script("");
		if (!whole_pair(&old) && !whole_pair(&new))
			fail_msg("%s %u: no whole pair is under the label", function, nth);
		assert_int_equal(rc == RC_OK, calls < nth);
		expect_published(&new);
		assert_true(whole_pair(&new));
		assert_int_equal(count_of(CKO_PRIVATE_KEY, NULL, STABLE) + count_of(CKO_PUBLIC_KEY, NULL, STABLE), 2);
		assert_int_equal(count_of(CKO_CERTIFICATE, NULL, STABLE), 1);
		assert_int_equal(count_of(CKO_CERTIFICATE, NULL, NULL), 4);
		assert_int_equal(count_of(CKO_PRIVATE_KEY, old.key->name.id, old.key->name.label), 1);
		assert_int_equal(count_of(CKO_CERTIFICATE, old.key->name.id, old.key->name.label), 1);
		pair_end(&old);
		pair_end(&new);
		assert_int_equal(count_of(CKO_CERTIFICATE, NULL, NULL), 0);
		if (rc == RC_OK) {
			print_message("%s: cut off at %u calls\n", function, nth - 1);
			assert_true(nth > 1);
			return;
		}
	}
}

static void cut_off_anywhere_a_whole_pair_is_under_the_label(void **state)
{
	(void)state;
	cut_off("C_CreateObject");
	cut_off("C_SetAttributeValue");
	cut_off("C_GetAttributeValue");
}

/* The old pair stays as it was, and the operator is told what to write. */
static void a_token_that_lets_no_label_be_changed_says_what_to_configure(void **state)
{
	static const char *const codes[] = { "CKR_ATTRIBUTE_READ_ONLY", "CKR_ACTION_PROHIBITED", "CKR_FUNCTION_NOT_SUPPORTED" };
	struct pair old = pair_make(1), new = pair_make(2);

	(void)state;
	expect_published(&old);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct err err = { 0 };
		char script[96];

		snprintf(script, sizeof(script), "C_SetAttributeValue 1+ return %s\n", codes[i]);
		p11_proxy_script(script);
		enum rc rc = token_publish(new.key, &new.objects, &err);
		p11_proxy_script("");
		assert_true(rc == RC_INPUT || rc == RC_DENIED);
		if (!strstr(err.text, codes[i]) || !strstr(err.text, "take \"label\" out of token-objects"))
			fail_msg("%s", err.text);
		assert_true(whole_pair(&old));
		assert_int_equal(count_of(CKO_PRIVATE_KEY, NULL, STABLE), 1);
	}
	/* Without a label it has its certificate all the same. */
	new.objects.label = "";
	p11_proxy_script("C_SetAttributeValue 1+ return CKR_ATTRIBUTE_READ_ONLY\n");
	expect_published(&new);
	p11_proxy_script("");
	assert_int_equal(count_of(CKO_CERTIFICATE, new.key->name.id, new.key->name.label), 1);
	pair_end(&new);
	pair_end(&old);
}

/* What a module says it wrote is looked at. */
static void what_does_not_read_back_is_no_success(void **state)
{
	struct pair pair = pair_make(1);
	struct err err = { 0 };

	(void)state;
	/* Success, and nothing was done. */
	p11_proxy_script("C_SetAttributeValue 1+ return CKR_OK\n");
	assert_int_equal(token_publish(pair.key, &pair.objects, &err), RC_PROTOCOL);
	assert_non_null(strstr(err.text, "does not read back"));
	p11_proxy_script("");
	expect_published(&pair);
	pair_end(&pair);
}

/* Of another state directory, or of another program. */
static void the_label_of_somebody_else_is_not_taken(void **state)
{
	struct pair ours = pair_make(1), theirs = pair_make(2);
	struct token_key_name name;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(token_key_name_make("nf", 8, &name, NULL), RC_OK);
	token_key_free(theirs.key);
	buf_clear(&theirs.own);
	assert_int_equal(token_generate(token, &name, KEY_EC_P256, &theirs.key, &err), RC_OK);
	made_certificate_of(theirs.key, "nf", 3, &theirs.own);
	theirs.objects.certificate = buf_span(&theirs.own);
	expect_published(&theirs);
	p11_proxy_script("");
	assert_int_equal(token_publish(ours.key, &ours.objects, &err), RC_DENIED);
	assert_non_null(strstr(err.text, "not of this hwacme has the label \"" STABLE "\""));
	assert_int_equal(p11_proxy_calls("C_CreateObject") + p11_proxy_calls("C_SetAttributeValue"), 0);
	assert_true(whole_pair(&theirs));
	pair_end(&theirs);
	expect_published(&ours);
	pair_end(&ours);
}

static int start(void **state)
{
	struct err err = { 0 };

	(void)state;
	p11_proxy_script("");
	if (softhsm_start_in(&softhsm, sweep_directory()) != 0 || softhsm_add(label) != 0)
		return -1;
	config = softhsm_config(&softhsm, label);
	config.module = module;
	if (token_open(&config, softhsm.dir, &token, &err) != RC_OK) {
		print_message("%s\n", err.text);
		return -1;
	}
	look_begin();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	call->C_CloseSession(session);
	token_close(token);
	softhsm_stop(&softhsm);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_what_consumers_search_for),
		cmocka_unit_test(a_kept_key_has_one_certificate),
		cmocka_unit_test(cut_off_anywhere_a_whole_pair_is_under_the_label),
		cmocka_unit_test(a_token_that_lets_no_label_be_changed_says_what_to_configure),
		cmocka_unit_test(what_does_not_read_back_is_no_success),
		cmocka_unit_test(the_label_of_somebody_else_is_not_taken),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
