/* public_key_test.c -- what is read byte by byte is what OpenSSL's decoder reads, and what either refuses is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "jwk.h"
#include "public_key.h"

AUTO_DEFINE(evp_pkey, EVP_PKEY *, EVP_PKEY_free);

static void der_of(EVP_PKEY *pkey, struct buf *ret_der)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(pkey, &der);

	assert_true(len > 0);
	assert_int_equal(buf_append(ret_der, span_of(der, (size_t)len), NULL), RC_OK);
	OPENSSL_free(der);
}

/* RFC 5480, 2 */
static void a_key_on_each_curve_is_the_key_it_was(void **state)
{
	(void)state;
	for (int i = 0; i < KEY_TYPE_COUNT; i++) {
		enum key_type type = (enum key_type)i;
		AUTO(buf) struct buf der = BUF_MAX(1024);
		struct span point;

		if (key_type_family(type) != FAMILY_EC)
			continue;
		AUTO(evp_pkey) EVP_PKEY *pkey = EVP_EC_gen(key_type_group(type));
		der_of(pkey, &der);
		assert_int_equal(public_key_ec_point(buf_span(&der), &point), type);
		AUTO(evp_pkey) EVP_PKEY *read = public_key_load(buf_span(&der));
		assert_non_null(read);
		assert_int_equal(EVP_PKEY_eq(read, pkey), 1);
	}
}

static void keys_of_other_kinds_are_read_by_openssl(void **state)
{
	EVP_PKEY *others[] = { EVP_RSA_gen(2048u), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_EC_gen("secp256k1") };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		AUTO(buf) struct buf der = BUF_MAX(1024);
		struct span point;

		der_of(others[i], &der);
		assert_int_equal(public_key_ec_point(buf_span(&der), &point), KEY_TYPE_COUNT);
		AUTO(evp_pkey) EVP_PKEY *read = public_key_load(buf_span(&der));
		assert_non_null(read);
		assert_int_equal(EVP_PKEY_eq(read, others[i]), 1);
		EVP_PKEY_free(others[i]);
	}
}

/* Also where nobody asks OpenSSL for more: a JWK names coordinates only of what is a key. */
static void a_point_that_is_not_on_its_curve_is_no_key(void **state)
{
	AUTO(evp_pkey) EVP_PKEY *pkey = EVP_EC_gen("P-256");
	AUTO(buf) struct buf der = BUF_MAX(1024);
	AUTO(buf) struct buf json = BUF_MAX(JWK_MAX);

	(void)state;
	der_of(pkey, &der);
	der.at[der.len - 1] ^= 1;
	assert_null(public_key_load(buf_span(&der)));
	assert_int_equal(jwk_print(buf_span(&der), &json, NULL), RC_INPUT);
	assert_int_equal(json.len, 0);
}

static void one_byte_more_or_less_is_no_key(void **state)
{
	EVP_PKEY *keys[] = { EVP_EC_gen("P-384"), EVP_RSA_gen(2048u) };

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		AUTO(buf) struct buf der = BUF_MAX(1024);

		der_of(keys[i], &der);
		assert_null(public_key_load(span_of(der.at, der.len - 1)));
		assert_int_equal(buf_append(&der, span_text("x"), NULL), RC_OK);
		assert_null(public_key_load(buf_span(&der)));
		EVP_PKEY_free(keys[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_on_each_curve_is_the_key_it_was),
		cmocka_unit_test(keys_of_other_kinds_are_read_by_openssl),
		cmocka_unit_test(a_point_that_is_not_on_its_curve_is_no_key),
		cmocka_unit_test(one_byte_more_or_less_is_no_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
