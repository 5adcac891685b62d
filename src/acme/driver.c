/* driver.c -- performs the actions that order.c decides, and stores what they came to. */
#include "driver.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "authorization.h"
#include "csr.h"
#include "message.h"
#include "problem.h"

struct driver {
	struct client *client;
	const struct config_certificate *certificate;
	struct driver_terms terms;
	struct order *order;
	struct driver_hooks hooks;
	struct order_next next;
	int64_t now;                 /* of the step under way */
	struct message_order answer; /* the CA's last word about the order */
	struct authorizations *open; /* answers that are out; NULL: none */
};

enum rc driver_new(struct client *client, const struct config_certificate *certificate, const struct driver_terms *terms,
		   struct order *order, const struct driver_hooks *hooks, struct driver **ret_driver, struct err *err)
{
	struct driver *driver = calloc(1, sizeof(*driver));

	if (!driver)
		return err_set(err, RC_RESOURCE, "out of memory");
	*driver =
		(struct driver){ .client = client, .certificate = certificate, .terms = *terms, .order = order, .hooks = *hooks };
	driver->next = order_resume(order);
	*ret_driver = driver;
	return RC_OK;
}

void driver_free(struct driver *driver)
{
	if (!driver)
		return;
	authorizations_free(driver->open);
	message_order_clear(&driver->answer);
	free(driver);
}

/* Takes over what an answer says of the order; the status is left to order_step(). */
static enum rc answer_take(struct driver *driver, const struct http_response *response, struct order_event *ret_event,
			   struct err *err)
{
	struct message_order answer = { 0 };
	enum rc rc = message_order_parse(buf_span(&response->body), driver->certificate->names, driver->certificate->name_count,
					 &answer, err);

	if (rc != RC_OK)
		return err_wrap(err, rc, "order");
	message_order_clear(&driver->answer);
	driver->answer = answer;
	driver->order->expires_at = answer.expires_at;
	snprintf(driver->order->finalize_url, sizeof(driver->order->finalize_url), "%s", answer.finalize_url);
	snprintf(driver->order->certificate_url, sizeof(driver->order->certificate_url), "%s", answer.certificate_url);
	ret_event->status = answer.status;
	ret_event->retry_at = response->retry_at;
	if (answer.status == ORDER_IS_INVALID)
		return err_set_raw(err, RC_DENIED, ERR_ACME, 0, "the CA made the order invalid: %s: %s",
				   answer.problem.type[0] ? answer.problem.type : "no reason given", answer.problem.detail);
	return RC_OK;
}

static enum rc new_order(struct driver *driver, const char *url, struct http_response *ret_response, struct err *err)
{
	AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	enum rc rc = message_new_order_print(driver->certificate->names, driver->certificate->name_count, driver->terms.replaces,
					     driver->terms.profile, &payload, err);

	return rc == RC_OK ? client_post(driver->client, "newOrder", url, buf_span(&payload), NULL, ret_response, err) : rc;
}

/* The two refusals that another newOrder answers, at once and once: of `replaces`, and of an address that was kept too long. */
static enum rc new_order_again(struct driver *driver, const char *url, const struct err *why, struct http_response *ret_response,
			       struct err *err)
{
	const char *now_at = url;
	enum rc rc;

	if (why->problem == PROBLEM_ALREADY_REPLACED && driver->terms.replaces) {
		/* RFC 9773, 5: another order, perhaps one that we lost sight of, takes the place of that certificate. */
		driver->terms.replaces = NULL;
		driver->hooks.replaced(driver->hooks.ctx);
		rc = driver->hooks.save(driver->hooks.ctx, driver->order, "ordering without `replaces`: replaced already", err);
		return rc == RC_OK ? new_order(driver, url, ret_response, err) : rc;
	}
	if (why->rc == RC_ABSENT && client_url(driver->client, CLIENT_NEW_ORDER, &now_at, NULL) == RC_OK &&
	    strcmp(now_at, url) != 0)
		return new_order(driver, now_at, ret_response, err);
	if (err)
		*err = *why;
	return why->rc;
}

