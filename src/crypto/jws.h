/* jws.h -- a flattened JSON Web Signature made by a key in a token (RFC 7515; RFC 8555, 6.2). */
#ifndef HWA_JWS_H
#define HWA_JWS_H

#include "bytes.h"
#include "token.h"

#define JWS_MAX (64u * 1024u)

struct jws_header {
	const char *kid; /* the account URL, or NULL: the public key is sent as "jwk" */
	const char *nonce;
	const char *url;
};

/* ES256, ES384 or RS256 by the key's type.  An empty payload is POST-as-GET (RFC 8555, 6.3). */
enum rc jws_sign(struct token_key *key, const struct jws_header *header, struct span payload, struct buf *ret_json,
		 struct err *err) HWA_CHECKED;
const char *jws_alg_name(enum key_type type);

#endif /* HWA_JWS_H */
