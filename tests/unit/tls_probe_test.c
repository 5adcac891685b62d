/* tls_probe_test.c -- the certificate that a server presents is seen, also by whom it lets in no further; hostile servers cost a bounded time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "asn1_time.h"
#include "clock.h"
#include "tls_probe.h"

#define CHAIN_LENGTH 400 /* certificates of some 300 bytes: more than is taken */

/* What a server does with the one connection it takes. */
enum manner { SERVE, SERVE_TO_KNOWN_CLIENTS, SERVE_ENDLESS_CHAIN, STAY_SILENT, SPEAK_HTTP, DRIBBLE, HANG_UP };

struct server {
	enum manner manner;
	int version; /* of TLS; 0: any */
	int listening, port;
	pthread_t thread;
	char name[64]; /* that was asked for */
};

static EVP_PKEY *key, *other_key;
static X509 *leaf;
static char fingerprint[65];

static X509 *certificate_new(EVP_PKEY *its_key)
{
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), 0xABCDEF);
	asn1_time_put(X509_getm_notBefore(certificate), 1700000000);
	asn1_time_put(X509_getm_notAfter(certificate), 1900000000);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"amf.example", -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	X509_set_pubkey(certificate, its_key);
	X509_sign(certificate, its_key, EVP_sha256());
	return certificate;
}

static int start(void **state)
{
	unsigned char digest[32];
	unsigned len = 0;

	(void)state;
	signal(SIGPIPE, SIG_IGN); /* as in the program */
	key = EVP_EC_gen("P-256");
	other_key = EVP_EC_gen("P-256");
	leaf = certificate_new(key);
	X509_digest(leaf, EVP_sha256(), digest, &len);
	for (unsigned i = 0; i < len; i++)
		snprintf(fingerprint + 2 * (size_t)i, 3, "%02x", digest[i]);
	return len == 32 ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	X509_free(leaf);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other_key);
	return 0;
}

static int on_name(SSL *ssl, int *alert, void *ctx)
{
	struct server *server = ctx;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	snprintf(server->name, sizeof(server->name), "%s", name ? name : "");
	return SSL_TLSEXT_ERR_OK;
}

static void serve(struct server *server, int fd)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	X509 *foreign = certificate_new(other_key);

	SSL_CTX_set_tlsext_servername_callback(context, on_name);
	SSL_CTX_set_tlsext_servername_arg(context, server);
	SSL_CTX_set_max_proto_version(context, server->version);
	SSL_CTX_use_certificate(context, leaf);
	SSL_CTX_use_PrivateKey(context, key);
	if (server->manner == SERVE_TO_KNOWN_CLIENTS)
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	for (int i = 0; i < CHAIN_LENGTH && server->manner == SERVE_ENDLESS_CHAIN; i++)
		SSL_CTX_add1_chain_cert(context, foreign);
	SSL *ssl = SSL_new(context);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		char byte;

		(void)!SSL_read(ssl, &byte, 1);
	}
	SSL_free(ssl);
	SSL_CTX_free(context);
	X509_free(foreign);
}

/* Until the client is gone. */
static void wait_for_end(int fd)
{
	char bytes[4096];

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

static void *server_main(void *ctx)
{
	struct server *server = ctx;
	int fd = accept(server->listening, NULL, NULL);

	switch (server->manner) {
	case STAY_SILENT: wait_for_end(fd); break;
	case SPEAK_HTTP: (void)!write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28); break;
	case DRIBBLE:
		/* A handshake record of 16 KiB, a byte at a time. */
		for (size_t i = 0; send(fd, i < 5 ? &"\x16\x03\x03\x40\x00"[i] : "\x02", 1, MSG_NOSIGNAL) == 1; i++)
			poll(NULL, 0, 5);
		break;
	case HANG_UP: break;
	default: serve(server, fd); break;
	}
	close(fd);
	return NULL;
}

static void server_start(struct server *server)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);

	server->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listening, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(server->listening, 1), 0);
	assert_int_equal(getsockname(server->listening, (struct sockaddr *)&address, &len), 0);
	server->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&server->thread, NULL, server_main, server), 0);
}

static enum rc probe(struct server *server, const char *host, const char *name, int64_t timeout_ms, struct tls_probe_leaf *ret,
		     struct err *err)
{
	char connect[64];

