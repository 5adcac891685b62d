/* pkcs11_contract_test.c -- the PKCS#11 backend keeps the token contract on a real SoftHSM, and its own promises. */
#define SOFTHSM_LEAKS
#include "token_contract.h"
#include "token_contract.c"

#include <dlfcn.h>
#include <openssl/pem.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include "softhsm.h"

static struct softhsm softhsm;
static char label[] = "contract", twin[] = "twin", second[] = "second", absent[] = "absent";
static struct config_token config;

static bool can(enum key_type type)
{
	(void)type;
	return true; /* SoftHSM makes all of ours */
}

/* There are two of its id, and one of them was made outside the token. */
static void refuse(const struct token_key_name *name, bool is_refused)
{
	assert_int_equal(
		is_refused ? softhsm_import(&softhsm, label, "import", name->id) : softhsm_delete(label, "import", name->id), 0);
}

static struct token_fixture fixture = { .name = "PKCS#11 on SoftHSM",
					.config = &config,
					.can = can,
					.stable = "contract-tls",
					.refuse = refuse,
					.secret = SOFTHSM_PIN };

static int start(void **state)
{
	if (softhsm_start(&softhsm) != 0 || softhsm_add(label) != 0 || softhsm_add(second) != 0 || softhsm_add(twin) != 0 ||
	    softhsm_add(twin) != 0)
		return -1;
	config = softhsm_config(&softhsm, label);
	fixture.keys_dir = softhsm.dir;
	*state = &fixture;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	softhsm_stop(&softhsm);
	return 0;
}

/* The same instance of the module that the backend uses: what an administrator's tool would do to the token. */
static CK_FUNCTION_LIST *raw_module(void)
{
	CK_C_GetFunctionList get_list;
	CK_FUNCTION_LIST *call = NULL;
	void *symbol = dlsym(dlopen(SOFTHSM_MODULE, RTLD_NOW | RTLD_LOCAL), "C_GetFunctionList");

	memcpy(&get_list, &symbol, sizeof(get_list));
	assert_int_equal(get_list(&call), CKR_OK);
	return call;
}

