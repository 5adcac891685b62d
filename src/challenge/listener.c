/* listener.c -- the listeners that there are, and the answers that are out at each. */
#include "listener.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "listen.h"
#include "scope.h"

struct listener {
	struct listener *next;
	const struct listener_kind *kind;
	char *address; /* as configured */
	void *server;
	struct listener_answer *answers;
};

/* Servers' threads read the answers while they come and go; listeners come and go under a lock of their own, because stopping
 * one waits for its thread. */
static pthread_mutex_t answers_lock = PTHREAD_MUTEX_INITIALIZER, listeners_lock = PTHREAD_MUTEX_INITIALIZER;
static struct listener *listeners;

static void listener_free(struct listener *listener)
{
	if (!listener)
		return;
	free(listener->address);
	free(listener);
}
AUTO_DEFINE(listener, struct listener *, listener_free);

static enum rc listener_start(const struct listener_kind *kind, const char *address, struct listener **ret_listener,
			      struct err *err)
{
	AUTO(listener) struct listener *listener = calloc(1, sizeof(*listener));
	int fd = -1;

	if (listener)
		listener->address = strdup(address);
	if (!listener || !listener->address)
		return err_set(err, RC_RESOURCE, "out of memory");
	listener->kind = kind;
	enum rc rc = listen_open(kind->type, address, &fd, err);
	if (rc == RC_OK)
		rc = kind->start(fd, listener, &listener->server, err);
	if (rc != RC_OK)
		return rc;
	listener->next = listeners;
	listeners = *ret_listener = TAKE(listener);
	return RC_OK;
}

static void listener_stop(struct listener *listener)
{
	struct listener **at = &listeners;

	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
	listener->kind->stop(listener->server);
	listener_free(listener);
}

enum rc listener_show(const struct listener_kind *kind, const char *address, struct listener_answer *answer, struct err *err)
{
	enum rc rc = RC_OK;

	pthread_mutex_lock(&listeners_lock);
	struct listener *listener = listeners;
	while (listener && (listener->kind != kind || strcmp(listener->address, address) != 0))
		listener = listener->next;
	if (!listener)
		rc = listener_start(kind, address, &listener, err);
	if (rc == RC_OK) {
		pthread_mutex_lock(&answers_lock);
		answer->listener = listener;
		answer->next = listener->answers;
		listener->answers = answer;
		pthread_mutex_unlock(&answers_lock);
	}
	pthread_mutex_unlock(&listeners_lock);
	return rc;
}

void listener_withdraw(struct listener_answer *answer)
{
	struct listener *listener = answer->listener;
	struct listener_answer **at = &listener->answers;

	pthread_mutex_lock(&listeners_lock);
	pthread_mutex_lock(&answers_lock);
	while (*at != answer)
		at = &(*at)->next;
	*at = answer->next;
	pthread_mutex_unlock(&answers_lock);
	if (!listener->answers)
		listener_stop(listener);
	pthread_mutex_unlock(&listeners_lock);
}

bool listener_look(struct listener *listener, const char *wanted, listener_take_fn *take, void *ret_taken)
{
	bool is_taken = false;

	pthread_mutex_lock(&answers_lock);
	for (struct listener_answer *answer = listener->answers; answer && !is_taken; answer = answer->next)
		is_taken = take(answer, wanted, ret_taken);
	pthread_mutex_unlock(&answers_lock);
	return is_taken;
}

void listener_note_shortage(struct listener *listener, int number)
{
	pthread_mutex_lock(&answers_lock);
	if (listener->answers)
		listener->answers->shortage = number;
	pthread_mutex_unlock(&answers_lock);
}
