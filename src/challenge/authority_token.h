/*
 * authority_token.h -- the token of RFC 9447 that says whose an identifier is: claims, request, and what is checked before it is sent.
 *
 * The signature is not ours to judge: the CA knows its Token Authorities, we only do not send it
 * what it must refuse.  A token is a bearer secret: it is never in an error text.
 */
#ifndef HWA_AUTHORITY_TOKEN_H
#define HWA_AUTHORITY_TOKEN_H

#include "bytes.h"
#include "challenge.h"

#define AUTHORITY_TOKEN_MARGIN 60 /* seconds a token must be good for: until the CA has looked */

/* What the token shall attest. */
struct authority_claims {
	const char *type;      /* "NfInstanceId" */
	const char *value;     /* the UUID, in lower case */
	char fingerprint[128]; /* "SHA256 56:3E:..." of the account key (RFC 9448, 5.4) */
};

/* `thumbprint` is base64url, as RFC 8555, 8.1 has it. */
enum rc authority_fingerprint(const char *thumbprint, char ret_text[128], struct err *err) HWA_CHECKED;

/* The body of the request to a Token Authority (RFC 9447, 5.1). */
enum rc authority_request_print(const struct authority_claims *claims, struct buf *ret_json, struct err *err) HWA_CHECKED;
/* The token of its answer (RFC 9448, 5.5).  RC_RETRY: it has none, which is no reason to give the CA's order up. */
enum rc authority_answer_parse(struct span json, struct buf *ret_token, struct err *err) HWA_CHECKED;

/* A JWT for exactly these claims, and not for a CA; *ret_expires_at.  RC_INPUT saying what is wrong with it. */
enum rc authority_token_check(const char *token, const struct authority_claims *claims, int64_t now, int64_t *ret_expires_at,
			      struct err *err) HWA_CHECKED;

#endif /* HWA_AUTHORITY_TOKEN_H */