	server_start(server);
	snprintf(connect, sizeof(connect), "%s:%d", host, server->port);
	enum rc rc = tls_probe(&(struct tls_probe){ connect, name, timeout_ms }, ret, err);
	pthread_join(server->thread, NULL);
	close(server->listening);
	return rc;
}

static void the_certificate_of_either_version_is_seen(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct server server = { .manner = SERVE, .version = versions[i] };
		struct tls_probe_leaf seen = { 0 };
		struct err err = { 0 };

		if (probe(&server, "127.0.0.1", "amf.example", 20000, &seen, &err) != RC_OK)
			fail_msg("%s", err.text);
		assert_string_equal(seen.fingerprint, fingerprint);
		assert_string_equal(seen.serial, "ABCDEF");
		assert_int_equal(seen.not_after, 1900000000);
		assert_string_equal(server.name, "amf.example");
	}
}

/* RFC 6066, 3: a name, and not an address. */
static void the_name_asked_for_is_the_hosts_where_it_is_one(void **state)
{
	struct server by_address = { .manner = SERVE }, by_name = { .manner = SERVE };
	struct tls_probe_leaf seen;

	(void)state;
	assert_int_equal(probe(&by_address, "127.0.0.1", NULL, 20000, &seen, NULL), RC_OK);
	assert_string_equal(by_address.name, "");
	assert_int_equal(probe(&by_name, "localhost", NULL, 20000, &seen, NULL), RC_OK);
	assert_string_equal(by_name.name, "localhost");
}

/* RFC 5246, 7.4.5; RFC 8446, 4.4.4: the server has said its part before that.  Services of a 5G core want a certificate of their clients: theirs is seen before that is missed. */
static void who_lets_only_known_clients_in_is_seen_too(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct server server = { .manner = SERVE_TO_KNOWN_CLIENTS, .version = versions[i] };
		struct tls_probe_leaf seen = { 0 };
		struct err err = { 0 };

		if (probe(&server, "127.0.0.1", NULL, 20000, &seen, &err) != RC_OK)
			fail_msg("%s", err.text);
		assert_string_equal(seen.fingerprint, fingerprint);
	}
}

static void what_is_no_tls_or_too_much_of_it_is_a_failure(void **state)
{
	static const enum manner manners[] = { SPEAK_HTTP, HANG_UP, SERVE_ENDLESS_CHAIN };

	(void)state;
	for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++) {
		struct server server = { .manner = manners[i] };
		struct tls_probe_leaf seen = { .serial = "untouched" };
		struct err err = { 0 };

		assert_int_equal(probe(&server, "127.0.0.1", NULL, 20000, &seen, &err), RC_RETRY);
		assert_non_null(strstr(err.text, "127.0.0.1:"));
		assert_string_equal(seen.serial, "untouched");
	}
}

static void who_does_not_come_to_an_end_is_left(void **state)
{
	static const enum manner manners[] = { STAY_SILENT, DRIBBLE };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct server server = { .manner = manners[i] };
		struct tls_probe_leaf seen;
		struct err err = { 0 };
		int64_t began = clock_monotonic_ms();

		assert_int_equal(probe(&server, "127.0.0.1", NULL, 300, &seen, &err), RC_RETRY);
		assert_true(clock_monotonic_ms() - began < 5000);
		assert_non_null(strstr(err.text, "within 300 ms"));
	}
}

static void nobody_there_is_told(void **state)
{
	struct tls_probe_leaf seen;
	struct err err = { 0 };

	(void)state;
	/* Nobody listens on discard here; were somebody to, it would be no TLS. */
	assert_int_equal(tls_probe(&(struct tls_probe){ "127.0.0.1:9", NULL, 5000 }, &seen, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "127.0.0.1:9"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_certificate_of_either_version_is_seen),
		cmocka_unit_test(the_name_asked_for_is_the_hosts_where_it_is_one),
		cmocka_unit_test(who_lets_only_known_clients_in_is_seen_too),
		cmocka_unit_test(what_is_no_tls_or_too_much_of_it_is_a_failure),
		cmocka_unit_test(who_does_not_come_to_an_end_is_left),
		cmocka_unit_test(nobody_there_is_told),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
