/* driver.c -- performs the actions that order.c decides, and stores what they came to. */
#include "driver.h"

#include <stdio.h>
#include <string.h>

#include "authorization.h"
#include "chain.h"
#include "csr.h"
#include "message.h"
#include "new_order.h"
#include "problem.h"
#include "utf8.h"

#define BARE_MAX 8 /* looks at an order that is valid, and lacks its certificate: some ten seconds */

struct driver {
	struct client *client;
	const struct config_certificate *certificate;
	struct driver_terms terms;
	struct order *order;    /* NULL while it rests */
	enum order_phase phase; /* of it, then */
	int64_t waited_ms;
	int64_t not_before, asked_at;
	struct driver_hooks hooks;
	struct order_next next;
	int64_t now;                  /* of the step under way */
	struct message_order *answer; /* the CA's last word about the order; NULL: not known */
	struct authorizations *open;  /* answers that are out; NULL: none */
	unsigned bare;                /* answers that called it valid, and did not say where its certificate is */
	bool is_heard;                /* the CA, in the step under way */
	bool had_slip;                /* the CA had one: what failed was asked again at once */
	bool was_too_early;           /* the CA took no CSR of ours for this order, by its own word */
	bool was_taken;               /* an order was another's in the end, and one more was placed for that */
	bool is_until_known;          /* hooks.authorized was told */
	bool is_unready;              /* answers are placed, and the CA was not told of them yet */
	bool is_unsaved;              /* the order changed since it was stored ... */
	const char *noted;            /* ... and this is for the journal; NULL: nothing */
	bool is_resumed;              /* the CA has said nothing of it since we were started ... */
	bool was_unanswered;          /* ... and may have looked for answers that were not there meanwhile */
	char void_for[160];           /* it has, and the order is of no use: why; else "" */
};

/* The order is made by the profile that is configured, as far as is known. */
static void note_profile(struct driver *driver)
{
	const char *profile = driver->terms.profile;

	snprintf(driver->order->profile, sizeof(driver->order->profile), "%s", profile ? profile : "");
	driver->order->is_profile_known = true;
}

enum rc driver_new(struct client *client, const struct config_certificate *certificate, const struct driver_terms *terms,
		   struct order *order, const struct driver_hooks *hooks, struct driver **ret_driver, struct err *err)
{
	struct driver *driver = calloc(1, sizeof(*driver));

	if (!driver)
		return err_set(err, RC_RESOURCE, "out of memory");
	*driver =
		(struct driver){ .client = client, .certificate = certificate, .terms = *terms, .order = order, .hooks = *hooks };
	driver->is_resumed = order->url[0];
	/* An older hwacme did not say. */
	if (driver->is_resumed && !order->is_profile_known)
		note_profile(driver);
	/* Where only the CA was waited for, what became of the order is its own decision. */
	driver->was_unanswered = order->phase != ORDER_AWAIT;
	driver->next = order_resume(order);
	*ret_driver = driver;
	return RC_OK;
}

static void answer_forget(struct driver *driver)
{
	if (driver->answer)
		message_order_clear(driver->answer);
	free(driver->answer);
	driver->answer = NULL;
}

void driver_free(struct driver *driver)
{
	if (!driver)
		return;
	authorizations_free(driver->open);
	answer_forget(driver);
	free(driver);
}

void driver_rest(struct driver *driver)
{
	answer_forget(driver);
	driver->phase = driver->order->phase;
	driver->waited_ms = driver->order->waited_ms;
	driver->not_before = driver->order->not_before;
	driver->asked_at = driver->order->asked_at;
	driver->order = NULL;
}

/* What order_resume() made of the phase is stored with the first step that is taken, not before. */
void driver_wake(struct driver *driver, struct order *order)
{
	order->phase = driver->phase;
	order->waited_ms = driver->waited_ms;
	order->not_before = driver->not_before;
	order->asked_at = driver->asked_at;
	driver->order = order;
}

/* Takes over what an answer says of the order; the status is left to order_step(). */
static enum rc answer_take(struct driver *driver, const struct http_response *response, struct order_event *ret_event,
			   struct err *err)
{
	struct message_order *answer = calloc(1, sizeof(*answer));
	enum rc rc = answer ? message_order_parse(buf_span(&response->body), driver->certificate->names,
						  driver->certificate->name_count, answer, err)
			    : err_set(err, RC_RESOURCE, "out of memory");

