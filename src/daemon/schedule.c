/* schedule.c -- lists coming renewals, and counts how many of them fall together. */
#include "schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "availability.h"
#include "clock.h"

#define HOUR INT64_C(3600)

static enum rc item_add(struct schedule *schedule, const struct schedule_item *item, struct err *err)
{
	if (schedule->count == schedule->room) {
		size_t room = schedule->room ? schedule->room * 2 : 64;
		struct schedule_item *items = realloc(schedule->items, room * sizeof(*items));

		if (!items)
			return err_set(err, RC_RESOURCE, "out of memory");
		schedule->items = items;
		schedule->room = room;
	}
	schedule->items[schedule->count++] = *item;
	return RC_OK;
}

enum rc schedule_add(struct schedule *schedule, const struct config *config, const struct config_certificate *certificate,
		     const struct store_certificate *record, int64_t now, int64_t until, struct err *err)
{
	struct plan plan = renewal_plan(config, certificate, record, false, now);
	int64_t life = record && record->generation ? record->not_after - record->not_before : 0;
	struct schedule_item item = { .certificate = certificate, .at = plan.when > now ? plan.when : now };
	enum rc rc = RC_OK;

	if (item.at > until) {
		schedule->later++;
		return RC_OK;
	}
	snprintf(item.why, sizeof(item.why), "%s", plan.why);
	for (unsigned i = 0; i < SCHEDULE_MAX && item.at <= until && rc == RC_OK; i++) {
		int64_t done = item.at;

		rc = item_add(schedule, &item, err);
		/* Of what was never issued nobody knows how long it will live. */
		if (life <= 0)
			break;
		plan = renewal_plan_after(config, certificate, done, life);
		if (plan.when <= done)
			break;
		item.at = plan.when;
		item.is_foreseen = true;
		snprintf(item.why, sizeof(item.why), "%s", plan.why);
	}
	return rc;
}

static int by_time(const void *left, const void *right)
{
	const struct schedule_item *one = left, *other = right;

	if (one->at != other->at)
		return one->at < other->at ? -1 : 1;
	return strcmp(one->certificate->name, other->certificate->name);
}

void schedule_sort(struct schedule *schedule)
{
	if (schedule->count)
		qsort(schedule->items, schedule->count, sizeof(*schedule->items), by_time);
}

static bool is_of(const struct schedule_item *item, const char *authority)
{
	return !authority || strcmp(item->certificate->authority, authority) == 0;
}

size_t schedule_busiest_hour(const struct schedule *schedule, const char *authority, int64_t *ret_at)
{
	size_t most = 0, first = 0, within = 0;

	*ret_at = 0;
	for (size_t last = 0; last < schedule->count; last++) {
		if (!is_of(&schedule->items[last], authority))
			continue;
		within++;
		for (; schedule->items[last].at - schedule->items[first].at >= HOUR || !is_of(&schedule->items[first], authority);
		     first++)
			within -= is_of(&schedule->items[first], authority);
		if (within > most) {
			most = within;
			*ret_at = schedule->items[first].at;
		}
	}
	return most;
}

/* Is it maintenance windows that have them fall together? */
static bool has_windows(const struct schedule *schedule, const struct config *config, const char *authority, int64_t from)
{
	for (size_t i = 0; i < schedule->count; i++) {
		const struct schedule_item *item = &schedule->items[i];

		if (item->at >= from && item->at < from + HOUR && is_of(item, authority) &&
		    config_policy_get(config, item->certificate->policy)->window_count)
			return true;
	}
	return false;
}

/* When the maintenance window closes that it falls into; INT64_MAX: into none, or it needs none. */
static int64_t window_closes_at(const struct config *config, const struct schedule_item *item)
{
	const struct config_policy *policy = config_policy_get(config, item->certificate->policy);
	int64_t opens, closes;

	if (!window_next(policy->windows, policy->window_count, item->at, &opens, &closes) || opens > item->at)
		return INT64_MAX;
	return closes;
}

/* How many find their window closed when their turn has come: what an hour takes may be too much for less than an hour. */
static size_t shut_out(const struct schedule *schedule, const struct config *config, const struct config_authority *authority,
		       int64_t *ret_first)
{
	int64_t ahead = 0, paid = 0;
	size_t count = 0;

	for (size_t i = 0; i < schedule->count; i++) {
		const struct schedule_item *item = &schedule->items[i];
		int64_t due = item->at * 1000 > ahead ? item->at * 1000 : ahead, taken = paid;

		if (!is_of(item, authority->name))
			continue;
		int64_t at = availability_order_at(authority, due, &taken);
		if (at / 1000 >= window_closes_at(config, item)) {
			*ret_first = count++ ? *ret_first : item->at;
			continue;
		}
		ahead = at;
		paid = taken;
	}
	return count;
}

static void overload_print(const struct schedule *schedule, const struct config *config, const struct config_authority *authority,
			   size_t most, int64_t from, char *text, size_t room)
{
	char at[CLOCK_TEXT_MAX];
	bool by_windows = has_windows(schedule, config, authority->name, from);

	snprintf(text, room,
		 "authority \"%s\" takes %u orders an hour, but %zu renewals fall into the hour from %s; the last of them waits "
		 "%zu h%s",
		 authority->name, authority->orders_per_hour, most, clock_print(from, at),
		 (most - 1) / authority->orders_per_hour,
		 by_windows ? ", and a maintenance window cannot hold them: widen `windows`, or give certificates other ones"
			    : ": raise `jitter`, or give certificates other policies");
}

bool schedule_overload(const struct schedule *schedule, const struct config *config, const struct config_authority *authority,
		       char *text, size_t room)
{
	char at[CLOCK_TEXT_MAX];
	int64_t from;

	if (!authority->orders_per_hour)
		return false;
	size_t most = schedule_busiest_hour(schedule, authority->name, &from);
	if (most > authority->orders_per_hour) {
		overload_print(schedule, config, authority, most, from, text, room);
		return true;
	}
	size_t late = shut_out(schedule, config, authority, &from);
	if (late)
		snprintf(text, room,
			 "authority \"%s\" takes %u orders an hour, evenly spread, and a maintenance window cannot hold what "
			 "falls into "
			 "it: it is over before the turn of %zu renewal%s, the first planned for %s: widen `windows`, or give "
			 "certificates other ones",
			 authority->name, authority->orders_per_hour, late, late == 1 ? "" : "s", clock_print(from, at));
	return late > 0;
}

void schedule_clear(struct schedule *schedule)
{
	free(schedule->items);
	*schedule = (struct schedule){ 0 };
}
