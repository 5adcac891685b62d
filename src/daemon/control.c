/* control.c -- the daemon's end of STATE/control: who asked for which certificate, and is told of it. */
#include "control.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "clock.h"
#include "control_address.h"
#include "folder.h"
#include "log.h"
#include "shortage.h"

#define WAITING_MAX  128  /* that nobody has heard yet */
#define FULL_LOOK_MS 1000 /* whether a worker has let one go: that wakes nobody */

struct client {
	int fd;         /* -1: free */
	bool *followed; /* by the number of the certificate */
};

struct control {
	const struct config *config;
	struct loop *loop;
	int listening, stopping; /* descriptors; the second is written to end the thread */
	struct shortage shortage;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* of the clients: workers tell them things; and of the page */
	const char *page;     /* NULL: it is not served */
	struct client clients[CONTROL_CLIENTS_MAX];
};

static enum rc listen_at(const char *state_dir, int *ret_fd, struct err *err)
{
	AUTO(control_address) struct control_address address = { .directory = -1 };
	enum rc rc = control_address_make(state_dir, &address, err);

	if (rc != RC_OK)
		return rc;
	/* We are the only daemon here: a socket was left behind; anything else was put there by somebody. */
	rc = folder_clear(address.directory, state_dir, "control", S_IFSOCK, err);
	if (rc != RC_OK)
		return rc;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The mode is the directory entry's before anyone can connect. */
	if (fd >= 0 && fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)&address.name, sizeof(address.name)) == 0 &&
	    fchmodat(address.directory, "control", 0600, 0) == 0 && listen(fd, WAITING_MAX) == 0) {
		*ret_fd = fd;
		return RC_OK;
	}
	int number = errno;
	if (fd >= 0)
		close(fd);
	return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "cannot listen at %s/control: %s", state_dir, strerror(number));
}

enum rc control_open(const struct config *config, struct control **ret_control, struct err *err)
{
	struct control *made = calloc(1, sizeof(*made));

	if (!made)
		return err_set(err, RC_RESOURCE, "out of memory");
	pthread_mutex_init(&made->lock, NULL);
	made->config = config;
	made->listening = made->stopping = -1;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		made->clients[i].fd = -1;
	AUTO(control) struct control *control = made;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		control->clients[i].followed = calloc(config->certificate_count + 1u, sizeof(bool));
		if (!control->clients[i].followed)
			return err_set(err, RC_RESOURCE, "out of memory");
	}
	control->stopping = eventfd(0, EFD_CLOEXEC);
	if (control->stopping < 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "eventfd: %s", strerror(errno));
	enum rc rc = listen_at(config->state, &control->listening, err);
	if (rc == RC_OK)
		*ret_control = TAKE(control);
	return rc;
}

static void client_drop(struct control *control, struct client *client)
{
	close(client->fd);
	client->fd = -1;
	memset(client->followed, 0, (control->config->certificate_count + 1u) * sizeof(bool));
}

/* Nobody waits for a client: one that does not read is let go. */
static void client_send(struct control *control, struct client *client, const struct control_message *message)
{
	if (send(client->fd, message, sizeof(*message), MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof(*message))
		client_drop(control, client);
}

static void tell(struct control *control, const struct config_certificate *certificate, struct control_message *message)
{
	size_t number = (size_t)(certificate - control->config->certificates);

	message->version = CONTROL_VERSION;
	snprintf(message->name, sizeof(message->name), "%s", certificate->name);
	pthread_mutex_lock(&control->lock);
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *client = &control->clients[i];

		if (client->fd < 0 || !client->followed[number])
			continue;
		client->followed[number] = message->kind != CONTROL_DONE;
		client_send(control, client, message);
	}
	pthread_mutex_unlock(&control->lock);
}

static void on_event(void *ctx, const struct config_certificate *certificate, const char *event)
{
	struct control_message message = { .kind = CONTROL_EVENT };

	snprintf(message.text, sizeof(message.text), "%s", event);
	tell(ctx, certificate, &message);
}

static void on_done(void *ctx, const struct config_certificate *certificate, const struct renewal_outcome *outcome, enum rc rc,
		    const struct err *why)
{
	struct control_message message = { .kind = CONTROL_DONE,
					   .rc = (uint32_t)rc,
					   .blame = (uint32_t)outcome->blame,
					   .result = (uint32_t)outcome->result,
					   .when = outcome->plan.when };

	snprintf(message.why, sizeof(message.why), "%s", outcome->plan.why);
	snprintf(message.text, sizeof(message.text), "%s", rc == RC_OK ? "" : why->text);
	tell(ctx, certificate, &message);
}

static void page_tell(struct control *control, struct client *client)
{
	struct control_message message = { .version = CONTROL_VERSION, .kind = CONTROL_PAGE };

	snprintf(message.text, sizeof(message.text), "%s", control->page ? control->page : "");
	client_send(control, client, &message);
}

