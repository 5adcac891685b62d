/* availability.c -- counts failures and orders of each authority; all decisions are functions of its record and the time. */
#include "availability.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "problem.h"

#define HOUR_MS INT64_C(3600000)

/*
 * A clock that was set back leaves times that nobody can have meant: what was noted later than now, and where that is not known, what is
 * longer than any Retry-After.  One asks at once then, and the others wait for it.  What is written from here on is by the clock of now.
 */
static void believe(struct store_availability *availability, int64_t now)
{
	bool is_set_back = availability->noted_at > now;

	if (availability->down_since > now)
		availability->down_since = now;
	if (availability->retry_at > now && (is_set_back || availability->retry_at > now + CLOCK_RETRY_MAX + 1))
		availability->retry_at = now;
	if (is_set_back || availability->probing_until > now + AVAILABILITY_PROBE)
		availability->probing_until = 0;
	availability->noted_at = now;
}

static bool is_down_for_long(const struct store_availability *availability, int64_t patience, int64_t now)
{
	return availability->down_since && now - availability->down_since >= patience;
}

static int64_t asked_again_at(const struct store_availability *availability)
{
	return availability->retry_at > availability->probing_until ? availability->retry_at : availability->probing_until;
}

/* Half of what is left to live is kept for the others. */
static int64_t patience_of(const struct config_policy *policy, int64_t not_after, int64_t now)
{
	int64_t left = not_after > now ? (not_after - now) / 2 : 0;

	return not_after && left < policy->fallback_after ? left : policy->fallback_after;
}

static const char *name_at(const struct config_certificate *certificate, unsigned index)
{
	return index ? certificate->fallback[index - 1] : certificate->authority;
}

/* When is_down_for_long() says so: at the third part of what there was to live, half of the rest is as long as was waited. */
static int64_t patience_ends_at(const struct config_policy *policy, int64_t not_after, int64_t since)
{
	int64_t third = not_after > since ? (not_after - since + 2) / 3 : 0;

	return since + (not_after && third < policy->fallback_after ? third : policy->fallback_after);
}

static bool is_refused_for_long(const struct availability_refusal *refusal, const struct config_policy *policy, int64_t not_after,
				int64_t now)
{
	return refusal->since && now >= patience_ends_at(policy, not_after, refusal->since);
}

/* After the last, and after one that is configured no more, it is the first's turn. */
static unsigned next_in_turn(const struct config_certificate *certificate, const char *name)
{
	for (unsigned i = 0; i < certificate->fallback_count; i++)
		if (strcmp(name_at(certificate, i), name) == 0)
			return i + 1;
	return 0;
}

enum rc availability_choose(struct store *store, const struct config *config, const struct config_certificate *certificate,
			    const char *ordered, const struct availability_refusal *refusal, int64_t not_after, int64_t now,
			    const struct config_authority **ret_authority, struct err *err)
{
	const struct config_policy *policy = config_policy_get(config, certificate->policy);
	int64_t patience = patience_of(policy, not_after, now), soonest = INT64_MAX;
	const bool is_refused = is_refused_for_long(refusal, policy, not_after, now);
	unsigned count = certificate->fallback_count + 1, first = is_refused ? next_in_turn(certificate, refusal->by) : 0;

	*ret_authority = config_authority_get(config, certificate->authority);
	if (certificate->fallback_count == 0)
		return RC_OK;
	/* What is under way with one that refuses is not waited for, either. */
	if (ordered && is_refused && strcmp(ordered, refusal->by) == 0)
		ordered = NULL;
	for (unsigned i = ordered ? 0 : 1; i <= count; i++) {
		const char *name = i ? name_at(certificate, (first + i - 1) % count) : ordered;
		struct store_availability availability;
		enum rc rc = store_availability_load(store, name, &availability, err);

		if (rc != RC_OK)
			return rc;
		believe(&availability, now);
		bool is_usable = !is_down_for_long(&availability, patience, now) || asked_again_at(&availability) <= now;
		if (!is_usable && asked_again_at(&availability) >= soonest)
			continue;
		soonest = asked_again_at(&availability);
		*ret_authority = config_authority_get(config, name);
		if (is_usable)
			return RC_OK;
	}
	return RC_OK;
}

