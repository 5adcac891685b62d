/* jwk.c -- prints JSON Web Keys exactly as RFC 7638 hashes them. */
#include "jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "codec.h"
#include "public_key.h"

AUTO_DEFINE(pkey, EVP_PKEY *, EVP_PKEY_free);
AUTO_DEFINE(bignum, BIGNUM *, BN_free);

/* One number, base64url, as short as it is (RFC 7518, 6.3.1). */
static enum rc number_print(const EVP_PKEY *pkey, const char *parameter, struct buf *ret_text, struct err *err)
{
	AUTO(bignum) BIGNUM *number = NULL;
	uint8_t octets[1024];

	if (EVP_PKEY_get_bn_param(pkey, parameter, &number) != 1)
		return err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "the key has no parameter \"%s\"", parameter);
	int len = BN_num_bytes(number);
	if ((size_t)len > sizeof(octets) || BN_bn2binpad(number, octets, len) != len)
		return err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "the key's parameter \"%s\" is too long", parameter);
	return codec_base64url(span_of(octets, (size_t)len), ret_text, err);
}

/* RFC 7518, 6.2.1.2: both coordinates whole, as they stand in the point behind its first octet. */
static enum rc ec_print(enum key_type type, struct span point, struct buf *ret_json, struct err *err)
{
	AUTO(buf) struct buf x = BUF_MAX(JWK_MAX);
	AUTO(buf) struct buf y = BUF_MAX(JWK_MAX);
	size_t width = key_type_width(type);
	enum rc rc = codec_base64url(span_of(point.at + 1, width), &x, err);

	if (rc == RC_OK)
		rc = codec_base64url(span_of(point.at + 1 + width, width), &y, err);
	if (rc != RC_OK)
		return rc;
	return buf_print(ret_json, err, "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", key_type_crv(type),
			 buf_text(&x), buf_text(&y));
}

/* RFC 8037, 2: an octet key pair. */
static enum rc okp_print(const EVP_PKEY *pkey, struct buf *ret_json, struct err *err)
{
	AUTO(buf) struct buf x = BUF_MAX(JWK_MAX);
	uint8_t octets[32];
	size_t len = sizeof(octets);

	if (EVP_PKEY_get_raw_public_key(pkey, octets, &len) != 1 || len != sizeof(octets))
		return err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "the Ed25519 key has no public half");
	enum rc rc = codec_base64url(SPAN(octets), &x, err);
	if (rc != RC_OK)
		return rc;
	return buf_print(ret_json, err, "{\"crv\":\"%s\",\"kty\":\"OKP\",\"x\":\"%s\"}", key_type_crv(KEY_ED25519), buf_text(&x));
}

static enum rc rsa_print(const EVP_PKEY *pkey, struct buf *ret_json, struct err *err)
{
	AUTO(buf) struct buf n = BUF_MAX(JWK_MAX);
	AUTO(buf) struct buf e = BUF_MAX(JWK_MAX);
	enum rc rc = number_print(pkey, OSSL_PKEY_PARAM_RSA_N, &n, err);

	if (rc == RC_OK)
		rc = number_print(pkey, OSSL_PKEY_PARAM_RSA_E, &e, err);
	if (rc != RC_OK)
		return rc;
	return buf_print(ret_json, err, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", buf_text(&e), buf_text(&n));
}

enum rc jwk_print(struct span spki, struct buf *ret_json, struct err *err)
{
	AUTO(pkey) EVP_PKEY *pkey = public_key_load(spki);
	struct span point;

	if (!pkey)
		return err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "not a public key");
	if (EVP_PKEY_is_a(pkey, "RSA"))
		return rsa_print(pkey, ret_json, err);
	if (EVP_PKEY_is_a(pkey, "ED25519"))
		return okp_print(pkey, ret_json, err);
	enum key_type curve = public_key_ec_point(spki, &point);
	if (curve == KEY_TYPE_COUNT)
		return err_set(err, RC_INPUT, "this kind of key has no JWK form here");
	return ec_print(curve, point, ret_json, err);
}

enum rc jwk_thumbprint(struct span spki, struct buf *ret_text, struct err *err)
{
	AUTO(buf) struct buf json = BUF_MAX(JWK_MAX);
	uint8_t digest[32];
	enum rc rc = jwk_print(spki, &json, err);

	if (rc != RC_OK)
		return rc;
	if (EVP_Digest(json.at, json.len, digest, NULL, EVP_sha256(), NULL) != 1)
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "SHA-256 failed");
	return codec_base64url(SPAN(digest), ret_text, err);
}
