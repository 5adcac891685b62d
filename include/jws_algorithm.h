/* jws_algorithm.h -- the JWS algorithms an account key may sign with (RFC 7518, 3.1; RFC 8037, 3.1). */
#ifndef HWA_JWS_ALGORITHM_H
#define HWA_JWS_ALGORITHM_H

#include "key_type.h"

/* X(enumerator, name registered with IANA, scheme, hash) */
#define JWS_ALGORITHMS(X)                                    \
	X(JWS_ES256, "ES256", TOKEN_ECDSA, TOKEN_SHA256)     \
	X(JWS_ES384, "ES384", TOKEN_ECDSA, TOKEN_SHA384)     \
	X(JWS_ES512, "ES512", TOKEN_ECDSA, TOKEN_SHA512)     \
	X(JWS_EDDSA, "EdDSA", TOKEN_EDDSA, TOKEN_HASH_NONE)  \
	X(JWS_RS256, "RS256", TOKEN_RSA_PKCS1, TOKEN_SHA256) \
	X(JWS_RS384, "RS384", TOKEN_RSA_PKCS1, TOKEN_SHA384) \
	X(JWS_RS512, "RS512", TOKEN_RSA_PKCS1, TOKEN_SHA512) \
	X(JWS_PS256, "PS256", TOKEN_RSA_PSS, TOKEN_SHA256)

#define X(algorithm, name, scheme, hash) algorithm,
enum jws_algorithm {
	JWS_BY_KEY_TYPE, /* ES256, ES384, ES512, EdDSA or RS256 */
	JWS_ALGORITHMS(X) JWS_ALGORITHM_COUNT
};
#undef X

/* JWS_ALGORITHM_COUNT when the name is unknown; case counts, as it does for servers. */
enum jws_algorithm jws_algorithm_parse(const char *name);
const char *jws_algorithm_name(enum jws_algorithm algorithm); /* "" for JWS_BY_KEY_TYPE */
/* What JWS_BY_KEY_TYPE means for a key, and any other algorithm means itself. */
enum jws_algorithm jws_algorithm_for(enum jws_algorithm algorithm, enum key_type type);
/* ES256 is for P-256 alone, and so on (RFC 7518, 3.4); every RSA key may use any of RSA's. */
bool jws_algorithm_fits(enum jws_algorithm algorithm, enum key_type type);
/* These two are not asked of JWS_BY_KEY_TYPE. */
enum token_scheme jws_algorithm_scheme(enum jws_algorithm algorithm);
enum token_hash jws_algorithm_hash(enum jws_algorithm algorithm);

#endif /* HWA_JWS_ALGORITHM_H */