static CK_SLOT_ID raw_slot(CK_FUNCTION_LIST *call, const char *wanted)
{
	CK_SLOT_ID slots[16];
	CK_ULONG count = 16;

	assert_int_equal(call->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
	for (CK_ULONG i = 0; i < count; i++) {
		CK_TOKEN_INFO info;
		assert_int_equal(call->C_GetTokenInfo(slots[i], &info), CKR_OK);
		if (memcmp(info.label, wanted, strlen(wanted)) == 0)
			return slots[i];
	}
	fail_msg("no token %s", wanted);
	return 0;
}

/* A key as some other program would make it, under the login of the open token. */
static void raw_generate_on(CK_MECHANISM_TYPE generate, struct span curve, const struct token_key_name *name,
			    CK_BBOOL extractable)
{
	CK_FUNCTION_LIST *call = raw_module();
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE public_object, private_object;
	CK_BBOOL yes = CK_TRUE;
	CK_MECHANISM mechanism = { generate, NULL, 0 };
	void *id = (void *)(uintptr_t)name->id, *text = (void *)(uintptr_t)name->label;
	CK_ATTRIBUTE public_key[] = { { CKA_TOKEN, &yes, 1 },
				      { CKA_EC_PARAMS, (void *)(uintptr_t)curve.at, curve.len },
				      { CKA_ID, id, TOKEN_ID_LEN },
				      { CKA_LABEL, text, strlen(name->label) } };
	CK_ATTRIBUTE private_key[] = { { CKA_TOKEN, &yes, 1 },
				       { CKA_PRIVATE, &yes, 1 },
				       { CKA_SENSITIVE, &yes, 1 },
				       { CKA_SIGN, &yes, 1 },
				       { CKA_EXTRACTABLE, &extractable, 1 },
				       { CKA_ID, id, TOKEN_ID_LEN },
				       { CKA_LABEL, text, strlen(name->label) } };

	assert_int_equal(call->C_OpenSession(raw_slot(call, label), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
			 CKR_OK);
	assert_int_equal(
		call->C_GenerateKeyPair(session, &mechanism, public_key, 4, private_key, 7, &public_object, &private_object),
		CKR_OK);
	assert_int_equal(call->C_CloseSession(session), CKR_OK);
}

static void raw_generate(const struct token_key_name *name, CK_BBOOL extractable)
{
	raw_generate_on(CKM_EC_KEY_PAIR_GEN, key_type_oid(KEY_EC_P256), name, extractable);
}

static CK_ULONG raw_destroy(const struct token_key_name *name)
{
	CK_FUNCTION_LIST *call = raw_module();
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE objects[8];
	CK_ULONG count = 0;
	CK_ATTRIBUTE wanted = { CKA_ID, (void *)(uintptr_t)name->id, TOKEN_ID_LEN };

	assert_int_equal(call->C_OpenSession(raw_slot(call, label), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
			 CKR_OK);
	assert_int_equal(call->C_FindObjectsInit(session, &wanted, 1), CKR_OK);
	assert_int_equal(call->C_FindObjects(session, objects, 8, &count), CKR_OK);
	call->C_FindObjectsFinal(session);
	for (CK_ULONG i = 0; i < count; i++)
		assert_int_equal(call->C_DestroyObject(session, objects[i]), CKR_OK);
	assert_int_equal(call->C_CloseSession(session), CKR_OK);
	return count;
}

struct one_custody {
	struct token_custody custody;
	unsigned calls;
};

static enum rc see_custody(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	struct one_custody *one = ctx;

	(void)key, (void)err;
	one->custody = *custody;
	one->calls++;
	return RC_OK;
}

static void an_exportable_key_is_refused_but_listed(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key_name name;
	struct token_key *key = NULL;
	struct one_custody one = { 0 };
	struct err err = { 0 };

	contract_expect(token_key_name_make("loose", 0, &name, &err), RC_OK, &err, "name");
	raw_generate(&name, CK_TRUE);
	contract_expect(token_find(token, &name, &key, &err), RC_DENIED, &err, "find");
	assert_null(key);
	assert_non_null(strstr(err.text, "EXTRACTABLE"));
	contract_expect(token_list(token, see_custody, &one, &err), RC_OK, &err, "list");
	assert_int_equal(one.calls, 1);
	assert_false(one.custody.held);
	/* A refusal to use a key never costs the key. */
	assert_int_equal(raw_destroy(&name), 2);
	token_close(token);
}

struct audited {
	enum rc rc[2]; /* of the loose key, of ours */
	struct token_key_name loose;
	struct err err;
};

static enum rc audit_listed(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	struct audited *audited = ctx;
	bool is_loose = memcmp(key->name.id, audited->loose.id, TOKEN_ID_LEN) == 0;

	(void)custody, (void)err;
	audited->rc[!is_loose] = token_audit_try(key, is_loose ? &audited->err : NULL);
	return RC_OK;
}

/* The key of another program may leave the token, and does; ours does not. What was tried leaves nothing behind. */
static void the_audit_by_attempt_tells_the_key_that_can_be_wrapped_from_the_one_that_cannot(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *ours = contract_generate(token, KEY_EC_P256);
	struct audited audited = { .rc = { RC_BUG, RC_BUG } };
	struct one_custody one = { 0 };
	struct err err = { 0 };

	contract_expect(token_key_name_make("loose", 0, &audited.loose, &err), RC_OK, &err, "name");
	raw_generate(&audited.loose, CK_TRUE);
	contract_expect(token_list(token, audit_listed, &audited, &err), RC_OK, &err, "list");
	assert_int_equal(audited.rc[0], RC_DENIED);
	assert_non_null(strstr(audited.err.text, "C_WrapKey"));
	assert_non_null(strstr(audited.err.text, "accept-wrapping: true"));
	assert_int_equal(audited.rc[1], RC_OK);
	assert_int_equal(raw_destroy(&audited.loose), 2);
	contract_drop(ours);
	contract_expect(token_list(token, see_custody, &one, &err), RC_OK, &err, "list");
	assert_int_equal(one.calls, 0);
	token_close(token);
}

static void a_second_key_with_the_same_label_is_refused(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256), *other = NULL;
	struct token_key_name name;
	struct err err = { 0 };

	contract_expect(token_key_name_make("twice", 0, &name, &err), RC_OK, &err, "name");
	memcpy(name.label, key->name.label, sizeof(name.label));
	contract_expect(token_generate(token, &name, KEY_EC_P256, &other, &err), RC_INPUT, &err, "generate");
	assert_non_null(strstr(err.text, "label"));
	assert_int_equal(raw_destroy(&name), 0);
	contract_drop(key);
	token_close(token);
}

/* PKCS#11 3.0, 2.3.10: CKA_EC_PARAMS is an object identifier or, as here, a PrintableString. */
static void an_ed25519_key_whose_curve_is_given_by_name_is_known(void **state)
{
	static const char curve[] = { 0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9' };
	struct token *token = contract_open(*state);
	struct token_key_name name;
	struct token_key *key = NULL;
	struct err err = { 0 };

	contract_expect(token_key_name_make("by-name", 0, &name, &err), RC_OK, &err, "name");
	raw_generate_on(CKM_EC_EDWARDS_KEY_PAIR_GEN, SPAN(curve), &name, CK_FALSE);
	contract_expect(token_find(token, &name, &key, &err), RC_OK, &err, "find");
	assert_int_equal(key->type, KEY_ED25519);
	contract_sign_as_usual(key);
	contract_drop(key);
	token_close(token);
}

static void erase_leaves_no_public_key_behind(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256);
	struct token_key_name name = key->name;

	contract_drop(key);
	assert_int_equal(raw_destroy(&name), 0);
	token_close(token);
}

static void a_missing_module_is_absent_and_named(void **state)
{
	static char path[] = "/nowhere/libhsm.so", no_module[] = "/etc/passwd";
	struct config_token wrong = config;
	struct token *token = NULL;
	struct err err = { 0 };

	(void)state;
	wrong.module = path;
	contract_expect(token_open(&wrong, softhsm.dir, &token, &err), RC_ABSENT, &err, "open");
	assert_non_null(strstr(err.text, path));
	wrong.module = no_module;
	contract_expect(token_open(&wrong, softhsm.dir, &token, &err), RC_ABSENT, &err, "open");
	assert_non_null(strstr(err.text, no_module));
	assert_null(token);
}

static void a_missing_token_is_absent_and_those_present_are_named(void **state)
{
	struct config_token wrong = config;
	struct token *token = NULL;
	struct err err = { 0 };

	(void)state;
	wrong.token_label = absent;
	contract_expect(token_open(&wrong, softhsm.dir, &token, &err), RC_ABSENT, &err, "open");
	assert_non_null(strstr(err.text, "\"absent\""));
	assert_non_null(strstr(err.text, "\"contract\""));
	assert_non_null(strstr(err.text, SOFTHSM_MODULE));
	assert_null(token);
}

static void two_tokens_of_one_label_are_not_guessed_between(void **state)
{
	struct config_token wrong = config;
	struct token *token = NULL;
	struct err err = { 0 };

	(void)state;
	wrong.token_label = twin;
	contract_expect(token_open(&wrong, softhsm.dir, &token, &err), RC_INPUT, &err, "open");
	assert_non_null(strstr(err.text, "serial"));
	assert_null(strstr(err.text, "\"contract\""));
	assert_null(token);
}

/* The serial number of one of the two twins. */
static void raw_serial(const char *wanted, char serial[17])
{
	CK_FUNCTION_LIST *call = raw_module();
	CK_TOKEN_INFO info;

	assert_int_equal(call->C_GetTokenInfo(raw_slot(call, wanted), &info), CKR_OK);
	memcpy(serial, info.serialNumber, 16);
	serial[16] = '\0';
}

static void expect_chosen(const struct config_token *choice, const char *serial)
{
	struct token_info info = { 0 };
	struct token *token = NULL;
	struct err err = { 0 };

	contract_expect(token_open(choice, softhsm.dir, &token, &err), RC_OK, &err, "open");
	contract_expect(token_info(token, &info, &err), RC_OK, &err, "info");
	assert_string_equal(info.serial, serial);
	token_close(token);
}

/* RFC 7512, 2.3 */
static void a_token_is_chosen_by_serial_number_or_uri(void **state)
{
	struct token *keeper = contract_open(*state); /* keeps the module started, for the raw calls */
	struct config_token choice = config;
	char serial[17], uri[256];

	raw_serial(twin, serial);
	choice.token_serial = serial;
	choice.token_label = NULL;
	expect_chosen(&choice, serial);
	choice.token_label = twin;
	expect_chosen(&choice, serial);
	choice.token_serial = choice.token_label = NULL;
	choice.token_uri = uri;
	snprintf(uri, sizeof(uri), "pkcs11:token=twin;serial=%s", serial);
	expect_chosen(&choice, serial);
	snprintf(uri, sizeof(uri), "pkcs11:serial=%s;model=SoftHSM%%20v2", serial);
	expect_chosen(&choice, serial);
	choice.module = NULL;
	snprintf(uri, sizeof(uri), "pkcs11:serial=%s?module-path=" SOFTHSM_MODULE, serial);
	expect_chosen(&choice, serial);
	choice.module = config.module;
	expect_chosen(&choice, serial);
	token_close(keeper);
}

static void a_uri_is_read_strictly(void **state)
{
	static const char *const refused[] = {
		"pkcs11:",
		"pkcs11:model=SoftHSM%20v2",
		"pkcs11:token=",
		"pkcs11:token=contract;token=second",
		"pkcs11:token=contract;object=key",
		"pkcs11:token=contract;slot-id=0",
		"pkcs11:token=contract;x-vendor=1",
		"pkcs11:token=contract;tokn=x",
		"pkcs11:token=contract#fragment",
		"pkcs11:token=0123456789012345678901234567890123",
		"pkcs11:token=contract?pin-value=73519862",
		"pkcs11:token=contract?pin-source=/etc/pin",
		"pkcs11:token=contract?module-name=softhsm2",
		"pkcs11:token=contract?module-path=libsofthsm2.so",
		"pkcs11:token=contract?module-path=/usr/lib/other.so",
		"pkcs11:token=con%zztract",
		"token=contract",
	};
	struct config_token choice = config;

	(void)state;
	choice.token_label = NULL;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct token *token = NULL;
		struct err err = { 0 };
		char uri[128];

		snprintf(uri, sizeof(uri), "%s", refused[i]);
		choice.token_uri = uri;
		contract_expect(token_open(&choice, softhsm.dir, &token, &err), RC_INPUT, &err, refused[i]);
		assert_null(strstr(err.text, SOFTHSM_PIN));
	}
}

static CK_FLAGS pin_flags(void)
{
	/* Reads the flags under the token opened by the caller. */
	CK_FUNCTION_LIST *call = raw_module();
	CK_TOKEN_INFO info;

	assert_int_equal(call->C_GetTokenInfo(raw_slot(call, second), &info), CKR_OK);
	return info.flags;
}

static void a_wrong_pin_is_sent_once_and_never_shown(void **state)
{
	struct config_token wrong = config;
	struct token *token = NULL, *keeper = contract_open(*state);
	char path[96];
	struct err err = { 0 };

	snprintf(path, sizeof(path), "%s/wrong.pin", softhsm.dir);
	assert_int_equal(softhsm_write(path, "99887766\n"), 0);
	wrong.token_label = second;
	wrong.pin.where = path;
	contract_expect(token_open(&wrong, softhsm.dir, &token, &err), RC_DENIED, &err, "open");
	assert_int_equal(err.code, CKR_PIN_INCORRECT);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "CKR_PIN_INCORRECT"));
	assert_null(strstr(err.text, "99887766"));
	assert_true(pin_flags() & CKF_USER_PIN_COUNT_LOW);

	/* The right one clears the flag; the wrong one again does not set it: it is not sent. */
	wrong.pin.where = config.pin.where;
	contract_expect(token_open(&wrong, softhsm.dir, &token, &err), RC_OK, &err, "open with the right PIN");
	token_close(TAKE(token));
	assert_false(pin_flags() & CKF_USER_PIN_COUNT_LOW);
	wrong.pin.where = path;
	contract_expect(token_open(&wrong, softhsm.dir, &token, &err), RC_DENIED, &err, "open again");
	assert_non_null(strstr(err.text, "not sent again"));
	assert_false(pin_flags() & CKF_USER_PIN_COUNT_LOW);
	token_close(keeper);
}

