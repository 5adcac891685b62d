/* made_certificate.h -- a certificate for any public key, signed by a key that nobody keeps; after cmocka. */
#ifndef HWA_TEST_MADE_CERTIFICATE_H
#define HWA_TEST_MADE_CERTIFICATE_H

#include <openssl/ec.h>
#include <openssl/x509.h>

#include "token.h"

/* DER, into an empty buffer; an empty `spki`: of some other key. */
static inline void made_certificate(struct span spki, const char *name, long serial, struct buf *ret_der)
{
	const unsigned char *at = spki.at;
	EVP_PKEY *signer = EVP_EC_gen("P-256"),
		 *subject_key = spki.len ? d2i_PUBKEY(NULL, &at, (long)spki.len) : EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate), *issuer = X509_get_issuer_name(certificate);
	unsigned char *der = NULL;

	assert_non_null(subject_key);
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_NAME_add_entry_by_txt(issuer, "CN", MBSTRING_ASC, (const unsigned char *)"test CA", -1, -1, 0);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	assert_int_equal(X509_set_pubkey(certificate, subject_key), 1);
	assert_true(X509_sign(certificate, signer, EVP_sha256()) > 0);
	int len = i2d_X509(certificate, &der);
	assert_true(len > 0);
	assert_int_equal(buf_append(ret_der, span_of(der, (size_t)len), NULL), RC_OK);
	OPENSSL_free(der);
	X509_free(certificate);
	EVP_PKEY_free(subject_key);
	EVP_PKEY_free(signer);
}

/* Of a key in a token. */
static inline void made_certificate_of(struct token_key *key, const char *name, long serial, struct buf *ret_der)
{
	struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);

	assert_int_equal(token_public_key(key, &spki, NULL), RC_OK);
	made_certificate(buf_span(&spki), name, serial, ret_der);
	buf_clear(&spki);
}

#endif /* HWA_TEST_MADE_CERTIFICATE_H */
