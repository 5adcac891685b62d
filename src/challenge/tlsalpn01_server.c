/* tlsalpn01_server.c -- a TLS server that shakes hands and says goodbye: bounded connections, bounded time, no application data. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "shortage.h"
#include "tlsalpn01.h"

#define CONNECTIONS_MAX 64    /* of more, the one that came first is closed */
#define HANDSHAKE_MS    10000 /* then the connection is closed in any case */

struct connection {
	SSL *ssl; /* NULL: free */
	int fd;
	short events;
	int64_t deadline_ms;
};

struct tlsalpn01_server {
	int listening, wake; /* wake: readable when the thread shall end */
	SSL_CTX *ctx;
	struct tlsalpn01_source source;
	struct shortage shortage;
	struct connection connections[CONNECTIONS_MAX];
	pthread_t thread;
};

/* RFC 8737, 3: the ClientHello offers "acme-tls/1" and nothing else; any other connection is not for us. */
static int on_hello(SSL *ssl, int *alert, void *ctx)
{
	static const unsigned char only[] = "\x00\x0b\x0a"
					    "acme-tls/1";
	const unsigned char *offered = NULL;
	size_t len = 0;

	(void)ctx;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &offered, &len) == 1 &&
	    len == sizeof(only) - 1 && memcmp(offered, only, len) == 0)
		return SSL_CLIENT_HELLO_SUCCESS;
	return SSL_CLIENT_HELLO_ERROR;
}

static int on_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len, const unsigned char *offered, unsigned len,
		       void *ctx)
{
	(void)ssl;
	(void)len;
	(void)ctx;
	/* on_hello() has seen that there is this one: its length, then its name. */
	*ret = offered + 1;
	*ret_len = offered[0];
	return SSL_TLSEXT_ERR_OK;
}

/* RFC 8737, 3: the certificate for the name in SNI; without one the handshake fails. */
static int on_certificate(SSL *ssl, void *ctx)
{
	struct tlsalpn01_server *server = ctx;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct tlsalpn01_pair pair = { 0 };

	if (!name || !server->source.find(server->source.ctx, name, &pair))
		return 0;
	int ok = SSL_use_certificate(ssl, pair.certificate) == 1 && SSL_use_PrivateKey(ssl, pair.key) == 1;
	tlsalpn01_pair_clear(&pair);
	return ok;
}

static SSL_CTX *context_make(struct tlsalpn01_server *server)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	/* RFC 8737, 4: TLS 1.2 or later. */
	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_client_hello_cb(ctx, on_hello, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, on_protocol, NULL);
	SSL_CTX_set_cert_cb(ctx, on_certificate, server);
	return ctx;
}

static void connection_close(struct connection *connection)
{
	SSL_free(connection->ssl);
	close(connection->fd);
	*connection = (struct connection){ .fd = -1 };
}

/* When all are taken, the one that came first makes room: a handshake takes a moment, and whoever only holds a place loses it. */
static struct connection *room_make(struct tlsalpn01_server *server)
{
	struct connection *oldest = &server->connections[0];

	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *connection = &server->connections[i];

		if (!connection->ssl)
			return connection;
		if (connection->deadline_ms < oldest->deadline_ms)
			oldest = connection;
	}
	connection_close(oldest);
	return oldest;
}

static void connection_accept(struct tlsalpn01_server *server)
{
	int fd = accept4(server->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		int number = errno;

		if (shortage_note(&server->shortage, number, clock_monotonic_ms()))
			server->source.short_of(server->source.ctx, number);
		return;
	}
	shortage_end(&server->shortage);
	SSL *ssl = SSL_new(server->ctx);
	if (!ssl || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		close(fd);
		return;
	}
	*room_make(server) =
		(struct connection){ .ssl = ssl, .fd = fd, .events = POLLIN, .deadline_ms = clock_monotonic_ms() + HANDSHAKE_MS };
}

/* RFC 8737, 3: when the handshake is done the connection is closed; no application data is exchanged. */
static void connection_go_on(struct connection *connection)
{
	int done = SSL_accept(connection->ssl);

	if (done == 1) {
		SSL_shutdown(connection->ssl);
		connection_close(connection);
		return;
	}
	switch (SSL_get_error(connection->ssl, done)) {
	case SSL_ERROR_WANT_READ: connection->events = POLLIN; break;
	case SSL_ERROR_WANT_WRITE: connection->events = POLLOUT; break;
	default: connection_close(connection); break;
	}
}

/* What to wait for: the end, new connections, and those there are; returns how long, at most. */
static int watch(const struct tlsalpn01_server *server, struct pollfd *ret_watched)
{
	int64_t now = clock_monotonic_ms();
	int rest_ms = shortage_rest_ms(&server->shortage, now);
	int64_t next = rest_ms ? rest_ms : -1;

	ret_watched[0] = (struct pollfd){ .fd = server->wake, .events = POLLIN };
	ret_watched[1] = (struct pollfd){ .fd = rest_ms ? -1 : server->listening, .events = POLLIN };
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		const struct connection *connection = &server->connections[i];

		ret_watched[2 + i] = (struct pollfd){ .fd = connection->ssl ? connection->fd : -1, .events = connection->events };
		if (!connection->ssl)
			continue;
		int64_t left = connection->deadline_ms > now ? connection->deadline_ms - now : 0;
		next = next < 0 || left < next ? left : next;
	}
	return (int)next;
}

static void *serve(void *ctx)
{
	struct tlsalpn01_server *server = ctx;
	struct pollfd watched[2 + CONNECTIONS_MAX];
	sigset_t all;

	/* Signals are the program's; and writing to a connection that is gone must not end it. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (;;) {
		int wait_ms = watch(server, watched);

		if (poll(watched, 2 + CONNECTIONS_MAX, wait_ms) < 0 && errno != EINTR)
			break;
		if (watched[0].revents)
			break;
		for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
			struct connection *connection = &server->connections[i];

			if (!connection->ssl)
				continue;
			if (clock_monotonic_ms() >= connection->deadline_ms)
				connection_close(connection);
			else if (watched[2 + i].revents)
				connection_go_on(connection);
		}
		if (watched[1].revents)
			connection_accept(server);
	}
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		if (server->connections[i].ssl)
			connection_close(&server->connections[i]);
	return NULL;
}

static void server_free(struct tlsalpn01_server *server)
{
	SSL_CTX_free(server->ctx);
	if (server->wake >= 0)
		close(server->wake);
	close(server->listening);
	free(server);
}

enum rc tlsalpn01_server_start(int listening, const struct tlsalpn01_source *source, struct tlsalpn01_server **ret_server,
			       struct err *err)
{
	struct tlsalpn01_server *server = calloc(1, sizeof(*server));

	if (!server) {
		close(listening);
		return err_set(err, RC_RESOURCE, "out of memory");
	}
	server->listening = listening;
	server->source = *source;
	server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->ctx = context_make(server);
	if (server->wake < 0 || !server->ctx || pthread_create(&server->thread, NULL, serve, server) != 0) {
		server_free(server);
		return err_set(err, RC_RESOURCE, "tls-alpn-01: the server cannot be started: out of memory or threads");
	}
	*ret_server = server;
	return RC_OK;
}

void tlsalpn01_server_stop(struct tlsalpn01_server *server)
{
	const uint64_t one = 1;

	if (!server)
		return;
	(void)!write(server->wake, &one, sizeof(one));
	pthread_join(server->thread, NULL);
	server_free(server);
}