	if (rc == RC_ABSENT) {
		if (driver->is_resumed)
			snprintf(driver->void_for, sizeof(driver->void_for), "its order is for other names");
		rc = RC_PROTOCOL;
		if (err)
			err->rc = rc;
	}
	if (rc != RC_OK) {
		free(answer);
		return err_wrap(err, rc, "order");
	}
	if (answer->status == ORDER_IS_INVALID && driver->is_resumed && driver->was_unanswered) {
		snprintf(driver->void_for, sizeof(driver->void_for), "its order was made invalid meanwhile: %s: %s",
			 answer->problem.type, answer->problem.detail);
		utf8_tame(driver->void_for, ' '); /* it goes into the journal, and may have been cut */
	}
	driver->is_resumed = false;
	answer_forget(driver);
	driver->answer = answer;
	order_expires(driver->order, answer->expires_at, driver->now);
	snprintf(driver->order->finalize_url, sizeof(driver->order->finalize_url), "%s", answer->finalize_url);
	snprintf(driver->order->certificate_url, sizeof(driver->order->certificate_url), "%s", answer->certificate_url);
	ret_event->status = answer->status;
	ret_event->retry_at = response->retry_at;
	/* RFC 8555, 7.1.6: what is valid has its certificate; some CAs say where a moment later. */
	if (answer->status == ORDER_IS_VALID && !answer->certificate_url[0]) {
		if (++driver->bare > BARE_MAX)
			return err_set(err, RC_PROTOCOL, "order: it is \"valid\", but has no \"certificate\"");
		ret_event->status = ORDER_IS_PROCESSING;
	}
	if (answer->status == ORDER_IS_INVALID)
		return err_set_raw(err, RC_DENIED, ERR_ACME, 0, "the CA made the order invalid: %s: %s",
				   answer->problem.type[0] ? answer->problem.type : "no reason given", answer->problem.detail);
	return RC_OK;
}

static enum rc do_submit(struct driver *driver, struct order_event *ret_event, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	const struct new_order order = { .client = driver->client,
					 .certificate = driver->certificate,
					 .terms = &driver->terms,
					 .hooks = &driver->hooks,
					 .stored = driver->order };
	enum rc rc = new_order_post(&order, &response, err);

	/* RFC 8555, 7.3.6: so is whatever is signed for an account that has ended; some CAs say no more. */
	if (rc != RC_OK && err->problem == PROBLEM_UNAUTHORIZED)
		return err_wrap(err, rc, "newOrder (`hwacme account show` tells whether the CA has ended the account)");
	if (rc != RC_OK)
		return err_wrap(err, rc, "newOrder");
	snprintf(driver->order->url, sizeof(driver->order->url), "%s", response.location);
	note_profile(driver);
	rc = answer_take(driver, &response, ret_event, err);
	/* acme-profiles, 4: the order shows the profile it is made by. */
	if (rc == RC_OK && driver->terms.profile && driver->answer->profile[0] &&
	    strcmp(driver->answer->profile, driver->terms.profile) != 0)
		return err_set(err, RC_PROTOCOL, "newOrder: the order is for profile \"%s\", not \"%s\"", driver->answer->profile,
			       driver->terms.profile);
	return rc;
}

static enum rc do_ask(struct driver *driver, struct order_event *ret_event, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	enum rc rc = client_post(driver->client, "order", driver->order->url, span_of(NULL, 0), NULL, &response, err);

	if (rc != RC_OK)
		return err_wrap(err, rc, "order %s", driver->order->url);
	return answer_take(driver, &response, ret_event, err);
}

/* The time is the CA's, and may be the past when its clock and ours differ: what it means is decided elsewhere. */
static void authorized(struct driver *driver, const struct authorizations_state *state)
{
	if (!driver->hooks.authorized || state->waiting || !state->valid_until)
		return;
	driver->is_until_known = true;
	driver->hooks.authorized(driver->hooks.ctx, state->valid_until);
}

