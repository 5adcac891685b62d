/* renewal_run.c -- one renewal from beginning to end, for a command whose caller waits. */
#include <stdio.h>

#include "clock.h"
#include "renewal_steps.h"

static enum renewal_blame blame_of_wait(const struct renewal *renewal)
{
	return renewal->stage <= STAGE_INSTALL ? BLAME_AUTHORITY : BLAME_LOCAL;
}

enum rc renewal_impatience(const struct renewal *renewal, const struct renewal_wait *wait, const char *where,
			   struct renewal_outcome *ret_outcome, struct err *err)
{
	char until[CLOCK_TEXT_MAX];

	renewal_outcome(renewal, ret_outcome);
	ret_outcome->blame = blame_of_wait(renewal);
	return err_set(err, RC_RETRY, "%s %s, and this call waits for %d minutes; what was begun is kept, and goes on %s",
		       wait->is_for_ca ? "its order is with the CA, which is asked again" : "it goes on",
		       clock_print(wait->until, until), RENEWAL_PATIENCE / 60, where);
}

/* False when a signal ended it. */
static bool wait_for(const struct renewal_wait *wait)
{
	bool whole = true;

	if (wait->until)
		whole = clock_wait_until(wait->until, RENEWAL_PATIENCE * 1000);
	if (whole && wait->pause_ms)
		whole = clock_wait_until(INT64_MAX, wait->pause_ms);
	return whole;
}

/* An order that has to wait for longer than our patience goes on at the next run. */
enum rc renewal_run(const struct renewal_desk *desk, const struct config_certificate *certificate, enum renewal_call call,
		    struct renewal_outcome *ret_outcome, struct err *err)
{
	AUTO(renewal) struct renewal *renewal = NULL;
	int64_t give_up_at = clock_now() + RENEWAL_PATIENCE;
	struct renewal_wait wait = { 0 };

	*ret_outcome = (struct renewal_outcome){ .blame = BLAME_LOCAL };
	snprintf(ret_outcome->record.name, sizeof(ret_outcome->record.name), "%s", certificate->name);
	enum rc rc = renewal_begin(desk, certificate, call, &renewal, err);
	if (rc != RC_OK)
		return rc;
	while (rc == RC_OK && !wait.is_over) {
		rc = renewal_step(renewal, &wait, err);
		if (rc != RC_OK || wait.is_over)
			break;
		if (wait.until > give_up_at)
			return renewal_impatience(renewal, &wait, "at the next run", ret_outcome, err);
		if (!wait_for(&wait)) {
			rc = err_set(err, RC_RETRY, "interrupted; what was begun goes on at the next run");
			renewal->blame = blame_of_wait(renewal);
		}
	}
	renewal_outcome(renewal, ret_outcome);
	return rc;
}
