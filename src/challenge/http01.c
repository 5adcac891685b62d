/* http01.c -- one listener an address for as long as answers are out; it knows nothing but the tokens it was given. */
#include "http01.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "bytes.h"

#define WELL_KNOWN      "/.well-known/acme-challenge/"
#define CONNECTIONS_MAX 64
#define IDLE_SECONDS    10

struct listener {
	struct listener *next;
	char *address; /* as configured */
	struct MHD_Daemon *daemon;
	struct challenge_answer *answers;
};

struct challenge_answer {
	struct challenge_answer *next;
	struct listener *listener;
	char *token, *key_authorization;
};

/* The listener's own thread reads the answers while we add and remove them. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct listener *listeners;

static char *answer_find(struct listener *listener, const char *token)
{
	char *found = NULL;

	pthread_mutex_lock(&lock);
	for (struct challenge_answer *answer = listener->answers; answer && !found; answer = answer->next)
		if (strcmp(answer->token, token) == 0)
			found = strdup(answer->key_authorization);
	pthread_mutex_unlock(&lock);
	return found;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_len, void **state)
{
	static const char nothing[] = "not found\n";
	bool is_get = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
	char *found = NULL;

	(void)version;
	(void)upload;
	*upload_len = 0;
	*state = ctx;
	if (is_get && strncmp(url, WELL_KNOWN, strlen(WELL_KNOWN)) == 0)
		found = answer_find(ctx, url + strlen(WELL_KNOWN));
	struct MHD_Response *response =
		found ? MHD_create_response_from_buffer(strlen(found), found, MHD_RESPMEM_MUST_FREE)
		      : MHD_create_response_from_buffer(strlen(nothing), (void *)(uintptr_t)nothing, MHD_RESPMEM_PERSISTENT);
	if (!response) {
		free(found);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, found ? "application/octet-stream" : "text/plain");
	enum MHD_Result queued = MHD_queue_response(connection, found ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND, response);
	MHD_destroy_response(response);
	return queued;
}

/* "0.0.0.0:80", "[::]:80" */
static enum rc address_parse(const char *text, struct sockaddr_storage *ret_address, struct err *err)
{
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)ret_address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)ret_address;
	const char *colon = strrchr(text, ':');
	char host[64] = "", *end = NULL;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;

	memset(ret_address, 0, sizeof(*ret_address));
	if (!colon || !end || *end || port == 0 || port > 65535 || (size_t)(colon - text) >= sizeof(host))
		return err_set(err, RC_INPUT, "http-01: listen: \"%s\" is not ADDRESS:PORT", text);
	bool bracketed = text[0] == '[' && colon[-1] == ']';
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - (bracketed ? 2 : 0), text + (bracketed ? 1 : 0));
	if (bracketed && inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		return RC_OK;
	}
	if (!bracketed && inet_pton(AF_INET, host, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
		return RC_OK;
	}
	return err_set(err, RC_INPUT, "http-01: listen: \"%s\" has no IPv4 or [IPv6] address", host);
}

static enum rc listener_start(const char *text, struct listener **ret_listener, struct err *err)
{
	struct sockaddr_storage address;
	enum rc rc = address_parse(text, &address, err);

	if (rc != RC_OK)
		return rc;
	struct listener *listener = calloc(1, sizeof(*listener));
	if (!listener || !(listener->address = strdup(text))) {
		free(listener);
		return err_set(err, RC_RESOURCE, "out of memory");
	}
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | (address.ss_family == AF_INET6 ? MHD_USE_DUAL_STACK : 0);
	errno = 0;
	listener->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, listener, MHD_OPTION_SOCK_ADDR, &address,
					    MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
					    (unsigned)IDLE_SECONDS, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
	if (!listener->daemon) {
		int number = errno;

		free(listener->address);
		free(listener);
		return err_set_raw(err, RC_RETRY, ERR_ERRNO, number,
				   "http-01: cannot listen on %s: %s; free the port, or forward it and configure another in "
				   "challenge: { http-01: { listen: } }",
				   text, number ? strerror(number) : "refused");
	}
	listener->next = listeners;
	listeners = listener;
	*ret_listener = listener;
	return RC_OK;
}

static void listener_stop(struct listener *listener)
{
	for (struct listener **at = &listeners; *at; at = &(*at)->next)
		if (*at == listener) {
			*at = listener->next;
			break;
		}
	MHD_stop_daemon(listener->daemon);
	free(listener->address);
	free(listener);
}

static int offered(const struct config_certificate *certificate)
{
	return certificate->http01_listen != NULL;
}

static enum rc begin(const struct config_certificate *certificate, const char *identifier, const char *token,
		     const char *key_authorization, struct challenge_answer **ret_answer, struct err *err)
{
	struct listener *listener = listeners;
	enum rc rc = RC_OK;

	(void)identifier; /* the token alone selects the answer */
	while (listener && strcmp(listener->address, certificate->http01_listen) != 0)
		listener = listener->next;
	if (!listener)
		rc = listener_start(certificate->http01_listen, &listener, err);
	if (rc != RC_OK)
		return rc;
	struct challenge_answer *answer = calloc(1, sizeof(*answer));
	if (!answer || !(answer->token = strdup(token)) || !(answer->key_authorization = strdup(key_authorization))) {
		free(answer ? answer->token : NULL);
		free(answer);
		if (!listener->answers)
			listener_stop(listener);
		return err_set(err, RC_RESOURCE, "out of memory");
	}
	pthread_mutex_lock(&lock);
	answer->listener = listener;
	answer->next = listener->answers;
	listener->answers = answer;
	pthread_mutex_unlock(&lock);
	*ret_answer = answer;
	return RC_OK;
}

static void end(struct challenge_answer *answer)
{
	struct listener *listener = answer->listener;

	pthread_mutex_lock(&lock);
	for (struct challenge_answer **at = &listener->answers; *at; at = &(*at)->next)
		if (*at == answer) {
			*at = answer->next;
			break;
		}
	pthread_mutex_unlock(&lock);
	free(answer->token);
	free(answer->key_authorization);
	free(answer);
	if (!listener->answers)
		listener_stop(listener);
}

const struct challenge_ops http01_ops = { .type = "http-01", .offered = offered, .begin = begin, .end = end };
