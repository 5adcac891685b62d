/* csr.c -- a certificate request whose signature comes from a token; no engine and no provider. */
#include "csr.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "nf_profile.h"
#include "public_key.h"
#include "subject_name.h"

AUTO_DEFINE(request, X509_REQ *, X509_REQ_free);
AUTO_DEFINE(algor, X509_ALGOR *, X509_ALGOR_free);
AUTO_DEFINE(ecdsa, ECDSA_SIG *, ECDSA_SIG_free);
AUTO_DEFINE(names, GENERAL_NAMES *, GENERAL_NAMES_free);

static void extensions_free(STACK_OF(X509_EXTENSION) * extensions)
{
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}
AUTO_DEFINE(extensions, STACK_OF(X509_EXTENSION) *, extensions_free);

static enum rc out_of_memory(struct err *err)
{
	return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "out of memory");
}

/* An NF instance and its URI, both configured, are one name in the request. */
static bool is_there(const GENERAL_NAMES *names, const char *name)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		if (subject_name_is(sk_GENERAL_NAME_value(names, i), name))
			return true;
	return false;
}

static enum rc name_add(GENERAL_NAMES *names, const char *name, struct err *err)
{
	GENERAL_NAME *general = NULL;
	enum rc rc = is_there(names, name) ? RC_OK : subject_name_make(name, &general, err);

	if (rc == RC_OK && general && !sk_GENERAL_NAME_push(names, general)) {
		GENERAL_NAME_free(general);
		return out_of_memory(err);
	}
	return rc;
}

static enum rc add_names(const struct csr_request *asked, STACK_OF(X509_EXTENSION) * *extensions, struct err *err)
{
	AUTO(names) GENERAL_NAMES *names = GENERAL_NAMES_new();

	if (!names)
		return out_of_memory(err);
	for (unsigned i = 0; i < asked->name_count; i++) {
		if (strncmp(asked->names[i], "uri:", 4) == 0 && !csr_request_asks(asked, ASK_URI))
			continue;
		enum rc rc = name_add(names, asked->names[i], err);
		if (rc != RC_OK)
			return rc;
	}
	if (X509V3_add1_i2d(extensions, NID_subject_alt_name, names, asked->is_nf, X509V3_ADD_DEFAULT) != 1)
		return out_of_memory(err);
	return RC_OK;
}

static enum rc add_extensions(X509_REQ *request, const struct csr_request *asked, struct err *err)
{
	AUTO(extensions) STACK_OF(X509_EXTENSION) *extensions = NULL;
	enum rc rc = add_names(asked, &extensions, err);

	if (rc == RC_OK)
		rc = nf_profile_add_extensions(asked, &extensions, err);
	if (rc == RC_OK && X509_REQ_add_extensions(request, extensions) != 1)
		rc = out_of_memory(err);
	return rc;
}

/* RSA has NULL parameters (RFC 4055, 5), ECDSA and Ed25519 none (RFC 5758, 3.2;
 * RFC 8410, 3: one identifier for the key and its signature). */
static bool set_algorithm(X509_REQ *request, enum key_type type)
{
	static const int keys[] = { [FAMILY_RSA] = EVP_PKEY_RSA, [FAMILY_EC] = EVP_PKEY_EC, [FAMILY_ED25519] = EVP_PKEY_ED25519 };
	AUTO(algor) X509_ALGOR *algorithm = X509_ALGOR_new();
	const char *hash = token_hash_name(key_type_hash(type));
	int key = keys[key_type_family(type)], signature = key;
	int parameters = key_type_family(type) == FAMILY_RSA ? V_ASN1_NULL : V_ASN1_UNDEF;

	return algorithm && (!hash || OBJ_find_sigid_by_algs(&signature, OBJ_txt2nid(hash), key) == 1) &&
	       X509_ALGOR_set0(algorithm, OBJ_nid2obj(signature), parameters, NULL) == 1 &&
	       X509_REQ_set1_signature_algo(request, algorithm) == 1;
}

