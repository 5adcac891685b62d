/*
 * pkcs11_session.c -- a small pool of sessions for each token, and the way back when the token was away.
 *
 * A caller takes a session, works with it, and gives it back; the sessions that stay open keep the
 * login.  What a call answered decides what becomes of the session: used again, closed and replaced
 * (an operation may be active in it), or lost with all others, because the module is started anew.
 */
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "pkcs11.h"
#include "pkcs11_quirks.h"

#define SESSION_WAIT_MS   60000 /* for one to come back; who has them then hangs */
#define PATIENCE_MS       20    /* in which others may go ahead of who waits */
#define CROWDED_MS        60000 /* until a session that was one too many is asked for again */
#define RETRY_STEP_MS     1000
#define RETRY_STEP_MAX_MS 30000

enum rc pkcs11_session_fail(struct pkcs11_session *session, struct err *err, CK_RV rv, const char *function)
{
	session->is_gone = session->is_gone || pkcs11_is_gone(rv);
	/* Of a code that is not known: where the session was lost, to open another leads to the way back. */
	session->is_spoiled = session->is_spoiled || rv == CKR_OPERATION_ACTIVE || !pkcs11_is_known(rv);
	return pkcs11_fail(err, rv, function);
}

static bool may_be_gone(CK_RV rv)
{
	return pkcs11_is_gone(rv) || !pkcs11_is_known(rv);
}

enum rc pkcs11_connect_fail(struct pkcs11_session *session, struct err *err, CK_RV rv, const char *function)
{
	session->is_gone = session->is_gone || may_be_gone(rv);
	return pkcs11_session_fail(session, err, rv, function);
}

/* How one run of the work went. */
struct outcome {
	bool is_reached;    /* connected, and the work was run */
	bool is_gone;       /* the connection is, or was, lost */
	bool is_spoiled;    /* another session may do it */
	bool is_start;      /* the module itself cannot be started */
	bool is_unanswered; /* the last C_Login had neither success nor a verdict */
	uint64_t generation;
};

static CK_RV session_open(struct pkcs11_token *token, struct pkcs11_session *session, uint64_t generation)
{
	*session = (struct pkcs11_session){ .token = token, .call = token->call, .generation = generation };
	CK_RV rv = pkcs11_module_open_session(token->module, token->slot, token->is_read_only, &session->handle);
	/* Its keys can be used all the same.  One that says so only once is asked for a whole session again. */
	if (rv == CKR_TOKEN_WRITE_PROTECTED && token->info.flags & CKF_WRITE_PROTECTED && !token->is_read_only) {
		token->is_read_only = true;
		rv = pkcs11_module_open_session(token->module, token->slot, true, &session->handle);
	}
	session->is_open = rv == CKR_OK;
	session->turns = token->quirks->turns == PKCS11_TURNS_FREE ? NULL : pkcs11_module_turns(token->module);
	return rv;
}

static void session_close(struct pkcs11_session *session)
{
	if (session->is_open)
		pkcs11_module_close_session(session->token->module, session->handle);
	session->is_open = false;
}

static unsigned open_count(const struct pkcs11_token *token)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PKCS11_SESSIONS_MAX; i++)
		count += token->sessions[i].is_open;
	return count;
}

void pkcs11_session_close_all(struct pkcs11_token *token)
{
	if (!token->generation || !pkcs11_module_enter_same(token->module, token->generation))
		return;
	for (unsigned i = 0; i < PKCS11_SESSIONS_MAX; i++)
		session_close(&token->sessions[i]);
	pkcs11_module_leave(token->module);
}

/* A module known to give out keys is not used by accident. */
static enum rc quirks_check(const struct pkcs11_token *token, struct err *err)
{
	if (!token->quirks->gives_out_unextractable || token->accept_wrapping)
		return RC_OK;
	return err_set_raw(err, RC_DENIED, ERR_PKCS11, 0,
			   "%s gives out by C_WrapKey keys that it calls unextractable; use another token, or accept this one "
			   "with accept-wrapping: true beside its module:",
			   token->quirks->name);
}

