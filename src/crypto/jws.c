/* jws.c -- signs ACME requests with a key in a token. */
#include "jws.h"

#include <jansson.h>
#include <openssl/evp.h>

#include "codec.h"
#include "jwk.h"

AUTO_DEFINE(json, json_t *, json_decref);

/* RFC 7518, 3.1: one algorithm a key type. */
static const struct {
	const char *name;
	enum token_scheme scheme;
	enum token_hash hash;
} ALGORITHMS[KEY_TYPE_COUNT] = {
	[KEY_EC_P256] = { "ES256", TOKEN_ECDSA, TOKEN_SHA256 },
	[KEY_EC_P384] = { "ES384", TOKEN_ECDSA, TOKEN_SHA384 },
	[KEY_RSA_2048] = { "RS256", TOKEN_RSA_PKCS1, TOKEN_SHA256 },
	[KEY_RSA_3072] = { "RS256", TOKEN_RSA_PKCS1, TOKEN_SHA256 },
};

const char *jws_alg_name(enum key_type type)
{
	return type < KEY_TYPE_COUNT ? ALGORITHMS[type].name : "none";
}

static enum rc header_print(struct token_key *key, const struct jws_header *header, struct buf *ret_json, struct err *err)
{
	AUTO(json) json_t *object = json_pack("{s:s, s:s}", "alg", jws_alg_name(key->type), "url", header->url);

	if (object && header->nonce)
		json_object_set_new(object, "nonce", json_string(header->nonce));
	/* RFC 8555, 6.2: exactly one of "jwk" and "kid". */
	if (object && header->kid) {
		json_object_set_new(object, "kid", json_string(header->kid));
	} else if (object) {
		AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
		AUTO(buf) struct buf jwk = BUF_MAX(JWK_MAX);
		enum rc rc = token_public_key(key, &spki, err);

		if (rc == RC_OK)
			rc = jwk_print(buf_span(&spki), &jwk, err);
		if (rc != RC_OK)
			return rc;
		json_object_set_new(object, "jwk", json_loadb((const char *)jwk.at, jwk.len, 0, NULL));
	}
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	enum rc rc = text ? buf_append(ret_json, span_text(text), err) : err_set(err, RC_RESOURCE, "out of memory");
	free(text);
	return rc;
}

/* RFC 7515, 5.1: the signature is over BASE64URL(header) "." BASE64URL(payload). */
static enum rc input_sign(struct token_key *key, struct span input, struct buf *ret_sig, struct err *err)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	const EVP_MD *md = ALGORITHMS[key->type].hash == TOKEN_SHA384 ? EVP_sha384() : EVP_sha256();

	if (EVP_Digest(input.at, input.len, digest, &len, md, NULL) != 1)
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "the hash failed");
	return token_sign(key, ALGORITHMS[key->type].scheme, ALGORITHMS[key->type].hash, span_of(digest, len), ret_sig, err);
}

enum rc jws_sign(struct token_key *key, const struct jws_header *header, struct span payload, struct buf *ret_json,
		 struct err *err)
{
	AUTO(buf) struct buf json = BUF_MAX(JWS_MAX);
	AUTO(buf) struct buf input = BUF_MAX(JWS_MAX);
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	AUTO(buf) struct buf sig_text = BUF_MAX(2 * TOKEN_SIG_MAX);

	if (key->type >= KEY_TYPE_COUNT)
		return err_set(err, RC_INPUT, "this kind of key cannot sign ACME requests");
	enum rc rc = header_print(key, header, &json, err);
	if (rc == RC_OK)
		rc = codec_base64url(buf_span(&json), &input, err);
	size_t protected_len = input.len;
	if (rc == RC_OK)
		rc = buf_append(&input, span_text("."), err);
	if (rc == RC_OK)
		rc = codec_base64url(payload, &input, err);
	if (rc == RC_OK)
		rc = input_sign(key, buf_span(&input), &sig, err);
	if (rc == RC_OK)
		rc = codec_base64url(buf_span(&sig), &sig_text, err);
	if (rc != RC_OK)
		return rc;
	return buf_print(ret_json, err, "{\"protected\":\"%.*s\",\"payload\":\"%s\",\"signature\":\"%s\"}", (int)protected_len,
			 buf_text(&input), buf_text(&input) + protected_len + 1, buf_text(&sig_text));
}
