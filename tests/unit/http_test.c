/* http_test.c -- an exchange that cannot be trusted does not happen, and says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "availability.h"
#include "http.h"
#include "libcurl.h"
#include "soft_token.h"
#include "supervisor.h"
#include "tls_pair.h"

static enum rc get(const char *url, struct err *err)
{
	AUTO(http) struct http *http = NULL;
	AUTO(http_response) struct http_response response = { 0 };

	assert_int_equal(http_open(NULL, NULL, &http, NULL), RC_OK);
	return http_send(http, &(struct http_request){ .method = HTTP_GET, .url = url }, &response, err);
}

/* RFC 8555, 6.1 */
static void only_https_is_spoken(void **state)
{
	static const char *const urls[] = { "http://localhost/", "ftp://localhost/", "file:///etc/passwd", "//localhost/", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct err err = { 0 };

		assert_int_equal(get(urls[i], &err), RC_INPUT);
		assert_non_null(strstr(err.text, "https"));
	}
}

static void nobody_there_is_worth_a_retry_and_named(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(get("https://127.0.0.1:1/dir", &err), RC_RETRY);
	assert_int_equal(err.origin, ERR_CURL);
	assert_non_null(strstr(err.text, "127.0.0.1:1"));
}

static void a_trust_file_that_is_not_there_is_named(void **state)
{
	AUTO(http) struct http *http = NULL;
	AUTO(http_response) struct http_response response = { 0 };
	struct err err = { 0 };
	enum rc rc = http_open("/nowhere/roots.pem", NULL, &http, &err);

	(void)state;
	if (rc == RC_OK)
		rc = http_send(http, &(struct http_request){ .method = HTTP_GET, .url = "https://127.0.0.1:1/" }, &response,
			       &err);
	assert_int_not_equal(rc, RC_OK);
	assert_non_null(strstr(err.text, "/nowhere/roots.pem"));
}

/* A server that demands a client certificate, answers one request a connection, and remembers who came. */
struct server {
	SSL_CTX *ctx;
	int fd;
	char url[64];
	const char *answer; /* NULL: a good one */
	unsigned connections, resumed;
	bool is_rude;
	int bits[4]; /* of the client's key, by connection */
	pthread_t thread;
};

static void serve_one(struct server *server, int fd)
{
	const char *answer =
		server->answer ? server->answer : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
	SSL *ssl = SSL_new(server->ctx);
	char request[4096];

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0) {
		const X509 *peer = SSL_get0_peer_certificate(ssl);

		server->resumed += SSL_session_reused(ssl) == 1;
		server->bits[server->connections % 4] = peer ? EVP_PKEY_get_bits(X509_get0_pubkey(peer)) : 0;
		SSL_write(ssl, answer, (int)strlen(answer));
		SSL_shutdown(ssl);
	}
	server->connections++;
	/* A reset may overtake the alert: who waits for the client to close is polite. */
	shutdown(fd, SHUT_WR);
	while (!server->is_rude && read(fd, request, sizeof(request)) > 0)
		;
	SSL_free(ssl);
	close(fd);
}

static void *serve(void *ctx)
{
	struct server *server = ctx;
	int fd;

	while ((fd = accept(server->fd, NULL, NULL)) >= 0)
		serve_one(server, fd);
	return NULL;
}

