/* spki.c -- builds and uses public keys with OpenSSL; no private key is ever seen here. */
#include "spki.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "public_key.h"

AUTO_DEFINE(pkey, EVP_PKEY *, EVP_PKEY_free);
AUTO_DEFINE(md_ctx, EVP_MD_CTX *, EVP_MD_CTX_free);
AUTO_DEFINE(pkey_ctx, EVP_PKEY_CTX *, EVP_PKEY_CTX_free);
AUTO_DEFINE(param_bld, OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free);
AUTO_DEFINE(params, OSSL_PARAM *, OSSL_PARAM_free);
AUTO_DEFINE(bignum, BIGNUM *, BN_free);
AUTO_DEFINE(ecdsa, ECDSA_SIG *, ECDSA_SIG_free);

static enum rc spki_encode(const EVP_PKEY *pkey, struct buf *ret_spki, struct err *err)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(pkey, &der);

	if (len <= 0)
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "the public key cannot be encoded");
	enum rc rc = buf_append(ret_spki, span_of(der, (size_t)len), err);
	OPENSSL_free(der);
	return rc;
}

static EVP_PKEY *rsa_build(OSSL_PARAM *params)
{
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *pkey = NULL;

	return ctx && EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1 ? pkey
															  : NULL;
}

static enum rc key_unsound(const char *algorithm, struct err *err)
{
	return err_set_raw(err, RC_PROTOCOL, ERR_OPENSSL, 0, "the token's public key is not a valid %s key", algorithm);
}

/* SEC 1, 2.3.3: OpenSSL would take compressed points and the one at infinity too. */
static bool is_ec_point(enum key_type type, struct span point)
{
	return point.len == 1 + 2 * key_type_width(type) && point.at[0] == 0x04;
}

enum rc spki_from_ec(enum key_type type, struct span point, struct buf *ret_spki, struct err *err)
{
	if (key_type_family(type) != FAMILY_EC)
		return err_set(err, RC_BUG, "%s is no elliptic curve", key_type_name(type));
	if (!is_ec_point(type, point))
		return err_set(err, RC_PROTOCOL, "the token's public key is not an uncompressed point of %s", key_type_crv(type));
	AUTO(pkey) EVP_PKEY *pkey = public_key_from_ec(type, point);
	if (!pkey)
		return key_unsound("EC", err);
	enum rc rc = public_key_ec_head(type, ret_spki, err);
	return rc == RC_OK ? buf_append(ret_spki, point, err) : rc;
}

void spki_prepare(void)
{
	static const uint8_t no_point[65] = { 0x04 };
	uint8_t digest[EVP_MAX_MD_SIZE], number[1];

	/* None can fail in a way that matters here: whoever needs it tries again, and is told. */
	(void)!EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL);
	(void)!RAND_bytes(number, sizeof(number));
	EVP_PKEY_free(public_key_from_ec(KEY_EC_P256, SPAN(no_point)));
	ERR_clear_error();
}

enum rc spki_from_ed25519(struct span point, struct buf *ret_spki, struct err *err)
{
	AUTO(pkey) EVP_PKEY *pkey = NULL;

	if (point.len == key_type_width(KEY_ED25519))
		pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point.at, point.len);
	if (!pkey)
		return err_set_raw(err, RC_PROTOCOL, ERR_OPENSSL, 0, "the token's public key is not a valid Ed25519 key");
	return spki_encode(pkey, ret_spki, err);
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
	AUTO(pkey) EVP_PKEY *pkey = rsa_build(params);
	return pkey ? spki_encode(pkey, ret_spki, err) : key_unsound("RSA", err);
}

static bool is_of_type(const EVP_PKEY *pkey, enum key_type type)
{
	char group[32] = "";

	switch (key_type_family(type)) {
	case FAMILY_RSA: return EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) == (int)key_type_bits(type);
	case FAMILY_EC:
		return EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 &&
		       strcmp(group, key_type_group(type)) == 0;
	case FAMILY_ED25519: return EVP_PKEY_is_a(pkey, key_type_group(type));
	}
	return false;
}

enum key_type spki_key_type(struct span spki)
{
	AUTO(pkey) EVP_PKEY *pkey = public_key_load(spki);

	for (int type = 0; pkey && type < KEY_TYPE_COUNT; type++)
		if (is_of_type(pkey, (enum key_type)type))
			return (enum key_type)type;
	return KEY_TYPE_COUNT;
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

static enum rc signature_refused(struct err *err)
{
	return err_set(err, RC_RETRY, "the token's signature does not verify with the key's public half; it is not used");
}

static enum rc signature_unfit(struct err *err)
{
	return err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "this key cannot make such a signature");
}

/* RFC 8032, 5.1.7: over the message; there is no digest to hand over. */
static enum rc eddsa_verify(EVP_PKEY *pkey, struct span message, struct span sig, struct err *err)
{
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!EVP_PKEY_is_a(pkey, "ED25519") || !ctx || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) != 1)
		return signature_unfit(err);
	return EVP_DigestVerify(ctx, sig.at, sig.len, message.at, message.len) == 1 ? RC_OK : signature_refused(err);
}

struct spki_key {
	EVP_PKEY *pkey;
};

enum rc spki_key_load(struct span spki, struct spki_key **ret_key, struct err *err)
{
	struct spki_key *key = calloc(1, sizeof(*key));

	if (!key)
		return err_set(err, RC_RESOURCE, "out of memory");
	key->pkey = public_key_load(spki);
	if (!key->pkey) {
		free(key);
		return err_set_raw(err, RC_PROTOCOL, ERR_OPENSSL, 0, "its public key is none that OpenSSL knows");
	}
	*ret_key = key;
	return RC_OK;
}

void spki_key_free(struct spki_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

enum rc spki_key_verify(const struct spki_key *key, enum token_scheme scheme, enum token_hash hash, struct span input,
			struct span sig, struct err *err)
{
	if (scheme == TOKEN_EDDSA)
		return eddsa_verify(key->pkey, input, sig, err);
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
	AUTO(buf) struct buf der = BUF_MAX(TOKEN_SIG_MAX);
	const EVP_MD *md = hash == TOKEN_HASH_NONE ? NULL : EVP_get_digestbyname(token_hash_name(hash));
	bool fits = ctx && md && EVP_PKEY_verify_init(ctx) == 1 && EVP_PKEY_CTX_set_signature_md(ctx, md) == 1;

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
		return signature_unfit(err);
	return EVP_PKEY_verify(ctx, sig.at, sig.len, input.at, input.len) == 1 ? RC_OK : signature_refused(err);
}

enum rc spki_verify(struct span spki, enum token_scheme scheme, enum token_hash hash, struct span input, struct span sig,
		    struct err *err)
{
	AUTO(spki_key) struct spki_key *key = NULL;

	if (spki_key_load(spki, &key, NULL) != RC_OK)
		return signature_unfit(err);
	return spki_key_verify(key, scheme, hash, input, sig, err);
}
