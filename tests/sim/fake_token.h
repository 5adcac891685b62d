/*
 * fake_token.h -- tokens that live in the test program, in place of tokens/remote.c: they outlive a daemon and can be away.
 *
 * Each name of the configuration is one; keys are P-256 or P-384.
 */
#ifndef HWA_SIM_FAKE_TOKEN_H
#define HWA_SIM_FAKE_TOKEN_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

#include "token.h"

#define FAKE_TOKENS_MAX 4

struct fake_token {
	char name[64];
	bool is_away;
	unsigned busy_one_in; /* of the calls are told to come again; 0: none */
	bool is_full;         /* it makes no key */
	bool is_refusing;     /* its PIN, for somebody changed it */
	unsigned long calls;
};

void fake_tokens_start(void);
void fake_tokens_stop(void);
struct fake_token *fake_token_get(const char *name);

/* The keys that are there; NULL after the last. */
struct fake_key {
	struct fake_token *token;
	struct token_key_name name;
	enum key_type type;
	EVP_PKEY *pair;
};
const struct fake_key *fake_key_at(size_t index);
/* Somebody erases it. */
void fake_key_lose(const struct token_key_name *name);
/* All that are in it: it was initialised anew, or another is in its place. */
void fake_token_clear(const struct fake_token *token);
/* By what reference() prints as its URI; NULL: no such key. */
const struct fake_key *fake_key_by_uri(const char *uri);

#endif /* HWA_SIM_FAKE_TOKEN_H */
