/* spki.h -- a public key as the token describes it, made into SubjectPublicKeyInfo DER; and signatures checked with it. */
#ifndef HWA_SPKI_H
#define HWA_SPKI_H

#include "bytes.h"
#include "token.h"

/* `point` is 0x04 || X || Y, both of field width (SEC 1, 2.3.3); it must lie on the curve. */
enum rc spki_from_ec(enum key_type type, struct span point, struct buf *ret_spki, struct err *err) HWA_CHECKED;
/* The 32 octets of RFC 8032, 5.1.2. */
enum rc spki_from_ed25519(struct span point, struct buf *ret_spki, struct err *err) HWA_CHECKED;
enum rc spki_from_rsa(struct span modulus, struct span exponent, struct buf *ret_spki, struct err *err) HWA_CHECKED;
/* Does once what libcrypto does at its first digest, random number and key, several milliseconds: processes that are forked
 * later have it. */
void spki_prepare(void);
/* KEY_TYPE_COUNT when it is none of ours. */
enum key_type spki_key_type(struct span spki);
/* A public key that was read once, to verify with many times: reading costs several times what verifying does. */
struct spki_key;
enum rc spki_key_load(struct span spki, struct spki_key **ret_key, struct err *err) HWA_CHECKED;
void spki_key_free(struct spki_key *key);
/* RC_RETRY when the signature is not this key's.  Safe from several threads at once. */
enum rc spki_key_verify(const struct spki_key *key, enum token_scheme scheme, enum token_hash hash, struct span input,
			struct span sig, struct err *err) HWA_CHECKED;
AUTO_DEFINE(spki_key, struct spki_key *, spki_key_free);

/* `input` as token_sign() has it; RC_RETRY when the signature is not this key's. */
enum rc spki_verify(struct span spki, enum token_scheme scheme, enum token_hash hash, struct span input, struct span sig,
		    struct err *err) HWA_CHECKED;

#endif /* HWA_SPKI_H */
