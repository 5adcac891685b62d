/* tlsalpn01.c -- tls-alpn-01 answered by a TLS server of our own, one an address for as long as answers are out (RFC 8737). */
#include "tlsalpn01.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "listen.h"
#include "types.h"

struct listener {
	struct listener *next;
	char *address; /* as configured */
	struct tlsalpn01_server *server;
	struct challenge_answer *answers;
};

struct challenge_answer {
	struct challenge_answer *next;
	struct listener *listener;
	char sni[TLSALPN01_NAME_MAX];
	struct tlsalpn01_pair pair;
};

/* As in http01.c: the servers' threads read the answers; listeners come and go under a lock of their own. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, listeners_lock = PTHREAD_MUTEX_INITIALIZER;
static struct listener *listeners;

static bool pair_find(void *ctx, const char *name, struct tlsalpn01_pair *ret_pair)
{
	const struct listener *listener = ctx;
	bool found = false;

	pthread_mutex_lock(&lock);
	for (struct challenge_answer *answer = listener->answers; answer && !found; answer = answer->next) {
		if (strcasecmp(answer->sni, name) != 0)
			continue;
		found = X509_up_ref(answer->pair.certificate) == 1;
		if (found && EVP_PKEY_up_ref(answer->pair.key) != 1) {
			X509_free(answer->pair.certificate);
			found = false;
		}
		if (found)
			*ret_pair = answer->pair;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

static void answer_free(struct challenge_answer *answer)
{
	if (!answer)
		return;
	tlsalpn01_pair_clear(&answer->pair);
	free(answer);
}
AUTO_DEFINE(answer, struct challenge_answer *, answer_free);

static enum rc listener_start(const char *address, struct listener **ret_listener, struct err *err)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int fd = -1;

	if (listener)
		listener->address = strdup(address);
	enum rc rc = listener && listener->address ? listen_open("tls-alpn-01", address, &fd, err)
						   : err_set(err, RC_RESOURCE, "out of memory");
	if (rc == RC_OK)
		rc = tlsalpn01_server_start(fd, &(struct tlsalpn01_source){ listener, pair_find }, &listener->server, err);
	if (rc != RC_OK) {
		free(listener ? listener->address : NULL);
		free(listener);
		return rc;
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
	tlsalpn01_server_stop(listener->server);
	free(listener->address);
	free(listener);
}

static enum rc listener_answers(const char *address, struct challenge_answer *answer, struct err *err)
{
	enum rc rc = RC_OK;

	pthread_mutex_lock(&listeners_lock);
	struct listener *listener = listeners;
	while (listener && strcmp(listener->address, address) != 0)
		listener = listener->next;
	if (!listener)
		rc = listener_start(address, &listener, err);
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
	AUTO(answer) struct challenge_answer *answer = calloc(1, sizeof(*answer));

	if (!answer)
		return err_set(err, RC_RESOURCE, "out of memory");
	tlsalpn01_sni(&request->identifier, answer->sni);
	enum rc rc = tlsalpn01_certificate_make(&request->identifier, request->key_authorization, &answer->pair, err);
	if (rc == RC_OK)
		rc = listener_answers(request->config->listen, answer, err);
	if (rc == RC_OK)
		*ret_answer = TAKE(answer);
	return rc;
}

static void end(struct challenge_answer *answer, bool accepted)
{
	struct listener *listener = answer->listener;

	(void)accepted;
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
	answer_free(answer);
}

const struct challenge_ops tlsalpn01_ops = { .type = CHALLENGE_TLS_ALPN_01, .begin = begin, .end = end };
