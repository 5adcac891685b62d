/* next_look.c -- asks the record and the plan when there is something to do again. */
#include "next_look.h"

#include "clock.h"
#include "log.h"
#include "loop.h"

/* Of what is due.  The clock that is never set counts from when the machine was switched on. */
static int64_t turn_after_boot(const struct renewal_desk *desk, const struct config_certificate *certificate, uint32_t instance,
			       int64_t not_after, int64_t now)
{
	const struct config_policy *policy = config_policy_get(desk->config, certificate->policy);
	int64_t turn = plan_turn_after_boot(policy, certificate->name, instance, not_after, now);
	int64_t wait = turn - clock_monotonic_ms() / 1000;
	char text[CLOCK_TEXT_MAX];

	if (wait <= 0)
		return now;
	log_certificate(
		LOG_INFO, certificate->name,
		"due, and its turn after the machine was switched on comes in %s (boot-spread); `hwacme renew %s` does it now",
		clock_print_duration(wait, text), certificate->name);
	return now + wait;
}

int64_t next_look_at(const struct renewal_desk *desk, const struct config_certificate *certificate, uint32_t instance,
		     int64_t now)
{
	struct store_certificate record;
	struct err err = { 0 };
	enum rc rc = store_certificate_load(desk->store, certificate->name, &record, &err);

	if (rc != RC_OK && rc != RC_ABSENT) {
		log_certificate_failure(certificate->name, &err);
		return now + LOOP_REST;
	}
	bool is_owed;
	int64_t at = renewal_next_at(desk->config, certificate, rc == RC_OK ? &record : NULL, now, &is_owed);
	/* Those that were switched on together are to spare their CA, not their services. */
	return at > now || is_owed ? at : turn_after_boot(desk, certificate, instance, rc == RC_OK ? record.not_after : 0, now);
}
