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

/* SEC 1, 2.3.3; RFC 5480, 2 */
static void an_ec_point_becomes_what_openssl_writes_itself(void **state)
{
	static const struct {
		enum key_type type;
		const char *group;
	} kinds[] = { { KEY_EC_P256, "P-256" }, { KEY_EC_P384, "P-384" }, { KEY_EC_P521, "P-521" } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		AUTO(evp_pkey) EVP_PKEY *pkey = EVP_EC_gen(kinds[i].group);
		AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
		uint8_t point[160];
		size_t len = point_of(pkey, point, sizeof(point));

		assert_int_equal(spki_from_ec(kinds[i].type, span_of(point, len), &spki, NULL), RC_OK);
		expect_same(pkey, buf_span(&spki));
		assert_int_equal(spki_key_type(buf_span(&spki)), kinds[i].type);
		/* One byte more, one less, or a point that is none: no key. */
		assert_int_equal(spki_key_type(span_of(spki.at, spki.len - 1)), KEY_TYPE_COUNT);
		assert_int_equal(buf_append(&spki, span_text("x"), NULL), RC_OK);
		assert_int_equal(spki_key_type(buf_span(&spki)), KEY_TYPE_COUNT);
		spki.len--;
		((uint8_t *)spki.at)[spki.len - 1] ^= 1;
		assert_int_equal(spki_key_type(buf_span(&spki)), KEY_TYPE_COUNT);
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
	EVP_PKEY *others[] = { EVP_EC_gen("secp256k1"), EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), EVP_RSA_gen(1024u) };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		unsigned char *der = NULL;
		int len = i2d_PUBKEY(others[i], &der);

		assert_int_equal(spki_key_type(span_of(der, (size_t)len)), KEY_TYPE_COUNT);
		OPENSSL_free(der);
		EVP_PKEY_free(others[i]);
	}
	AUTO(evp_pkey) EVP_PKEY *ours = EVP_EC_gen("P-256");
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(ours, &der);
	assert_int_equal(spki_key_type(span_of(der, (size_t)len)), KEY_EC_P256);
	assert_int_equal(spki_key_type(span_of(der, (size_t)len - 1)), KEY_TYPE_COUNT);
	assert_int_equal(spki_key_type(span_of("", 0)), KEY_TYPE_COUNT);
	OPENSSL_free(der);
}

/* RFC 8032, 5.1.2 and 5.1.7, by the third of its test vectors: public key, message, signature. */
static void an_ed25519_signature_is_good_for_its_own_message(void **state)
{
	static const uint8_t point[] = { 0xfc, 0x51, 0xcd, 0x8e, 0x62, 0x18, 0xa1, 0xa3, 0x8d, 0xa4, 0x7e,
					 0xd0, 0x02, 0x30, 0xf0, 0x58, 0x08, 0x16, 0xed, 0x13, 0xba, 0x33,
					 0x03, 0xac, 0x5d, 0xeb, 0x91, 0x15, 0x48, 0x90, 0x80, 0x25 };
	static const uint8_t message[] = { 0xaf, 0x82 }, other[] = { 0xaf, 0x83 };
	uint8_t sig[] = { 0x62, 0x91, 0xd6, 0x57, 0xde, 0xec, 0x24, 0x02, 0x48, 0x27, 0xe6, 0x9c, 0x3a, 0xbe, 0x01, 0xa3,
			  0x0c, 0xe5, 0x48, 0xa2, 0x84, 0x74, 0x3a, 0x44, 0x5e, 0x36, 0x80, 0xd7, 0xdb, 0x5a, 0xc3, 0xac,
			  0x18, 0xff, 0x9b, 0x53, 0x8d, 0x16, 0xf2, 0x90, 0xae, 0x67, 0xf7, 0x60, 0x98, 0x4d, 0xc6, 0x59,
			  0x4a, 0x7c, 0x15, 0xe9, 0x71, 0x6e, 0xd2, 0x8d, 0xc0, 0x27, 0xbe, 0xce, 0xea, 0x1e, 0xc4, 0x0a };
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(spki_from_ed25519(span_of(point, 31), &spki, &err), RC_PROTOCOL);
	assert_int_equal(spki_from_ed25519(span_of(NULL, 0), &spki, &err), RC_PROTOCOL);
	assert_int_equal(spki_from_ed25519(SPAN(point), &spki, &err), RC_OK);
	assert_int_equal(spki_key_type(buf_span(&spki)), KEY_ED25519);
	assert_int_equal(spki_verify(buf_span(&spki), TOKEN_EDDSA, TOKEN_HASH_NONE, SPAN(message), SPAN(sig), &err), RC_OK);
	assert_int_equal(spki_verify(buf_span(&spki), TOKEN_EDDSA, TOKEN_HASH_NONE, SPAN(other), SPAN(sig), &err), RC_RETRY);
	assert_int_equal(spki_verify(buf_span(&spki), TOKEN_ECDSA, TOKEN_HASH_NONE, SPAN(message), SPAN(sig), &err), RC_INPUT);
	sig[63] ^= 1;
	assert_int_equal(spki_verify(buf_span(&spki), TOKEN_EDDSA, TOKEN_HASH_NONE, SPAN(message), SPAN(sig), &err), RC_RETRY);
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
		cmocka_unit_test(an_ed25519_signature_is_good_for_its_own_message),
		cmocka_unit_test(an_rsa_signature_is_good_for_its_own_scheme_digest_and_key),
		cmocka_unit_test(an_ecdsa_signature_of_zeros_or_halves_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
