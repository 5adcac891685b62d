/* pkcs11_mac_test.c -- an HMAC made with a secret key that stays in SoftHSM is the one that OpenSSL makes; directly and through keyd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <p11-kit/pkcs11.h>

#include "keyd_process.h"
#include "softhsm.h"
#include "token.h"

static struct softhsm softhsm;
static char label[] = "mac", secret_label[] = "eab", kid[] = "nf-17", authority_name[] = "ra", token_name[] = "hsm";
static const uint8_t secret[64] = { 1, 2, 3, 4, 5 };
static const char message[] = "eyJhbGciOiJIUzI1NiJ9.e30";
static struct config_token tokens[1];
static struct config_authority authorities[1];
static struct config config = { .tokens = tokens, .token_count = 1, .authorities = authorities, .authority_count = 1 };

/* What an operator's own tool does: puts a secret into the token, for signing alone. */
static int secret_write(void)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ATTRIBUTE object[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_TOKEN, &yes, 1 },
		{ CKA_PRIVATE, &yes, 1 },
		{ CKA_SENSITIVE, &yes, 1 },
		{ CKA_EXTRACTABLE, &no, 1 },
		{ CKA_SIGN, &yes, 1 },
		{ CKA_LABEL, secret_label, 3 },
		{ CKA_VALUE, (void *)(uintptr_t)secret, sizeof(secret) },
	};
	void *module = dlopen(SOFTHSM_MODULE, RTLD_NOW);
	CK_FUNCTION_LIST *call = NULL;
	CK_C_GetFunctionList get;
	void *symbol = module ? dlsym(module, "C_GetFunctionList") : NULL;
	CK_SLOT_ID slots[4];
	CK_ULONG count = 4;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE handle;

	memcpy(&get, &symbol, sizeof(get));
	if (!get || get(&call) != CKR_OK || call->C_Initialize(NULL) != CKR_OK ||
	    call->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK)
		return -1;
	/* The first slot is the token's; the last is the empty one that SoftHSM always shows. */
	int failed = call->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) != CKR_OK ||
		     call->C_Login(session, CKU_USER, (CK_BYTE *)(uintptr_t)SOFTHSM_PIN, strlen(SOFTHSM_PIN)) != CKR_OK ||
		     call->C_CreateObject(session, object, sizeof(object) / sizeof(object[0]), &handle) != CKR_OK;
	call->C_Finalize(NULL);
	return failed ? -1 : 0;
}

static int start(void **state)
{
	(void)state;
	if (softhsm_start(&softhsm) != 0 || softhsm_add(label) != 0 || secret_write() != 0)
		return -1;
	config.state = softhsm.dir;
	tokens[0] = softhsm_config(&softhsm, label);
	tokens[0].name = token_name;
	authorities[0] = (struct config_authority){
		.name = authority_name,
		.external = { .kid = kid, .hash = TOKEN_SHA256, .token = token_name, .label = secret_label }
	};
	return 0;
}

static int stop(void **state)
{
	(void)state;
	softhsm_stop(&softhsm);
	return 0;
}

static void expect_mac(const struct buf *mac, enum token_hash hash)
{
	uint8_t tag[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	assert_non_null(HMAC(EVP_get_digestbyname(token_hash_name(hash)), secret, sizeof(secret), (const uint8_t *)message,
			     strlen(message), tag, &len));
	assert_int_equal(mac->len, len);
	assert_memory_equal(mac->at, tag, len);
}

static void each_hash_gives_what_openssl_gives(void **state)
{
	static const enum token_hash hashes[] = { TOKEN_SHA256, TOKEN_SHA384, TOKEN_SHA512 };
	AUTO(token) struct token *token = NULL;

	(void)state;
	assert_int_equal(token_open(&tokens[0], softhsm.dir, &token, NULL), RC_OK);
	for (size_t i = 0; i < 3; i++) {
		AUTO(buf) struct buf mac = BUF_MAX(64);

		assert_int_equal(token->ops->mac(token, secret_label, hashes[i], span_text(message), &mac, NULL), RC_OK);
		expect_mac(&mac, hashes[i]);
	}
	AUTO(buf) struct buf none = BUF_MAX(64);
	struct err err = { 0 };
	assert_int_equal(token->ops->mac(token, "nobody", TOKEN_SHA256, span_text(message), &none, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "nobody"));
}

static void keyd_makes_it_for_the_configured_authority_and_of_a_signing_input_only(void **state)
{
	struct keyd_process keyd = { .config = &config };
	struct remote_link *engine_link = keyd_process_link(&keyd);
	AUTO(buf) struct buf mac = BUF_MAX(64);
	AUTO(buf) struct buf none = BUF_MAX(64);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(remote_mac(engine_link, authority_name, span_text(message), &mac, &err), RC_OK);
	expect_mac(&mac, TOKEN_SHA256);
	assert_int_equal(remote_mac(engine_link, "other", span_text(message), &none, &err), RC_ABSENT);
	assert_int_equal(remote_mac(engine_link, authority_name, span_text("anything"), &none, &err), RC_DENIED);
	assert_int_equal(none.len, 0);
	remote_link_free(engine_link);
	assert_int_equal(keyd_process_end(&keyd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_hash_gives_what_openssl_gives),
		cmocka_unit_test(keyd_makes_it_for_the_configured_authority_and_of_a_signing_input_only),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