enum rc availability_turns_at(struct store *store, const struct config *config, const struct config_certificate *certificate,
			      const char *authority, const struct availability_refusal *refusal, int64_t not_after, int64_t now,
			      int64_t *ret_at, struct err *err)
{
	const struct config_policy *policy = config_policy_get(config, certificate->policy);
	int64_t soonest = INT64_MAX, refused_until = refusal->since ? patience_ends_at(policy, not_after, refusal->since) : 0;

	*ret_at = refused_until > now ? refused_until : INT64_MAX;
	for (unsigned i = 0; i <= certificate->fallback_count; i++) {
		struct store_availability availability;
		enum rc rc = store_availability_load(store, name_at(certificate, i), &availability, err);

		if (rc != RC_OK)
			return rc;
		believe(&availability, now);
		int64_t down_until = availability.down_since ? patience_ends_at(policy, not_after, availability.down_since) : 0;
		if (strcmp(name_at(certificate, i), authority) != 0)
			soonest = asked_again_at(&availability) < soonest ? asked_again_at(&availability) : soonest;
		else if (down_until > now && down_until < *ret_at)
			*ret_at = down_until;
	}
	if (*ret_at < soonest)
		*ret_at = soonest;
	return RC_OK;
}

struct admission {
	const struct config_authority *authority;
	bool orders;
	int64_t now, at;
};

/* A twentieth of an hour's orders may come at once; the others are spread so that no hour has more than it takes. */
static int64_t order_every(const struct config_authority *authority)
{
	return HOUR_MS / (authority->orders_per_hour - authority->orders_per_hour / 20);
}

/* When it takes the next one (unix milliseconds), and until when those so far, of which `known` tells, are paid for. */
static int64_t order_next_at(const struct config_authority *authority, int64_t known, int64_t now, int64_t *ret_paid)
{
	unsigned burst = authority->orders_per_hour / 20;
	int64_t every = order_every(authority);

	*ret_paid = known > now ? known : now;
	/* A clock that was set back would have us wait for the time it had. */
	if (*ret_paid > now + HOUR_MS + every)
		*ret_paid = now;
	int64_t at = *ret_paid - (burst ? every * (burst - 1) : 0);
	return at > now ? at : now;
}

int64_t availability_order_at(const struct config_authority *authority, int64_t due, int64_t *paid)
{
	int64_t at = order_next_at(authority, *paid, due, paid);

	*paid += order_every(authority);
	return at;
}

static bool order_counts(struct admission *admission, struct store_availability *availability)
{
	int64_t paid, now = admission->now * 1000,
		      at = order_next_at(admission->authority, availability->order_at_ms, now, &paid);

	if (at > now) {
		admission->at = (at + 999) / 1000;
		return false;
	}
	availability->order_at_ms = paid + order_every(admission->authority);
	return true;
}

struct availability_view availability_look(const struct config_authority *authority,
					   const struct store_availability *availability, int64_t now)
{
	struct store_availability known = *availability;
	int64_t paid;

	believe(&known, now);
	struct availability_view view = { .down_since = known.down_since,
					  .failures = known.failures,
					  .is_probed = known.probing_until > now && known.probing_until >= known.retry_at,
					  .order_at = now };
	if (asked_again_at(&known) > now)
		view.asked_at = asked_again_at(&known);
	if (authority->orders_per_hour)
		view.order_at = (order_next_at(authority, known.order_at_ms, now * 1000, &paid) + 999) / 1000;
	return view;
}

static bool admit(void *ctx, struct store_availability *availability)
{
	struct admission *admission = ctx;

	admission->at = admission->now;
	believe(availability, admission->now);
	if (asked_again_at(availability) > admission->now) {
		admission->at = asked_again_at(availability);
		return false;
	}
	bool is_limited = admission->orders && admission->authority->orders_per_hour;
	if (is_limited && !order_counts(admission, availability))
		return false;
	if (availability->retry_at)
		availability->probing_until = admission->now + AVAILABILITY_PROBE;
	return is_limited || availability->retry_at;
}

enum rc availability_admit(struct store *store, const struct config_authority *authority, bool orders, int64_t now,
			   int64_t *ret_at, struct err *err)
{
	struct admission admission = { .authority = authority, .orders = orders, .now = now };
	enum rc rc = store_availability_change(store, authority->name, admit, &admission, err);

	if (rc == RC_OK)
		*ret_at = admission.at;
	return rc;
}

enum rc availability_quiet_until(struct store *store, const char *authority, int64_t now, int64_t *ret_at, struct err *err)
{
	struct store_availability availability;
	enum rc rc = store_availability_load(store, authority, &availability, err);

	if (rc != RC_OK)
		return rc;
	believe(&availability, now);
	*ret_at = availability.retry_at;
	return RC_OK;
}

/* It says so itself. */
static bool is_out_of_order(const struct err *failure)
{
	bool is_answer = failure->origin == ERR_HTTP || failure->origin == ERR_ACME;

	return is_answer && (failure->problem == PROBLEM_SERVER_INTERNAL || failure->code >= 500);
}

/* A proxy that wants a password, another server in its place.  Only that something is gone, or that it was too much, may be told without a
 * word of ACME. */
