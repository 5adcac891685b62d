/* spki.c -- builds and uses public keys with OpenSSL; no private key is ever seen here. */
#include "spki.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

AUTO_DEFINE(pkey, EVP_PKEY *, EVP_PKEY_free);
AUTO_DEFINE(pkey_ctx, EVP_PKEY_CTX *, EVP_PKEY_CTX_free);
AUTO_DEFINE(param_bld, OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free);
AUTO_DEFINE(params, OSSL_PARAM *, OSSL_PARAM_free);
AUTO_DEFINE(bignum, BIGNUM *, BN_free);
AUTO_DEFINE(ecdsa, ECDSA_SIG *, ECDSA_SIG_free);

static enum rc spki_build(const char *algorithm, OSSL_PARAM *params, struct buf *ret_spki, struct err *err)
{
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
	AUTO(pkey) EVP_PKEY *pkey = NULL;
	unsigned char *der = NULL;

	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return err_set_raw(err, RC_PROTOCOL, ERR_OPENSSL, 0, "the token's public key is not a valid %s key", algorithm);
	int len = i2d_PUBKEY(pkey, &der);
	if (len <= 0)
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "the public key cannot be encoded");
	enum rc rc = buf_append(ret_spki, span_of(der, (size_t)len), err);
	OPENSSL_free(der);
	return rc;
}

enum rc spki_from_ec(enum key_type type, struct span point, struct buf *ret_spki, struct err *err)
{
	const char *group = type == KEY_EC_P384 ? "P-384" : "P-256";

	if (!key_type_is_ec(type))
		return err_set(err, RC_BUG, "%s is no elliptic curve", key_type_name(type));
	/* SEC 1, 2.3.3: OpenSSL would take compressed points and the one at infinity too. */
	if (point.len != 1 + 2 * key_type_bits(type) / 8 || point.at[0] != 0x04)
		return err_set(err, RC_PROTOCOL, "the token's public key is not an uncompressed point of %s", group);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point.at, point.len),
		OSSL_PARAM_construct_end(),
	};

	return spki_build("EC", params, ret_spki, err);
}

enum rc spki_from_rsa(struct span modulus, struct span exponent, struct buf *ret_spki, struct err *err)
{
	if (modulus.len > TOKEN_SIG_MAX || exponent.len > sizeof(uint64_t))
		return err_set(err, RC_PROTOCOL, "the token's RSA key is larger than any of ours");
	AUTO(bignum) BIGNUM *n = BN_bin2bn(modulus.at, (int)modulus.len, NULL);
	AUTO(bignum) BIGNUM *e = BN_bin2bn(exponent.at, (int)exponent.len, NULL);
	AUTO(param_bld) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();

	if (!n || !e || !build || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) != 1)
		return err_set(err, RC_RESOURCE, "out of memory");
	if (BN_num_bits(n) < 2048 || !BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e))
		return err_set(err, RC_PROTOCOL, "the token's public key is not a sound RSA key");
	AUTO(params) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	if (!params)
		return err_set(err, RC_RESOURCE, "out of memory");
	return spki_build("RSA", params, ret_spki, err);
}

static EVP_PKEY *spki_load(struct span spki)
{
	const unsigned char *at = spki.at;
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)spki.len);

	if (pkey && at != spki.at + spki.len) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	return pkey;
}

enum key_type spki_key_type(struct span spki)
{
	AUTO(pkey) EVP_PKEY *pkey = spki_load(spki);
	char group[32] = "";

	if (!pkey)
		return KEY_TYPE_COUNT;
	if (EVP_PKEY_is_a(pkey, "RSA")) {
		int bits = EVP_PKEY_get_bits(pkey);
		return bits == 2048 ? KEY_RSA_2048 : bits == 3072 ? KEY_RSA_3072 : KEY_TYPE_COUNT;
	}
	if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) != 1)
		return KEY_TYPE_COUNT;
	if (strcmp(group, "prime256v1") == 0)
		return KEY_EC_P256;
	return strcmp(group, "secp384r1") == 0 ? KEY_EC_P384 : KEY_TYPE_COUNT;
}

static const EVP_MD *hash_md(enum token_hash hash)
{
	return hash == TOKEN_SHA384 ? EVP_sha384() : hash == TOKEN_SHA512 ? EVP_sha512() : EVP_sha256();
}

/* r || s to the DER that OpenSSL verifies. */
static enum rc ecdsa_der(struct span sig, struct buf *ret_der, struct err *err)
{
	AUTO(ecdsa) ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(sig.at, (int)(sig.len / 2), NULL);
	BIGNUM *s = BN_bin2bn(sig.at + sig.len / 2, (int)(sig.len / 2), NULL);

	if (!pair || !r || !s || ECDSA_SIG_set0(pair, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		return err_set(err, RC_RESOURCE, "out of memory");
	}
	unsigned char *der = NULL;
	int len = i2d_ECDSA_SIG(pair, &der);
	if (len <= 0)
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = buf_append(ret_der, span_of(der, (size_t)len), err);
	OPENSSL_free(der);
	return rc;
}

enum rc spki_verify(struct span spki, enum token_scheme scheme, enum token_hash hash, struct span digest, struct span sig,
		    struct err *err)
{
	AUTO(pkey) EVP_PKEY *pkey = spki_load(spki);
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = pkey ? EVP_PKEY_CTX_new(pkey, NULL) : NULL;
	AUTO(buf) struct buf der = BUF_MAX(TOKEN_SIG_MAX);
	bool fits = ctx && EVP_PKEY_verify_init(ctx) == 1 && EVP_PKEY_CTX_set_signature_md(ctx, hash_md(hash)) == 1;

	if (fits && scheme == TOKEN_ECDSA) {
		enum rc rc = ecdsa_der(sig, &der, err);
		if (rc != RC_OK)
			return rc;
		sig = buf_span(&der);
	} else if (fits && scheme == TOKEN_RSA_PSS) {
		fits = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	} else if (fits) {
		fits = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
	}
	if (!fits)
		return err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "this key cannot make such a signature");
	if (EVP_PKEY_verify(ctx, sig.at, sig.len, digest.at, digest.len) != 1)
		return err_set(err, RC_RETRY, "the token's signature does not verify with the key's public half; it is not used");
	return RC_OK;
}
