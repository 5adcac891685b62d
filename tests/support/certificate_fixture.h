/* certificate_fixture.h -- a CA, the roots file that has it, a leaf's key, and what that CA signs for it. */
#ifndef HWA_TEST_CERTIFICATE_FIXTURE_H
#define HWA_TEST_CERTIFICATE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "asn1_time.h"
#include "certificate.h"

#define NOW INT64_C(1795521600)
#define DAY INT64_C(86400)

static EVP_PKEY *ca_key, *leaf_key;
static X509 *ca;
static char roots_file[] = "/tmp/hwa-roots-XXXXXX";
static struct roots *roots;
static struct buf spki = BUF_MAX(1024);
static char NAME[] = "dns:amf.example", URI[] = "uri:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b";
static char *NAMES[] = { NAME, URI };
/* A server with a name and nothing else. */
static const struct csr_request PLAIN = { .names = NAMES, .name_count = 1 };
static inline void add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static inline X509 *make(EVP_PKEY *key, const char *common_name, const char *names, int64_t from, int64_t to)
{
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate);

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 0x1234);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0);
	X509_set_issuer_name(certificate, ca ? X509_get_subject_name(ca) : subject);
	asn1_time_put(X509_getm_notBefore(certificate), from);
	asn1_time_put(X509_getm_notAfter(certificate), to);
	X509_set_pubkey(certificate, key);
	if (names)
		add_extension(certificate, NID_subject_alt_name, names);
	else
		add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(certificate, ca_key, EVP_sha256()) > 0);
	return certificate;
}

static inline int start(void **state)
{
	unsigned char *der = NULL;

	(void)state;
	ca_key = EVP_EC_gen("P-256");
	leaf_key = EVP_EC_gen("P-256");
	ca = make(ca_key, "root", NULL, NOW - 100 * DAY, NOW + 100 * DAY);
	int len = i2d_PUBKEY(leaf_key, &der);
	int fd = mkstemp(roots_file);
	FILE *file = fdopen(fd, "w");
	bool failed = buf_append(&spki, span_of(der, (size_t)len), NULL) != RC_OK || PEM_write_X509(file, ca) != 1;
	OPENSSL_free(der);
	return fclose(file) != 0 || failed || roots_new(roots_file, &roots, NULL) != RC_OK ? -1 : 0;
}

static inline int stop(void **state)
{
	(void)state;
	X509_free(ca);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(leaf_key);
	buf_clear(&spki);
	roots_free(roots);
	return unlink(roots_file);
}

static inline void print(X509 *certificate, struct buf *text)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *at;

	PEM_write_bio_X509(bio, certificate);
	long len = BIO_get_mem_data(bio, &at);
	assert_int_equal(buf_append(text, span_of(at, (size_t)len), NULL), RC_OK);
	BIO_free(bio);
}

static inline enum rc judge(struct span pem, int64_t previous, struct certificate_chain *chain, struct err *err)
{
	struct certificate_rules rules = {
		.spki = buf_span(&spki), .asked = &PLAIN, .roots = roots, .now = NOW, .previous_not_after = previous
	};

	return certificate_accept(pem, &rules, chain, err);
}

static inline void good(struct buf *pem)
{
	X509 *leaf = make(leaf_key, "leaf", "DNS:AMF.example", NOW - DAY, NOW + 90 * DAY);

	print(leaf, pem);
	X509_free(leaf);
}

#endif /* HWA_TEST_CERTIFICATE_FIXTURE_H */
