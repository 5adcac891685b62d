/* jws.h -- a flattened JSON Web Signature made by a key in a token (RFC 7515; RFC 8555, 6.2). */
#ifndef HWA_JWS_H
#define HWA_JWS_H

#include "bytes.h"
#include "jws_algorithm.h"
#include "token.h"

#define JWS_MAX (64u * 1024u)

struct jws_header {
	const char *kid; /* the account URL, or NULL: the public key is sent as "jwk" */
	const char *nonce;
	const char *url;
	enum jws_algorithm algorithm; /* 0: by the key's type */
};

/* RC_INPUT when the algorithm does not fit the key.  An empty payload is POST-as-GET (RFC 8555, 6.3). */
enum rc jws_sign(struct token_key *key, const struct jws_header *header, struct span payload, struct buf *ret_json,
		 struct err *err) HWA_CHECKED;

/* Makes an HMAC where the secret is: jws_mac()'s caller knows. */
typedef enum rc jws_mac_fn(void *ctx, enum token_hash hash, struct span message, struct buf *ret_mac, struct err *err);
/* A JWS with HS256, HS384 or HS512, as an external account binding is (RFC 8555, 7.3.4): no nonce. */
enum rc jws_mac(jws_mac_fn *mac, void *ctx, enum token_hash hash, const char *kid, const char *url, struct span payload,
		struct buf *ret_json, struct err *err) HWA_CHECKED;

#endif /* HWA_JWS_H */