static enum rc do_submit(struct driver *driver, struct order_event *ret_event, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	char url[HTTP_URL_MAX];
	const char *known_url;
	struct err why = { 0 };
	enum rc rc = client_url(driver->client, CLIENT_NEW_ORDER, &known_url, err);

	if (rc == RC_OK) {
		/* The directory may be another one before we are through. */
		snprintf(url, sizeof(url), "%s", known_url);
		rc = new_order(driver, url, &response, &why);
		if (rc != RC_OK)
			rc = new_order_again(driver, url, &why, &response, err);
	}
	if (rc == RC_OK && strncasecmp(response.location, "https://", 8) != 0)
		rc = err_set_raw(err, RC_PROTOCOL, ERR_HTTP, response.status, "the answer has no https:// Location");
	if (rc != RC_OK)
		return err_wrap(err, rc, "newOrder");
	snprintf(driver->order->url, sizeof(driver->order->url), "%s", response.location);
	rc = answer_take(driver, &response, ret_event, err);
	/* acme-profiles, 4: the order shows the profile it is made by. */
	if (rc == RC_OK && driver->terms.profile && driver->answer.profile[0] &&
	    strcmp(driver->answer.profile, driver->terms.profile) != 0)
		return err_set(err, RC_PROTOCOL, "newOrder: the order is for profile \"%s\", not \"%s\"", driver->answer.profile,
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

static enum rc do_solve(struct driver *driver, struct order_event *ret_event, struct err *err)
{
	enum rc rc = RC_OK;

	/* After a restart the list of authorisations has to be asked for. */
	if (!driver->answer.finalize_url[0])
		rc = do_ask(driver, ret_event, err);
	if (rc == RC_OK && driver->answer.authorization_count == 0)
		rc = err_set(err, RC_PROTOCOL, "the order is pending, but has no authorizations");
	struct authorizations_state state = { 0 };
	if (rc == RC_OK)
		rc = authorizations_begin(driver->client, driver->certificate, &driver->hooks.desk, &driver->answer, driver->now,
					  &driver->open, &state, err);
	ret_event->status = ORDER_IS_PENDING;
	ret_event->waiting = state.waiting;
	ret_event->retry_at = state.retry_at;
	return rc;
}

static enum rc do_watch(struct driver *driver, struct order_event *ret_event, struct err *err)
{
	struct authorizations_state state = { 0 };
	enum rc rc = authorizations_look(driver->open, driver->now, &state, err);

	ret_event->status = ORDER_IS_PENDING;
	ret_event->waiting = state.waiting;
	ret_event->retry_at = state.retry_at;
	return rc;
}

static enum rc do_send_csr(struct driver *driver, struct order_event *ret_event, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	AUTO(buf) struct buf csr = BUF_MAX(CSR_MAX);
	AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	enum rc rc = driver->hooks.csr(driver->hooks.ctx, &csr, err);

	if (rc == RC_OK)
		rc = message_finalize_print(buf_span(&csr), &payload, err);
	if (rc == RC_OK)
		rc = client_post(driver->client, "finalize", driver->order->finalize_url, buf_span(&payload), NULL, &response,
				 err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "finalize");
	return answer_take(driver, &response, ret_event, err);
}

static enum rc chain_fetch(struct driver *driver, const char *url, struct http_response *ret_response, struct err *err)
{
	static const char pem_chain[] = "application/pem-certificate-chain";
	enum rc rc = client_post(driver->client, "certificate", url, span_of(NULL, 0), pem_chain, ret_response, err);

	if (rc != RC_OK)
		return err_wrap(err, rc, "certificate %s", url);
	if (strcmp(ret_response->content_type, pem_chain) != 0)
		return err_set_raw(err, RC_PROTOCOL, ERR_HTTP, ret_response->status,
				   "certificate: its content type is \"%s\", not %s", ret_response->content_type, pem_chain);
	return RC_OK;
}

/* RFC 8555, 7.4.2: the same certificate with other chains; the first that is accepted is taken. */
static enum rc alternates_try(struct driver *driver, const struct http_response *first, bool *ret_accepted, unsigned *ret_tried,
			      struct err *err)
{
	for (unsigned i = 0; i < first->link_count && *ret_tried < DRIVER_ALTERNATES_MAX; i++) {
		AUTO(http_response) struct http_response response = { 0 };
		struct err why = { 0 };
		bool is_elsewhere = false;

		if (strcasecmp(first->links[i].rel, "alternate") != 0)
			continue;
		(*ret_tried)++;
		enum rc rc = chain_fetch(driver, first->links[i].url, &response, &why);
		if (rc == RC_OK)
			rc = driver->hooks.accept(driver->hooks.ctx, buf_span(&response.body), &is_elsewhere, &why);
		if (rc == RC_OK) {
			*ret_accepted = true;
			return RC_OK;
		}
		/* A failure that passes, or is ours, says nothing about the chain. */
		if (problem_keeps_order(&why)) {
			if (err)
				*err = why;
			return rc;
		}
	}
	return RC_OK;
}

static enum rc do_download(struct driver *driver, struct order_event *ret_event, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	struct err why = { 0 };
	bool is_elsewhere = false, is_accepted = false;
	unsigned tried = 0;
	enum rc rc = chain_fetch(driver, driver->order->certificate_url, &response, err);

	if (rc != RC_OK)
		return rc;
	ret_event->status = ORDER_IS_VALID;
	rc = driver->hooks.accept(driver->hooks.ctx, buf_span(&response.body), &is_elsewhere, err);
	if (rc == RC_OK || !is_elsewhere)
		return rc;
	enum rc other = alternates_try(driver, &response, &is_accepted, &tried, &why);
	if (other != RC_OK && err)
		*err = why;
	if (other != RC_OK || is_accepted)
		return other;
	return tried ? err_wrap(err, rc, "neither this chain nor one of %u others", tried) : rc;
}

static const struct {
	enum rc (*perform)(struct driver *driver, struct order_event *ret_event, struct err *err);
	const char *before, *after; /* for the journal; NULL: not worth a line */
} ACTIONS[ORDER_ACTION_COUNT] = {
	[ORDER_DO_SUBMIT] = { do_submit, "ordering", "order accepted" },
	[ORDER_DO_SOLVE] = { do_solve, NULL, NULL },
	[ORDER_DO_WATCH] = { do_watch, NULL, NULL },
	[ORDER_DO_SEND_CSR] = { do_send_csr, "sending the CSR", "CSR accepted" },
	[ORDER_DO_ASK] = { do_ask, NULL, NULL },
	[ORDER_DO_DOWNLOAD] = { do_download, NULL, "certificate downloaded" },
};

/* What the journal says after a step. */
static const char *event_after(enum order_action action, const struct order *order)
{
	bool solved = action == ORDER_DO_SOLVE || action == ORDER_DO_WATCH;

	if (solved)
		return order->phase == ORDER_VALIDATE ? action == ORDER_DO_SOLVE ? "challenges answered" : NULL : "authorised";
	return ACTIONS[action].after;
}

/* Answers stay out as long as the CA may look at them, and no longer. */
static void answers_end(struct driver *driver)
{
	if (driver->order->phase == ORDER_VALIDATE)
		return;
	authorizations_free(driver->open);
	driver->open = NULL;
}

enum rc driver_step(struct driver *driver, int64_t now, struct driver_wait *ret_wait, struct err *err)
{
	enum order_action action = driver->next.action;
	struct order_event event = { .rc = RC_OK };
	struct err why = { 0 }, unused = { 0 };

	*ret_wait = (struct driver_wait){ 0 };
	if (action == ORDER_DO_STOP)
		return err_set(err, RC_BUG, "the order is over");
	if (driver->next.not_before > now) {
		ret_wait->until = driver->next.not_before;
		return RC_OK;
	}
	enum rc rc = ACTIONS[action].before ? driver->hooks.save(driver->hooks.ctx, driver->order, ACTIONS[action].before, err)
					    : RC_OK;
	if (rc != RC_OK)
		return rc;
	driver->now = now;
	rc = ACTIONS[action].perform(driver, &event, &why);
	if (rc != RC_OK) {
		event.rc = problem_keeps_order(&why) ? RC_RETRY : RC_DENIED;
		(void)!order_step(driver->order, &event, now, &driver->next, &unused);
		answers_end(driver);
		(void)!driver->hooks.save(driver->hooks.ctx, driver->order, NULL, NULL);
		if (err)
			*err = why;
		return rc;
	}
	enum rc stepped = order_step(driver->order, &event, now, &driver->next, err);
	answers_end(driver);
	rc = driver->hooks.save(driver->hooks.ctx, driver->order, event_after(action, driver->order),
				stepped == RC_OK ? err : NULL);
	*ret_wait = (struct driver_wait){ .until = driver->next.not_before, .pause_ms = driver->next.pause_ms };
	return stepped != RC_OK ? stepped : rc;
}
