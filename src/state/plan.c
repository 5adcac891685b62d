/* plan.c -- when a certificate is renewed and why; facts in, decision out. */
#include "plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

#define DAY              INT64_C(86400)
#define SHORT_LIFE       (10 * DAY) /* under it, half of the lifetime is the default */
#define BACK_OFF_FIRST   INT64_C(60)
#define BACK_OFF_LAST    (6 * INT64_C(3600))
#define LEAST_MOST       (6 * INT64_C(3600)) /* after it was issued, when that was too late already */
#define EARLY_HOLD_FIRST INT64_C(3600)
#define EARLY_HOLD_LAST  (6 * INT64_C(3600))

/* FNV-1a: the same certificate gets the same jitter on every run; one of the same name on another machine gets another. */
static uint64_t name_hash(const char *name, uint64_t seed, int64_t not_after)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
	hash = (hash ^ (uint64_t)not_after) * UINT64_C(1099511628211);
	/* The high bits know of all that came in; a remainder looks at the low ones too. */
	hash = (hash ^ seed) * UINT64_C(1099511628211);
	return hash ^ hash >> 32;
}

/* Keeps the earlier of the two. */
static void earlier(struct plan *plan, int64_t when, const char *fmt, ...) HWA_PRINTF(3);

static void earlier(struct plan *plan, int64_t when, const char *fmt, ...)
{
	va_list args;

	if (when >= plan->when)
		return;
	plan->when = when;
	va_start(args, fmt);
	vsnprintf(plan->why, sizeof(plan->why), fmt, args);
	va_end(args);
}

/* Says more of what is decided. */
static void also(struct plan *plan, const char *fmt, ...) HWA_PRINTF(2);

static void also(struct plan *plan, const char *fmt, ...)
{
	size_t used = strlen(plan->why);
	va_list args;

	va_start(args, fmt);
	vsnprintf(plan->why + used, sizeof(plan->why) - used, fmt, args);
	va_end(args);
}

static void by_lifetime(const struct config_policy *policy, const struct plan_facts *facts, struct plan *plan)
{
	int64_t life = facts->not_after - facts->not_before;
	char text[CLOCK_TEXT_MAX];

	clock_print_duration(life, text);
	if (policy->renew_after_percent)
		earlier(plan, facts->not_before + life / 100 * policy->renew_after_percent, "%u%% of its lifetime of %s",
			policy->renew_after_percent, text);
	else if (life < SHORT_LIFE)
		earlier(plan, facts->not_before + life / 2, "half of its lifetime of %s", text);
	else
		earlier(plan, facts->not_before + life / 3 * 2, "two thirds of its lifetime of %s", text);
}

/* Kept before expiry.  A margin longer than a short certificate lives would have it renewed without end. */
static int64_t margin_of(const struct config_policy *policy, const struct plan_facts *facts)
{
	int64_t quarter = (facts->not_after - facts->not_before) / 4;

	return policy->margin < quarter ? policy->margin : quarter;
}

/* What ends soon after issuance was not prolonged by it: the next renewal is challenged, and there is no hurry. */
static bool is_prolonged(const struct config_policy *policy, const struct plan_facts *facts)
{
	return policy->preauthorized &&
	       facts->authorized_until - policy->margin > facts->issued_at + (facts->not_after - facts->not_before) / 16;
}

/* The last moment that keeps the margins: before expiry, and before challenges are asked for, as long as these can be avoided. */
static int64_t last_of(const struct config_policy *policy, const struct plan_facts *facts, int64_t now)
{
	int64_t last = facts->not_after - margin_of(policy, facts);
	int64_t challenged = policy->preauthorized ? facts->issued_at + policy->preauthorized : INT64_MAX;

	if (is_prolonged(policy, facts) && facts->authorized_until < challenged)
		challenged = facts->authorized_until;
	return challenged > now && challenged - policy->margin < last ? challenged - policy->margin : last;
}

