/* validity.c -- waits until the CA has validated what was put out for it. */
#include "validity.h"

#include "clock.h"

#define PATIENCE INT64_C(360) /* seconds for the CA to look at all answers: longer than one that tried in vain is asked again */
#define PAUSE_MS 500          /* between looks when it does not say */

enum rc validity_await(struct authorizations *authorizations, struct authorizations_state state, struct err *err)
{
	int64_t give_up_at = clock_now() + PATIENCE;
	enum rc rc = RC_OK;

	while (rc == RC_OK && state.waiting) {
		bool whole = clock_wait_until(state.retry_at ? state.retry_at : INT64_MAX,
					      state.retry_at ? PATIENCE * INT64_C(1000) : PAUSE_MS);

		/* How long an answer may take to be seen is for its challenge to say: the CA was told of none yet. */
		if (state.is_unready)
			give_up_at = clock_now() + PATIENCE;
		if (!whole)
			return err_set(err, RC_RETRY, "ended by a signal before the CA had validated the challenges");
		if (clock_now() > give_up_at)
			return err_set(err, RC_RETRY, "the CA has not validated the challenges in time");
		rc = authorizations_look(authorizations, clock_now(), &state, err);
	}
	return rc;
}
