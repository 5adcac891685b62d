/* tls_probe.c -- connects by libcurl, which resolves names within a time, and shakes hands by OpenSSL. */
#include "tls_probe.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "libcurl.h"
#include "scope.h"

#define CERTIFICATES_MAX 65536 /* bytes of the chain that a server may send; ten RSA certificates are 20 KiB */
#define POLL_SLICE_MS    1000

AUTO_DEFINE(ssl_ctx, SSL_CTX *, SSL_CTX_free);
AUTO_DEFINE(ssl, SSL *, SSL_free);
AUTO_DEFINE(x509, X509 *, X509_free);
AUTO_DEFINE(connection, CURL *, libcurl.easy_cleanup);

/* One handshake. */
struct handshake {
	X509 *leaf;      /* as sent */
	bool has_spoken; /* the server's part is over, its key was used */
};

static enum rc connection_open(const struct tls_probe *probe, CURL **ret_connection, curl_socket_t *ret_fd, struct err *err)
{
	char url[TLS_PROBE_HOST_MAX + 16], reason[CURL_ERROR_SIZE] = "";
	enum rc rc = libcurl_load(err);

	if (rc != RC_OK)
		return rc;
	AUTO(connection) CURL *curl = libcurl.easy_init();
	if (!curl)
		return err_set(err, RC_RESOURCE, "out of memory");
	/* Nothing is sent: libcurl stops when the connection is there. */
	int len = snprintf(url, sizeof(url), "http://%s/", probe->connect);
	if (len < 0 || (size_t)len >= sizeof(url))
		return err_set(err, RC_INPUT, "%s: the name is too long", probe->connect);
	libcurl.easy_setopt(curl, CURLOPT_URL, url);
	libcurl.easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
	libcurl.easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
	libcurl.easy_setopt(curl, CURLOPT_PROXY, "");
	libcurl.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	/* A name server that does not answer holds up a thread of libcurl's, not us. */
	libcurl.easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
	libcurl.easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)probe->timeout_ms);
	CURLcode code = libcurl.easy_perform(curl);
	libcurl.easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	if (code == CURLE_OK)
		code = libcurl.easy_getinfo(curl, CURLINFO_ACTIVESOCKET, ret_fd);
	if (code != CURLE_OK)
		return err_set_raw(err, RC_RETRY, ERR_CURL, code, "%s cannot be reached: %s", probe->connect,
				   reason[0] ? reason : libcurl.easy_strerror(code));
	*ret_connection = TAKE(curl);
	return RC_OK;
}

/* Called with what the server sent, whatever it is worth. */
static int on_certificates(X509_STORE_CTX *store, void *ctx)
{
	struct handshake *handshake = ctx;
	X509 *leaf = X509_STORE_CTX_get0_cert(store);

	if (leaf && !handshake->leaf && X509_up_ref(leaf))
		handshake->leaf = leaf;
	return 1;
}

/*
 * The message with which the server's part of a handshake ends: RFC 5246, 7.4.5, after its signature over the key exchange;
 * RFC 8446, 4.4.4, after its CertificateVerify.  OpenSSL reads it only when what came before was right.
 */
static void on_message(int is_ours, int version, int type, const void *at, size_t len, SSL *ssl, void *ctx)
{
	struct handshake *handshake = ctx;
	const unsigned char *message = at;

	(void)ssl;
	if (!is_ours && type == SSL3_RT_HANDSHAKE && len > 0 &&
	    message[0] == (version == TLS1_3_VERSION ? SSL3_MT_FINISHED : SSL3_MT_SERVER_DONE))
		handshake->has_spoken = true;
}

/* What any server of today or of ten years ago speaks; but no exchange in which the key is not used (RSA key transport, anonymous). */
static SSL_CTX *context_new(struct handshake *handshake)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!context)
		return NULL;
	SSL_CTX_set_security_level(context, 0);
	SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
	SSL_CTX_set_max_cert_list(context, CERTIFICATES_MAX);
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_cert_verify_callback(context, on_certificates, handshake);
	SSL_CTX_set_msg_callback(context, on_message);
	SSL_CTX_set_msg_callback_arg(context, handshake);
	if (SSL_CTX_set_cipher_list(context, "ALL:!kRSA:!aNULL:!eNULL:!PSK:!SRP") == 1)
		return context;
	SSL_CTX_free(context);
	return NULL;
}

