/*
 * authority.h -- a session with a configured authority: its account key in the token, its HTTPS connection, its account.
 *
 * One session an authority and process; all of its certificates share the connections and the nonces.  Several threads
 * may ask for sessions and work with them.
 */
#ifndef HWA_AUTHORITY_H
#define HWA_AUTHORITY_H

#include "client.h"
#include "config.h"
#include "keyring.h"
#include "store.h"

struct roots;
struct authorities; /* the sessions opened so far */
/* Borrows all. */
enum rc authorities_new(const struct config *config, struct store *store, struct keyring *keyring,
			struct authorities **ret_authorities, struct err *err) HWA_CHECKED;
void authorities_free(struct authorities *authorities);

struct session;
/* The session, signed in: a reference, which stays good whatever others do with the account meanwhile.  The account is registered,
 * or found by its key, when the store knows no account URL.  *ret_by_token tells whose failure it was: the token's, or not. */
enum rc authorities_sign_in(struct authorities *authorities, const char *name, int64_t now, struct session **ret_session,
			    bool *ret_by_token, struct err *err) HWA_CHECKED;
struct client *session_client(struct session *session); /* the session's */
void session_release(struct session *session);
AUTO_DEFINE(session, struct session *, session_release);

/* The client of such a session; good until the next call that has to do with this authority. */
enum rc authorities_client(struct authorities *authorities, const char *name, int64_t now, struct client **ret_client,
			   bool *ret_by_token, struct err *err) HWA_CHECKED;

/* A client without an account, for what needs no signature; stays the session's.  Nothing is asked of a token,
 * but where the authority wants a client certificate. */
enum rc authorities_reader(struct authorities *authorities, const char *name, struct client **ret_client,
			   struct err *err) HWA_CHECKED;

/* The CA said it knows no such account (NULL: the stored one): the next session asks for it anew with the same key. */
enum rc authorities_forget_account(struct authorities *authorities, const char *name, const char *account_url,
				   struct err *err) HWA_CHECKED;
/* The same where `why` is that; else nothing. */
void authorities_note_failure(struct authorities *authorities, const char *name, const char *account_url, const struct err *why);

/* Whether an account that was registered can be used: it was not given up, and its key is there, as it is configured, and signs.
 * No CA is asked. */
enum rc authority_account_try(struct keyring *keyring, const struct config_authority *authority,
			      const struct store_account *account, struct token_custody *ret_custody,
			      struct err *err) HWA_CHECKED;

/* Whether the key of its external account binding, where one is configured, is there and good for one to newAccount at `url`. */
enum rc authority_binding_try(struct keyring *keyring, const struct config_authority *authority, const char *url,
			      struct err *err) HWA_CHECKED;

/* What its chains must end in; NULL: none are configured. */
struct roots *authorities_roots(struct authorities *authorities, const struct config_authority *authority);

AUTO_DEFINE(authorities, struct authorities *, authorities_free);

#endif /* HWA_AUTHORITY_H */
