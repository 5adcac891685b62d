/* keyd_message_test.c -- an Ed25519 key in keyd signs what ACME needs, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "keyd_message.h"

/* RFC 7515, 5.1 */
static void a_signing_input_is_taken(void **state)
{
	(void)state;
	assert_int_equal(keyd_message_check(span_text("eyJhbGciOiJFZERTQSJ9.e30"), NULL), RC_OK);
	assert_int_equal(keyd_message_check(span_text("eyJhbGciOiJFZERTQSJ9."), NULL), RC_OK); /* POST-as-GET */
}

/* RFC 2986, 4.1 */
static void a_request_is_taken_whole(void **state)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	X509_REQ *request = X509_REQ_new();
	unsigned char *tbs = NULL;

	(void)state;
	assert_int_equal(X509_REQ_set_pubkey(request, pkey), 1);
	int len = i2d_re_X509_REQ_tbs(request, &tbs);
	assert_true(len > 0);
	assert_int_equal(keyd_message_check(span_of(tbs, (size_t)len), NULL), RC_OK);
	assert_int_equal(keyd_message_check(span_of(tbs, (size_t)len - 1), NULL), RC_DENIED);
	OPENSSL_free(tbs);
	X509_REQ_free(request);
	EVP_PKEY_free(pkey);
}

static void anything_else_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		".",
		"eyJ",
		"hello",
		"eyJhbGciOiJFZERTQSJ9.e30.e30",
		"eyJhbGciOiJFZERTQSJ9.e3 0",
		"AAAA.AAAA",
		"{}",
		"HTTP/1.1 200 OK",
		"eyJ\"}.e30",
	};
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(keyd_message_check(span_text(texts[i]), &err), RC_DENIED);
	assert_int_equal(keyd_message_check(span_of("eyJh\0A.e30", 10), &err), RC_DENIED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signing_input_is_taken),
		cmocka_unit_test(a_request_is_taken_whole),
		cmocka_unit_test(anything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
