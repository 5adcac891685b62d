/* http01.c -- one listener an address for as long as answers are out, or files below a web server's root. */
#include <microhttpd.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "listen.h"
#include "types.h"
#include "webroot.h"

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
	struct listener *listener; /* NULL: a file */
	const struct challenge_desk *desk;
	const char *webroot; /* the configuration's */
	char *token, *key_authorization;
};

/* The listeners' own threads read the answers while we add and remove them; listeners come and go under a lock of their own,
 * because stopping one waits for its thread. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, listeners_lock = PTHREAD_MUTEX_INITIALIZER;
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

static enum rc listener_start(const char *text, struct listener **ret_listener, struct err *err)
{
	int fd = -1;
	enum rc rc = listen_open("http-01", text, &fd, err);

	if (rc != RC_OK)
		return rc;
	struct listener *listener = calloc(1, sizeof(*listener));
	if (listener)
		listener->address = strdup(text);
	/* Woken by a descriptor of its own, not by a shutdown() of the socket, which systemd may want back. */
	if (listener && listener->address)
		listener->daemon =
			MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request, listener,
					 MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
					 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
	if (!listener || !listener->daemon) {
		close(fd);
		free(listener ? listener->address : NULL);
		free(listener);
		return err_set(err, RC_RESOURCE, "http-01: the listener on %s cannot be started: out of memory or threads", text);
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

static struct challenge_answer *answer_new(const struct challenge_request *request)
{
	struct challenge_answer *answer = calloc(1, sizeof(*answer));

	if (!answer)
		return NULL;
	answer->desk = request->desk;
	answer->webroot = request->config->webroot;
	answer->token = strdup(request->token);
	answer->key_authorization = strdup(request->key_authorization);
	return answer;
}

static void answer_free(struct challenge_answer *answer)
{
	if (!answer)
		return;
	free(answer->token);
	free(answer->key_authorization);
	free(answer);
}
AUTO_DEFINE(answer, struct challenge_answer *, answer_free);

static enum rc listener_answers(const char *listen, struct challenge_answer *answer, struct err *err)
{
	enum rc rc = RC_OK;

	pthread_mutex_lock(&listeners_lock);
	struct listener *listener = listeners;
	while (listener && strcmp(listener->address, listen) != 0)
		listener = listener->next;
	if (!listener)
		rc = listener_start(listen, &listener, err);
	if (rc == RC_OK) {
		pthread_mutex_lock(&lock);
		answer->listener = listener;
		answer->next = listener->answers;
		listener->answers = answer;
		pthread_mutex_unlock(&lock);
	}
	pthread_mutex_unlock(&listeners_lock);
	return rc;
}

static enum rc begin(const struct challenge_request *request, struct challenge_answer **ret_answer, struct err *err)
{
	AUTO(answer) struct challenge_answer *answer = answer_new(request);

	if (!answer || !answer->token || !answer->key_authorization)
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = answer->webroot ? webroot_put(answer->webroot, answer->token, answer->key_authorization, err)
				     : listener_answers(request->config->listen, answer, err);
	if (rc == RC_OK)
		*ret_answer = TAKE(answer);
	return rc;
}

static void listener_forgets(struct challenge_answer *answer)
{
	struct listener *listener = answer->listener;

	pthread_mutex_lock(&listeners_lock);
	pthread_mutex_lock(&lock);
	for (struct challenge_answer **at = &listener->answers; *at; at = &(*at)->next)
		if (*at == answer) {
			*at = answer->next;
			break;
		}
	pthread_mutex_unlock(&lock);
	if (!listener->answers)
		listener_stop(listener);
	pthread_mutex_unlock(&listeners_lock);
}

static void end(struct challenge_answer *answer, bool accepted)
{
	struct err err = { 0 };

	(void)accepted;
	if (answer->listener)
		listener_forgets(answer);
	else if (webroot_remove(answer->webroot, answer->token, &err) != RC_OK && answer->desk && answer->desk->note)
		answer->desk->note(answer->desk->ctx, err.text);
	answer_free(answer);
}

const struct challenge_ops http01_ops = { .type = CHALLENGE_HTTP_01, .begin = begin, .end = end };
