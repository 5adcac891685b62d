/*
 * authority.h -- a session with a configured authority: its account key in the token, its HTTPS connection, its account.
 *
 * One session an authority and process; all of its certificates share the connection and the nonces.
 */
#ifndef HWA_AUTHORITY_H
#define HWA_AUTHORITY_H

#include "client.h"
#include "config.h"
#include "keyring.h"
#include "store.h"

struct authorities; /* the sessions opened so far */
/* Borrows all. */
enum rc authorities_new(const struct config *config, struct store *store, struct keyring *keyring,
			struct authorities **ret_authorities, struct err *err) HWA_CHECKED;
void authorities_free(struct authorities *authorities);

/* The signed-in client for the authority; stays the session's.  The account is registered, or found by its
 * key, when the store knows no account URL.  *ret_by_token tells whose failure it was: the token's, or not. */
enum rc authorities_client(struct authorities *authorities, const char *name, int64_t now, struct client **ret_client,
			   bool *ret_by_token, struct err *err) HWA_CHECKED;

/* A client without an account, for what needs no signature; stays the session's.  Nothing is asked of a token. */
enum rc authorities_reader(struct authorities *authorities, const char *name, struct client **ret_client,
			   struct err *err) HWA_CHECKED;

/* The CA said it knows no such account: the next session asks for it anew with the same key. */
enum rc authorities_forget_account(struct authorities *authorities, const char *name, struct err *err) HWA_CHECKED;

AUTO_DEFINE(authorities, struct authorities *, authorities_free);

#endif /* HWA_AUTHORITY_H */
