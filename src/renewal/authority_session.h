/* authority_session.h -- what authority.c, account_keys.c and account_lost.c share of a session; nothing else includes it. */
#ifndef HWA_AUTHORITY_SESSION_H
#define HWA_AUTHORITY_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "authority.h"
#include "connection.h"
#include "roots.h"

/* Where the directory of one authority is kept. */
struct directory_cache {
	struct store *store;
	const struct config_authority *authority;
};

/* A session lives for as long as somebody works with it; another may have taken its place meanwhile, and `authorities` be gone. */
struct session {
	atomic_uint users;
	struct directory_cache directory;
	struct token_key *key;
	struct http *http;
	struct client *client;
};

/* The session with one authority; whoever opens, changes or closes it holds the lock. */
struct session_slot {
	pthread_mutex_t lock;
	struct session *session; /* NULL: not opened */
};

/* Who reads from one authority without an account. */
struct directory_keeper {
	struct directory_cache directory;
	pthread_mutex_t lock; /* of what follows while it is opened */
	struct http *http;
	struct client *reader; /* NULL: not opened */
};

struct authorities {
	const struct config *config;
	struct store *store;
	struct keyring *keyring;
	struct session_slot *slots; /* one per config->authorities */
	struct directory_keeper *keepers;
	struct roots **roots; /* one per config->authorities; NULL: it has none configured */
};

/* Those who work with it go on. */
void session_close(struct session_slot *slot);
/* HTTPS to it, with its client certificate. */
enum rc session_connect(struct authorities *authorities, const struct config_authority *authority, struct http **ret_http,
			struct err *err) HWA_CHECKED;
struct directory_keeper *session_keeper(struct authorities *authorities, const struct config_authority *authority);
/* The client's directory comes from the store while it is good, and goes there when it was fetched; borrows the cache. */
void directory_cache_serve(struct directory_cache *cache, struct client *client);
void directory_keeper_close(struct directory_keeper *keeper);
/* The configured authority and its slot; RC_INPUT when there is none of that name. */
enum rc session_get(struct authorities *authorities, const char *name, const struct config_authority **ret_authority,
		    struct session_slot **ret_slot, struct err *err) HWA_CHECKED;
/* Closes it and opens it again; `is_moving`: with the stored key although another is configured.  Closed after a failure. */
enum rc session_reopen(struct authorities *authorities, const struct config_authority *authority, struct session_slot *slot,
		       int64_t now, bool is_moving, bool *ret_by_token, struct err *err) HWA_CHECKED;
enum jws_algorithm session_algorithm(const struct config_authority *authority, const struct token_key *key);
/* Whether the key of an account signs; nothing is sent. */
enum rc session_sign_try(const struct config_authority *authority, struct token_key *key, struct err *err) HWA_CHECKED;
/* Has the account of this client ended, by the CA's word?  RFC 8555, 7.3.6: "unauthorized" to whatever is asked; 7.1.2: or its status. */
bool account_keys_is_over(struct client *client);
/* A rollover that was cut off: asks the CA whose key the account has, and settles it in the record.  After a failure *ret_is_lost (NULL: not
 * asked) says that neither key has it, or that it has ended, by the word of the CA or of a token that is there. */
enum rc account_keys_settle(struct authorities *authorities, const struct config_authority *authority, struct http *http,
			    struct store_account *account, bool *ret_is_lost, struct err *err) HWA_CHECKED;

#endif /* HWA_AUTHORITY_SESSION_H */