/* What the token itself allows may be less than the configuration. */
static void limit_sessions(struct pkcs11_token *token)
{
	CK_ULONG most = token->info.ulMaxRwSessionCount;

	token->session_max = token->session_limit;
	token->crowded_until_ms = 0;
	if (most && most != CK_UNAVAILABLE_INFORMATION && most < token->session_max)
		token->session_max = (unsigned)most;
}

/* ProtectToolkit's tokens do not tell that they require it, and show private keys to nobody else. */
static bool wants_login(const struct pkcs11_token *token)
{
	return token->info.flags & CKF_LOGIN_REQUIRED || token->pin.source != SECRET_NONE;
}

/* With the token's mutex, inside the module: finds the token again, opens its first session, logs in. */
static enum rc token_connect(struct pkcs11_token *token, uint64_t generation, struct outcome *outcome, struct err *err)
{
	struct pkcs11_session *session = &token->sessions[0];

	/* Those of an earlier load went with it. */
	memset(token->sessions, 0, sizeof(token->sessions));
	token->generation = 0;
	token->tells_login = token->is_read_only = false;
	struct err why = { 0 };
	enum rc rc = pkcs11_selector_slot(token, &token->slot, &token->info, &why);
	session->is_gone = rc != RC_OK && why.origin == ERR_PKCS11 && may_be_gone((CK_RV)why.code);
	if (rc == RC_OK) {
		limit_sessions(token);
		token->quirks = pkcs11_quirks_find(pkcs11_module_info(token->module), &token->info);
		rc = quirks_check(token, &why);
	}
	if (rc == RC_OK) {
		CK_RV rv = session_open(token, session, generation);
		if (rv != CKR_OK)
			rc = pkcs11_connect_fail(session, &why, rv, "C_OpenSession");
	}
	if (rc == RC_OK && wants_login(token)) {
		rc = pkcs11_login(session, &why);
		outcome->is_unanswered = rc == RC_RETRY;
		token->tells_login = rc == RC_OK && pkcs11_login_is_told(session);
	}
	if (rc == RC_OK) {
		token->generation = generation;
		token->was_connected = true;
		return RC_OK;
	}
	outcome->is_gone = session->is_gone;
	session_close(session);
	if (err)
		*err = why;
	return rc;
}

/* With the token's mutex: one that nobody has, or, where there is room, a closed one. */
static struct pkcs11_session *session_free(struct pkcs11_token *token)
{
	struct pkcs11_session *closed = NULL;

	if (token->crowded_until_ms && clock_monotonic_ms() >= token->crowded_until_ms)
		limit_sessions(token);
	for (unsigned i = 0; i < PKCS11_SESSIONS_MAX; i++) {
		if (token->sessions[i].is_busy)
			continue;
		if (token->sessions[i].is_open)
			return &token->sessions[i];
		if (!closed)
			closed = &token->sessions[i];
	}
	return open_count(token) < token->session_max ? closed : NULL;
}

/*
 * Who wants a session.  Who comes may go ahead of those that have waited for PATIENCE_MS or less, because to
 * wake the first of them for each call costs more than the call; after that the first has the next.
 */
struct pkcs11_waiter {
	struct pkcs11_waiter *next;
	pthread_cond_t turn;
	int64_t since_ms;
};

static void queue_join(struct pkcs11_token *token, struct pkcs11_waiter *waiter)
{
	struct pkcs11_waiter **at = &token->queue;

	*waiter = (struct pkcs11_waiter){ .since_ms = clock_monotonic_ms() };
	pthread_cond_init(&waiter->turn, NULL);
	while (*at)
		at = &(*at)->next;
	*at = waiter;
}

static void queue_wake(const struct pkcs11_token *token)
{
	if (token->queue)
		pthread_cond_signal(&token->queue->turn);
}

static bool queue_lets(const struct pkcs11_token *token, const struct pkcs11_waiter *waiter)
{
	return token->queue == waiter || clock_monotonic_ms() <= token->queue->since_ms + PATIENCE_MS;
}

static void queue_leave(struct pkcs11_token *token, struct pkcs11_waiter *waiter)
{
	struct pkcs11_waiter **at = &token->queue;

	while (*at != waiter)
		at = &(*at)->next;
	*at = waiter->next;
	pthread_cond_destroy(&waiter->turn);
	if (session_free(token))
		queue_wake(token);
}

