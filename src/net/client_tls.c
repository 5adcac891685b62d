/* client_tls.c -- loads the client certificate for each connection, and understands how servers refuse one. */
#include "client_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define CHAIN_LENGTH_MAX 10 /* certificates */
#define TITLE            "<title>"

AUTO_DEFINE(x509, X509 *, X509_free);
AUTO_DEFINE(pkey, EVP_PKEY *, EVP_PKEY_free);
AUTO_DEFINE(bio, BIO *, BIO_free_all);

static void chain_free(STACK_OF(X509) * chain)
{
	sk_X509_pop_free(chain, X509_free);
}
AUTO_DEFINE(chain, STACK_OF(X509) *, chain_free);

static void credential_clear(struct http_credential *credential)
{
	buf_clear(&credential->chain);
	buf_clear(&credential->spki);
}
AUTO_DEFINE_VALUE(credential, struct http_credential, credential_clear);

/* How an operator calls the option, with what is written there. */
static enum rc unfit(const struct http_credential *credential, struct err *err, const char *why)
{
	return err_set(err, RC_INPUT, "client-certificate %s: %s", credential->name, why);
}

/* CERTIFICATE blocks and nothing else: above all, no key. */
static enum rc chain_read(const struct http_credential *credential, STACK_OF(X509) * chain, struct err *err)
{
	AUTO(bio) BIO *bio = BIO_new_mem_buf(credential->chain.at, (int)credential->chain.len);
	char *name, *header;
	unsigned char *der;
	long len;

	while (bio && PEM_read_bio(bio, &name, &header, &der, &len) == 1) {
		const unsigned char *at = der;
		bool is_certificate = strcmp(name, PEM_STRING_X509) == 0 && !header[0];
		bool is_key = strstr(name, "PRIVATE KEY") != NULL;
		AUTO(x509) X509 *certificate = is_certificate ? d2i_X509(NULL, &at, len) : NULL;

		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)len);
		if (is_key)
			return unfit(credential, err,
				     "there is a private key among the certificates; take it out, keys are in tokens here");
		if (!certificate)
			return unfit(credential, err, "not all of it is certificates in PEM");
		if (sk_X509_num(chain) == CHAIN_LENGTH_MAX)
			return unfit(credential, err, "more than 10 certificates");
		if (sk_X509_push(chain, certificate) <= 0)
			return err_set(err, RC_RESOURCE, "out of memory");
		(void)TAKE(certificate);
	}
	ERR_clear_error();
	return sk_X509_num(chain) > 0 ? RC_OK : unfit(credential, err, "no certificate in PEM, the client's own first");
}

static enum rc key_compare(const struct http_credential *credential, X509 *leaf, EVP_PKEY **ret_public, struct err *err)
{
	const unsigned char *at = credential->spki.at;
	AUTO(pkey) EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)credential->spki.len);
	char list[256];

	if (!key)
		return unfit(credential, err, "its key's public half is none that OpenSSL knows");
	signing_key_algorithms(credential->type, list, sizeof(list));
	if (!list[0])
		return unfit(credential, err, "its key is of a type that is not used for TLS here; use an EC or RSA key");
	if (EVP_PKEY_eq(X509_get0_pubkey(leaf), key) != 1)
		return unfit(credential, err,
			     "the certificate is not for the key in the token; the first in the file has to be its own");
	*ret_public = TAKE(key);
	return RC_OK;
}

/* What is there to be shown, whole and of one piece; *ret_public stays NULL where there is nothing (yet). */
static enum rc load(struct client_tls *tls, struct http_credential *credential, STACK_OF(X509) * chain, EVP_PKEY **ret_public,
		    struct err *err)
{
	tls->name[0] = tls->until[0] = '\0';
	const struct http_identity *identity = tls->signer.identity;
	if (!identity)
		return RC_OK;
	enum rc rc = identity->load(identity->ctx, &tls->signer.key, credential, err);
	memcpy(tls->name, credential->name, sizeof(tls->name));
	if (rc != RC_OK)
		return err_wrap(err, rc, "client-certificate %s", tls->name);
	if (!credential->chain.len)
		return RC_OK;
	rc = chain_read(credential, chain, err);
	if (rc == RC_OK)
		rc = key_compare(credential, sk_X509_value(chain, 0), ret_public, err);
	tls->signer.type = credential->type;
	return rc;
}

