/* endpoint.h -- the endpoints that a renewal comes by, as bits. */
#ifndef HWA_TEST_ENDPOINT_H
#define HWA_TEST_ENDPOINT_H

/* X(bit's name, the RA's word) in the order in which a renewal comes by them */
#define ENDPOINTS(X)                  \
	X(DIRECTORY, "directory")     \
	X(NEW_NONCE, "newNonce")      \
	X(NEW_ACCOUNT, "newAccount")  \
	X(NEW_ORDER, "newOrder")      \
	X(ORDER, "order")             \
	X(FINALIZE, "finalize")       \
	X(CERTIFICATE, "certificate") \
	X(AUTHZ, "authz")             \
	X(CHALLENGE, "challenge")

#define X(name, word) BIT_##name,
enum endpoint_bit { ENDPOINTS(X) ENDPOINT_COUNT };
#undef X
#define X(name, word) name = 1u << BIT_##name,
enum endpoint { ENDPOINTS(X) };
#undef X

#endif /* HWA_TEST_ENDPOINT_H */