static void refused(const struct driver *driver, enum rc rc, const struct err *why)
{
	if (rc == RC_RETRY && driver->hooks.refused)
		driver->hooks.refused(driver->hooks.ctx, why);
}

/* An order that was ready at once has shown nothing of its authorisations.  Nothing depends on the answer. */
static void until_ask(struct driver *driver)
{
	struct authorizations_state state = { 0 };
	struct err why = { 0 };

	if (!driver->hooks.authorized || driver->is_until_known || !driver->answer)
		return;
	enum rc rc = authorizations_valid_until(driver->client, driver->answer, &state.valid_until, &why);
	if (rc == RC_OK)
		authorized(driver, &state);
	refused(driver, rc, &why);
}

static void authorizations_note(struct driver *driver, enum rc rc, const struct authorizations_state *state,
				struct order_event *ret_event)
{
	if (rc == RC_OK)
		authorized(driver, state);
	if (rc == RC_OK)
		refused(driver, state->refusal.rc, &state->refusal);
	ret_event->status = ORDER_IS_PENDING;
	ret_event->waiting = state->waiting;
	ret_event->is_unready = state->is_unready;
	ret_event->retry_at = state->retry_at;
}

static enum rc do_solve(struct driver *driver, struct order_event *ret_event, struct err *err)
{
	enum rc rc = RC_OK;

	/* After a restart, or a wait, the list of authorisations has to be asked for. */
	if (!driver->answer)
		rc = do_ask(driver, ret_event, err);
	if (rc == RC_OK && driver->answer->authorization_count == 0)
		rc = err_set(err, RC_PROTOCOL, "the order is pending, but has no authorizations");
	struct authorizations_state state = { 0 };
	if (rc == RC_OK)
		rc = authorizations_begin(driver->client, driver->certificate, &driver->hooks.desk, driver->answer, driver->now,
					  &driver->open, &state, err);
	authorizations_note(driver, rc, &state, ret_event);
	return rc;
}

static enum rc do_watch(struct driver *driver, struct order_event *ret_event, struct err *err)
{
	struct authorizations_state state = { 0 };
	enum rc rc = authorizations_look(driver->open, driver->now, &state, err);

	authorizations_note(driver, rc, &state, ret_event);
	return rc;
}

static enum rc do_send_csr(struct driver *driver, struct order_event *ret_event, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	AUTO(buf) struct buf csr = BUF_MAX(CSR_MAX);
	AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	struct err why = { 0 };
	enum rc rc = driver->hooks.csr(driver->hooks.ctx, &csr, &why);

	if (rc == RC_OK)
		rc = message_finalize_print(buf_span(&csr), &payload, &why);
	if (rc == RC_OK)
		rc = client_post(driver->client, "finalize", driver->order->finalize_url, buf_span(&payload), NULL, &response,
				 &why);
	/* RFC 8555, 7.4: after orderNotReady the client SHOULD ask for the order: a step, and no failure.  Some CAs call an order pending
	 * for a moment after the last of its authorisations became valid. */
	driver->was_too_early = rc != RC_OK && why.problem == PROBLEM_ORDER_NOT_READY;
	if (driver->was_too_early) {
		ret_event->status = ORDER_IS_PENDING;
		ret_event->retry_at = why.retry_at;
		return RC_OK;
	}
	if (rc != RC_OK) {
		*err = why;
		return err_wrap(err, rc, "finalize");
	}
	return answer_take(driver, &response, ret_event, err);
}

/*
 * A CA may answer newOrder with an order of the account that is open already, for the same names: two certificates that are due together, of
 * an EC key and of an RSA key say, then have one, and the CSR that came first has it.  The CA has refused ours, and that order is over: the
 * next one is for us.  Once: what a CA makes twice of that is not to be asked for in a circle.
 */
static void note_taken(struct driver *driver)
{
	if (!driver->was_too_early || driver->was_taken)
		return;
	driver->was_taken = true;
	snprintf(driver->void_for, sizeof(driver->void_for), "its order was also another certificate's, which has it");
}

