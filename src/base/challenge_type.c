/* challenge_type.c -- names and abilities of challenge types, from the one list in challenge_type.h. */
#include "challenge_type.h"

#include <string.h>

#define X(type, name, token, host, wildcard, ip, nf) { name, token, wildcard, { host, ip, nf, false } },
static const struct {
	const char *name;
	bool has_token, wildcard;
	bool proves[IDENTIFIER_KIND_COUNT]; /* in the order of IDENTIFIER_KINDS */
} TYPES[CHALLENGE_TYPE_COUNT] = { CHALLENGE_TYPES(X) };
#undef X

const char *challenge_type_name(enum challenge_type type)
{
	return type < CHALLENGE_TYPE_COUNT ? TYPES[type].name : "unknown";
}

enum challenge_type challenge_type_parse(const char *name)
{
	int type = 0;

	while (type < CHALLENGE_TYPE_COUNT && strcmp(TYPES[type].name, name) != 0)
		type++;
	return (enum challenge_type)type;
}

bool challenge_type_has_token(enum challenge_type type)
{
	return type < CHALLENGE_TYPE_COUNT && TYPES[type].has_token;
}

bool challenge_type_proves(enum challenge_type type, enum identifier_kind kind, bool is_wildcard)
{
	if (type >= CHALLENGE_TYPE_COUNT || kind >= IDENTIFIER_KIND_COUNT)
		return false;
	return is_wildcard ? kind == IDENTIFIER_DNS && TYPES[type].wildcard : TYPES[type].proves[kind];
}
