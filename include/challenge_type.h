/*
 * challenge_type.h -- the challenge types that are built in, and what each can prove; one list.
 */
#ifndef HWA_CHALLENGE_TYPE_H
#define HWA_CHALLENGE_TYPE_H

#include <stdbool.h>

#include "identifier.h"

/*
 * X(type, name in ACME and in the configuration, has a token, proves a host name, a wildcard, an address, an NF instance)
 * RFC 8555, 8.3 and 8.4; RFC 8737, 3; RFC 8738, 7: dns-01 MUST NOT be used for an address.
 */
#define CHALLENGE_TYPES(X)                                                   \
	X(HTTP_01, "http-01", true, true, false, true, false)                \
	X(TLS_ALPN_01, "tls-alpn-01", true, true, false, true, false)        \
	X(DNS_01, "dns-01", true, true, true, false, false)                  \
	X(DNS_ACCOUNT_01, "dns-account-01", true, true, true, false, false)  \
	X(DNS_PERSIST_01, "dns-persist-01", false, true, true, false, false) \
	X(TKAUTH_01, "tkauth-01", true, false, false, false, true)

#define X(type, ...) CHALLENGE_##type,
enum challenge_type { CHALLENGE_TYPES(X) CHALLENGE_TYPE_COUNT };
#undef X

const char *challenge_type_name(enum challenge_type type);
enum challenge_type challenge_type_parse(const char *name); /* CHALLENGE_TYPE_COUNT: unknown */
bool challenge_type_has_token(enum challenge_type type);
bool challenge_type_proves(enum challenge_type type, enum identifier_kind kind, bool is_wildcard);

#endif /* HWA_CHALLENGE_TYPE_H */
