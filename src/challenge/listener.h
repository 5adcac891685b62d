/*
 * listener.h -- servers of our own, one an address for as long as answers are out there; http-01 and tls-alpn-01 each bring a kind.
 *
 * A server's thread looks answers up while the engine shows and withdraws them; the first answer at an address starts its
 * server, the last one that goes ends it.
 */
#ifndef HWA_LISTENER_H
#define HWA_LISTENER_H

#include <stdbool.h>

#include "err.h"

struct listener;

/* First member of what a kind shows; filled in by listener_show. */
struct listener_answer {
	struct listener_answer *next;
	struct listener *listener;
	int shortage; /* an errno: meanwhile connections had to wait for its end; 0: none did */
};

struct listener_kind {
	const char *type; /* "http-01", for messages */
	/* Serves the listening socket `fd`, which becomes its own whatever happens, in a thread that calls listener_look. */
	enum rc (*start)(int fd, struct listener *listener, void **ret_server, struct err *err);
	void (*stop)(void *server); /* waits for the thread */
};

/* `address` is what listen_open takes; the answer stays where it is until it is withdrawn. */
enum rc listener_show(const struct listener_kind *kind, const char *address, struct listener_answer *answer,
		      struct err *err) HWA_CHECKED;
void listener_withdraw(struct listener_answer *answer);

/* Takes from an answer what is wanted, as copy or reference of its own: afterwards the answer may go.  False: not this one. */
typedef bool listener_take_fn(const struct listener_answer *answer, const char *wanted, void *ret_taken);
/* From the server's thread: the first answer that gives it. */
bool listener_look(struct listener *listener, const char *wanted, listener_take_fn *take, void *ret_taken);

/* From the server's thread: connections wait, for lack of what the errno says.  One answer is told, so that one person is. */
void listener_note_shortage(struct listener *listener, int number);

#endif /* HWA_LISTENER_H */