static void a_pin_of_impossible_length_is_not_sent(void **state)
{
	struct config_token wrong = config;
	struct token *token = NULL, *keeper = contract_open(*state);
	char path[96];
	struct err err = { 0 };

	snprintf(path, sizeof(path), "%s/short.pin", softhsm.dir);
	assert_int_equal(softhsm_write(path, "12"), 0);
	wrong.token_label = second;
	wrong.pin.where = path;
	contract_expect(token_open(&wrong, softhsm.dir, &token, &err), RC_DENIED, &err, "open");
	assert_non_null(strstr(err.text, "not sent"));
	assert_false(pin_flags() & CKF_USER_PIN_COUNT_LOW);
	token_close(keeper);
}

static void two_tokens_of_one_module_do_not_end_each_other(void **state)
{
	struct config_token other = config;
	struct token *first = contract_open(*state), *next = NULL;
	struct token_key *key = contract_generate(first, KEY_EC_P256);
	struct err err = { 0 };

	other.token_label = second;
	contract_expect(token_open(&other, softhsm.dir, &next, &err), RC_OK, &err, "open the second");
	contract_sign(key, TOKEN_ECDSA, TOKEN_SHA256);
	token_close(next);
	contract_sign(key, TOKEN_ECDSA, TOKEN_SHA256);
	contract_drop(key);
	token_close(first);
}

