/*
 * keyring.h -- the configured tokens, each opened once, when first needed.
 *
 * One that is away, or that refused, is opened anew after 1 s, 2 s, 4 s ... 5 min; until then the last failure is
 * answered.  That costs no attempt: a secret that was refused is not sent again before it is changed (refusal.h), and
 * a lock that ended, or another TPM that is the right one again, is seen.  Several threads may use it.
 */
#ifndef HWA_KEYRING_H
#define HWA_KEYRING_H

#include "config.h"
#include "remote.h"
#include "store.h"
#include "token.h"

struct keyring;
/* Borrows both; the tokens are keyd's, at the other end of the link. */
enum rc keyring_new(const struct config *config, struct remote_link *keyd, struct keyring **ret_keyring,
		    struct err *err) HWA_CHECKED;
void keyring_free(struct keyring *keyring); /* closes the tokens */

struct remote_link *keyring_keyd(struct keyring *keyring);

/* The token stays the keyring's. */
enum rc keyring_token(struct keyring *keyring, const char *name, struct token **ret_token, struct err *err) HWA_CHECKED;
/* The token that is to have this key.  RC_RETRY, and not RC_ABSENT, when it is away or configured no more: an absent token says nothing about
 * its keys, and only one that is there may say that it has none of a name.  So with all that follow. */
enum rc keyring_holder(struct keyring *keyring, const struct store_key *key, struct token **ret_token,
		       struct err *err) HWA_CHECKED;
/* The operator asks: each token that is not open is tried at the next call, whenever its time would come.  Waits for nobody. */
void keyring_hasten(struct keyring *keyring);
/* Opens the token and finds the key that the store knows. */
enum rc keyring_find(struct keyring *keyring, const struct store_key *key, struct token_key **ret_key,
		     struct err *err) HWA_CHECKED;
/* The same; after a failure *ret_is_lost says that trying again will not help: its token is there and has no such key, or refuses it, or is
 * configured no more.  A token that is away, or refused a PIN, says nothing of the kind. */
enum rc keyring_look(struct keyring *keyring, const struct store_key *key, struct token_key **ret_key, bool *ret_is_lost,
		     struct err *err) HWA_CHECKED;
/*
 * The key was reserved in the store: finds it, or generates it when it does not exist yet.  One that was cut off while the
 * token made it (there, but not kept as it must be, so never used) is erased and made anew.
 */
enum rc keyring_find_or_generate(struct keyring *keyring, const struct store_key *key, struct token_key **ret_key,
				 struct err *err) HWA_CHECKED;
/* The same of a name that was reserved a moment ago, by this very process: there is no such key, and it is not looked for. */
enum rc keyring_generate(struct keyring *keyring, const struct store_key *key, struct token_key **ret_key,
			 struct err *err) HWA_CHECKED;
/* For good, also one that the token does not keep as it must; not in the token: RC_OK, and it was not there. */
enum rc keyring_erase(struct keyring *keyring, const struct store_key *key, bool *ret_was_there, struct err *err) HWA_CHECKED;
/* A new key's name, to be stored before the key is made. */
enum rc keyring_reserve(const struct keyring *keyring, struct store *store, const char *owner, const struct config_key *wanted,
			int64_t now, struct store_key *ret_key, struct err *err) HWA_CHECKED;

AUTO_DEFINE(keyring, struct keyring *, keyring_free);

#endif /* HWA_KEYRING_H */
