/* authority_session.h -- what authority.c and account_keys.c share of a session; nothing else includes it. */
#ifndef HWA_AUTHORITY_SESSION_H
#define HWA_AUTHORITY_SESSION_H

#include "authority.h"

struct session {
	struct token_key *key;
	struct http *http;
	struct client *client; /* NULL: not opened */
};

/* Where the directory of one authority is kept, and who reads without an account. */
struct directory_keeper {
	struct store *store;
	const struct config_authority *authority;
	struct http *http;
	struct client *reader; /* NULL: not opened */
};

struct authorities {
	const struct config *config;
	struct store *store;
	struct keyring *keyring;
	struct session *sessions; /* one per config->authorities */
	struct directory_keeper *keepers;
};

void session_close(struct session *session);
struct directory_keeper *session_keeper(struct authorities *authorities, const struct config_authority *authority);
/* The client's directory comes from the store while it is good, and goes there when it was fetched. */
void directory_keeper_serve(struct directory_keeper *keeper, struct client *client);
void directory_keeper_close(struct directory_keeper *keeper);
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