static enum rc do_download(struct driver *driver, struct order_event *ret_event, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	enum chain_refusal refusal;
	enum rc rc = chain_fetch(driver->client, driver->order->certificate_url, &response, err);

	if (rc != RC_OK)
		return rc;
	until_ask(driver);
	ret_event->status = ORDER_IS_VALID;
	rc = chain_accept(driver->client, &response, &driver->hooks, &refusal, err);
	if (rc != RC_OK && refusal == CHAIN_IS_ANOTHERS)
		note_taken(driver);
	return rc;
}

static const struct {
	enum rc (*perform)(struct driver *driver, struct order_event *ret_event, struct err *err);
	bool only_asks;             /* to be cut off in it, or before, is the same: it is repeated */
	const char *before, *after; /* for the journal; NULL: not worth a line */
} ACTIONS[ORDER_ACTION_COUNT] = {
	[ORDER_DO_SUBMIT] = { .perform = do_submit, .before = "ordering", .after = "order accepted" },
	[ORDER_DO_SOLVE] = { .perform = do_solve },
	[ORDER_DO_WATCH] = { .perform = do_watch },
	[ORDER_DO_SEND_CSR] = { .perform = do_send_csr, .before = "sending the CSR", .after = "CSR accepted" },
	[ORDER_DO_ASK] = { .perform = do_ask, .only_asks = true },
	[ORDER_DO_DOWNLOAD] = { .perform = do_download, .only_asks = true },
};

/* What the journal says after a step; what came to its end says so itself. */
static const char *event_after(struct driver *driver, enum order_action action, const struct order_event *event)
{
	enum order_phase phase = driver->order->phase;

	if (phase == ORDER_FAILED)
		return NULL;
	if (action == ORDER_DO_SEND_CSR && event->status == ORDER_IS_PENDING)
		return "the CSR came too early";
	if (action != ORDER_DO_SOLVE && action != ORDER_DO_WATCH)
		return ACTIONS[action].after;
	if (phase != ORDER_VALIDATE)
		return "authorised";
	bool was_unready = driver->is_unready || action == ORDER_DO_SOLVE;
	driver->is_unready = event->is_unready;
	if (event->is_unready)
		return action == ORDER_DO_SOLVE ? "answers to the challenges placed" : NULL;
	return was_unready ? "challenges answered" : NULL;
}

/* Answers stay out as long as the CA may look at them, and no longer. */
static void answers_end(struct driver *driver)
{
	if (driver->order->phase == ORDER_VALIDATE)
		return;
	authorizations_free(driver->open);
	driver->open = NULL;
}

static enum rc save(struct driver *driver, const char *event, struct err *err)
{
	char both[64];

	if (driver->noted && event)
		snprintf(both, sizeof(both), "%s; %s", driver->noted, event);
	enum rc rc = driver->hooks.save(driver->hooks.ctx, driver->order,
					driver->noted && event ? both
					: driver->noted        ? driver->noted
							       : event,
					err);
	if (rc == RC_OK) {
		driver->is_unsaved = false;
		driver->noted = NULL;
	}
	return rc;
}

/* How often it was looked at is no news that has to be stored. */
static bool is_news(const struct order *before, const struct order *after)
{
	return before->phase != after->phase || before->expires_at != after->expires_at ||
	       before->not_before != after->not_before || strcmp(before->url, after->url) != 0 ||
	       strcmp(before->finalize_url, after->finalize_url) != 0 ||
	       strcmp(before->certificate_url, after->certificate_url) != 0;
}

/*
 * What was open when we were cut off, and is of no use now, is no fault of the CA: the configuration was changed meanwhile, or the CA
 * looked for the answer to its challenge while nobody was here to give it.  Nor is an order that was another's, too.
 */
static enum rc order_anew(struct driver *driver, struct err *err)
{
	char why[sizeof(driver->void_for)];

	snprintf(why, sizeof(why), "%s", driver->void_for);
	driver->void_for[0] = '\0';
	driver->is_resumed = driver->was_too_early = false;
	*driver->order = (struct order){ .phase = ORDER_START };
	driver->next = order_resume(driver->order);
	return save(driver, why, err);
}

static enum rc act(struct driver *driver, struct err *err);

/*
 * A CA may stumble over itself while it works on many orders of an account: what it calls an error of its own, without a word of when to
 * come again, is the end of one request and not of its service.  It is asked again at once where it has the order, which tells what came of
 * that request; a newOrder might make another.  Once: the next one is a failure, and for the back-off.
 */