static void by_policy(const struct config_policy *policy, const struct plan_facts *facts, struct plan *plan)
{
	char text[CLOCK_TEXT_MAX], margin[CLOCK_TEXT_MAX], last[CLOCK_TEXT_MAX];
	int64_t before_end = margin_of(policy, facts);

	clock_print_duration(policy->margin, margin);
	if (policy->renew_before)
		earlier(plan, facts->not_after - policy->renew_before, "%s before it expires",
			clock_print_duration(policy->renew_before, text));
	/* TR 33.776, 6.9.1.1 step 3: inside the interval since the last issuance no challenge is asked. */
	if (policy->preauthorized)
		earlier(plan, facts->issued_at + policy->preauthorized - policy->margin,
			"the pre-authorisation interval of %lldh less a margin of %s", (long long)(policy->preauthorized / 3600),
			margin);
	if (is_prolonged(policy, facts))
		earlier(plan, facts->authorized_until - policy->margin, "the CA's authorisation ends %s, less a margin of %s",
			clock_print(facts->authorized_until, text), margin);
	earlier(plan, facts->not_after - before_end, "%s before it expires, whatever else was configured",
		clock_print_duration(before_end, last));
}

static bool was_late(const struct plan_facts *facts)
{
	return facts->issued_at - facts->not_before > (facts->not_after - facts->not_before) / 4;
}

/* So long after it was issued it is renewed at the earliest, unless the CA wants it. */
static int64_t least_kept(const struct plan_facts *facts)
{
	int64_t left = facts->not_after - facts->issued_at;

	if (was_late(facts))
		return left / 2;
	return left / 16 < LEAST_MOST ? left / 16 : LEAST_MOST;
}

/*
 * By a clock that is far ahead each certificate is due when it is issued, and so it is where the configuration wants it renewed before it
 * begins, or a CA issues what is old.  None of them is renewed without end.
 */
static void apply_least(const struct plan_facts *facts, struct plan *plan)
{
	int64_t least = least_kept(facts);
	char text[CLOCK_TEXT_MAX];

	if (plan->when > facts->issued_at || least <= 0)
		return;
	plan->when = facts->issued_at + least;
	also(plan, "; put off to %s after it was issued%s", clock_print_duration(least, text),
	     was_late(facts) ? ", late in its lifetime: is the clock right?" : "");
}

/* RFC 9773, 4.2.  A CA that wants each certificate renewed as soon as it has issued it is obeyed less and less promptly. */
static void by_suggestion(const struct config_policy *policy, const struct plan_facts *facts, struct plan *plan)
{
	char start[CLOCK_TEXT_MAX], end[CLOCK_TEXT_MAX], text[CLOCK_TEXT_MAX], put_off[sizeof(plan->why)] = "";
	int64_t hold = facts->suggested_early ? EARLY_HOLD_FIRST : 0, quarter = (facts->not_after - facts->not_before) / 4;

	if (!policy->ari || !facts->suggested_at)
		return;
	for (unsigned i = 1; i < facts->suggested_early && hold < EARLY_HOLD_LAST; i++)
		hold *= 2;
	if (hold > EARLY_HOLD_LAST)
		hold = EARLY_HOLD_LAST;
	hold = hold < quarter ? hold : quarter;
	int64_t least = facts->issued_at + hold;
	if (hold > 0 && facts->suggested_at < least)
		snprintf(put_off, sizeof(put_off),
			 "; put off to %s after it was issued, for the one before was wanted back early, too",
			 clock_print_duration(hold, text));
	earlier(plan, facts->suggested_at > least ? facts->suggested_at : least,
		"a time in the window that the CA suggests, %s to %s%s", clock_print(facts->suggested_start, start),
		clock_print(facts->suggested_end, end), put_off);
}

/* Jitter makes it earlier, never later, and never before half of the wait is over. */
static void apply_jitter(const struct config_policy *policy, const char *name, const struct plan_facts *facts, struct plan *plan)
{
	int64_t span = plan->when - facts->not_before;
	int64_t most = span > 0 ? span / 100 * policy->jitter_percent : 0;
	int64_t less = most > 0 ? (int64_t)(name_hash(name, facts->seed, facts->not_after) % (uint64_t)most) : 0;
	char text[CLOCK_TEXT_MAX];

	plan->when -= less;
	if (less > 0)
		also(plan, ", less %s of jitter", clock_print_duration(less, text));
}