static bool is_no_acme(const struct err *failure)
{
	switch (failure->origin) {
	case ERR_SELF: return failure->rc == RC_PROTOCOL;
	case ERR_HTTP: return failure->rc != RC_ABSENT && failure->code != 429;
	default: return false;
	}
}

/* It cannot be reached, is not who it should be, or is out of order. */
static bool is_authoritys_own(const struct err *failure)
{
	if (failure->origin == ERR_CURL)
		return failure->rc == RC_RETRY || failure->rc == RC_DENIED || failure->rc == RC_PROTOCOL;
	return is_out_of_order(failure) || is_no_acme(failure);
}

struct outcome {
	const struct err *failure;
	int64_t now;
};

static bool note(void *ctx, struct store_availability *availability)
{
	const struct outcome *outcome = ctx;

	believe(availability, outcome->now);
	if (!outcome->failure || !is_authoritys_own(outcome->failure)) {
		if (!availability->down_since && !availability->retry_at && !availability->probing_until)
			return false;
		*availability = (struct store_availability){ .order_at_ms = availability->order_at_ms, .noted_at = outcome->now };
		return true;
	}
	/* Several found out at once: that is one failure.  But what any of them was told counts for all. */
	if (availability->retry_at > outcome->now) {
		bool is_told_more = outcome->failure->retry_at > availability->retry_at;

		availability->retry_at = is_told_more ? outcome->failure->retry_at : availability->retry_at;
		return is_told_more;
	}
	int64_t pause = AVAILABILITY_RETRY_FIRST;
	for (unsigned i = 2; i <= availability->failures && pause < AVAILABILITY_RETRY_LAST; i++)
		pause *= 2;
	pause = pause < AVAILABILITY_RETRY_LAST ? pause : AVAILABILITY_RETRY_LAST;
	if (!availability->down_since)
		availability->down_since = outcome->now;
	if (availability->failures < UINT32_MAX)
		availability->failures++;
	availability->probing_until = 0;
	/* One answer that was lost holds nobody up; two in a row do. */
	availability->retry_at = availability->failures > 1 ? outcome->now + pause : 0;
	if (outcome->failure->retry_at > availability->retry_at)
		availability->retry_at = outcome->failure->retry_at;
	return true;
}

enum rc availability_note(struct store *store, const char *authority, const struct err *failure, int64_t now, struct err *err)
{
	struct outcome outcome = { failure, now };

	return store_availability_change(store, authority, note, &outcome, err);
}

struct question {
	const struct err *failure;
	bool is_again;
	int64_t now;
};

/* What orders came to is not touched. */
static bool note_heard(struct store_availability *availability)
{
	bool is_known = availability->retry_at || availability->down_since || availability->probing_until;

	if (availability->failures || !is_known)
		return false;
	availability->retry_at = availability->down_since = availability->probing_until = 0;
	return true;
}

/* It says itself that it is out of order, and until when.  Those who have another authority are counted their patience from now. */
static bool note_sent_away(struct store_availability *availability, int64_t until, int64_t now)
{
	if (availability->retry_at >= until)
		return false;
	availability->retry_at = until;
	if (!availability->down_since)
		availability->down_since = now;
	return true;
}

/* A 5xx without a word of ACME is of what stands before it, and has not reached it, either. */
static bool is_lost(const struct err *failure)
{
	return failure->origin == ERR_CURL || (failure->origin == ERR_HTTP && failure->code >= 500 && !failure->retry_at);
}

/* The first holds nobody up, and is remembered as a look that has ended.  The second time that all were kept back it is long: nothing that
 * would be known sooner is worth that all ask. */
static bool note_lost(struct store_availability *availability, bool is_again, int64_t now)
{
	if (availability->retry_at > now)
		return false;
	if (!availability->retry_at && !availability->probing_until && !is_again) {
		availability->probing_until = now;
		return true;
	}
	availability->retry_at = now + (availability->retry_at ? AVAILABILITY_RETRY_LAST : AVAILABILITY_RETRY_FIRST);
	return true;
}

static bool note_question(void *ctx, struct store_availability *availability)
{
	const struct question *question = ctx;
	const struct err *failure = question->failure;

	believe(availability, question->now);
	if (!failure)
		return note_heard(availability);
	if (is_lost(failure))
		return note_lost(availability, question->is_again, question->now);
	return is_out_of_order(failure) && failure->retry_at && note_sent_away(availability, failure->retry_at, question->now);
}

enum rc availability_note_question(struct store *store, const char *authority, const struct err *failure, bool is_again,
				   int64_t now, struct err *err)
{
	struct question question = { failure, is_again, now };

	return store_availability_change(store, authority, note_question, &question, err);
}