static void server_start(struct server *server, const struct tls_ca *ca)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	*server = (struct server){ .ctx = tls_server(ca, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
				   .fd = socket(AF_INET, SOCK_STREAM, 0) };
	assert_int_equal(bind(server->fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(server->fd, 8), 0);
	assert_int_equal(getsockname(server->fd, (struct sockaddr *)&at, &len), 0);
	snprintf(server->url, sizeof(server->url), "https://localhost:%d/dir", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
	shutdown(server->fd, SHUT_RDWR); /* accept() ends */
	pthread_join(server->thread, NULL);
	close(server->fd);
	SSL_CTX_free(server->ctx);
}

/* Whose key and chain the next connection shows. */
struct shown {
	const struct tls_ca *ca;
	struct token_key *key;
};

static enum rc shown_load(void *ctx, void **key, struct http_credential *ret, struct err *err)
{
	const struct shown *shown = ctx;
	*key = shown->key;
	enum rc rc = token_public_key(shown->key, &ret->spki, err);

	snprintf(ret->name, sizeof(ret->name), "amf");
	ret->type = shown->key->type;
	tls_chain(shown->ca, buf_span(&ret->spki), &ret->chain);
	return rc;
}

static enum rc shown_sign(void *key, enum token_scheme scheme, enum token_hash hash, struct span digest, struct buf *ret_sig,
			  struct err *err)
{
	return token_sign(key, scheme, hash, digest, ret_sig, err);
}

static void shown_free(void *ctx)
{
	(void)ctx;
}

static void expect_answer(struct http *http, const char *url)
{
	AUTO(http_response) struct http_response response = { 0 };
	struct err err = { 0 };

	if (http_send(http, &(struct http_request){ .method = HTTP_GET, .url = url }, &response, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(response.status, 200);
}

/* TS 33.310, annex J.2.  A session that is resumed would go on with the certificate of before. */
static void each_connection_shows_the_certificate_of_its_time(void **state)
{
	struct tls_ca ca = tls_ca_make();
	struct token_key *first = soft_token_key(KEY_EC_P256), *second = soft_token_key(KEY_EC_P384);
	struct shown shown = { &ca, first };
	struct server server;
	AUTO(http) struct http *http = NULL;
	AUTO(buf) struct buf pem = BUF_MAX(HTTP_CHAIN_MAX);
	char trust[128];
	struct err err = { 0 };

	(void)state;
	snprintf(trust, sizeof(trust), "%s/ca.pem", soft_token_hsm.dir);
	tls_pem_append(&pem, ca.root);
	assert_int_equal(softhsm_write(trust, buf_text(&pem)), 0);
	server_start(&server, &ca);
	const struct http_identity identity = {
		.ctx = &shown, .load = shown_load, .sign = shown_sign, .key_free = shown_free, .free = shown_free
	};
	if (http_open(trust, &identity, &http, &err) != RC_OK)
		fail_msg("%s", err.text);
	expect_answer(http, server.url);
	expect_answer(http, server.url);
	shown.key = second;
	expect_answer(http, server.url);
	http_close(TAKE(http));
	assert_int_equal(http_open(trust, NULL, &http, NULL), RC_OK);
	AUTO(http_response) struct http_response none = { 0 };
	assert_int_equal(http_send(http, &(struct http_request){ .method = HTTP_GET, .url = server.url }, &none, &err),
			 RC_DENIED);
	assert_non_null(strstr(err.text, server.url));
	assert_non_null(strstr(err.text, "configure client-certificate"));
	server.is_rude = true;
	assert_int_not_equal(http_send(http, &(struct http_request){ .method = HTTP_GET, .url = server.url }, &none, &err),
			     RC_OK);
	assert_non_null(strstr(err.text, "client certificate"));
	server_stop(&server);
	assert_int_equal(server.connections, 5);
	assert_int_equal(server.resumed, 0);
	assert_int_equal(server.bits[0], 256);
	assert_int_equal(server.bits[1], 256);
	assert_int_equal(server.bits[2], 384);
	token_key_free(first);
	token_key_free(second);
	tls_ca_free(&ca);
}

/* Whoever replaces the file does so because the server has, or will have, a certificate of another root: while something is under way,
 * too, when a handle lives on. */
static void a_trust_file_is_read_anew_for_each_connection(void **state)
{
	struct tls_ca ca = tls_ca_make(), stranger = tls_ca_make();
	struct server server;
	AUTO(http) struct http *http = NULL;
	AUTO(buf) struct buf pem = BUF_MAX(HTTP_CHAIN_MAX);
	AUTO(buf) struct buf other = BUF_MAX(HTTP_CHAIN_MAX);
	AUTO(http_response) struct http_response none = { 0 };
	char trust[128];
	struct err err = { 0 };

	(void)state;
	snprintf(trust, sizeof(trust), "%s/replaced.pem", soft_token_hsm.dir);
	tls_pem_append(&pem, ca.root);
	tls_pem_append(&other, stranger.root);
	assert_int_equal(softhsm_write(trust, buf_text(&other)), 0);
	server_start(&server, &ca);
	SSL_CTX_set_verify(server.ctx, SSL_VERIFY_NONE, NULL);
	assert_int_equal(http_open(trust, NULL, &http, NULL), RC_OK);
	assert_int_equal(http_send(http, &(struct http_request){ .method = HTTP_GET, .url = server.url }, &none, &err),
			 RC_DENIED);
	assert_non_null(strstr(err.text, trust));
	assert_null(strstr(err.text, "clock"));
	/* Half of it, say, or another file; the server finds us gone. */
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(unlink(trust), 0);
	assert_int_equal(softhsm_write(trust, "-----BEGIN CERTIFICATE-----\n"), 0);
	assert_int_equal(http_send(http, &(struct http_request){ .method = HTTP_GET, .url = server.url }, &none, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "trust: no certificates can be read from"));
	assert_non_null(strstr(err.text, trust));
	assert_int_equal(unlink(trust), 0);
	assert_int_equal(softhsm_write(trust, buf_text(&pem)), 0);
	expect_answer(http, server.url);
	server_stop(&server);
	assert_int_equal(server.connections, 3);
	tls_ca_free(&ca);
	tls_ca_free(&stranger);
}

/* A server that shows whatever answer it is given, and who asks it. */
struct pair {
	struct tls_ca ca;
	struct server server;
	struct http *http;
};

static void pair_start(struct pair *pair)
{
	AUTO(buf) struct buf pem = BUF_MAX(HTTP_CHAIN_MAX);
	char trust[128];

	*pair = (struct pair){ .ca = tls_ca_make() };
	snprintf(trust, sizeof(trust), "%s/pair.pem", soft_token_hsm.dir);
	tls_pem_append(&pem, pair->ca.root);
	(void)unlink(trust); /* of the pair before */
	assert_int_equal(softhsm_write(trust, buf_text(&pem)), 0);
	server_start(&pair->server, &pair->ca);
	SSL_CTX_set_verify(pair->server.ctx, SSL_VERIFY_NONE, NULL);
	assert_int_equal(http_open(trust, NULL, &pair->http, NULL), RC_OK);
}

static void pair_stop(struct pair *pair)
{
	http_close(pair->http);
	server_stop(&pair->server);
	tls_ca_free(&pair->ca);
}

/* Of an authority, that it is out of order, and no fault of the URL: so fallbacks have their turn. */
static void what_answers_in_another_language_is_told_so(void **state)
{
	static const char *const answers[] = { "SSH-2.0-OpenSSH_9.2p1\r\n", "220 mail.example ESMTP\r\n",
					       "HTTP/3.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
					       "HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\n{}", "{}" };
	struct pair pair;

	(void)state;
	pair_start(&pair);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		AUTO(http_response) struct http_response response = { 0 };
		struct err err = { 0 };

		pair.server.answer = answers[i];
		assert_int_equal(http_send(pair.http, &(struct http_request){ .method = HTTP_GET, .url = pair.server.url },
					   &response, &err),
				 RC_PROTOCOL);
		assert_int_equal(err.origin, ERR_CURL);
		assert_non_null(strstr(err.text, "not an HTTP answer"));
		assert_null(strstr(err.text, "only https"));
	}
	pair_stop(&pair);
}

static void expect_hint(struct pair *pair, const char *from, const char *to)
{
	AUTO(http_response) struct http_response response = { 0 };
	struct err err = { 0 };
	X509 *leaf = tls_ca_sign(&pair->ca, pair->ca.key, "server");

	ASN1_TIME_set_string(X509_getm_notBefore(leaf), from);
	ASN1_TIME_set_string(X509_getm_notAfter(leaf), to);
	assert_true(X509_sign(leaf, pair->ca.key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(pair->server.ctx, leaf), 1);
	assert_int_equal(
		http_send(pair->http, &(struct http_request){ .method = HTTP_GET, .url = pair->server.url }, &response, &err),
		RC_DENIED);
	assert_non_null(strstr(err.text, "; is the clock right?"));
	X509_free(leaf);
}

/* A machine whose clock was lost begins in 1970, and the CA's certificate is not valid yet. */
static void what_is_of_another_time_may_be_the_clocks_fault(void **state)
{
	struct pair pair;

	(void)state;
	pair_start(&pair);
	expect_hint(&pair, "20900101000000Z", "20910101000000Z");
	expect_hint(&pair, "20200101000000Z", "20210101000000Z");
	pair_stop(&pair);
}

/* RFC 9110, 6.5.1 */
static void what_stands_in_a_trailer_is_no_header(void **state)
{
	AUTO(http_response) struct http_response response = { 0 };
	struct pair pair;

	(void)state;
	pair_start(&pair);
	pair.server.answer = "HTTP/1.1 103 Early Hints\r\nLink: </style>; rel=preload\r\n\r\n"
			     "HTTP/1.1 201 Created\r\nLocation: https://localhost/order/1\r\nReplay-Nonce: bm9uY2U\r\n"
			     "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
			     "Location: https://elsewhere/order/2\r\nReplay-Nonce: dHJhaWxlcg\r\n\r\n";
	assert_int_equal(
		http_send(pair.http, &(struct http_request){ .method = HTTP_GET, .url = pair.server.url }, &response, NULL),
		RC_OK);
	assert_string_equal(response.location, "https://localhost/order/1");
	assert_string_equal(response.nonce, "bm9uY2U");
	assert_int_equal(response.body.len, 2);
	pair_stop(&pair);
}

/* As a CA may name one: the configured ones were looked at when they were read. */
static void what_is_no_url_is_told_so(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(get("https://localhost/new order", &err), RC_PROTOCOL);
	assert_int_equal(err.origin, ERR_CURL);
	assert_non_null(strstr(err.text, "https://localhost/new order: not a URL"));
	assert_null(strstr(err.text, "only https"));
}

/* What libcurl says of the system's roots, here: a file and a directory of our own. */
static char roots_file[128], roots_dir[128];

static curl_version_info_data *built_with_our_roots(CURLversion version)
{
	static curl_version_info_data built;

	built = *curl_version_info(version);
	built.cainfo = roots_file;
	built.capath = roots_dir;
	return &built;
}

static void expect_refused(struct http *http, const char *url)
{
	AUTO(http_response) struct http_response response = { 0 };
	struct err err = { 0 };

	assert_int_equal(http_send(http, &(struct http_request){ .method = HTTP_GET, .url = url }, &response, &err), RC_DENIED);
	assert_non_null(strstr(err.text, "not trusted by the system's roots (option trust)"));
}

/* In the directory by its hash: the file is not read. In the file alone: it is, from then on. In neither: nobody is trusted. */
static void a_root_of_the_system_is_looked_for_by_its_name_first(void **state)
{
	struct tls_ca ca = tls_ca_make();
	struct server server;
	AUTO(http) struct http *http = NULL;
	AUTO(buf) struct buf pem = BUF_MAX(HTTP_CHAIN_MAX);
	char hashed[160];

	(void)state;
	assert_int_equal(http_load(NULL), RC_OK);
	libcurl.version_info = built_with_our_roots;
	snprintf(roots_dir, sizeof(roots_dir), "%s/roots", soft_token_hsm.dir);
	snprintf(roots_file, sizeof(roots_file), "%s/roots.pem", soft_token_hsm.dir);
	snprintf(hashed, sizeof(hashed), "%s/%08lx.0", roots_dir, X509_subject_name_hash(ca.root));
	tls_pem_append(&pem, ca.root);
	assert_int_equal(mkdir(roots_dir, 0755), 0);
	assert_int_equal(softhsm_write(hashed, buf_text(&pem)), 0);
	assert_int_equal(softhsm_write(roots_file, "nothing that could be read\n"), 0);
	server_start(&server, &ca);
	SSL_CTX_set_verify(server.ctx, SSL_VERIFY_NONE, NULL);
	assert_int_equal(http_open(NULL, NULL, &http, NULL), RC_OK);
	expect_answer(http, server.url);
	assert_int_equal(unlink(hashed), 0);
	assert_int_equal(unlink(roots_file), 0);
	assert_int_equal(softhsm_write(roots_file, buf_text(&pem)), 0);
	http_close(TAKE(http)); /* a session that is resumed shows no certificate */
	assert_int_equal(http_open(NULL, NULL, &http, NULL), RC_OK);
	expect_answer(http, server.url);
	expect_answer(http, server.url);
	http_close(TAKE(http));
	struct tls_ca stranger = tls_ca_make();
	AUTO(buf) struct buf other = BUF_MAX(HTTP_CHAIN_MAX);
	tls_pem_append(&other, stranger.root);
	assert_int_equal(unlink(roots_file), 0);
	assert_int_equal(softhsm_write(roots_file, buf_text(&other)), 0);
	assert_int_equal(http_open(NULL, NULL, &http, NULL), RC_OK);
	expect_refused(http, server.url);
	server_stop(&server);
	libcurl.version_info = curl_version_info;
	assert_int_equal(server.connections, 6); /* 1; a try and 1; 1; two tries */
	tls_ca_free(&ca);
	tls_ca_free(&stranger);
}

/* step-ca looks for the answer to a challenge while it is told of it, and gives that 30 s. */
static void an_exchange_has_the_time_that_a_ca_takes_to_look_for_an_answer(void **state)
{
	(void)state;
	assert_true(HTTP_TIMEOUT_MS >= 30000 + 10000);
	/* Two of them, where the system's roots are read for the second, are no sign that an engine hangs. */
	assert_true(2 * HTTP_TIMEOUT_MS < SUPERVISOR_SILENCE_MS);
	/* Who tries an authority asks for its directory, a nonce and an order. */
	assert_true(3 * HTTP_TIMEOUT_MS < AVAILABILITY_PROBE * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exchange_has_the_time_that_a_ca_takes_to_look_for_an_answer),
		cmocka_unit_test(a_root_of_the_system_is_looked_for_by_its_name_first),
		cmocka_unit_test(each_connection_shows_the_certificate_of_its_time),
		cmocka_unit_test(a_trust_file_is_read_anew_for_each_connection),
		cmocka_unit_test(only_https_is_spoken),
		cmocka_unit_test(what_answers_in_another_language_is_told_so),
		cmocka_unit_test(what_is_no_url_is_told_so),
		cmocka_unit_test(what_stands_in_a_trailer_is_no_header),
		cmocka_unit_test(what_is_of_another_time_may_be_the_clocks_fault),
		cmocka_unit_test(nobody_there_is_worth_a_retry_and_named),
		cmocka_unit_test(a_trust_file_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, soft_token_start, soft_token_stop);
}
