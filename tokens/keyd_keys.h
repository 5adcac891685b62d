/*
 * keyd_keys.h -- the tokens and keys that keyd has open: each token opened when first needed, each key found once.
 *
 * Safe to use from every thread of keyd.  Nothing here is taken from the engine but names.
 */
#ifndef HWA_KEYD_KEYS_H
#define HWA_KEYD_KEYS_H

#include "config.h"
#include "token.h"

#define KEYD_KEYS_MAX 256u /* keys kept found; a key beyond that is found again */

struct keyd_keys;
struct keyd_entry { /* a key in use; stays valid until it is given back */
	struct token_key *key;
	unsigned users;
	bool is_doomed; /* erased: not lent again */
	uint64_t used_at;
};

/* Borrows config. */
enum rc keyd_keys_new(const struct config *config, struct keyd_keys **ret_keys, struct err *err) HWA_CHECKED;
void keyd_keys_free(struct keyd_keys *keys); /* closes the tokens */

/* RC_ABSENT: no such token in the configuration.  A token that cannot be opened says why each time it is asked for. */
enum rc keyd_keys_token(struct keyd_keys *keys, const char *token, struct token **ret_token, struct err *err) HWA_CHECKED;
/* The same for what is asked of a key: a token that is absent, or configured no more, is RC_RETRY, for it says nothing about its keys.
 * Only one that is there may say that it has none of a name, which is RC_ABSENT. */
enum rc keyd_keys_holder(struct keyd_keys *keys, const char *token, struct token **ret_token, struct err *err) HWA_CHECKED;
/* A key of ours: its label says so and fits its id; found in the token with custody checked, or remembered.  Or the key of a
 * client certificate that the configuration names. */
enum rc keyd_keys_take(struct keyd_keys *keys, const char *token, const struct token_key_name *name,
		       struct keyd_entry **ret_entry, struct err *err) HWA_CHECKED;
/* The same, but never from memory alone: the token is asked again, of the object that is remembered or by finding it anew. */
enum rc keyd_keys_find(struct keyd_keys *keys, const char *token, const struct token_key_name *name,
		       struct keyd_entry **ret_entry, struct err *err) HWA_CHECKED;
/* From memory alone; NULL: it was not found yet. */
struct keyd_entry *keyd_keys_known(struct keyd_keys *keys, const char *token, const struct token_key_name *name);
/* A key that was just generated: remembered; owned from now on. */
enum rc keyd_keys_add(struct keyd_keys *keys, struct token_key *key, struct keyd_entry **ret_entry, struct err *err) HWA_CHECKED;
void keyd_keys_give_back(struct keyd_keys *keys, struct keyd_entry *entry);
/* Given back, and not lent again: it was erased. */
void keyd_keys_drop(struct keyd_keys *keys, struct keyd_entry *entry);
/* RC_DENIED for a name that is none of ours: not "hwacme-OWNER-<its id>". */
enum rc keyd_name_check(const struct token_key_name *name, struct err *err) HWA_CHECKED;

AUTO_DEFINE(keyd_keys, struct keyd_keys *, keyd_keys_free);

#endif /* HWA_KEYD_KEYS_H */