static void the_reference_is_a_uri_that_pkcs11_provider_reads(void **state)
{
	struct token *token = contract_open(*state);
	struct token_key *key = contract_generate(token, KEY_EC_P256);
	AUTO(buf) struct buf pem = BUF_MAX(TOKEN_REFERENCE_MAX);
	AUTO(buf) struct buf uri = BUF_MAX(TOKEN_REFERENCE_MAX);
	struct err err = { 0 };
	char *name = NULL, *header = NULL, expected[128];
	unsigned char *der = NULL;
	long len = 0;

	contract_expect(token_reference(key, &pem, &uri, &err), RC_OK, &err, "reference");
	assert_non_null(strstr(buf_text(&uri), "token=contract"));
	assert_non_null(strstr(buf_text(&uri), "type=private"));
	snprintf(expected, sizeof(expected), "?pin-source=%s", softhsm.pin_file);
	assert_non_null(strstr(buf_text(&uri), expected));
	P11KitUri *parsed = p11_kit_uri_new();
	assert_int_equal(p11_kit_uri_parse(buf_text(&uri), P11_KIT_URI_FOR_ANY, parsed), P11_KIT_URI_OK);
	assert_false(p11_kit_uri_any_unrecognized(parsed));
	CK_ATTRIBUTE *id = p11_kit_uri_get_attribute(parsed, CKA_ID);
	assert_memory_equal(id->pValue, key->name.id, TOKEN_ID_LEN);
	p11_kit_uri_free(parsed);

	/* SEQUENCE { VisibleString "PKCS#11 Provider URI v1.0", UTF8String uri } */
	BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	assert_int_equal(PEM_read_bio(bio, &name, &header, &der, &len), 1);
	assert_string_equal(name, "PKCS#11 PROVIDER URI");
	assert_int_equal(der[0], 0x30);
	assert_non_null(memmem(der, (size_t)len, "\x1a\x19PKCS#11 Provider URI v1.0", 27));
	assert_non_null(memmem(der, (size_t)len, uri.at, uri.len));
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	BIO_free(bio);
	contract_drop(key);
	token_close(token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_CONTRACT_TESTS,
		cmocka_unit_test(an_exportable_key_is_refused_but_listed),
		cmocka_unit_test(the_audit_by_attempt_tells_the_key_that_can_be_wrapped_from_the_one_that_cannot),
		cmocka_unit_test(a_second_key_with_the_same_label_is_refused),
		cmocka_unit_test(an_ed25519_key_whose_curve_is_given_by_name_is_known),
		cmocka_unit_test(erase_leaves_no_public_key_behind),
		cmocka_unit_test(a_missing_module_is_absent_and_named),
		cmocka_unit_test(a_missing_token_is_absent_and_those_present_are_named),
		cmocka_unit_test(two_tokens_of_one_label_are_not_guessed_between),
		cmocka_unit_test(a_wrong_pin_is_sent_once_and_never_shown),
		cmocka_unit_test(a_pin_of_impossible_length_is_not_sent),
		cmocka_unit_test(two_tokens_of_one_module_do_not_end_each_other),
		cmocka_unit_test(a_token_is_chosen_by_serial_number_or_uri),
		cmocka_unit_test(a_uri_is_read_strictly),
		cmocka_unit_test(the_reference_is_a_uri_that_pkcs11_provider_reads),
	};

	return cmocka_run_group_tests_name(fixture.name, tests, start, stop);
}
