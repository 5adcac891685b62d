/*
 * public_key.h -- a SubjectPublicKeyInfo, read.
 *
 * All of an EC key's DER that comes before the point is the same for each key of a curve (RFC 5480, 2).  OpenSSL's encoders and
 * decoders come to the same, and cost ten times the CPU of everything else that is done with a key: keys on our curves go
 * round them, whatever else there is is left to them.
 */
#ifndef HWA_PUBLIC_KEY_H
#define HWA_PUBLIC_KEY_H

#include "bytes.h"
#include "key_type.h"

struct evp_pkey_st; /* EVP_PKEY, for who may include OpenSSL */

/* What comes before the point in the DER of a key on this curve; appends. */
enum rc public_key_ec_head(enum key_type type, struct buf *ret_head, struct err *err) HWA_CHECKED;
/* The curve of such a key, and its point: 0x04 || X || Y (SEC 1, 2.3.3), of the right length, which need not lie on the curve.
 * KEY_TYPE_COUNT: it is not on a curve of ours, or not in this form. */
enum key_type public_key_ec_point(struct span spki, struct span *ret_point);

/* NULL when it is not on the curve. */
struct evp_pkey_st *public_key_from_ec(enum key_type type, struct span point) HWA_CHECKED;
/* Of any kind; NULL when it is none that OpenSSL knows, is not on its curve, or has something behind it. */
struct evp_pkey_st *public_key_load(struct span spki) HWA_CHECKED;

#endif /* HWA_PUBLIC_KEY_H */
