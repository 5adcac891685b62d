/* jws_algorithm.c -- names of JWS algorithms and the keys they fit, from the one list in jws_algorithm.h. */
#include "jws_algorithm.h"

#include <string.h>

static const struct {
	const char *name;
	enum token_scheme scheme;
	enum token_hash hash;
} ALGORITHMS[JWS_ALGORITHM_COUNT] = { [JWS_BY_KEY_TYPE] = { "", TOKEN_ECDSA, TOKEN_HASH_NONE },
#define X(algorithm, name, scheme, hash) [algorithm] = { name, scheme, hash },
				      JWS_ALGORITHMS(X)
#undef X
};

enum jws_algorithm jws_algorithm_parse(const char *name)
{
	for (int algorithm = JWS_BY_KEY_TYPE + 1; algorithm < JWS_ALGORITHM_COUNT; algorithm++)
		if (strcmp(ALGORITHMS[algorithm].name, name) == 0)
			return (enum jws_algorithm)algorithm;
	return JWS_ALGORITHM_COUNT;
}

const char *jws_algorithm_name(enum jws_algorithm algorithm)
{
	return ALGORITHMS[algorithm].name;
}

/* The first that fits is the one meant: RS256 stands before the others of RSA. */
enum jws_algorithm jws_algorithm_for(enum jws_algorithm algorithm, enum key_type type)
{
	if (algorithm != JWS_BY_KEY_TYPE)
		return algorithm;
	for (int any = JWS_BY_KEY_TYPE + 1; any < JWS_ALGORITHM_COUNT; any++)
		if (jws_algorithm_fits((enum jws_algorithm)any, type))
			return (enum jws_algorithm)any;
	return JWS_ALGORITHM_COUNT;
}

bool jws_algorithm_fits(enum jws_algorithm algorithm, enum key_type type)
{
	if (algorithm == JWS_BY_KEY_TYPE || algorithm >= JWS_ALGORITHM_COUNT ||
	    !key_type_signs(type, ALGORITHMS[algorithm].scheme, ALGORITHMS[algorithm].hash))
		return false;
	return key_type_family(type) != FAMILY_EC || ALGORITHMS[algorithm].hash == key_type_hash(type);
}

enum token_scheme jws_algorithm_scheme(enum jws_algorithm algorithm)
{
	return ALGORITHMS[algorithm].scheme;
}

enum token_hash jws_algorithm_hash(enum jws_algorithm algorithm)
{
	return ALGORITHMS[algorithm].hash;
}