static void until_print(const X509 *leaf, char *text, size_t room)
{
	struct tm end = { 0 };

	if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &end) != 1 || strftime(text, room, "%Y-%m-%d %H:%M UTC", &end) == 0)
		snprintf(text, room, "a day that cannot be read");
}

/* RFC 5280, 4.2.1.12: without the extension it is for all; many a CA has ceased to issue for clients. */
static bool is_for_clients(X509 *leaf)
{
	return !(X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE) ||
	       (X509_get_extended_key_usage(leaf) & (XKU_SSL_CLIENT | XKU_ANYEKU));
}

#define CREDENTIAL                                                               \
	{                                                                        \
		.chain = BUF_MAX(HTTP_CHAIN_MAX), .spki = BUF_MAX(HTTP_SPKI_MAX) \
	}

enum rc client_tls_check(struct client_tls *tls, struct err *err)
{
	AUTO(credential) struct http_credential credential = CREDENTIAL;
	AUTO(chain) STACK_OF(X509) *chain = sk_X509_new_null();
	AUTO(pkey) EVP_PKEY *public_half = NULL;

	return chain ? load(tls, &credential, chain, &public_half, err) : err_set(err, RC_RESOURCE, "out of memory");
}

/* Where in an SSL_CTX its client_tls is found; -1: not to be had. */
static int ctx_index = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void index_make(void)
{
	ctx_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* Of the alerts of RFC 8446, 6.2, those by which a server refuses a certificate, or its absence; older ones say handshake_failure. */
static bool is_about_us(int alert)
{
	static const int alerts[] = {
		SSL_AD_HANDSHAKE_FAILURE,    SSL_AD_BAD_CERTIFICATE,     SSL_AD_UNSUPPORTED_CERTIFICATE,
		SSL_AD_CERTIFICATE_REVOKED,  SSL_AD_CERTIFICATE_EXPIRED, SSL_AD_CERTIFICATE_UNKNOWN,
		SSL_AD_UNKNOWN_CA,           SSL_AD_ACCESS_DENIED,       SSL_AD_DECRYPT_ERROR,
		SSL_AD_CERTIFICATE_REQUIRED,
	};

	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
		if (alerts[i] == alert)
			return true;
	return false;
}

static void on_info(const SSL *ssl, int where, int value)
{
	struct client_tls *tls = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ctx_index);

	/* Above the number stands the level, which says nothing more. */
	if (tls && where == SSL_CB_READ_ALERT && is_about_us(value & 0xff))
		snprintf(tls->alert, sizeof(tls->alert), "%s", SSL_alert_desc_string_long(value));
}

/* Called when the server asks for a certificate; what we have is in place. */
static int on_asked(SSL *ssl, void *ctx)
{
	struct client_tls *tls = ctx;

	(void)ssl;
	tls->was_asked = true;
	return 1;
}

static enum rc install(struct client_tls *tls, SSL_CTX *ctx, STACK_OF(X509) * chain, EVP_PKEY *public_half, struct err *err)
{
	AUTO(x509) X509 *leaf = sk_X509_shift(chain);
	AUTO(pkey) EVP_PKEY *key = NULL;
	char algorithms[256];

	signing_key_algorithms(tls->signer.type, algorithms, sizeof(algorithms));
	enum rc rc = signing_key_new(public_half, &tls->signer, &key, err);
	if (rc != RC_OK)
		return rc;
	if (SSL_CTX_use_certificate(ctx, leaf) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
	    SSL_CTX_set1_chain(ctx, chain) != 1 || SSL_CTX_set1_client_sigalgs_list(ctx, algorithms) != 1)
		return err_set_raw(err, RC_INPUT, ERR_OPENSSL, (int64_t)ERR_peek_last_error(),
				   "client-certificate %s: OpenSSL does not take it: %s", tls->name,
				   ERR_reason_error_string(ERR_peek_last_error()));
	until_print(leaf, tls->until, sizeof(tls->until));
	tls->is_for_clients = is_for_clients(leaf);
	return RC_OK;
}

void client_tls_forget(struct client_tls *tls)
{
	tls->alert[0] = '\0';
	tls->failure = tls->signer.failure = (struct err){ 0 };
}

