/* retire.c -- erases superseded keys when their time has come, and what took their place is in service. */
#include <string.h>

#include "clock.h"
#include "config.h"
#include "log.h"
#include "renewal.h"
#include "service_plan.h"

#define RETIRED_AT_ONCE       32 /* keys looked at in one go */
#define RETIRED_A_RENEWAL     2  /* which makes one: what fell behind is made up for */
#define RETIRED_OWN_LOOKED_AT 8  /* for these: the first may be of those that cannot be erased */

/* Is it more than time that it waits for?  What cannot be told is kept; and so is what is in a token that was taken out of the
 * configuration, which cannot be reached, until it is there again. */
static bool is_needed(const struct config *config, struct store *store, const struct store_retired *retired, int64_t now)
{
	const struct config_certificate *certificate =
		retired->certificate[0] ? config_certificate_get(config, retired->certificate) : NULL;
	struct store_certificate record;

	if (!config_token_get(config, retired->key.token))
		return true;
	/* An account's, one that was never live, one of a certificate that is configured no more, one with nothing valid left. */
	if (!certificate || !retired->generation || retired->not_after <= now)
		return false;
	/* The live one is the first of those that are kept, and the last one retired the second. */
	if (retired->newer + 2 <= config_policy_get(config, certificate->policy)->keep)
		return true;
	return store_certificate_load(store, retired->certificate, &record, NULL) != RC_OK ||
	       !service_is_proven(certificate, &record);
}

/* An absent token says nothing about its keys: the record waits until it is back. */
static bool erase(const struct renewal_desk *desk, const struct store_retired *retired, bool *ret_was_there, struct err *err)
{
	return keyring_erase(desk->keyring, &retired->key, ret_was_there, err) == RC_OK &&
	       store_retired_drop(desk->store, &retired->key.name, err) == RC_OK;
}

unsigned renewal_retire(const struct renewal_desk *desk, int64_t now, struct err *err)
{
	struct store_retired retired[RETIRED_AT_ONCE], last;
	unsigned count = RETIRED_AT_ONCE, erased = 0;

	for (const struct store_retired *after = NULL; count == RETIRED_AT_ONCE; after = &last) {
		if (store_retired_page(desk->store, now, after, retired, RETIRED_AT_ONCE, &count, err) != RC_OK)
			break;
		for (unsigned i = 0; i < count; i++) {
			bool was_there = false;

			/* What cannot be erased is passed over. */
			if (!is_needed(desk->config, desk->store, &retired[i], now))
				(void)!erase(desk, &retired[i], &was_there, err);
			erased += was_there;
		}
		if (count)
			last = retired[count - 1];
	}
	return erased;
}

/* Of all policies, and of what certificates have that name none. */
static int64_t longest_wait(const struct config *config)
{
	int64_t longest = config_policy_get(config, NULL)->retire_after;

	for (unsigned i = 0; i < config->policy_count; i++)
		if (config->policies[i].retire_after > longest)
			longest = config->policies[i].retire_after;
	return longest;
}

void renewal_retire_hasten(const struct renewal_desk *desk, int64_t now)
{
	int64_t latest = now + longest_wait(desk->config);
	char until[CLOCK_TEXT_MAX];
	unsigned keys = 0, certificates = 0, archives = 0;

	/* What fails is done the next time. */
	(void)!store_retired_hasten(desk->store, latest, now, &keys, NULL);
	(void)!store_superseded_hasten(desk->store, latest, now, &certificates, NULL);
	(void)!store_prune_hasten(desk->store, latest, now, &archives, NULL);
	if (keys || certificates || archives)
		log_event(LOG_INFO,
			  "%u superseded keys, the revocations of %u certificates and the archives of %u were to wait for too "
			  "long; "
			  "now until %s",
			  keys, certificates, archives, clock_print(latest, until));
}

unsigned renewal_retire_own(const struct renewal_desk *desk, const char *certificate, const char *token, int64_t now)
{
	struct store_retired due[RETIRED_OWN_LOOKED_AT];
	unsigned count = 0, erased = 0;

	if (store_retired_of(desk->store, certificate, now, due, RETIRED_OWN_LOOKED_AT, &count, NULL) != RC_OK)
		return 0;
	for (unsigned i = 0; i < count && erased < RETIRED_A_RENEWAL; i++) {
		bool was_there = false;

		/* Another token may be away, and is not waited for. */
		if ((!token || strcmp(due[i].key.token, token) == 0) && !is_needed(desk->config, desk->store, &due[i], now))
			(void)!erase(desk, &due[i], &was_there, NULL);
		erased += was_there;
	}
	return erased;
}

unsigned renewal_overdue(const struct config *config, struct store *store, int64_t now, struct store_retired *ret, unsigned max)
{
	struct store_retired retired[RETIRED_AT_ONCE], last;
	unsigned count = RETIRED_AT_ONCE, found = 0;
	/* What was kept as long as its certificate was valid has its time from then on. */
	int64_t then = now - RENEWAL_OVERDUE;

	for (const struct store_retired *after = NULL; count == RETIRED_AT_ONCE && found < max; after = &last) {
		if (store_retired_page(store, then, after, retired, RETIRED_AT_ONCE, &count, NULL) != RC_OK)
			break;
		for (unsigned i = 0; i < count && found < max; i++)
			if (!is_needed(config, store, &retired[i], then))
				ret[found++] = retired[i];
		if (count)
			last = retired[count - 1];
	}
	return found;
}

const struct store_retired *renewal_overdue_of(const struct store_retired *overdue, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(overdue[i].certificate, name) == 0)
			return &overdue[i];
	return NULL;
}
