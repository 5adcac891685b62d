/*
 * client.h -- one ACME server seen by one account key: directory, nonce pool, signed POST (RFC 8555, 7.1.1, 6.5 and 6.2).
 */
#ifndef HWA_CLIENT_H
#define HWA_CLIENT_H

#include "http.h"
#include "jws_algorithm.h"
#include "token.h"

#define CLIENT_NONCES_MAX    16
#define CLIENT_BAD_NONCE_MAX 30 /* signatures spent on one request before badNonce is believed to be permanent */

#define CLIENT_DIRECTORY_MAX (64u * 1024u) /* a longer directory is not kept for the next process */

/* Several threads may ask and post through one at once; what is set of it (cache, account, key, algorithm) is set before. */
struct client;

/* Borrows http and key.  Nothing is sent before the first request. */
enum rc client_new(struct http *http, struct token_key *account_key, const char *directory_url, struct client **ret_client,
		   struct err *err) HWA_CHECKED;
void client_free(struct client *client);

/*
 * Where directories are kept from one process to the next.  The client checks what it loads as if it had fetched it, fetches
 * when there is nothing good, and forgets what it loaded when one of the URLs in it turns out not to exist (404, 410).
 */
struct client_cache {
	void *ctx;
	/* The kept directory if it is young enough, or RC_ABSENT. */
	enum rc (*load)(void *ctx, const char *url, struct buf *ret_json, struct err *err);
	void (*save)(void *ctx, const char *url, struct span json); /* a failure is not worth more than another fetch */
};
void client_set_cache(struct client *client, const struct client_cache *cache);

enum client_resource {
	CLIENT_NEW_NONCE,
	CLIENT_NEW_ACCOUNT,
	CLIENT_NEW_ORDER,
	CLIENT_NEW_AUTHZ,
	CLIENT_REVOKE_CERT,
	CLIENT_KEY_CHANGE,
	CLIENT_RENEWAL_INFO, /* RFC 9773 */
	CLIENT_RESOURCE_COUNT
};
/* Fetches and checks the directory when it is not known yet.  RC_ABSENT: the server does not offer this.  Good until client_free(). */
enum rc client_url(struct client *client, enum client_resource which, const char **ret_url, struct err *err) HWA_CHECKED;
/*
 * The profile as it may be ordered (draft-ietf-acme-profiles, 3): RC_INPUT, naming those the server advertises, when this one
 * is not among them.  A directory from the cache is fetched anew before it is believed to lack one.
 */
enum rc client_profile_check(struct client *client, const char *profile, struct err *err) HWA_CHECKED;
/* "a, b"; "" when it advertises none. */
void client_profiles_print(struct client *client, char *text, size_t room);
const char *client_terms_of_service(struct client *client);              /* "" when the server names none */
void client_set_account(struct client *client, const char *account_url); /* our kid from now on */
/* Requests are signed so; without it by the type of the key. */
void client_set_algorithm(struct client *client, enum jws_algorithm algorithm);
bool client_wants_external_account(struct client *client);
void client_set_key(struct client *client, struct token_key *account_key); /* after a rollover */
const char *client_account(const struct client *client);                   /* "" before */
struct token_key *client_account_key(const struct client *client);

#define CLIENT_THUMBPRINT_MAX 64
/* Of the account key (RFC 7638), base64url; worked out once. */
enum rc client_thumbprint(struct client *client, char ret_text[CLIENT_THUMBPRINT_MAX], struct err *err) HWA_CHECKED;

/*
 * A signed POST; payload empty = POST-as-GET.  Signed with "kid" once the account is set,
 * else with "jwk".  badNonce is answered by signing again with the nonce of that answer.
 * A problem document (RFC 7807) becomes an error by the table of problem.h, with the
 * CA's own type and detail in the text and retry_at kept; 404 and 410 are RC_ABSENT.
 * URLs must be https (and come from this server).  `endpoint` is what metrics call it: "newOrder", "finalize".
 */
enum rc client_post(struct client *client, const char *endpoint, const char *url, struct span payload, const char *accept,
		    struct http_response *ret_response, struct err *err) HWA_CHECKED;

/* A server may send us to itself only (origin.h): RC_PROTOCOL for an absolute URL of another. */
enum rc client_same_origin(const struct client *client, const char *url, struct err *err) HWA_CHECKED;

/* An unsigned GET of a URL of this server (RFC 9773, 4.1); refusals as above. */
enum rc client_get(struct client *client, const char *endpoint, const char *url, struct http_response *ret_response,
		   struct err *err) HWA_CHECKED;

AUTO_DEFINE(client, struct client *, client_free);

#endif /* HWA_CLIENT_H */