/* RFC 5480, A: an ECDSA signature in a certificate request is DER; a token gives r || s. */
static enum rc sig_der(struct span pair, struct buf *ret_der, struct err *err)
{
	AUTO(ecdsa) ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(pair.at, (int)(pair.len / 2), NULL);
	BIGNUM *s = BN_bin2bn(pair.at + pair.len / 2, (int)(pair.len / 2), NULL);
	unsigned char *der = NULL;

	if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		return out_of_memory(err);
	}
	int len = i2d_ECDSA_SIG(sig, &der);
	enum rc rc = len > 0 ? buf_append(ret_der, span_of(der, (size_t)len), err) : out_of_memory(err);
	OPENSSL_free(der);
	return rc;
}

static enum rc set_signature(X509_REQ *request, struct span sig, struct err *err)
{
	ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();

	if (!bits || ASN1_STRING_set(bits, sig.at, (int)sig.len) != 1) {
		ASN1_BIT_STRING_free(bits);
		return out_of_memory(err);
	}
	/* Without this flag trailing zero bits are cut, and one request in 256 is broken. */
	bits->flags = (bits->flags & ~(ASN1_STRING_FLAG_BITS_LEFT | 7)) | ASN1_STRING_FLAG_BITS_LEFT;
	X509_REQ_set0_signature(request, bits);
	return RC_OK;
}

/* The signature is of these very bytes, and was verified (token.h). */
static enum rc request_sign(X509_REQ *request, struct token_key *key, struct err *err)
{
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	AUTO(buf) struct buf der = BUF_MAX(TOKEN_SIG_MAX + 16);
	enum token_scheme scheme = key_type_scheme(key->type);
	unsigned char *tbs = NULL;
	int len = set_algorithm(request, key->type) ? i2d_re_X509_REQ_tbs(request, &tbs) : -1;

	if (len <= 0)
		return out_of_memory(err);
	enum rc rc = token_sign_message(key, scheme, key_type_hash(key->type), span_of(tbs, (size_t)len), &sig, err);
	OPENSSL_free(tbs);
	if (rc == RC_OK)
		rc = scheme == TOKEN_ECDSA ? sig_der(buf_span(&sig), &der, err) : buf_append(&der, buf_span(&sig), err);
	return rc == RC_OK ? set_signature(request, buf_span(&der), err) : rc;
}

static bool set_ec_key(X509_PUBKEY *place, enum key_type type, struct span point)
{
	ASN1_OBJECT *curve = OBJ_txt2obj(key_type_group(type), 0);
	uint8_t *bits = OPENSSL_memdup(point.at, point.len);

	if (curve && bits &&
	    X509_PUBKEY_set0_param(place, OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT, curve, bits, (int)point.len) == 1)
		return true;
	ASN1_OBJECT_free(curve);
	OPENSSL_free(bits);
	return false;
}

/* Written as it is: X509_REQ_set_pubkey() encodes and decodes it again, which costs more than all else that is done here. */
static bool set_key(X509_REQ *request, struct span spki)
{
	X509_PUBKEY *place = X509_REQ_get_X509_PUBKEY(request);
	const unsigned char *at = spki.at;
	struct span point;
	enum key_type type = public_key_ec_point(spki, &point);

	if (type != KEY_TYPE_COUNT)
		return set_ec_key(place, type, point);
	return d2i_X509_PUBKEY(&place, &at, (long)spki.len) != NULL;
}

enum rc csr_make(struct token_key *key, const struct csr_request *asked, struct buf *ret_der, struct err *err)
{
	AUTO(request) X509_REQ *request = X509_REQ_new();
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	unsigned char *der = NULL;
	enum rc rc = token_public_key(key, &spki, err);

	if (rc != RC_OK)
		return rc;
	if (!request || !set_key(request, buf_span(&spki)) || X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1)
		return out_of_memory(err);
	rc = nf_profile_add_subject(asked, X509_REQ_get_subject_name(request), err);
	if (rc == RC_OK)
		rc = add_extensions(request, asked, err);
	if (rc == RC_OK)
		rc = request_sign(request, key, err);
	if (rc != RC_OK)
		return rc;
	int len = i2d_X509_REQ(request, &der);
	rc = len > 0 ? buf_append(ret_der, span_of(der, (size_t)len), err) : out_of_memory(err);
	OPENSSL_free(der);
	return rc;
}
