/* authority_session.h -- what authority.c and account_keys.c share of a session; nothing else includes it. */
#ifndef HWA_AUTHORITY_SESSION_H
#define HWA_AUTHORITY_SESSION_H

#include "authority.h"

struct session {
	struct token_key *key;
	struct http *http;
	struct client *client; /* NULL: not opened */
};

struct authorities {
	const struct config *config;
	struct store *store;
	struct keyring *keyring;
	struct session *sessions; /* one per config->authorities */
};

void session_close(struct session *session);
/* The configured authority and its session; RC_INPUT when there is none of that name. */
enum rc session_get(struct authorities *authorities, const char *name, const struct config_authority **ret_authority,
		    struct session **ret_session, struct err *err) HWA_CHECKED;
/* Closes it and opens it again; `is_moving`: with the stored key although another is configured.  Closed after a failure. */
enum rc session_reopen(struct authorities *authorities, const struct config_authority *authority, struct session *session,
		       int64_t now, bool is_moving, bool *ret_by_token, struct err *err) HWA_CHECKED;
enum jws_algorithm session_algorithm(const struct config_authority *authority, const struct token_key *key);
/* A rollover that was cut off: asks the CA whose key the account has, and settles it in the record. */
enum rc account_keys_settle(struct authorities *authorities, const struct config_authority *authority, struct http *http,
			    struct store_account *account, struct err *err) HWA_CHECKED;

#endif /* HWA_AUTHORITY_SESSION_H */
