/* retire.c -- erases superseded keys when their time has come. */
#include "renewal.h"

#define RETIRED_AT_ONCE 32 /* keys erased in one go */

unsigned renewal_retire(const struct renewal_desk *desk, int64_t now, struct err *err)
{
	struct store_retired retired[RETIRED_AT_ONCE];
	unsigned count = 0, erased = 0;

	if (store_retired_due(desk->store, now, retired, RETIRED_AT_ONCE, &count, err) != RC_OK)
		return 0;
	for (unsigned i = 0; i < count; i++) {
		bool was_there = false;

		/* An absent token says nothing about its keys: the record waits until it is back. */
		if (keyring_erase(desk->keyring, &retired[i].key, &was_there, err) != RC_OK)
			continue;
		if (store_retired_drop(desk->store, &retired[i].key.name, err) == RC_OK && was_there)
			erased++;
	}
	return erased;
}