bool client_tls_begin(struct client_tls *tls, SSL_CTX *ctx)
{
	AUTO(credential) struct http_credential credential = CREDENTIAL;
	AUTO(chain) STACK_OF(X509) *chain = sk_X509_new_null();
	AUTO(pkey) EVP_PKEY *public_half = NULL;
	struct err err = { 0 };

	pthread_once(&once, index_make);
	tls->was_asked = false;
	enum rc rc = chain && SSL_CTX_set_ex_data(ctx, ctx_index, tls) == 1 ? load(tls, &credential, chain, &public_half, &err)
									    : err_set(&err, RC_RESOURCE, "out of memory");
	if (rc == RC_OK && public_half)
		rc = install(tls, ctx, chain, public_half, &err);
	if (rc != RC_OK)
		tls->failure = err;
	SSL_CTX_set_info_callback(ctx, on_info);
	SSL_CTX_set_cert_cb(ctx, on_asked, tls);
	return rc == RC_OK;
}

/* What is said in a refusal: what was shown, or what to do so that something is. */
static enum rc refusal(const struct client_tls *tls, const char *how, struct err *err)
{
	if (tls->until[0])
		return err_set(err, RC_DENIED,
			       "the server refuses client-certificate %s, which is good until %s (%s); %s, or configure another "
			       "client-certificate",
			       tls->name, tls->until, how,
			       tls->is_for_clients ? "have the server trust who issued it"
						   : "its extended key usage has no clientAuth: have it issued for clients, too");
	if (tls->name[0])
		return err_set(err, RC_DENIED,
			       "the server demands a client certificate, and client-certificate %s is not issued yet (%s); add "
			       "file, token and label of one that is shown until then",
			       tls->name, how);
	return err_set(err, RC_DENIED,
		       "the server demands a client certificate; configure client-certificate: { certificate: NAME } or { file, "
		       "token, label } beside its URL (%s)",
		       how);
}

enum rc client_tls_refused(const struct client_tls *tls, struct err *err)
{
	char how[sizeof(tls->alert) + 16];

	if (tls->failure.rc != RC_OK || tls->signer.failure.rc != RC_OK) {
		const struct err *why = tls->failure.rc != RC_OK ? &tls->failure : &tls->signer.failure;

		if (err)
			*err = *why;
		return why == &tls->failure ? why->rc : err_wrap(err, why->rc, "client-certificate %s", tls->name);
	}
	if (!tls->was_asked || !tls->alert[0])
		return RC_OK;
	snprintf(how, sizeof(how), "TLS alert \"%s\"", tls->alert);
	return refusal(tls, how, err);
}

/* With TLS 1.3 the client is done first; what the server then says may be lost in the reset that follows it. */
void client_tls_hint(const struct client_tls *tls, char *ret_text, size_t room)
{
	ret_text[0] = '\0';
	if (tls->was_asked)
		snprintf(ret_text, room, "; the server had asked for a client certificate, and %s%s%s",
			 tls->until[0]  ? "was shown client-certificate "
			 : tls->name[0] ? "there is none yet, client-certificate "
					: "none is configured (client-certificate)",
			 tls->name, tls->until[0] && !tls->is_for_clients ? ", whose extended key usage has no clientAuth" : "");
}

/* nginx answers 400 to a client without a certificate, or with one that it does not take, in HTML; others 401 or 403. */
enum rc client_tls_refused_by(const struct client_tls *tls, const struct http_response *response, struct err *err)
{
	bool is_refusal = response->status == 400 || response->status == 401 || response->status == 403;
	char how[128];

	/* RFC 8555, 6.7: what the CA itself says is a problem document. */
	if (!tls->was_asked || !is_refusal || strcmp(response->content_type, "application/problem+json") == 0 ||
	    strcmp(response->content_type, "application/json") == 0)
		return RC_OK;
	const char *title = response->body.len ? strstr(buf_text(&response->body), TITLE) : NULL;
	int used = snprintf(how, sizeof(how), "HTTP status %ld", response->status);
	if (title)
		snprintf(how + used, sizeof(how) - (size_t)used, ", \"%.*s\"", (int)strcspn(title + strlen(TITLE), "<\r\n"),
			 title + strlen(TITLE));
	return refusal(tls, how, err);
}

void client_tls_clear(struct client_tls *tls)
{
	if (tls->signer.key)
		tls->signer.identity->key_free(tls->signer.key);
	tls->signer.key = NULL;
}
