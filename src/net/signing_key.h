/*
 * signing_key.h -- a private key for TLS whose private half is elsewhere: OpenSSL asks, a token signs.
 *
 * OpenSSL 3 hands every signature to the provider that a key came from.  Ours is built in, lives in a library context of its
 * own and knows such keys alone: public half, and whom to ask for a signature.  There is no private number to export, and
 * an export that asks for one fails.
 */
#ifndef HWA_SIGNING_KEY_H
#define HWA_SIGNING_KEY_H

#include <openssl/evp.h>

#include "http.h"

/* Who signs, and why the last signature failed. */
struct signer {
	const struct http_identity *identity;
	void *key; /* the identity's; NULL: none was loaded yet */
	enum key_type type;
	struct err failure; /* rc RC_OK: none did */
};

/* `public_half` is an EC or RSA key; borrows `signer`, which outlives every connection that has the key. */
enum rc signing_key_new(EVP_PKEY *public_half, struct signer *signer, EVP_PKEY **ret_key, struct err *err) HWA_CHECKED;

/* As SSL_CTX_set1_client_sigalgs_list() takes them: what a key of this type signs, best first; "" for one that TLS gets nothing from. */
void signing_key_algorithms(enum key_type type, char *ret_list, size_t room);

#endif /* HWA_SIGNING_KEY_H */
