/* remote_link.c -- the engine's connections to keyd: lent to one caller each, and made anew when keyd is gone. */
#include "remote_link.h"

#include <errno.h>
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
	unsigned epoch;                /* of the keyd it leads to */
	enum keyd_operation operation; /* while it is lent: what was asked on it, and when */
	int64_t asked_at_ms;
	struct wire message;
};

struct remote_link {
	struct remote_starter starter;
	pid_t owner;
	pthread_mutex_t lock;
	pthread_cond_t returned;
	unsigned epoch; /* counts the keyds started; 0: none yet */
	bool is_up;
	int64_t generated_at_ms; /* when the last generation ended */
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

static int64_t patience_ms(const struct remote_link *link, enum keyd_operation operation)
{
	if (operation == KEYD_GENERATE && link->starter.generate_deadline_ms)
		return link->starter.generate_deadline_ms;
	return link->starter.deadline_ms ? link->starter.deadline_ms : DEADLINES[operation];
}

/* With the lock: how many keys are made for other callers. */
static unsigned others_generating(const struct remote_link *link, const struct lane *lane)
{
	unsigned count = 0;

	for (unsigned i = 0; i < REMOTE_CONNECTIONS; i++) {
		const struct lane *other = &link->lanes[i];

		count += other != lane && other->is_lent && other->operation == KEYD_GENERATE && other->epoch == lane->epoch;
	}
	return count;
}

/*
 * Until when a call waits whose own time is over.  A TPM does one thing at a time, and so does many a module: who comes during a generation
 * waits for it, and to kill keyd for that would kill the generation, which would be made again and meet the same end.  So the time in which
 * a key is made for another caller is not counted.  What hangs is found all the same: of generations that wait for each other none waits
 * longer than all of them may take, and no call for more of them than there are other connections.
 */
static int64_t deadline_prolonged(struct remote_link *link, const struct lane *lane)
{
	int64_t patience = patience_ms(link, lane->operation), since = lane->asked_at_ms;
	int64_t most = since + patience + (REMOTE_CONNECTIONS - 1) * patience_ms(link, KEYD_GENERATE);

	pthread_mutex_lock(&link->lock);
	unsigned others = others_generating(link, lane);
	if (link->generated_at_ms > since)
		since = link->generated_at_ms;
	pthread_mutex_unlock(&link->lock);
	if (lane->operation == KEYD_GENERATE)
		since += others * patience;
	else if (others)
		since = clock_monotonic_ms(); /* and then it is looked again */
	return since + patience < most ? since + patience : most;
}

/* Nobody waits for an answer on it: whatever there is to read is the end of a keyd that died idle, or babble. */
static bool is_dead_idle(const struct lane *lane)
{
	struct pollfd pollfd = { .fd = lane->fd, .events = POLLIN };

	return poll(&pollfd, 1, 0) > 0;
}

static enum rc lane_borrow(struct remote_link *link, enum keyd_operation operation, struct lane **ret_lane, struct err *err)
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
	if (rc == RC_OK) {
		(*ret_lane)->is_lent = true;
		(*ret_lane)->operation = operation;
		(*ret_lane)->asked_at_ms = clock_monotonic_ms();
	}
	pthread_mutex_unlock(&link->lock);
	return rc;
}

/* `is_dead`: keyd did not answer on it.  Whoever says so first has it killed; the others on it will see it gone. */
static void lane_return(struct remote_link *link, struct lane *lane, bool is_dead)
{
	pthread_mutex_lock(&link->lock);
	lane->is_lent = false;
	if (lane->operation == KEYD_GENERATE)
		link->generated_at_ms = clock_monotonic_ms();
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
static bool answer_next(struct remote_link *link, struct lane *lane, enum keyd_answer *ret_kind, enum rc *ret_rc, struct err *err)
{
	int64_t deadline = lane->asked_at_ms + patience_ms(link, lane->operation);
	struct err why = { 0 };
	enum rc rc;

	while ((rc = wire_receive(&lane->message, lane->fd, deadline, &why)) != RC_OK && why.code == ETIMEDOUT) {
		int64_t prolonged = deadline_prolonged(link, lane);

		if (prolonged <= deadline)
			break;
		deadline = prolonged;
	}
	if (rc != RC_OK) {
		*err = why;
		return false;
	}
	uint64_t kind = wire_get_number(&lane->message, 1);
	*ret_rc = wire_get_err(&lane->message, err);
	*ret_kind = (enum keyd_answer)kind;
	if (!lane->message.bad && kind <= KEYD_ANSWER_END)
		return true;
	err_set_raw(err, RC_PROTOCOL, ERR_KEYD, 0, "an answer that is not one of ours");
	return false;
}

/* True when keyd gave a whole answer, good or bad: *ret_rc is then the call's. */
static bool exchange(struct remote_link *link, struct lane *lane, const struct remote_call *call, enum rc *ret_rc,
		     struct err *err)
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
		if (!answer_next(link, lane, &kind, &rc, *ret_rc == RC_OK ? err : &unused))
			return false;
		if (*ret_rc == RC_OK)
			*ret_rc = rc == RC_OK ? call->take(call->ctx, kind, &lane->message, err) : rc;
	}
	return true;
}

enum rc remote_call(struct remote_link *link, struct remote_call *call, struct err *err)
{
	struct err why = { 0 };

	for (int attempt = 0; attempt < (call->is_once ? 1 : 2); attempt++) {
		struct lane *lane;
		enum rc rc = lane_borrow(link, call->operation, &lane, err);

		if (rc != RC_OK)
			return rc;
		call->was_lost = !exchange(link, lane, call, &rc, &why);
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
