/* spki_test.c -- public keys from tokens are built exactly or refused, and signatures are told from forgeries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "spki.h"

AUTO_DEFINE(evp_pkey, EVP_PKEY *, EVP_PKEY_free);
AUTO_DEFINE(evp_ctx, EVP_PKEY_CTX *, EVP_PKEY_CTX_free);
AUTO_DEFINE(bn, BIGNUM *, BN_free);

static size_t point_of(EVP_PKEY *pkey, uint8_t *point, size_t room)
{
	size_t len = 0;

	assert_int_equal(EVP_PKEY_get_octet_string_param(pkey, "pub", point, room, &len), 1);
	return len;
}

static void expect_same(EVP_PKEY *pkey, struct span spki)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(pkey, &der);

	assert_true(len > 0);
	assert_true(span_equal(spki, span_of(der, (size_t)len)));
	OPENSSL_free(der);
}

static void an_ec_point_becomes_what_openssl_writes_itself(void **state)
{
	static const struct {
		enum key_type type;
		const char *group;
	} kinds[] = { { KEY_EC_P256, "P-256" }, { KEY_EC_P384, "P-384" } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		AUTO(evp_pkey) EVP_PKEY *pkey = EVP_EC_gen(kinds[i].group);
		AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
		uint8_t point[128];
		size_t len = point_of(pkey, point, sizeof(point));

		assert_int_equal(spki_from_ec(kinds[i].type, span_of(point, len), &spki, NULL), RC_OK);
		expect_same(pkey, buf_span(&spki));
		assert_int_equal(spki_key_type(buf_span(&spki)), kinds[i].type);
	}
}

static void a_point_off_the_curve_compressed_or_cut_is_refused(void **state)
{
	AUTO(evp_pkey) EVP_PKEY *pkey = EVP_EC_gen("P-256");
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	uint8_t point[65];
	struct err err = { 0 };

	(void)state;
	assert_int_equal(point_of(pkey, point, sizeof(point)), 65);
	assert_int_equal(spki_from_ec(KEY_EC_P256, span_of(point, 64), &spki, &err), RC_PROTOCOL);
	assert_int_equal(spki_from_ec(KEY_EC_P384, SPAN(point), &spki, &err), RC_PROTOCOL);
	assert_int_equal(spki_from_ec(KEY_EC_P256, span_of("\0", 1), &spki, &err), RC_PROTOCOL);
	assert_int_equal(spki_from_ec(KEY_EC_P256, span_of(NULL, 0), &spki, &err), RC_PROTOCOL);
	point[64] ^= 1;
	assert_int_equal(spki_from_ec(KEY_EC_P256, SPAN(point), &spki, &err), RC_PROTOCOL);
	point[0] = 0x02;
	assert_int_equal(spki_from_ec(KEY_EC_P256, span_of(point, 33), &spki, &err), RC_PROTOCOL);
	assert_int_equal(spki.len, 0);
}

static void an_rsa_modulus_becomes_what_openssl_writes_itself(void **state)
{
	static const uint8_t exponent[] = { 1, 0, 1 };
	AUTO(evp_pkey) EVP_PKEY *pkey = EVP_RSA_gen(2048u);
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	AUTO(bn) BIGNUM *n = NULL;
	uint8_t modulus[257] = { 0 };

	(void)state;
	assert_int_equal(EVP_PKEY_get_bn_param(pkey, "n", &n), 1);
	assert_int_equal(BN_bn2bin(n, modulus + 1), 256);
	assert_int_equal(spki_from_rsa(span_of(modulus + 1, 256), SPAN(exponent), &spki, NULL), RC_OK);
	expect_same(pkey, buf_span(&spki));
	assert_int_equal(spki_key_type(buf_span(&spki)), KEY_RSA_2048);
	buf_clear(&spki);
	/* Some modules put a zero in front, as DER does. */
	assert_int_equal(spki_from_rsa(SPAN(modulus), SPAN(exponent), &spki, NULL), RC_OK);
	expect_same(pkey, buf_span(&spki));
}

static void an_unsound_rsa_key_is_refused(void **state)
{
	static const uint8_t exponent[] = { 1, 0, 1 }, one[] = { 1 }, even[] = { 2 }, wide[9] = { 1 };
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	uint8_t modulus[600];
	struct err err = { 0 };

	(void)state;
	memset(modulus, 0xff, sizeof(modulus));
	assert_int_equal(spki_from_rsa(span_of(modulus, 128), SPAN(exponent), &spki, &err), RC_PROTOCOL);
	assert_int_equal(spki_from_rsa(span_of(modulus, 600), SPAN(exponent), &spki, &err), RC_PROTOCOL);
	assert_int_equal(spki_from_rsa(span_of(NULL, 0), SPAN(exponent), &spki, &err), RC_PROTOCOL);
	assert_int_equal(spki_from_rsa(span_of(modulus, 256), SPAN(one), &spki, &err), RC_PROTOCOL);
	assert_int_equal(spki_from_rsa(span_of(modulus, 256), SPAN(even), &spki, &err), RC_PROTOCOL);
	assert_int_equal(spki_from_rsa(span_of(modulus, 256), SPAN(wide), &spki, &err), RC_PROTOCOL);
	modulus[255] = 0xfe;
	assert_int_equal(spki_from_rsa(span_of(modulus, 256), SPAN(exponent), &spki, &err), RC_PROTOCOL);
	assert_int_equal(spki.len, 0);
}

