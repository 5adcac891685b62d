/* jwk.c -- prints JSON Web Keys exactly as RFC 7638 hashes them. */
#include "jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "codec.h"

AUTO_DEFINE(pkey, EVP_PKEY *, EVP_PKEY_free);
AUTO_DEFINE(bignum, BIGNUM *, BN_free);

/* One number, base64url; `width` 0: as short as it is (RFC 7518, 6.3.1), else padded (6.2.1.2). */
static enum rc number_print(const EVP_PKEY *pkey, const char *parameter, size_t width, struct buf *ret_text, struct err *err)
{
	AUTO(bignum) BIGNUM *number = NULL;
	uint8_t octets[1024];

	if (EVP_PKEY_get_bn_param(pkey, parameter, &number) != 1)
		return err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "the key has no parameter \"%s\"", parameter);
	size_t len = width ? width : (size_t)BN_num_bytes(number);
	if (len > sizeof(octets) || BN_bn2binpad(number, octets, (int)len) != (int)len)
		return err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "the key's parameter \"%s\" is too long", parameter);
	return codec_base64url(span_of(octets, len), ret_text, err);
}

static enum rc ec_print(const EVP_PKEY *pkey, struct buf *ret_json, struct err *err)
{
	char group[32] = "";
	AUTO(buf) struct buf x = BUF_MAX(JWK_MAX);
	AUTO(buf) struct buf y = BUF_MAX(JWK_MAX);

	EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL);
	bool wide = strcmp(group, "secp384r1") == 0;
	if (!wide && strcmp(group, "prime256v1") != 0)
		return err_set(err, RC_INPUT, "curve \"%s\" has no JWK form here", group);
	enum rc rc = number_print(pkey, OSSL_PKEY_PARAM_EC_PUB_X, wide ? 48 : 32, &x, err);
	if (rc == RC_OK)
		rc = number_print(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, wide ? 48 : 32, &y, err);
	if (rc != RC_OK)
		return rc;
	return buf_print(ret_json, err, "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", wide ? "P-384" : "P-256",
			 buf_text(&x), buf_text(&y));
}

enum rc jwk_print(struct span spki, struct buf *ret_json, struct err *err)
{
	const unsigned char *at = spki.at;
	AUTO(pkey) EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)spki.len);
	AUTO(buf) struct buf n = BUF_MAX(JWK_MAX);
	AUTO(buf) struct buf e = BUF_MAX(JWK_MAX);

	if (!pkey)
		return err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "not a public key");
	if (EVP_PKEY_is_a(pkey, "EC"))
		return ec_print(pkey, ret_json, err);
	if (!EVP_PKEY_is_a(pkey, "RSA"))
		return err_set(err, RC_INPUT, "this kind of key has no JWK form here");
	enum rc rc = number_print(pkey, OSSL_PKEY_PARAM_RSA_N, 0, &n, err);
	if (rc == RC_OK)
		rc = number_print(pkey, OSSL_PKEY_PARAM_RSA_E, 0, &e, err);
	if (rc != RC_OK)
		return rc;
	return buf_print(ret_json, err, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", buf_text(&e), buf_text(&n));
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