/* PKCS#11 2.40, 5.6: a token may also say so of a session too many; or a vendor in its own way. */
static bool is_crowded(CK_RV rv)
{
	return rv == CKR_SESSION_COUNT || rv == CKR_DEVICE_MEMORY || rv == CKR_HOST_MEMORY || !pkcs11_is_known(rv);
}

/* Inside the module, with the token's mutex. */
static enum rc session_pick(struct pkcs11_token *token, uint64_t generation, struct pkcs11_waiter *waiter,
			    struct pkcs11_session **ret_session, struct outcome *outcome, struct err *err)
{
	int64_t deadline = clock_monotonic_ms() + SESSION_WAIT_MS;
	enum rc rc = RC_OK;

	while (rc == RC_OK) {
		struct pkcs11_session *session = NULL;

		bool may_go = queue_lets(token, waiter);
		if (may_go && token->generation != generation) {
			rc = token_connect(token, generation, outcome, err);
		} else if (!may_go || !(session = session_free(token))) {
			if (!pkcs11_wait(&waiter->turn, &token->mutex, deadline))
				rc = err_set_raw(err, RC_RETRY, ERR_PKCS11, 0, "all its %u sessions are in use",
						 token->session_max);
		} else {
			CK_RV rv = session->is_open ? CKR_OK : session_open(token, session, generation);

			if (rv == CKR_OK) {
				session->is_busy = true;
				*ret_session = session;
				break;
			}
			/* Others have taken the rest of the token's sessions: for a while we live with those we have. */
			if (is_crowded(rv) && open_count(token) > 0) {
				token->session_max = open_count(token);
				token->crowded_until_ms = clock_monotonic_ms() + CROWDED_MS;
				continue;
			}
			outcome->is_gone = may_be_gone(rv);
			rc = pkcs11_fail(err, rv, "C_OpenSession");
		}
	}
	return rc;
}

/* Inside the module. */
static enum rc session_take(struct pkcs11_token *token, uint64_t generation, struct pkcs11_session **ret_session,
			    struct outcome *outcome, struct err *err)
{
	struct pkcs11_waiter waiter;

	pthread_mutex_lock(&token->mutex);
	queue_join(token, &waiter);
	enum rc rc = session_pick(token, generation, &waiter, ret_session, outcome, err);
	queue_leave(token, &waiter);
	pthread_mutex_unlock(&token->mutex);
	return rc;
}

/* With the token's mutex.  With the last session the login goes too: another is opened first, where there may be two. */
static void session_replace(struct pkcs11_token *token, struct pkcs11_session *session)
{
	struct pkcs11_session *fresh = NULL;

	if (open_count(token) == 1) {
		for (unsigned i = 0; i < PKCS11_SESSIONS_MAX && !fresh; i++)
			if (!token->sessions[i].is_open)
				fresh = &token->sessions[i];
		if (token->session_max == 1 || session_open(token, fresh, session->generation) != CKR_OK)
			token->generation = 0; /* logged out with it: the next caller connects again */
	}
	session_close(session);
}

/* Inside the module. */
static void session_give(struct pkcs11_session *session)
{
	struct pkcs11_token *token = session->token;

	pthread_mutex_lock(&token->mutex);
	session->is_busy = false;
	if (session->is_gone)
		pkcs11_module_stale(token->module, session->generation);
	else if (session->is_spoiled)
		session_replace(token, session);
	session->is_spoiled = false;
	queue_wake(token);
	pthread_mutex_unlock(&token->mutex);
}

/* What is to be done, and how. */
struct job {
	pkcs11_work *work;
	void *ctx;
	bool is_change;
};

static enum rc run_once(struct pkcs11_token *token, const struct job *job, struct outcome *outcome, struct err *err)
{
	struct pkcs11_session *session = NULL;
	uint64_t generation = 0;
	enum rc rc = pkcs11_module_enter(token->module, &generation, err);

