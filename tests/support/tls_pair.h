/* tls_pair.h -- a TLS client and a server in one process, over memory, and certificates for keys that are in tokens. */
#ifndef HWA_TEST_TLS_PAIR_H
#define HWA_TEST_TLS_PAIR_H

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "bytes.h"

/* A CA in software, which the server trusts and the server's own certificate is of. */
struct tls_ca {
	EVP_PKEY *key;
	X509 *root;
	const char *usage; /* extended key usage of what it signs; NULL: without */
};

static inline void tls_extend(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static inline X509 *tls_ca_sign(const struct tls_ca *ca, EVP_PKEY *public_half, const char *name)
{
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate);

	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(certificate, ca->root ? X509_get_subject_name(ca->root) : subject);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	X509_set_pubkey(certificate, public_half);
	tls_extend(certificate, NID_basic_constraints, ca->root ? "CA:FALSE" : "critical,CA:TRUE");
	tls_extend(certificate, NID_subject_alt_name, "DNS:localhost");
	if (ca->usage)
		tls_extend(certificate, NID_ext_key_usage, ca->usage);
	assert_true(X509_sign(certificate, ca->key, EVP_sha256()) > 0);
	return certificate;
}

static inline struct tls_ca tls_ca_make(void)
{
	struct tls_ca ca = { .key = EVP_EC_gen("P-256") };

	ca.root = tls_ca_sign(&ca, ca.key, "test CA");
	return ca;
}

static inline void tls_ca_free(struct tls_ca *ca)
{
	X509_free(ca->root);
	EVP_PKEY_free(ca->key);
}

static inline void tls_pem_append(struct buf *pem, X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
	long len = BIO_get_mem_data(bio, &text);
	assert_int_equal(buf_append(pem, span_of(text, (size_t)len), NULL), RC_OK);
	BIO_free(bio);
}

/* The certificate of a key that only its public half is known of, and the CA's, as PEM. */
static inline void tls_chain(const struct tls_ca *ca, struct span spki, struct buf *ret_pem)
{
	const unsigned char *at = spki.at;
	EVP_PKEY *public_half = d2i_PUBKEY(NULL, &at, (long)spki.len);
	X509 *leaf = tls_ca_sign(ca, public_half, "amf");

	tls_pem_append(ret_pem, leaf);
	tls_pem_append(ret_pem, ca->root);
	X509_free(leaf);
	EVP_PKEY_free(public_half);
}

/* With SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, or SSL_VERIFY_NONE: it asks for nothing. */
static inline SSL_CTX *tls_server(const struct tls_ca *ca, int verify)
{
	SSL_CTX *server = SSL_CTX_new(TLS_server_method());

	assert_int_equal(SSL_CTX_use_certificate(server, ca->root), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(server, ca->key), 1);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(server), ca->root);
	SSL_CTX_set_verify(server, verify, NULL);
	SSL_CTX_set_session_id_context(server, (const unsigned char *)"test", 4); /* or a client that resumes is refused */
	return server;
}

struct tls_pair {
	SSL *client, *server;
};

static inline struct tls_pair tls_pair_make(SSL_CTX *client, SSL_CTX *server, int version)
{
	struct tls_pair pair = { SSL_new(client), SSL_new(server) };
	BIO *near, *far;

	assert_int_equal(BIO_new_bio_pair(&near, 0, &far, 0), 1);
	SSL_set_bio(pair.client, near, near);
	SSL_set_bio(pair.server, far, far);
	SSL_set_connect_state(pair.client);
	SSL_set_accept_state(pair.server);
	SSL_set_min_proto_version(pair.client, version);
	SSL_set_max_proto_version(pair.client, version);
	return pair;
}

static inline void tls_pair_free(struct tls_pair *pair)
{
	SSL_free(pair->client);
	SSL_free(pair->server);
}

/* True: the server has finished and heard a byte.  What it says after its own end, an alert too, the client has read. */
static inline bool tls_pair_shake(const struct tls_pair *pair)
{
	char byte;
	int heard = 0;

	for (int i = 0; i < 20 && heard != 1; i++) {
		if (SSL_do_handshake(pair->client) == 1)
			SSL_write(pair->client, "x", 1);
		if (SSL_do_handshake(pair->server) == 1)
			heard = SSL_read(pair->server, &byte, 1);
		SSL_read(pair->client, &byte, 1);
	}
	return heard == 1;
}

#endif /* HWA_TEST_TLS_PAIR_H */
