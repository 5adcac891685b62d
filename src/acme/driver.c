/* driver.c -- performs the actions that order.c decides, and stores what they came to. */
#include "driver.h"

#include <stdio.h>
#include <string.h>

#include "driver_actions.h"
#include "problem.h"

enum rc driver_new(struct client *client, const struct config_certificate *certificate, const struct driver_terms *terms,
		   struct order *order, const struct driver_hooks *hooks, struct driver **ret_driver, struct err *err)
{
	struct driver *driver = calloc(1, sizeof(*driver));

	if (!driver)
		return err_set(err, RC_RESOURCE, "out of memory");
	*driver =
		(struct driver){ .client = client, .certificate = certificate, .terms = *terms, .order = order, .hooks = *hooks };
	driver->is_resumed = order->url[0];
	driver->was_asked_for = order_is_asked_for(order);
	/* An older hwacme did not say. */
	if (driver->is_resumed && !order->is_profile_known)
		driver_note_profile(driver);
	/* Where only the CA was waited for, what became of the order is its own decision. */
	driver->was_unanswered = order->phase != ORDER_AWAIT;
	driver->next = order_resume(order);
	*ret_driver = driver;
	return RC_OK;
}

void driver_free(struct driver *driver)
{
	if (!driver)
		return;
	authorizations_free(driver->open);
	driver_answer_forget(driver);
	free(driver);
}

void driver_rest(struct driver *driver)
{
	driver_answer_forget(driver);
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

/* What the journal says after a step; what came to its end says so itself. */
static const char *event_after(struct driver *driver, enum order_action action, const struct order_event *event)
{
	enum order_phase phase = driver->order->phase;

	if (phase == ORDER_FAILED)
		return NULL;
	if (action == ORDER_DO_SEND_CSR && event->status == ORDER_IS_PENDING)
		return "the CSR came too early";
	if (action != ORDER_DO_SOLVE && action != ORDER_DO_WATCH)
		return driver_action(action)->after;
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
	driver->is_resumed = driver->was_too_early = driver->was_asked_for = false;
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
	const struct driver_action *request = driver_action(action);
	const char *before = request->before;
	const struct order known = *driver->order;
	struct order_event event = { .rc = RC_OK };
	struct err why = { 0 };
	/* What the last step came to, and what this one is about to do, is one transaction. */
	enum rc rc = before || (driver->is_unsaved && !request->only_asks) ? save(driver, before, err) : RC_OK;

	if (rc != RC_OK)
		return rc;
	rc = request->perform(driver, &event, &why);
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
	return driver->is_unsaved && !(last == ORDER_DO_SUBMIT && driver_action(next)->only_asks);
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
