/* jws_test.c -- a JWS signed in a real token is what RFC 8555 asks for, and verifies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <openssl/evp.h>
#include <string.h>

#include "codec.h"
#include "jws.h"
#include "soft_token.h"
#include "spki.h"

static json_t *header_of(json_t *jws)
{
	AUTO(buf) struct buf text = BUF_MAX(8192);

	assert_int_equal(codec_base64url_decode(json_string_value(json_object_get(jws, "protected")), &text, NULL), RC_OK);
	json_t *header = json_loads(buf_text(&text), 0, NULL);
	assert_non_null(header);
	return header;
}

static json_t *sign(struct token_key *key, const char *kid, const char *payload)
{
	AUTO(buf) struct buf text = BUF_MAX(JWS_MAX);
	const struct jws_header header = { .kid = kid, .nonce = "n0nce", .url = "https://ca/o" };

	assert_int_equal(jws_sign(key, &header, span_text(payload), &text, NULL), RC_OK);
	json_t *jws = json_loads(buf_text(&text), 0, NULL);
	assert_non_null(jws);
	assert_int_equal(json_object_size(jws), 3);
	return jws;
}

static void verify(struct token_key *key, json_t *jws, enum token_scheme scheme, enum token_hash hash, const char *digest_name)
{
	AUTO(buf) struct buf input = BUF_MAX(JWS_MAX);
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	uint8_t digest[EVP_MAX_MD_SIZE];
	size_t len = 0;

	assert_int_equal(buf_print(&input, NULL, "%s.%s", json_string_value(json_object_get(jws, "protected")),
				   json_string_value(json_object_get(jws, "payload"))),
			 RC_OK);
	assert_int_equal(codec_base64url_decode(json_string_value(json_object_get(jws, "signature")), &sig, NULL), RC_OK);
	assert_int_equal(EVP_Q_digest(NULL, digest_name, NULL, input.at, input.len, digest, &len), 1);
	assert_int_equal(token_public_key(key, &spki, NULL), RC_OK);
	assert_int_equal(spki_verify(buf_span(&spki), scheme, hash, span_of(digest, len), buf_span(&sig), NULL), RC_OK);
}

static void each_kind_of_key_has_its_algorithm(void **state)
{
	static const struct {
		enum key_type type;
		const char *alg, *digest;
		enum token_scheme scheme;
		enum token_hash hash;
	} kinds[] = {
		{ KEY_EC_P256, "ES256", "SHA256", TOKEN_ECDSA, TOKEN_SHA256 },
		{ KEY_EC_P384, "ES384", "SHA384", TOKEN_ECDSA, TOKEN_SHA384 },
		{ KEY_RSA_2048, "RS256", "SHA256", TOKEN_RSA_PKCS1, TOKEN_SHA256 },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct token_key *key = soft_token_key(kinds[i].type);
		json_t *jws = sign(key, "https://ca/acct/1", "{}"), *header = header_of(jws);

		assert_string_equal(json_string_value(json_object_get(header, "alg")), kinds[i].alg);
		assert_string_equal(json_string_value(json_object_get(header, "nonce")), "n0nce");
		assert_string_equal(json_string_value(json_object_get(header, "url")), "https://ca/o");
		assert_string_equal(json_string_value(json_object_get(jws, "payload")), "e30");
		verify(key, jws, kinds[i].scheme, kinds[i].hash, kinds[i].digest);
		json_decref(header);
		json_decref(jws);
		token_key_free(key);
	}
}

/* RFC 8555, 6.2: "jwk" and "kid" exclude each other. */
static void the_key_is_sent_only_before_there_is_an_account(void **state)
{
	struct token_key *key = soft_token_key(KEY_EC_P256);
	json_t *with = sign(key, "https://ca/acct/1", ""), *without = sign(key, NULL, "");
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
		cmocka_unit_test(each_kind_of_key_has_its_algorithm),
		cmocka_unit_test(the_key_is_sent_only_before_there_is_an_account),
	};

	return cmocka_run_group_tests(tests, soft_token_start, soft_token_stop);
}
