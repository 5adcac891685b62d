/* schedule.c -- lists coming renewals, and counts how many of them fall together. */
#include "schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

size_t schedule_busiest_hour(const struct schedule *schedule, int64_t *ret_at)
{
	size_t most = 0, first = 0;

	*ret_at = 0;
	for (size_t last = 0; last < schedule->count; last++) {
		while (schedule->items[last].at - schedule->items[first].at >= HOUR)
			first++;
		if (last - first + 1 > most) {
			most = last - first + 1;
			*ret_at = schedule->items[first].at;
		}
	}
	return most;
}

void schedule_clear(struct schedule *schedule)
{
	free(schedule->items);
	*schedule = (struct schedule){ 0 };
}