static void what_is_none_of_ours_has_no_type(void **state)
{
	AUTO(evp_pkey) EVP_PKEY *pkey = EVP_EC_gen("P-521");
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(pkey, &der);

	(void)state;
	assert_int_equal(spki_key_type(span_of(der, (size_t)len)), KEY_TYPE_COUNT);
	assert_int_equal(spki_key_type(span_of(der, (size_t)len - 1)), KEY_TYPE_COUNT);
	assert_int_equal(spki_key_type(span_of("", 0)), KEY_TYPE_COUNT);
	OPENSSL_free(der);
}

static void rsa_sign(EVP_PKEY *pkey, int padding, const uint8_t digest[32], uint8_t sig[256])
{
	AUTO(evp_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	size_t len = 256;

	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, padding), 1);
	assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
	assert_int_equal(EVP_PKEY_sign(ctx, sig, &len, digest, 32), 1);
	assert_int_equal(len, 256);
}

static void an_rsa_signature_is_good_for_its_own_scheme_digest_and_key(void **state)
{
	AUTO(evp_pkey) EVP_PKEY *pkey = EVP_RSA_gen(2048u);
	AUTO(evp_pkey) EVP_PKEY *other = EVP_RSA_gen(2048u);
	uint8_t digest[32] = { 1, 2, 3 }, wrong[32] = { 3, 2, 1 }, sig[256];
	unsigned char *der = NULL, *other_der = NULL;
	struct span spki = { 0 }, other_spki = { 0 };
	struct err err = { 0 };

	(void)state;
	spki.len = (size_t)i2d_PUBKEY(pkey, &der);
	spki.at = der;
	other_spki.len = (size_t)i2d_PUBKEY(other, &other_der);
	other_spki.at = other_der;
	rsa_sign(pkey, RSA_PKCS1_PADDING, digest, sig);
	assert_int_equal(spki_verify(spki, TOKEN_RSA_PKCS1, TOKEN_SHA256, SPAN(digest), SPAN(sig), &err), RC_OK);
	assert_int_equal(spki_verify(spki, TOKEN_RSA_PSS, TOKEN_SHA256, SPAN(digest), SPAN(sig), &err), RC_RETRY);
	assert_int_equal(spki_verify(spki, TOKEN_RSA_PKCS1, TOKEN_SHA256, SPAN(wrong), SPAN(sig), &err), RC_RETRY);
	assert_int_equal(spki_verify(other_spki, TOKEN_RSA_PKCS1, TOKEN_SHA256, SPAN(digest), SPAN(sig), &err), RC_RETRY);
	/* The salt is as long as the hash (RFC 7518, 3.5); OpenSSL's own default is longer. */
	rsa_sign(pkey, RSA_PKCS1_PSS_PADDING, digest, sig);
	assert_int_equal(spki_verify(spki, TOKEN_RSA_PSS, TOKEN_SHA256, SPAN(digest), SPAN(sig), &err), RC_RETRY);
	OPENSSL_free(der);
	OPENSSL_free(other_der);
}

static void an_ecdsa_signature_of_zeros_or_halves_is_refused(void **state)
{
	AUTO(evp_pkey) EVP_PKEY *pkey = EVP_EC_gen("P-256");
	static const uint8_t digest[32] = { 7 }, zeros[64];
	unsigned char *der = NULL;
	size_t len = (size_t)i2d_PUBKEY(pkey, &der);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(spki_verify(span_of(der, len), TOKEN_ECDSA, TOKEN_SHA256, SPAN(digest), SPAN(zeros), &err), RC_RETRY);
	assert_int_equal(spki_verify(span_of(der, len), TOKEN_ECDSA, TOKEN_SHA256, SPAN(digest), span_of(zeros, 0), &err),
			 RC_RETRY);
	OPENSSL_free(der);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ec_point_becomes_what_openssl_writes_itself),
		cmocka_unit_test(a_point_off_the_curve_compressed_or_cut_is_refused),
		cmocka_unit_test(an_rsa_modulus_becomes_what_openssl_writes_itself),
		cmocka_unit_test(an_unsound_rsa_key_is_refused),
		cmocka_unit_test(what_is_none_of_ours_has_no_type),
		cmocka_unit_test(an_rsa_signature_is_good_for_its_own_scheme_digest_and_key),
		cmocka_unit_test(an_ecdsa_signature_of_zeros_or_halves_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
