/*
 * schedule.h -- what will be renewed in the coming days, and how much of it at once.
 *
 * The next renewal of each certificate is what plan_next() says; those after it are foreseen: each certificate is taken to
 * live as long as the present one.  Pure: records in, list out.
 */
#ifndef HWA_SCHEDULE_H
#define HWA_SCHEDULE_H

#include "renewal.h"

#define SCHEDULE_DAYS_MAX 366
#define SCHEDULE_MAX \
	1000 /* foreseen renewals of one certificate; a policy that renews every minute says no more by listing them */

struct schedule_item {
	const struct config_certificate *certificate;
	int64_t at; /* not before now */
	bool is_foreseen;
	char why[240];
};

struct schedule {
	struct schedule_item *items; /* earliest first, once sorted */
	size_t count, room;
	unsigned later; /* certificates whose next renewal is after the last day */
};

/* `record` is NULL when the store has none. */
enum rc schedule_add(struct schedule *schedule, const struct config *config, const struct config_certificate *certificate,
		     const struct store_certificate *record, int64_t now, int64_t until, struct err *err) HWA_CHECKED;
void schedule_sort(struct schedule *schedule);
/* Most renewals that fall into one hour, and when it begins; of a sorted one.  Those of one authority, or of all (NULL). */
size_t schedule_busiest_hour(const struct schedule *schedule, const char *authority, int64_t *ret_at);
/* A sentence, with what to do, when more fall into one hour than the authority takes, or into a maintenance window than it takes until that
 * closes; of a sorted one.  False: it takes them all, or its limit is not configured. */
bool schedule_overload(const struct schedule *schedule, const struct config *config, const struct config_authority *authority,
		       char *text, size_t room);
void schedule_clear(struct schedule *schedule);
AUTO_DEFINE_VALUE(schedule, struct schedule, schedule_clear);

#endif /* HWA_SCHEDULE_H */
