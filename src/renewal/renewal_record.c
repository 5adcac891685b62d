/* renewal_record.c -- each step's record is on the disk before the next effect, and whoever listens is told. */
#include "clock.h"
#include "log.h"
#include "renewal_steps.h"

static void told(const struct renewal *renewal, const char *event)
{
	const struct renewal_ear *ear = renewal->desk->ear;

	log_certificate(LOG_INFO, renewal->record->name, "%s", event);
	if (ear)
		ear->event(ear->ctx, renewal->certificate, event);
}

enum rc renewal_record_save(struct renewal *renewal, const char *event, struct err *err)
{
	int64_t now = clock_now();
	int64_t erase_at = now + renewal->policy->retire_after;
	const struct order present = renewal->record->order;

	renewal->record->order = *renewal_stored_order(renewal);
	enum rc rc = store_certificate_save(renewal->desk->store, renewal->record, now, erase_at, event, err);
	renewal->record->order = present;
	if (rc != RC_OK)
		renewal->blame = BLAME_LOCAL;
	else if (event)
		told(renewal, event);
	return rc;
}
