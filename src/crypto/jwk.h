/* jwk.h -- a token's public key as a JSON Web Key, and its thumbprint (RFC 7517, RFC 7638). */
#ifndef HWA_JWK_H
#define HWA_JWK_H

#include "bytes.h"

#define JWK_MAX 2048

/* The JWK with only the required members in lexicographic order, as RFC 7638, 3.3 hashes it. */
enum rc jwk_print(struct span spki, struct buf *ret_json, struct err *err) HWA_CHECKED;
/* base64url(SHA-256(jwk)). */
enum rc jwk_thumbprint(struct span spki, struct buf *ret_text, struct err *err) HWA_CHECKED;

#endif /* HWA_JWK_H */
