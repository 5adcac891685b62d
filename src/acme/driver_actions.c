/* driver_actions.c -- the request that each action of an order is, and what is taken over from its answer. */
#include "driver_actions.h"

#include <stdio.h>
#include <string.h>

#include "chain.h"
#include "csr.h"
#include "new_order.h"
#include "problem.h"
#include "utf8.h"

#define BARE_MAX 8 /* looks at an order that is valid, and lacks its certificate: some ten seconds */

void driver_note_profile(struct driver *driver)
{
	const char *profile = driver->terms.profile;

	snprintf(driver->order->profile, sizeof(driver->order->profile), "%s", profile ? profile : "");
	driver->order->is_profile_known = true;
}

void driver_answer_forget(struct driver *driver)
{
	if (driver->answer)
		message_order_clear(driver->answer);
	free(driver->answer);
	driver->answer = NULL;
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
	driver_answer_forget(driver);
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

	/* RFC 8555, 7.3.6: so is whatever is signed for an account that has ended, or has another key; some CAs say no more. */
	if (rc != RC_OK && (err->problem == PROBLEM_UNAUTHORIZED || err->problem == PROBLEM_MALFORMED))
		return err_wrap(err, rc,
				"newOrder (`hwacme account show` tells whether the CA has the account still, with this key)");
	if (rc != RC_OK)
		return err_wrap(err, rc, "newOrder");
	snprintf(driver->order->url, sizeof(driver->order->url), "%s", response.location);
	driver_note_profile(driver);
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
	if (rc == RC_OK) {
		driver->was_asked_for = true;
		rc = client_post(driver->client, "finalize", driver->order->finalize_url, buf_span(&payload), NULL, &response,
				 &why);
	}
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
 * an EC key and of an RSA key say, then have one, and the CSR that came first has it.  The CA has refused ours, or it was never sent, and
 * that order is over: the next one is for us.  So it is where an older copy of our records was put back, and the key made anew that the
 * order had.  Once: what a CA makes twice of that is not to be asked for in a circle.
 */
static void note_taken(struct driver *driver)
{
	if ((driver->was_asked_for && !driver->was_too_early) || driver->was_taken)
		return;
	driver->was_taken = true;
	snprintf(driver->void_for, sizeof(driver->void_for), "its order has the certificate of another key");
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

static const struct driver_action ACTIONS[ORDER_ACTION_COUNT] = {
	[ORDER_DO_SUBMIT] = { .perform = do_submit, .before = "ordering", .after = "order accepted" },
	[ORDER_DO_SOLVE] = { .perform = do_solve },
	[ORDER_DO_WATCH] = { .perform = do_watch },
	[ORDER_DO_SEND_CSR] = { .perform = do_send_csr, .before = "sending the CSR", .after = "CSR accepted" },
	[ORDER_DO_ASK] = { .perform = do_ask, .only_asks = true },
	[ORDER_DO_DOWNLOAD] = { .perform = do_download, .only_asks = true },
};

const struct driver_action *driver_action(enum order_action action)
{
	return &ACTIONS[action];
}