/* Not the first second of a window, which all would take. */
static int64_t moment_of(uint64_t hash, int64_t opens, int64_t closes)
{
	return opens + (int64_t)(hash % (uint64_t)(closes - opens));
}

/* The time itself where a window is open, else one in the next window; false: that opens too late. */
static bool in_window(const struct config_policy *policy, uint64_t hash, int64_t at, int64_t last, int64_t *ret_at,
		      int64_t *ret_closes)
{
	int64_t opens;

	if (!window_next(policy->windows, policy->window_count, at, &opens, ret_closes) || opens > last)
		return false;
	*ret_at = opens > at ? moment_of(hash, opens, *ret_closes <= last ? *ret_closes : last + 1) : at;
	return true;
}

/*
 * Maintenance windows make it later, but not so late that a margin is touched: then it is the window before, if that opens at `from` or
 * later.  Where there is none, either, it is in none: expiry is worse than a bad hour, and so is a challenge that nobody may answer.
 */
static void apply_windows(const struct config_policy *policy, const char *name, const struct plan_facts *facts, int64_t from,
			  int64_t now, struct plan *plan)
{
	int64_t at, opens, closes, last = last_of(policy, facts, now);
	uint64_t hash = name_hash(name, facts->seed, facts->not_after);
	char text[CLOCK_TEXT_MAX];

	if (!policy->window_count)
		return;
	bool found = in_window(policy, hash, plan->when, last, &at, &closes);
	/* That one was missed. */
	if (found && closes <= now)
		found = in_window(policy, hash, now, last, &at, &closes);
	if (found) {
		if (at > plan->when && plan->when > now)
			also(plan, ", which is %s", clock_print(plan->when, text));
		if (at > plan->when)
			also(plan, "; put off to a maintenance window");
		plan->when = at;
	} else if (window_last(policy->windows, policy->window_count, plan->when, &opens, &closes) && opens >= from &&
		   closes > now) {
		also(plan, ", which is %s; brought forward to a maintenance window, for the next one is too late",
		     clock_print(plan->when, text));
		plan->when = moment_of(hash, opens, closes);
	} else {
		also(plan, "; in no maintenance window, for none opens before %s", clock_print(last, text));
	}
}

/* By the policy and its CA, at an hour that suits. */
static struct plan by_all(const struct config_policy *policy, const char *name, const struct plan_facts *facts, int64_t now)
{
	struct plan plan = { .what = PLAN_RENEW, .when = INT64_MAX };

	by_lifetime(policy, facts, &plan);
	by_policy(policy, facts, &plan);
	apply_jitter(policy, name, facts, &plan);
	apply_least(facts, &plan);
	/* Drawn at random already, and held back by itself. */
	by_suggestion(policy, facts, &plan);
	apply_windows(policy, name, facts, facts->issued_at + least_kept(facts), now, &plan);
	return plan;
}

/* Of what is due now for another reason: since when it would have been without that. */
static int64_t due_since(const struct config_policy *policy, const char *name, const struct plan_facts *facts, int64_t now)
{
	int64_t when = facts->issued ? by_all(policy, name, facts, now).when : now;

	return when < now ? when : now;
}

/*
 * What was begun goes on when its back-off is over: in a window, for what went wrong in one is not made good in working hours.  What is not
 * there, or worth nothing, waits for none; nor does an order that is with the CA, which may have expired until then.
 */
static struct plan go_on(const struct config_policy *policy, const char *name, const struct plan_facts *facts, int64_t now)
{
	struct plan plan = { .when = now, .is_begun = true };

