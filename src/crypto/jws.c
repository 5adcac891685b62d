/* jws.c -- signs ACME requests with a key in a token. */
#include "jws.h"

#include <jansson.h>
#include <string.h>

#include "codec.h"
#include "jwk.h"

AUTO_DEFINE(json, json_t *, json_decref);

static enum rc header_print(struct token_key *key, enum jws_algorithm algorithm, const struct jws_header *header,
			    struct buf *ret_json, struct err *err)
{
	AUTO(json) json_t *object = json_pack("{s:s, s:s}", "alg", jws_algorithm_name(algorithm), "url", header->url);

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

/* RFC 7515, 5.1: what is signed is BASE64URL(header) "." BASE64URL(payload). */
static enum rc input_print(struct span header, struct span payload, struct buf *ret_input, struct err *err)
{
	enum rc rc = codec_base64url(header, ret_input, err);

	if (rc == RC_OK)
		rc = buf_append(ret_input, span_text("."), err);
	return rc == RC_OK ? codec_base64url(payload, ret_input, err) : rc;
}

static enum rc flattened_print(const struct buf *input, struct span sig, struct buf *ret_json, struct err *err)
{
	AUTO(buf) struct buf text = BUF_MAX(2 * TOKEN_SIG_MAX);
	const char *dot = strchr(buf_text(input), '.');
	enum rc rc = codec_base64url(sig, &text, err);

	if (rc != RC_OK)
		return rc;
	return buf_print(ret_json, err, "{\"protected\":\"%.*s\",\"payload\":\"%s\",\"signature\":\"%s\"}",
			 (int)(dot - buf_text(input)), buf_text(input), dot + 1, buf_text(&text));
}

enum rc jws_sign(struct token_key *key, const struct jws_header *header, struct span payload, struct buf *ret_json,
		 struct err *err)
{
	AUTO(buf) struct buf json = BUF_MAX(JWS_MAX);
	AUTO(buf) struct buf input = BUF_MAX(JWS_MAX);
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	enum jws_algorithm algorithm = jws_algorithm_for(header->algorithm, key->type);

	if (!jws_algorithm_fits(algorithm, key->type))
		return err_set(err, RC_INPUT, "a key of type %s cannot sign ACME requests this way", key_type_name(key->type));
	enum rc rc = header_print(key, algorithm, header, &json, err);
	if (rc == RC_OK)
		rc = input_print(buf_span(&json), payload, &input, err);
	if (rc == RC_OK)
		rc = token_sign_message(key, jws_algorithm_scheme(algorithm), jws_algorithm_hash(algorithm), buf_span(&input),
					&sig, err);
	return rc == RC_OK ? flattened_print(&input, buf_span(&sig), ret_json, err) : rc;
}

enum rc jws_mac(jws_mac_fn *mac, void *ctx, enum token_hash hash, const char *kid, const char *url, struct span payload,
		struct buf *ret_json, struct err *err)
{
	/* RFC 7518, 3.2; RFC 8555, 7.3.4: "alg" MUST indicate a MAC-based algorithm, and there MUST NOT be a nonce. */
	static const char *const names[] = { [TOKEN_SHA256] = "HS256", [TOKEN_SHA384] = "HS384", [TOKEN_SHA512] = "HS512" };
	AUTO(buf) struct buf input = BUF_MAX(JWS_MAX);
	AUTO(buf) struct buf tag = BUF_MAX(TOKEN_SIG_MAX);
	AUTO(json) json_t *object = json_pack("{s:s, s:s, s:s}", "alg", names[hash], "kid", kid, "url", url);
	AUTO(text) char *header = object ? json_dumps(object, JSON_COMPACT) : NULL;
	enum rc rc = header ? input_print(span_text(header), payload, &input, err) : err_set(err, RC_RESOURCE, "out of memory");

	if (rc == RC_OK)
		rc = mac(ctx, hash, buf_span(&input), &tag, err);
	return rc == RC_OK ? flattened_print(&input, buf_span(&tag), ret_json, err) : rc;
}