static bool is_slip(const struct driver *driver, enum order_action action, const struct err *why)
{
	return !driver->had_slip && action != ORDER_DO_SUBMIT && why->origin == ERR_ACME && why->code == 500 &&
	       why->problem == PROBLEM_SERVER_INTERNAL && !why->retry_at;
}

/* Answers that are out stay there: the CA may be looking at them. */
static enum rc act_again(struct driver *driver, struct err *err)
{
	const struct order_event lost = { .rc = RC_RETRY };
	enum rc rc = RC_OK;

	driver->had_slip = true;
	if (driver->next.action != ORDER_DO_WATCH)
		rc = order_step(driver->order, &lost, driver->now, &driver->next, err);
	if (rc == RC_OK)
		return act(driver, err);
	(void)!save(driver, NULL, NULL);
	return rc;
}

static enum rc act_failed(struct driver *driver, enum rc rc, struct order_event *event, const struct err *why, struct err *err)
{
	struct err unused = { 0 };

	if (driver->void_for[0])
		return order_anew(driver, err);
	if (is_slip(driver, driver->next.action, why))
		return act_again(driver, err);
	event->rc = problem_keeps_order(why) ? RC_RETRY : RC_DENIED;
	(void)!order_step(driver->order, event, driver->now, &driver->next, &unused);
	answers_end(driver);
	(void)!save(driver, NULL, NULL);
	if (err)
		*err = *why;
	return rc;
}

/* Without the wait before it. */
static enum rc act(struct driver *driver, struct err *err)
{
	enum order_action action = driver->next.action;
	const char *before = ACTIONS[action].before;
	const struct order known = *driver->order;
	struct order_event event = { .rc = RC_OK };
	struct err why = { 0 };
	/* What the last step came to, and what this one is about to do, is one transaction. */
	enum rc rc = before || (driver->is_unsaved && !ACTIONS[action].only_asks) ? save(driver, before, err) : RC_OK;

	if (rc != RC_OK)
		return rc;
	rc = ACTIONS[action].perform(driver, &event, &why);
	if (rc != RC_OK)
		return act_failed(driver, rc, &event, &why, err);
	/* Whether answers can be seen yet is asked of others. */
	driver->is_heard = driver->is_heard || action != ORDER_DO_WATCH || !event.is_unready;
	rc = order_step(driver->order, &event, driver->now, &driver->next, err);
	answers_end(driver);
	driver->is_unsaved = driver->is_unsaved || is_news(&known, driver->order);
	const char *after = event_after(driver, action, &event);
	driver->noted = after ? after : driver->noted;
	if (rc != RC_OK)
		(void)!save(driver, NULL, NULL);
	return rc;
}

/* Is it stored with what comes next, which comes at once? */
static bool goes_on(const struct driver *driver, enum order_action last)
{
	enum order_action next = driver->next.action;

	if (driver->next.not_before || driver->next.pause_ms || next == ORDER_DO_STOP)
		return false;
	/* The order's URL is not to be lost while something is asked. */
	return driver->is_unsaved && !(last == ORDER_DO_SUBMIT && ACTIONS[next].only_asks);
}

enum rc driver_step(struct driver *driver, int64_t now, struct driver_wait *ret_wait, struct err *err)
{
	enum order_action action;
	enum rc rc;

	*ret_wait = (struct driver_wait){ 0 };
	if (driver->next.action == ORDER_DO_STOP)
		return err_set(err, RC_BUG, "the order is over");
	int64_t until = order_waits_until(driver->order, now);
	if (until > now) {
		ret_wait->until = until;
		return RC_OK;
	}
	driver->now = now;
	driver->is_heard = false;
	do {
		action = driver->next.action;
		rc = act(driver, err);
	} while (rc == RC_OK && goes_on(driver, action));
	/* A chain that was accepted is stored by whoever makes it live, which is next. */
	if (rc == RC_OK && driver->is_unsaved && driver->order->phase != ORDER_DONE)
		rc = save(driver, NULL, err);
	*ret_wait = (struct driver_wait){ .until = driver->next.not_before,
					  .pause_ms = driver->next.pause_ms,
					  .is_heard = driver->is_heard };
	return rc;
}
