/* renewal_room.c -- a token that has no room for another key: what is superseded goes first, and then an error says what to do. */
#include <stdio.h>

#include "clock.h"
#include "renewal_steps.h"

/* CKR_DEVICE_MEMORY (PKCS#11 2.40, 5.1): "the token does not have sufficient memory to perform the requested function". */
#define DEVICE_MEMORY 0x31

static bool is_full(enum rc rc, const struct err *why)
{
	return rc == RC_RESOURCE && why->origin == ERR_PKCS11 && why->code == DEVICE_MEMORY;
}

static enum rc no_room(struct renewal *renewal, struct err *why)
{
	const struct store_key *key = &renewal->record->next_key;
	const struct store_key *live = &renewal->record->live_key;
	char until[CLOCK_TEXT_MAX];
	unsigned waiting = 0;
	int64_t first_at = 0;

	if (store_retired_count(renewal->desk->store, renewal->record->name, key->token, &waiting, &first_at, NULL) == RC_OK &&
	    waiting)
		return err_wrap(why, why->rc,
				"token \"%s\" has no room beside %u superseded key%s of this certificate, the first of which may "
				"go after "
				"%s, when the live certificate is in service; shorten retire-after or keep of its policy",
				key->token, waiting, waiting == 1 ? "" : "s", clock_print(first_at, until));
	if (renewal_is_keyed(live) && strcmp(live->token, key->token) == 0)
		return err_wrap(
			why, why->rc,
			"token \"%s\" has no room for another key beside the live \"%s\", so rotation is impossible there; write "
			"rotate: never after key:, or name another token",
			key->token, live->name.label);
	return err_wrap(why, why->rc, "token \"%s\" has no room for another key; name another token after key:", key->token);
}

enum rc renewal_generate(struct renewal *renewal, struct err *err)
{
	const struct store_key *key = &renewal->record->next_key;
	struct err why = { 0 };
	bool is_unmade = renewal->is_unmade;

	renewal->is_unmade = false;
	(void)renewal_retire_own(renewal->desk, renewal->record->name, key->token, clock_now());
	enum rc rc = is_unmade ? keyring_generate(renewal->desk->keyring, key, &renewal->key, &why)
			       : keyring_find_or_generate(renewal->desk->keyring, key, &renewal->key, &why);

	if (is_full(rc, &why) && renewal_retire(renewal->desk, clock_now(), NULL) > 0) {
		why = (struct err){ 0 };
		rc = keyring_find_or_generate(renewal->desk->keyring, key, &renewal->key, &why);
	}
	if (is_full(rc, &why))
		rc = no_room(renewal, &why);
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}
