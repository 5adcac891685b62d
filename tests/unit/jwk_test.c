/* jwk_test.c -- a public key becomes the JWK and the thumbprint that the RFCs print. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "codec.h"
#include "jwk.h"

/* An RSA key of modulus `n` (base64url), exponent 65537, as SPKI. */
static void spki_of(const char *n, struct buf *ret_spki)
{
	AUTO(buf) struct buf modulus = BUF_MAX(1024);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *pkey = NULL;
	unsigned char *der = NULL;

	assert_int_equal(codec_base64url_decode(n, &modulus, NULL), RC_OK);
	BIGNUM *number = BN_bin2bn(modulus.at, (int)modulus.len, NULL);
	assert_int_equal(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, number), 1);
	assert_int_equal(OSSL_PARAM_BLD_push_uint(build, OSSL_PKEY_PARAM_RSA_E, 65537), 1);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params), 1);
	int len = i2d_PUBKEY(pkey, &der);
	assert_int_equal(buf_append(ret_spki, span_of(der, (size_t)len), NULL), RC_OK);
	OPENSSL_free(der);
	EVP_PKEY_free(pkey);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	BN_free(number);
}

/* RFC 7638, 3.3: members in their order, no others; RFC 7518, 6.3.1: numbers as short as they are. */
static void the_thumbprint_of_rfc_7638_3_1(void **state)
{
	static const char n[] =
		"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
		"BJECPebWKRXjBZCiFV4n3oknjhMs"
		"tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
		"FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI"
		"SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
	AUTO(buf) struct buf spki = BUF_MAX(1024);
	AUTO(buf) struct buf text = BUF_MAX(128);

	(void)state;
	spki_of(n, &spki);
	assert_int_equal(jwk_thumbprint(buf_span(&spki), &text, NULL), RC_OK);
	assert_string_equal(buf_text(&text), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

static void coordinates_keep_their_leading_zeros(void **state)
{
	(void)state;
	for (int i = 0; i < 600; i++) {
		AUTO(buf) struct buf json = BUF_MAX(JWK_MAX);
		EVP_PKEY *pkey = EVP_EC_gen("P-256");
		unsigned char *der = NULL;
		int len = i2d_PUBKEY(pkey, &der);

		assert_int_equal(jwk_print(span_of(der, (size_t)len), &json, NULL), RC_OK);
		/* {"crv":"P-256","kty":"EC","x":"43","y":"43"}: RFC 7518, 6.2.1.2 */
		assert_int_equal(json.len, 31 + 43 + 7 + 43 + 2);
		OPENSSL_free(der);
		EVP_PKEY_free(pkey);
	}
}

static void coordinates_of_p_521_have_66_octets(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		AUTO(buf) struct buf json = BUF_MAX(JWK_MAX);
		EVP_PKEY *pkey = EVP_EC_gen("P-521");
		unsigned char *der = NULL;
		int len = i2d_PUBKEY(pkey, &der);

		assert_int_equal(jwk_print(span_of(der, (size_t)len), &json, NULL), RC_OK);
		assert_int_equal(strncmp(buf_text(&json), "{\"crv\":\"P-521\",\"kty\":\"EC\",\"x\":\"A", 32), 0);
		assert_int_equal(json.len, 31 + 88 + 7 + 88 + 2);
		OPENSSL_free(der);
		EVP_PKEY_free(pkey);
	}
}

/* RFC 8037, 2, by the examples of its appendix. */
static void the_thumbprint_of_rfc_8037_a_3(void **state)
{
	AUTO(buf) struct buf x = BUF_MAX(64);
	AUTO(buf) struct buf json = BUF_MAX(JWK_MAX);
	AUTO(buf) struct buf text = BUF_MAX(128);
	unsigned char *der = NULL;

	(void)state;
	assert_int_equal(codec_base64url_decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", &x, NULL), RC_OK);
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.at, x.len);
	int len = i2d_PUBKEY(pkey, &der);
	assert_int_equal(jwk_print(span_of(der, (size_t)len), &json, NULL), RC_OK);
	assert_string_equal(buf_text(&json),
			    "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}");
	assert_int_equal(jwk_thumbprint(span_of(der, (size_t)len), &text, NULL), RC_OK);
	assert_string_equal(buf_text(&text), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
	OPENSSL_free(der);
	EVP_PKEY_free(pkey);
}

static void what_is_no_public_key_is_refused(void **state)
{
	AUTO(buf) struct buf json = BUF_MAX(JWK_MAX);

	(void)state;
	assert_int_not_equal(jwk_print(span_text("0123456789"), &json, NULL), RC_OK);
	assert_int_not_equal(jwk_print(span_of(NULL, 0), &json, NULL), RC_OK);
	assert_int_equal(json.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_thumbprint_of_rfc_7638_3_1),      cmocka_unit_test(coordinates_keep_their_leading_zeros),
		cmocka_unit_test(coordinates_of_p_521_have_66_octets), cmocka_unit_test(the_thumbprint_of_rfc_8037_a_3),
		cmocka_unit_test(what_is_no_public_key_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
