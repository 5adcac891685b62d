/* remote_link.c -- the engine's connections to keyd: lent to one caller each, and made anew when keyd is gone. */
#include "remote_link.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "clock.h"

static const int64_t DEADLINES[KEYD_OPERATION_COUNT] = {
#define X(name, deadline_ms) [name] = (deadline_ms),
	KEYD_OPERATIONS(X)
#undef X
};

struct lane { /* one connection */
	int fd;
	bool is_lent;
	unsigned epoch; /* of the keyd it leads to */
	struct wire message;
};

struct remote_link {
	struct remote_starter starter;
	pid_t owner;
	pthread_mutex_t lock;
	pthread_cond_t returned;
	unsigned epoch; /* counts the keyds started; 0: none yet */
	bool is_up;
	struct lane lanes[REMOTE_CONNECTIONS];
};

enum rc remote_link_new(const struct remote_starter *starter, struct remote_link **ret_link, struct err *err)
{
	struct remote_link *link = calloc(1, sizeof(*link));

	if (!link)
		return err_set(err, RC_RESOURCE, "out of memory");
	link->starter = *starter;
	link->owner = getpid();
	pthread_mutex_init(&link->lock, NULL);
	pthread_cond_init(&link->returned, NULL);
	for (unsigned i = 0; i < REMOTE_CONNECTIONS; i++)
		link->lanes[i].fd = -1;
	*ret_link = link;
	return RC_OK;
}

/* A lane that is lent is closed by its caller. */
static void lanes_close(struct remote_link *link)
{
	for (unsigned i = 0; i < REMOTE_CONNECTIONS; i++) {
		struct lane *lane = &link->lanes[i];

		if (lane->fd >= 0 && !lane->is_lent) {
			close(lane->fd);
			lane->fd = -1;
		}
	}
	link->is_up = false;
}

void remote_link_free(struct remote_link *link)
{
	if (!link)
		return;
	lanes_close(link);
	pthread_mutex_destroy(&link->lock);
	pthread_cond_destroy(&link->returned);
	free(link);
}

/* The lock is held, and no lane is lent. */
static enum rc keyd_start(struct remote_link *link, struct err *err)
{
	int fds[REMOTE_CONNECTIONS];
	enum rc rc = link->starter.start(link->starter.ctx, fds, REMOTE_CONNECTIONS, err);

	if (rc != RC_OK)
		return err_wrap(err, rc, "start keyd");
	for (unsigned i = 0; i < REMOTE_CONNECTIONS && rc == RC_OK; i++)
		rc = wire_socket(fds[i], err);
	for (unsigned i = 0; rc != RC_OK && i < REMOTE_CONNECTIONS; i++)
		close(fds[i]);
	if (rc != RC_OK)
		return rc;
	link->epoch++;
	link->is_up = true;
	for (unsigned i = 0; i < REMOTE_CONNECTIONS; i++) {
		link->lanes[i].fd = fds[i];
		link->lanes[i].epoch = link->epoch;
	}
	return RC_OK;
}

static struct lane *lane_free(struct remote_link *link)
{
	for (unsigned i = 0; i < REMOTE_CONNECTIONS; i++)
		if (!link->lanes[i].is_lent && link->lanes[i].fd >= 0)
			return &link->lanes[i];
	return NULL;
}

static bool is_any_lent(const struct remote_link *link)
{
	for (unsigned i = 0; i < REMOTE_CONNECTIONS; i++)
		if (link->lanes[i].is_lent)
			return true;
	return false;
}

/* The lock is held. */
static void keyd_drop(struct remote_link *link)
{
	link->starter.kill(link->starter.ctx);
	lanes_close(link);
}

/* Nobody waits for an answer on it: whatever there is to read is the end of a keyd that died idle, or babble. */
static bool is_dead_idle(const struct lane *lane)
{
	struct pollfd pollfd = { .fd = lane->fd, .events = POLLIN };

	return poll(&pollfd, 1, 0) > 0;
}

static enum rc lane_borrow(struct remote_link *link, struct lane **ret_lane, struct err *err)
{
	enum rc rc = RC_OK;