/* The host of "HOST:PORT" where it is a name: an address is no server name (RFC 6066, 3). */
static bool host_name(const char *connect, char *ret_host, size_t room)
{
	unsigned char address[sizeof(struct in6_addr)];
	const char *colon = strrchr(connect, ':');
	size_t len = colon ? (size_t)(colon - connect) : 0;

	if (!len || len >= room || connect[0] == '[')
		return false;
	memcpy(ret_host, connect, len);
	ret_host[len] = '\0';
	return inet_pton(AF_INET, ret_host, address) != 1;
}

static enum rc handshake_fail(const struct tls_probe *probe, struct err *err)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	ERR_clear_error();
	return err_set_raw(err, RC_RETRY, ERR_OPENSSL, (int64_t)code, "%s: the TLS handshake failed: %s", probe->connect,
			   reason ? reason : "the connection was closed");
}

/* To the end, or until the server has said its part and does not want to go on without a certificate of ours. */
static enum rc handshake_run(const struct tls_probe *probe, SSL *ssl, int fd, int64_t deadline_ms,
			     const struct handshake *handshake, struct err *err)
{
	int done;

	ERR_clear_error();
	while ((done = SSL_connect(ssl)) != 1) {
		int wants = SSL_get_error(ssl, done);
		int64_t left = deadline_ms - clock_monotonic_ms();
		struct pollfd waited = { .fd = fd, .events = wants == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN };

		bool is_waiting = wants == SSL_ERROR_WANT_READ || wants == SSL_ERROR_WANT_WRITE;

		if ((!is_waiting || left <= 0) && handshake->leaf && handshake->has_spoken)
			break;
		if (!is_waiting)
			return handshake_fail(probe, err);
		if (left <= 0)
			return err_set(err, RC_RETRY, "%s: no TLS handshake within %lld ms", probe->connect,
				       (long long)probe->timeout_ms);
		poll(&waited, 1, left < POLL_SLICE_MS ? (int)left : POLL_SLICE_MS);
	}
	if (done == 1)
		SSL_shutdown(ssl); /* so that no log there speaks of a broken connection */
	ERR_clear_error();
	return handshake->leaf ? RC_OK : err_set(err, RC_PROTOCOL, "%s presents no certificate", probe->connect);
}

static bool leaf_print(X509 *leaf, struct tls_probe_leaf *ret)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	struct tm tm;
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL);
	char *hex = serial && BN_num_bits(serial) <= 160 ? BN_bn2hex(serial) : NULL;

	*ret = (struct tls_probe_leaf){ 0 };
	snprintf(ret->serial, sizeof(ret->serial), "%s", hex ? hex : "");
	OPENSSL_free(hex);
	BN_free(serial);
	if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) == 1)
		ret->not_after = timegm(&tm);
	ERR_clear_error();
	if (X509_digest(leaf, EVP_sha256(), digest, &len) != 1 || len != 32)
		return false;
	for (unsigned i = 0; i < len; i++)
		snprintf(ret->fingerprint + 2 * (size_t)i, 3, "%02x", digest[i]);
	return true;
}

enum rc tls_probe(const struct tls_probe *probe, struct tls_probe_leaf *ret_leaf, struct err *err)
{
	int64_t deadline_ms = clock_monotonic_ms() + probe->timeout_ms;
	struct handshake handshake = { 0 };
	AUTO(connection) CURL *connection = NULL;
	AUTO(ssl_ctx) SSL_CTX *context = NULL;
	AUTO(ssl) SSL *ssl = NULL;
	AUTO(x509) X509 *leaf = NULL;
	char host[TLS_PROBE_HOST_MAX];
	curl_socket_t fd = CURL_SOCKET_BAD;
	enum rc rc = connection_open(probe, &connection, &fd, err);

	if (rc != RC_OK)
		return rc;
	context = context_new(&handshake);
	ssl = context ? SSL_new(context) : NULL;
	const char *name = probe->server_name ? probe->server_name : host_name(probe->connect, host, sizeof(host)) ? host : NULL;
	if (!ssl || SSL_set_fd(ssl, fd) != 1 || (name && SSL_set_tlsext_host_name(ssl, name) != 1))
		return err_set(err, RC_RESOURCE, "OpenSSL: no TLS connection can be made");
	rc = handshake_run(probe, ssl, fd, deadline_ms, &handshake, err);
	leaf = handshake.leaf;
	if (rc == RC_OK && !leaf_print(leaf, ret_leaf))
		rc = err_set(err, RC_RESOURCE, "OpenSSL: no fingerprint can be made");
	return rc;
}
