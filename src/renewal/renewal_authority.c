/* renewal_authority.c -- which of its authorities a certificate is ordered from, and for how long it waits for that one. */
#include <stdio.h>
#include <string.h>

#include "availability.h"
#include "clock.h"
#include "renewal_steps.h"

/* Which of its authorities has an order of ours that can go on; NULL: none. */
static const char *ordered_at(const struct renewal *renewal)
{
	const struct config_certificate *certificate = renewal->certificate;
	const struct order *order = &renewal->record->order;

	if (!order->url[0] || order->phase == ORDER_FAILED)
		return NULL;
	for (unsigned i = 0; i <= certificate->fallback_count; i++) {
		const char *name = i ? certificate->fallback[i - 1] : certificate->authority;

		if (renewal_is_order_of(renewal, order, name))
			return name;
	}
	return NULL;
}

static struct availability_refusal refusal_of(const struct store_certificate *record)
{
	return (struct availability_refusal){ .since = record->refused_since, .by = record->refused_by };
}

int64_t renewal_turns_by(const struct renewal *renewal, int64_t until, int64_t now)
{
	const struct availability_refusal refusal = refusal_of(renewal->record);

	const struct renewal_desk *desk = renewal->desk;
	int64_t at;

	if (!renewal->certificate->fallback_count ||
	    availability_turns_at(desk->store, desk->config, renewal->certificate, renewal->authority, &refusal,
				  renewal->record->not_after, now, &at, NULL) != RC_OK)
		return until;
	return at < until ? at : until;
}

/* It is not asked for this certificate next time. */
static bool is_elsewhere_next(const struct renewal *renewal, const struct availability_refusal *refusal, int64_t now)
{
	const struct renewal_desk *desk = renewal->desk;
	const struct config_authority *next;

	return availability_choose(desk->store, desk->config, renewal->certificate, ordered_at(renewal), refusal,
				   renewal->record->not_after, now, &next, NULL) == RC_OK &&
	       strcmp(next->name, renewal->authority) != 0;
}

static void refusal_note(struct renewal *renewal, const struct err *why, int64_t now)
{
	struct store_certificate *record = renewal->record;

	/* A certificate that is there already is fetched again: it waits for our clock, say, and another's would, too. */
	if (why->rc == RC_RETRY && (record->order.phase == ORDER_FETCH || record->order.phase == ORDER_DONE))
		return;
	if (!record->refused_since || record->refused_since > now)
		record->refused_since = now;
	snprintf(record->refused_by, sizeof(record->refused_by), "%s", renewal->authority);
}

void renewal_turn(struct renewal *renewal, const struct err *why, int64_t now)
{
	const struct availability_refusal none = { 0 };
	struct store_certificate *record = renewal->record;

	if (renewal->blame != BLAME_AUTHORITY)
		return;
	enum rc noted = availability_note(renewal->desk->store, renewal->authority, why, now, NULL);
	refusal_note(renewal, why, now);
	const struct availability_refusal refusal = refusal_of(record);
	/* Back-off and Retry-After are of this authority; the next one is not waited for.  But where all refuse in turn, there is a pause. */
	if (noted == RC_OK && is_elsewhere_next(renewal, &none, now)) {
		record->retry_at = record->peer_retry_at = 0;
	} else if (noted == RC_OK && is_elsewhere_next(renewal, &refusal, now)) {
		record->peer_retry_at = 0;
		record->retry_at = plan_back_off(record->attempts, record->not_after, renewal->policy->wait, 0, now);
	}
	record->retry_at = renewal_turns_by(renewal, record->retry_at, now);
	record->peer_retry_at = renewal_turns_by(renewal, record->peer_retry_at, now);
}

/* Which authority, and whether it takes an order now, where one is to be placed. */
enum rc renewal_authority_choose(struct renewal *renewal, enum renewal_call call, struct err *err)
{
	const struct renewal_desk *desk = renewal->desk;
	const struct availability_refusal refusal = refusal_of(renewal->record);
	const struct config_authority *authority;
	int64_t at, now = clock_now();
	enum rc rc = availability_choose(desk->store, desk->config, renewal->certificate, ordered_at(renewal), &refusal,
					 renewal->record->not_after, now, &authority, err);

	if (rc != RC_OK)
		return rc;
	renewal->authority = authority->name;
	bool orders = !ordered_at(renewal) || !renewal_is_order_of(renewal, &renewal->record->order, authority->name);
	rc = availability_admit(desk->store, authority, orders, now, &at, err);
	if (rc == RC_OK && call == RENEWAL_PLANNED && at > now)
		renewal->held_until = at;
	return rc;
}

bool renewal_is_held(const struct renewal *renewal, struct renewal_hold *ret_hold)
{
	const struct config *config = renewal->desk->config;

	*ret_hold = (struct renewal_hold){
		.authority = (unsigned)(config_authority_get(config, renewal->authority) - config->authorities),
		.until = renewal->held_until,
		.turns_at = renewal->held_until ? renewal_turns_by(renewal, INT64_MAX, clock_now()) : INT64_MAX
	};
	return renewal->held_until != 0;
}