static void client_hear(struct control *control, struct client *client)
{
	struct control_message message;
	/* MSG_TRUNC: the true length, also of what is longer than a message. */
	ssize_t got = recv(client->fd, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	bool is_ours = got == (ssize_t)sizeof(message) && message.version == CONTROL_VERSION;
	if (is_ours && message.kind == CONTROL_PAGE) {
		page_tell(control, client);
		return;
	}
	/* The engine that follows one that ends does it, and may know more names. */
	if (!is_ours || message.kind != CONTROL_ASK || message.call > RENEWAL_FORCED || loop_is_ending(control->loop)) {
		client_drop(control, client);
		return;
	}
	message.name[sizeof(message.name) - 1] = '\0';
	const struct config_certificate *certificate = config_certificate_get(control->config, message.name);
	if (!certificate) {
		message.kind = CONTROL_UNKNOWN;
		client_send(control, client, &message);
		return;
	}
	/* Before it begins: no step of it is missed. */
	client->followed[certificate - control->config->certificates] = true;
	loop_ask(control->loop, certificate, (enum renewal_call)message.call);
}

static void client_accept(struct control *control)
{
	int fd = accept4(control->listening, NULL, NULL, SOCK_CLOEXEC);
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);

	if (fd < 0) {
		int number = errno;

		if (shortage_note(&control->shortage, number, clock_monotonic_ms()))
			log_event(LOG_WARN, "who asks the daemon by its control socket waits: %s", strerror(number));
		return;
	}
	shortage_end(&control->shortage);
	/* The mode says the same; where it does not count, as on some old systems, this does. */
	bool is_ours = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == geteuid() || peer.uid == 0);
	for (unsigned i = 0; is_ours && i < CONTROL_CLIENTS_MAX; i++) {
		if (control->clients[i].fd >= 0)
			continue;
		control->clients[i].fd = fd;
		return;
	}
	close(fd);
}

/* With the lock.  Who comes then waits, and is heard when one of them has its answers. */
static bool is_full(const struct control *control)
{
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i].fd < 0)
			return false;
	return true;
}

static void *serve(void *ctx)
{
	struct control *control = ctx;

	for (;;) {
		struct pollfd watched[CONTROL_CLIENTS_MAX + 2];

		pthread_mutex_lock(&control->lock);
		for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
			watched[i] = (struct pollfd){ .fd = control->clients[i].fd, .events = POLLIN };
		int rest_ms = is_full(control) ? FULL_LOOK_MS : shortage_rest_ms(&control->shortage, clock_monotonic_ms());
		pthread_mutex_unlock(&control->lock);
		watched[CONTROL_CLIENTS_MAX] = (struct pollfd){ .fd = rest_ms ? -1 : control->listening, .events = POLLIN };
		watched[CONTROL_CLIENTS_MAX + 1] = (struct pollfd){ .fd = control->stopping, .events = POLLIN };
		if (poll(watched, CONTROL_CLIENTS_MAX + 2, rest_ms ? rest_ms : -1) < 0 && errno != EINTR)
			return NULL;
		if (watched[CONTROL_CLIENTS_MAX + 1].revents)
			return NULL;
		pthread_mutex_lock(&control->lock);
		for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
			/* A worker may have let it go meanwhile. */
			if (watched[i].revents && watched[i].fd >= 0 && control->clients[i].fd == watched[i].fd)
				client_hear(control, &control->clients[i]);
		if (watched[CONTROL_CLIENTS_MAX].revents)
			client_accept(control);
		pthread_mutex_unlock(&control->lock);
	}
}

enum rc control_start(struct control *control, struct loop *loop, struct err *err)
{
	sigset_t all, before;

	control->loop = loop;
	loop_listen(loop, &(struct loop_ear){ .ctx = control, .event = on_event, .done = on_done });
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int number = pthread_create(&control->thread, NULL, serve, control);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	control->has_thread = number == 0;
	return number == 0 ? RC_OK : err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "pthread_create: %s", strerror(number));
}

void control_set_page(struct control *control, const char *address)
{
	pthread_mutex_lock(&control->lock);
	control->page = address;
	pthread_mutex_unlock(&control->lock);
}

void control_stop(struct control *control)
{
	uint64_t one = 1;

	if (!control)
		return;
	if (control->has_thread && write(control->stopping, &one, sizeof(one)) == (ssize_t)sizeof(one))
		pthread_join(control->thread, NULL);
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (control->clients[i].fd >= 0)
			close(control->clients[i].fd);
		free(control->clients[i].followed);
	}
	if (control->listening >= 0)
		close(control->listening);
	if (control->stopping >= 0)
		close(control->stopping);
	pthread_mutex_destroy(&control->lock);
	free(control);
}
