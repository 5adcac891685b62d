/*
 * client_tls.h -- our side of mutual TLS (TS 33.310, annex J.2): what a connection shows of us, and what the server made of it.
 *
 * One for each handle of libcurl, used by one thread at a time; it begins with nothing but an identity, or without.
 */
#ifndef HWA_CLIENT_TLS_H
#define HWA_CLIENT_TLS_H

#include <openssl/ssl.h>

#include "signing_key.h"

struct client_tls {
	struct signer signer; /* without an identity: no client certificate is configured */
	/* of the connection made last */
	char name[HTTP_CREDENTIAL_NAME_MAX];
	char until[32];      /* the last day of what was shown; "": nothing was */
	bool is_for_clients; /* and its extended key usage lets it be shown by one */
	bool was_asked;      /* the server asked for a certificate */
	char alert[64];      /* with which it ended the handshake, in words; "": it did not */
	struct err failure;  /* what kept us from going on; rc RC_OK: nothing did */
};

/* Can what is configured be shown?  Chain and key are loaded and compared, and nothing is sent.  RC_INPUT: not one of the other. */
enum rc client_tls_check(struct client_tls *tls, struct err *err) HWA_CHECKED;
/* An exchange begins, on a connection that is there or on a new one: what ended an earlier one is forgotten. */
void client_tls_forget(struct client_tls *tls);
/* A new connection begins: loads what it shows.  False: tls->failure says why, and it must not go on. */
bool client_tls_begin(struct client_tls *tls, SSL_CTX *ctx);
/* The connection ended in failure: because the server refused what it was shown, or demanded what we do not have?  RC_OK: neither. */
enum rc client_tls_refused(const struct client_tls *tls, struct err *err) HWA_CHECKED;
/* The connection ended without an answer, and no alert came through; perhaps this is why: "; the server had asked ...", or "". */
void client_tls_hint(const struct client_tls *tls, char *ret_text, size_t room);
/* Some servers shake hands and then answer every request so. */
enum rc client_tls_refused_by(const struct client_tls *tls, const struct http_response *response, struct err *err) HWA_CHECKED;
void client_tls_clear(struct client_tls *tls); /* the identity stays its owner's */

#endif /* HWA_CLIENT_TLS_H */
