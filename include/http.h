/*
 * http.h -- HTTPS exchanges, bounded and without surprises.
 *
 * Promises, for every backend: https only, server certificate verified against the
 * authority's `trust` file (the system's when NULL), no redirect followed, no more
 * than HTTP_BODY_MAX bytes of body and HTTP_HEADER_MAX of headers, whole exchange
 * within HTTP_TIMEOUT_MS.  Connections are kept open between exchanges: as many
 * as there were callers at once.  Several threads may call http_send.
 *
 * An HTTP status of 400 or 500 is RC_OK here: what it means is the caller's idea.
 * Errors: RC_RETRY no connection, timeout, cut; RC_DENIED TLS not trusted, or the server
 * wants another client certificate, or one at all (also where it says so by an HTTP status);
 * RC_PROTOCOL redirect, too large, malformed; RC_INPUT a URL that is not https.
 */
#ifndef HWA_HTTP_H
#define HWA_HTTP_H

#include "bytes.h"
#include "err.h"
#include "key_type.h"

#define HTTP_BODY_MAX   (512u * 1024u) /* a chain of ten RSA certificates is 20 KiB */
#define HTTP_HEADER_MAX (32u * 1024u)
#define HTTP_URL_MAX    1024u
#define HTTP_NONCE_MAX  256u
#define HTTP_TIMEOUT_MS 45000 /* step-ca takes up to 30 s for a challenge, before it answers */
#define HTTP_LINKS_MAX  8
#define HTTP_CHAIN_MAX  (64u * 1024u) /* of a client certificate */
#define HTTP_SPKI_MAX   1024u

#define HTTP_CREDENTIAL_NAME_MAX 160

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST };

struct http_request {
	enum http_method method;
	const char *url;
	struct span body;         /* of HTTP_POST */
	const char *content_type; /* of HTTP_POST; NULL: application/jose+json */
	const char *accept;       /* NULL: no preference */
	const char *endpoint;     /* what it is asked for, as metrics call it: "newOrder" */
};

struct http_link {
	char rel[32];
	char url[HTTP_URL_MAX];
};

struct http_response {
	long status;
	struct buf body;             /* freed by http_response_clear */
	char content_type[128];      /* without parameters, lower case */
	char location[HTTP_URL_MAX]; /* a whole URL, also where the server sent a path */
	char nonce[HTTP_NONCE_MAX];  /* Replay-Nonce; "" when absent or not base64url (RFC 8555, 6.5: ignored) */
	int64_t retry_at;            /* Retry-After as unix time; 0: none or unreadable */
	struct http_link links[HTTP_LINKS_MAX];
	unsigned link_count;
};

struct http;
struct http_ops {
	enum rc (*send)(struct http *http, const struct http_request *request, struct http_response *ret_response,
			struct err *err) HWA_CHECKED;
	void (*close)(struct http *http);
};
struct http {
	const struct http_ops *ops;
}; /* every backend's struct begins with it */

/* What a server that asks for it is shown of us: a certificate, and that we have its key. */
struct http_credential {
	char name[HTTP_CREDENTIAL_NAME_MAX]; /* as the configuration calls it, for errors; set also on failure */
	struct buf chain;                    /* PEM, our own certificate first; empty: there is none yet, and none is shown */
	struct buf spki;                     /* the key's public half, DER */
	enum key_type type;
};

/* The key is in a token: no private byte crosses this interface.  Called from several threads, each with a `key` of its own. */
struct http_identity {
	void *ctx;
	/* Asked before each connection, so that a renewed certificate is the next one's.  *key: NULL, or of the last load(). */
	enum rc (*load)(void *ctx, void **key, struct http_credential *ret_credential, struct err *err);
	/* As token_sign(): r || s, verified. */
	enum rc (*sign)(void *key, enum token_scheme scheme, enum token_hash hash, struct span digest, struct buf *ret_sig,
			struct err *err);
	void (*key_free)(void *key); /* never NULL */
	void (*free)(void *ctx);
};

/*
 * libcurl; `trust` is a PEM file or NULL.  `identity` for a server that demands mutual TLS, or NULL; it is taken over, also on
 * failure.  A chain that is not the key's is RC_INPUT here, before a connection is made.  No TLS session is resumed with it.
 */
enum rc http_open(const char *trust, const struct http_identity *identity, struct http **ret_http, struct err *err) HWA_CHECKED;
/* libcurl is loaded by the first who opens: in a sandbox where nothing can be loaded, before. */
enum rc http_load(struct err *err) HWA_CHECKED;
enum rc http_send(struct http *http, const struct http_request *request, struct http_response *ret_response,
		  struct err *err) HWA_CHECKED;
void http_close(struct http *http);
void http_response_clear(struct http_response *response);

AUTO_DEFINE(http, struct http *, http_close);
AUTO_DEFINE_VALUE(http_response, struct http_response, http_response_clear);

#endif /* HWA_HTTP_H */
