/* jws_test.c -- a JWS signed in a real token is what RFC 8555 asks for, and verifies. */
#define SOFTHSM_LEAKS
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "codec.h"
#include "jws.h"
#include "soft_token.h"

static json_t *header_of(json_t *jws)
{
	AUTO(buf) struct buf text = BUF_MAX(8192);

	assert_int_equal(codec_base64url_decode(json_string_value(json_object_get(jws, "protected")), &text, NULL), RC_OK);
	json_t *header = json_loads(buf_text(&text), 0, NULL);
	assert_non_null(header);
	return header;
}

static json_t *sign(struct token_key *key, enum jws_algorithm algorithm, const char *kid, const char *payload)
{
	AUTO(buf) struct buf text = BUF_MAX(JWS_MAX);
	const struct jws_header header = { .kid = kid, .nonce = "n0nce", .url = "https://ca/o", .algorithm = algorithm };

	assert_int_equal(jws_sign(key, &header, span_text(payload), &text, NULL), RC_OK);
	json_t *jws = json_loads(buf_text(&text), 0, NULL);
	assert_non_null(jws);
	assert_int_equal(json_object_size(jws), 3);
	return jws;
}

static int ecdsa_der(struct span sig, unsigned char **ret_der)
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	int half = (int)(sig.len / 2);

	assert_int_equal(ECDSA_SIG_set0(pair, BN_bin2bn(sig.at, half, NULL), BN_bin2bn(sig.at + half, half, NULL)), 1);
	int len = i2d_ECDSA_SIG(pair, ret_der);
	ECDSA_SIG_free(pair);
	return len;
}

/* With OpenSSL alone; nothing of ours but base64url. */
static void verify(struct token_key *key, json_t *jws, enum jws_algorithm algorithm)
{
	AUTO(buf) struct buf input = BUF_MAX(JWS_MAX);
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	const char *alg = jws_algorithm_name(algorithm);
	bool is_ec = alg[0] == 'E' && alg[1] == 'S';
	const char *bits = alg + 2;
	char hash[16];
	unsigned char *der = NULL;
	EVP_PKEY_CTX *settings = NULL;

	/* RFC 7515, 5.1 */
	assert_int_equal(buf_print(&input, NULL, "%s.%s", json_string_value(json_object_get(jws, "protected")),
				   json_string_value(json_object_get(jws, "payload"))),
			 RC_OK);
	assert_int_equal(codec_base64url_decode(json_string_value(json_object_get(jws, "signature")), &sig, NULL), RC_OK);
	assert_int_equal(token_public_key(key, &spki, NULL), RC_OK);
	const unsigned char *at = spki.at;
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)spki.len);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	snprintf(hash, sizeof(hash), "SHA%s", bits);
	assert_int_equal(EVP_DigestVerifyInit_ex(ctx, &settings, algorithm == JWS_EDDSA ? NULL : hash, NULL, NULL, pkey, NULL),
			 1);
	if (alg[0] == 'P') {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING), 1);
		/* RFC 7518, 3.5: salt as long as the hash; no other length verifies. */
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, 32), 1);
	}
	int len = is_ec ? ecdsa_der(buf_span(&sig), &der) : (int)sig.len;
	assert_int_equal(EVP_DigestVerify(ctx, is_ec ? der : sig.at, (size_t)len, input.at, input.len), 1);
	input.at[0] ^= 1;
	assert_int_not_equal(EVP_DigestVerify(ctx, is_ec ? der : sig.at, (size_t)len, input.at, input.len), 1);
	OPENSSL_free(der);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
}

static void every_algorithm_signs_what_openssl_verifies(void **state)
{
	static const struct {
		enum key_type type;
		enum jws_algorithm asked, algorithm;
	} kinds[] = {
		{ KEY_EC_P256, JWS_BY_KEY_TYPE, JWS_ES256 }, { KEY_EC_P384, JWS_BY_KEY_TYPE, JWS_ES384 },
		{ KEY_EC_P521, JWS_BY_KEY_TYPE, JWS_ES512 }, { KEY_EC_P521, JWS_ES512, JWS_ES512 },
		{ KEY_ED25519, JWS_BY_KEY_TYPE, JWS_EDDSA }, { KEY_RSA_2048, JWS_BY_KEY_TYPE, JWS_RS256 },
		{ KEY_RSA_2048, JWS_RS384, JWS_RS384 },      { KEY_RSA_2048, JWS_RS512, JWS_RS512 },
		{ KEY_RSA_2048, JWS_PS256, JWS_PS256 },      { KEY_RSA_4096, JWS_PS256, JWS_PS256 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct token_key *key = soft_token_key(kinds[i].type);
		json_t *jws = sign(key, kinds[i].asked, "https://ca/acct/1", "{}"), *header = header_of(jws);

		assert_string_equal(json_string_value(json_object_get(header, "alg")), jws_algorithm_name(kinds[i].algorithm));
		assert_string_equal(json_string_value(json_object_get(header, "nonce")), "n0nce");
		assert_string_equal(json_string_value(json_object_get(header, "url")), "https://ca/o");
		assert_string_equal(json_string_value(json_object_get(jws, "payload")), "e30");
		verify(key, jws, kinds[i].algorithm);
		json_decref(header);
		json_decref(jws);
		token_key_free(key);
	}
}

static void an_algorithm_of_another_key_is_refused(void **state)
{
	static const enum jws_algorithm others[] = { JWS_ES384, JWS_RS256, JWS_EDDSA, JWS_ALGORITHM_COUNT };
	struct token_key *key = soft_token_key(KEY_EC_P256);

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		AUTO(buf) struct buf text = BUF_MAX(JWS_MAX);
		const struct jws_header header = { .kid = "k", .nonce = "n", .url = "https://ca/o", .algorithm = others[i] };

		assert_int_equal(jws_sign(key, &header, span_text("{}"), &text, NULL), RC_INPUT);
		assert_int_equal(text.len, 0);
	}
	token_key_free(key);
}

/* RFC 8555, 6.2: "jwk" and "kid" exclude each other. */
static void the_key_is_sent_only_before_there_is_an_account(void **state)
{
	struct token_key *key = soft_token_key(KEY_EC_P256);
	json_t *with = sign(key, JWS_BY_KEY_TYPE, "https://ca/acct/1", ""), *without = sign(key, JWS_BY_KEY_TYPE, NULL, "");
	json_t *with_header = header_of(with), *without_header = header_of(without);

	(void)state;
	assert_non_null(json_object_get(with_header, "kid"));
	assert_null(json_object_get(with_header, "jwk"));
	assert_null(json_object_get(without_header, "kid"));
	assert_string_equal(json_string_value(json_object_get(json_object_get(without_header, "jwk"), "crv")), "P-256");
	/* RFC 8555, 6.3: POST-as-GET has an empty payload. */
	assert_string_equal(json_string_value(json_object_get(with, "payload")), "");
	json_decref(with_header);
	json_decref(without_header);
	json_decref(with);
	json_decref(without);
	token_key_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_algorithm_signs_what_openssl_verifies),
		cmocka_unit_test(an_algorithm_of_another_key_is_refused),
		cmocka_unit_test(the_key_is_sent_only_before_there_is_an_account),
	};

	return cmocka_run_group_tests(tests, soft_token_start, soft_token_stop);
}
