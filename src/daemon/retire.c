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
		AUTO(token_key) struct token_key *key = NULL;
		struct token *token;

		/* An absent token says nothing about its keys: the record waits until it is back. */
		if (keyring_token(desk->keyring, retired[i].key.token, &token, err) != RC_OK)
			continue;
		enum rc rc = token_find(token, &retired[i].key.name, &key, err);
		if (rc == RC_OK)
			rc = token_erase(key, err);
		/* Already gone, or never made: only the record is left to drop. */
		if (rc != RC_OK && rc != RC_ABSENT)
			continue;
		if (store_retired_drop(desk->store, &retired[i].key.name, err) == RC_OK && rc == RC_OK)
			erased++;
	}
	return erased;
}