	*outcome = (struct outcome){ .is_start = rc != RC_OK, .generation = generation };
	if (rc != RC_OK)
		return rc;
	rc = session_take(token, generation, &session, outcome, err);
	if (rc == RC_OK) {
		outcome->is_reached = true;
		pkcs11_turn_begin(session, job->is_change);
		rc = job->work(session, job->ctx, err);
		pkcs11_turn_end(session);
		/* What it got over by itself, or has a verdict about, is no reason to start the module anew. */
		outcome->is_gone = session->is_gone = rc == RC_RETRY && session->is_gone;
		outcome->is_spoiled = rc == RC_RETRY && session->is_spoiled && err->code == CKR_OPERATION_ACTIVE;
		session_give(session);
	} else if (outcome->is_gone) {
		pkcs11_module_stale(token->module, generation);
	}
	pkcs11_module_leave(token->module);
	return rc;
}

/* While it cannot be reached: the same answer, until it is time to try again. */
static enum rc wait_check(struct pkcs11_token *token, struct err *err)
{
	enum rc rc = RC_OK;

	pthread_mutex_lock(&token->mutex);
	int64_t left = token->retry_at_ms ? token->retry_at_ms - clock_monotonic_ms() : 0;
	if (left > 0) {
		rc = token->unavailable.rc;
		if (err)
			*err = token->unavailable;
	}
	pthread_mutex_unlock(&token->mutex);
	return rc;
}

/* Says "token unavailable" of what an operator would call so, and remembers when to ask again. */
static enum rc run_end(struct pkcs11_token *token, enum rc rc, const struct outcome *outcome, struct err *why)
{
	bool is_lost = !outcome->is_reached && (outcome->is_start || outcome->is_gone || outcome->is_unanswered ||
						(rc == RC_ABSENT && token->was_connected));

	pthread_mutex_lock(&token->mutex);
	if (is_lost || outcome->is_gone) {
		why->rc = rc = RC_RETRY;
		err_wrap(why, rc, "token unavailable");
	}
	if (outcome->is_reached) {
		token->retry_at_ms = token->retry_step_ms = 0;
	} else if (is_lost) {
		token->retry_step_ms = token->retry_step_ms ? 2 * token->retry_step_ms : RETRY_STEP_MS;
		if (token->retry_step_ms > RETRY_STEP_MAX_MS)
			token->retry_step_ms = RETRY_STEP_MAX_MS;
		token->retry_at_ms = clock_monotonic_ms() + token->retry_step_ms;
		token->unavailable = *why;
	}
	pthread_mutex_unlock(&token->mutex);
	return rc;
}

/* Some modules say CKR_GENERAL_ERROR of a wrong PIN: one C_Login a call, and the next one not before its back-off. */
static bool may_try_again(const struct outcome *outcome)
{
	return (outcome->is_gone || outcome->is_spoiled) && !outcome->is_unanswered;
}

static enum rc run(struct pkcs11_token *token, const struct job *job, struct err *err)
{
	struct outcome outcome = { 0 };
	struct err why = { 0 };

	if (token->owner != getpid())
		return err_set(err, RC_BUG, "it was opened by another process; open it after the fork");
	enum rc rc = wait_check(token, err);
	if (rc != RC_OK)
		return rc;
	rc = run_once(token, job, &outcome, &why);
	/* Plugged in since the module was started; or away for a moment, while another process logs in (SoftHSM). */
	if (rc == RC_ABSENT && !outcome.is_reached)
		outcome.is_gone = pkcs11_module_look(token->module, outcome.generation);
	if (rc != RC_OK && may_try_again(&outcome)) {
		why = (struct err){ 0 };
		rc = run_once(token, job, &outcome, &why);
	}
	rc = run_end(token, rc, &outcome, &why);
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

enum rc pkcs11_run(struct pkcs11_token *token, pkcs11_work *work, void *ctx, struct err *err)
{
	return run(token, &(struct job){ .work = work, .ctx = ctx }, err);
}

enum rc pkcs11_run_change(struct pkcs11_token *token, pkcs11_work *work, void *ctx, struct err *err)
{
	return run(token, &(struct job){ .work = work, .ctx = ctx, .is_change = true }, err);
}
