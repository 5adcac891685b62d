/* table.c -- the challenge types that are built in; a new one is one file and one line here. */
#include "types.h"

static const struct challenge_ops *const TABLE[CHALLENGE_TYPE_COUNT] = {
	[CHALLENGE_HTTP_01] = &http01_ops,
	[CHALLENGE_TLS_ALPN_01] = &tlsalpn01_ops,
	[CHALLENGE_DNS_01] = &dns01_ops,
	[CHALLENGE_DNS_ACCOUNT_01] = &dnsaccount01_ops,
	[CHALLENGE_DNS_PERSIST_01] = &dnspersist01_ops,
	[CHALLENGE_TKAUTH_01] = &tkauth01_ops,
};

const struct challenge_ops *challenge_get(enum challenge_type type)
{
	return type < CHALLENGE_TYPE_COUNT ? TABLE[type] : NULL;
}

#define X(verb, name) name,
static const char *const VERBS[CHALLENGE_VERB_COUNT] = { CHALLENGE_VERBS(X) };
#undef X

const char *challenge_verb_name(enum challenge_verb verb)
{
	return verb < CHALLENGE_VERB_COUNT ? VERBS[verb] : NULL;
}
