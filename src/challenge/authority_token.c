/* authority_token.c -- reads and asks for authority tokens. */
#include "authority_token.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "codec.h"
#include "fingerprint.h"

AUTO_DEFINE(json, json_t *, json_decref);

enum rc authority_fingerprint(const char *thumbprint, char ret_text[128], struct err *err)
{
	AUTO(buf) struct buf digest = BUF_MAX(FINGERPRINT_LEN);
	enum rc rc = codec_base64url_decode(thumbprint, &digest, err);

	if (rc == RC_RESOURCE)
		return rc;
	if (rc != RC_OK || digest.len != FINGERPRINT_LEN)
		return err_set(err, RC_BUG, "the thumbprint of the account key is not a SHA-256");
	/* RFC 9448, 5.4, and its example: the hash's name, a space, octets in upper-case hex with colons between. */
	size_t used = (size_t)snprintf(ret_text, 128, "SHA256 ");
	for (size_t i = 0; i < digest.len; i++)
		used += (size_t)snprintf(ret_text + used, 128 - used, "%s%02X", i ? ":" : "", digest.at[i]);
	return RC_OK;
}

enum rc authority_request_print(const struct authority_claims *claims, struct buf *ret_json, struct err *err)
{
	/* RFC 9447, 5.1: "the key "atc", colon, and its value"; ca is left out, which withholds it (4). */
	AUTO(json)
	json_t *object = json_pack("{s:{s:s, s:s, s:s}}", "atc", "tktype", claims->type, "tkvalue", claims->value, "fingerprint",
				   claims->fingerprint);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	enum rc rc = text ? buf_append(ret_json, span_text(text), err) : err_set(err, RC_RESOURCE, "out of memory");

	free(text);
	return rc;
}

enum rc authority_answer_parse(struct span json, struct buf *ret_token, struct err *err)
{
	AUTO(json) json_t *object = json_loadb(json.at ? (const char *)json.at : "", json.len, JSON_REJECT_DUPLICATES, NULL);
	const char *token = json_string_value(json_object_get(object, "token"));

	if (!token)
		return err_set(err, RC_RETRY, "the answer has no \"token\" (RFC 9448, 5.5)");
	return buf_append(ret_token, span_text(token), err);
}

static enum rc no_token(struct err *err, const char *why)
{
	return err_set(err, RC_INPUT, "what was given is not an authority token: %s", why);
}

/* One part of a JWT (RFC 7519, 7.2), as JSON. */
static enum rc part_read(const char *at, size_t len, json_t **ret_object, struct err *err)
{
	AUTO(buf) struct buf text = BUF_MAX(CHALLENGE_TOKEN_MAX);
	AUTO(buf) struct buf plain = BUF_MAX(CHALLENGE_TOKEN_MAX);
	enum rc rc = buf_append(&text, span_of(at, len), err);

	if (rc == RC_OK)
		rc = codec_base64url_decode(buf_text(&text), &plain, err);
	if (rc == RC_RESOURCE)
		return rc;
	if (rc != RC_OK || len == 0)
		return no_token(err, "a part of it is not base64url");
	json_t *object = json_loadb((const char *)plain.at, plain.len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(object)) {
		json_decref(object);
		return no_token(err, "a part of it is not a JSON object");
	}
	*ret_object = object;
	return RC_OK;
}

static enum rc jwt_read(const char *token, json_t **ret_header, json_t **ret_claims, struct err *err)
{
	const char *first = strchr(token, '.'), *second = first ? strchr(first + 1, '.') : NULL;

	if (strlen(token) >= CHALLENGE_TOKEN_MAX)
		return no_token(err, "it is too long");
	if (!second || strchr(second + 1, '.') || !codec_is_base64url(second + 1))
		return no_token(err, "a JWT has three parts with two dots between them, the last its signature");
	enum rc rc = part_read(token, (size_t)(first - token), ret_header, err);
	return rc == RC_OK ? part_read(first + 1, (size_t)(second - first - 1), ret_claims, err) : rc;
}

static enum rc header_check(const json_t *header, struct err *err)
{
	const char *algorithm = json_string_value(json_object_get(header, "alg"));

	if (!algorithm || strcasecmp(algorithm, "none") == 0)
		return no_token(err, "it is not signed");
	return RC_OK;
}

/* RFC 9447, 4: tktype, tkvalue and fingerprint are mandatory, ca is not and means no when it is absent. */
static enum rc atc_check(const json_t *atc, const struct authority_claims *claims, struct err *err)
{
	const char *type = json_string_value(json_object_get(atc, "tktype"));
	const char *value = json_string_value(json_object_get(atc, "tkvalue"));
	const char *fingerprint = json_string_value(json_object_get(atc, "fingerprint"));
	const json_t *ca = json_object_get(atc, "ca");

	if (!type || strcmp(type, claims->type) != 0)
		return err_set(err, RC_INPUT, "the authority token is for a tktype of \"%.40s\", not %s", type ? type : "",
			       claims->type);
	/* TS 29.571, 5.3.2: case does not tell UUIDs apart. */
	if (!value || strcasecmp(value, claims->value) != 0)
		return err_set(err, RC_INPUT, "the authority token is for \"%.80s\", not %s", value ? value : "", claims->value);
	if (!fingerprint || strcasecmp(fingerprint, claims->fingerprint) != 0)
		return err_set(err, RC_INPUT,
			       "the authority token is bound to another ACME account; its fingerprint has to be \"%s\"",
			       claims->fingerprint);
	if (ca && !json_is_false(ca))
		return err_set(err, RC_INPUT, "the authority token allows a CA certificate, which no NF has");
	return RC_OK;
}

enum rc authority_token_check(const char *token, const struct authority_claims *claims, int64_t now, int64_t *ret_expires_at,
			      struct err *err)
{
	AUTO(json) json_t *header = NULL;
	AUTO(json) json_t *body = NULL;
	enum rc rc = jwt_read(token, &header, &body, err);

	if (rc == RC_OK)
		rc = header_check(header, err);
	if (rc != RC_OK)
		return rc;
	/* RFC 9447, 4: exp and jti MUST be there. */
	const json_t *expires = json_object_get(body, "exp"), *starts = json_object_get(body, "nbf");
	const char *id = json_string_value(json_object_get(body, "jti"));
	if (!json_is_number(expires) || json_number_value(expires) < 0 || json_number_value(expires) > 1e12)
		return no_token(err, "it has no \"exp\"");
	if (!id || !id[0])
		return no_token(err, "it has no \"jti\"");
	int64_t expires_at = (int64_t)json_number_value(expires);
	if (expires_at < now + AUTHORITY_TOKEN_MARGIN)
		return err_set(err, RC_INPUT, "the authority token has expired, or will within %d s", AUTHORITY_TOKEN_MARGIN);
	if (json_is_number(starts) && json_number_value(starts) > (double)now + AUTHORITY_TOKEN_MARGIN)
		return err_set(err, RC_INPUT, "the authority token is not valid yet; is the clock right?");
	rc = atc_check(json_object_get(body, "atc"), claims, err);
	if (rc == RC_OK)
		*ret_expires_at = expires_at;
	return rc;
}