	if (facts->retry_at > now) {
		plan.when = facts->retry_at;
		snprintf(plan.why, sizeof(plan.why), "back-off after %u failed attempt%s", facts->attempts,
			 facts->attempts == 1 ? "" : "s");
	} else if (facts->waits_until > now) {
		plan.when = facts->waits_until;
		snprintf(plan.why, sizeof(plan.why), "its order is with the CA, which is asked again then");
	} else {
		snprintf(plan.why, sizeof(plan.why), "a renewal was begun and not finished");
	}
	/* A back-off is not cut short. */
	if (!facts->is_with_ca && facts->issued && !facts->revoked && facts->not_after > now)
		apply_windows(policy, name, facts, plan.when, now, &plan);
	plan.what = plan.when <= now ? PLAN_RESUME : PLAN_WAIT;
	if (plan.what == PLAN_RESUME)
		plan.when = due_since(policy, name, facts, now);
	return plan;
}

/* It is no more what is wanted; or it is worth nothing, and waits for no window. */
static struct plan replace(const struct config_policy *policy, const char *name, const struct plan_facts *facts, int64_t now)
{
	struct plan plan = { .when = now };
	char text[CLOCK_TEXT_MAX];

	if (facts->revoked) {
		snprintf(plan.why, sizeof(plan.why), "it was revoked");
	} else if (facts->not_after <= now) {
		snprintf(plan.why, sizeof(plan.why), "it expired %s", clock_print(facts->not_after, text));
	} else {
		snprintf(plan.why, sizeof(plan.why), "its names, profile, key or authority were changed in the configuration");
		apply_windows(policy, name, facts, now, now, &plan);
	}
	plan.what = plan.when <= now ? PLAN_RENEW : PLAN_WAIT;
	if (plan.what == PLAN_RENEW)
		plan.when = due_since(policy, name, facts, now);
	return plan;
}

struct plan plan_next(const struct config_policy *policy, const char *name, const struct plan_facts *facts, int64_t now)
{
	struct plan plan = { .what = PLAN_RENEW, .when = now };
	char text[CLOCK_TEXT_MAX];

	if (facts->forced) {
		plan.what = facts->under_way ? PLAN_RESUME : facts->issued ? PLAN_RENEW : PLAN_ENROL;
		snprintf(plan.why, sizeof(plan.why), "the operator asked");
		return plan;
	}
	if (facts->retry_at > now || facts->under_way)
		return go_on(policy, name, facts, now);
	if (!facts->issued) {
		plan.what = PLAN_ENROL;
		snprintf(plan.why, sizeof(plan.why), "never issued");
		return plan;
	}
	if (facts->revoked || facts->not_after <= now || facts->config_changed)
		return replace(policy, name, facts, now);
	plan = by_all(policy, name, facts, now);
	if (facts->not_before - PLAN_CLOCK_BEHIND > now)
		also(&plan, "; it is valid only from %s: the clock of this machine is behind",
		     clock_print(facts->not_before, text));
	plan.what = plan.when <= now ? PLAN_RENEW : PLAN_WAIT;
	return plan;
}

int64_t plan_back_off(unsigned attempts, int64_t not_after, int64_t wait, int64_t peer_retry_at, int64_t now)
{
	int64_t pause = BACK_OFF_FIRST;
	int64_t apart = not_after > now ? not_after - now : now - not_after;

	for (unsigned i = 1; i < attempts && pause < BACK_OFF_LAST; i++)
		pause *= 2;
	if (pause > BACK_OFF_LAST)
		pause = BACK_OFF_LAST;
	/* A certificate about to expire is tried more often, so that there are always some attempts left; and one that has expired ever less
	 * often from then on, for its CA may have been away for as long as it had to live. */
	if (not_after > 0 && pause > apart / 8)
		pause = apart / 8 > BACK_OFF_FIRST ? apart / 8 : BACK_OFF_FIRST;
	if (wait > CONFIG_WAIT_MAX)
		wait = CONFIG_WAIT_MAX;
	int64_t at = now + pause + (wait > 0 ? wait : 0);
	return peer_retry_at > at ? peer_retry_at : at;
}

int64_t plan_turn_after_boot(const struct config_policy *policy, const char *name, uint64_t seed, int64_t not_after, int64_t now)
{
	int64_t most = policy->boot_spread, left = not_after > now ? (not_after - now) / 8 : most;

	if (left < most)
		most = left;
	return most > 0 ? (int64_t)(name_hash(name, seed, 0) % (uint64_t)most) : 0;
}