	if (link->owner != getpid())
		return err_set_raw(err, RC_BUG, ERR_KEYD, 0, "keyd is the parent process's");
	pthread_mutex_lock(&link->lock);
	*ret_lane = link->is_up ? lane_free(link) : NULL;
	if (*ret_lane && is_dead_idle(*ret_lane)) /* not an attempt of this call: nothing of it was sent */
		keyd_drop(link);
	while (rc == RC_OK && !(*ret_lane = link->is_up ? lane_free(link) : NULL)) {
		if (!link->is_up && !is_any_lent(link))
			rc = keyd_start(link, err);
		else
			pthread_cond_wait(&link->returned, &link->lock);
	}
	if (rc == RC_OK)
		(*ret_lane)->is_lent = true;
	pthread_mutex_unlock(&link->lock);
	return rc;
}

/* `is_dead`: keyd did not answer on it.  Whoever says so first has it killed; the others on it will see it gone. */
static void lane_return(struct remote_link *link, struct lane *lane, bool is_dead)
{
	pthread_mutex_lock(&link->lock);
	lane->is_lent = false;
	if (is_dead && link->is_up && lane->epoch == link->epoch)
		keyd_drop(link);
	if (!link->is_up && lane->fd >= 0) {
		close(lane->fd);
		lane->fd = -1;
	}
	pthread_cond_broadcast(&link->returned);
	pthread_mutex_unlock(&link->lock);
}

/* One message of the answer; false when there is none, or not one of ours. */
static bool answer_next(struct lane *lane, int64_t deadline, enum keyd_answer *ret_kind, enum rc *ret_rc, struct err *err)
{
	if (wire_receive(&lane->message, lane->fd, deadline, err) != RC_OK)
		return false;
	uint64_t kind = wire_get_number(&lane->message, 1);
	*ret_rc = wire_get_err(&lane->message, err);
	*ret_kind = (enum keyd_answer)kind;
	if (!lane->message.bad && kind <= KEYD_ANSWER_END)
		return true;
	err_set_raw(err, RC_PROTOCOL, ERR_KEYD, 0, "an answer that is not one of ours");
	return false;
}

/* True when keyd gave a whole answer, good or bad: *ret_rc is then the call's. */
static bool exchange(struct lane *lane, const struct remote_call *call, int64_t deadline, enum rc *ret_rc, struct err *err)
{
	enum keyd_answer kind = KEYD_ANSWER_KEY;
	struct err unused;

	wire_clear(&lane->message);
	wire_put_number(&lane->message, call->operation, 1);
	call->ask(call->ctx, &lane->message);
	*ret_rc = wire_send(&lane->message, lane->fd, err);
	if (*ret_rc != RC_OK)
		return *ret_rc == RC_BUG; /* our own request was too large: keyd is well */
	while (kind != KEYD_ANSWER_END) {
		enum rc rc = RC_OK;

		/* Whoever has heard enough of a list still hears it to its end: the connection is used again. */
		if (!answer_next(lane, deadline, &kind, &rc, *ret_rc == RC_OK ? err : &unused))
			return false;
		if (*ret_rc == RC_OK)
			*ret_rc = rc == RC_OK ? call->take(call->ctx, kind, &lane->message, err) : rc;
	}
	return true;
}

enum rc remote_call(struct remote_link *link, struct remote_call *call, struct err *err)
{
	int64_t patience = link->starter.deadline_ms ? link->starter.deadline_ms : DEADLINES[call->operation];
	struct err why = { 0 };

	for (int attempt = 0; attempt < (call->is_once ? 1 : 2); attempt++) {
		struct lane *lane;
		enum rc rc = lane_borrow(link, &lane, err);

		if (rc != RC_OK)
			return rc;
		call->was_lost = !exchange(lane, call, clock_monotonic_ms() + patience, &rc, &why);
		lane_return(link, lane, call->was_lost);
		if (!call->was_lost) {
			if (rc != RC_OK && err)
				*err = why;
			return rc;
		}
	}
	return err_set_raw(err, RC_RETRY, ERR_KEYD, why.code,
			   "keyd, the process that holds the tokens, ended or hung (is the module sound?): %.200s", why.text);
}
