/*
 * identifier.h -- what a certificate is for: one name of the configuration, "dns:amf.example", taken apart.
 *
 * Most kinds are identifiers of ACME, which the CA has validated; a "uri:" is a name in the
 * certificate alone and never in an order.  An NF instance is an identifier in the order and
 * the URI urn:uuid: in the certificate (TS 33.310, Annex J and 6.1.3c).
 */
#ifndef HWA_IDENTIFIER_H
#define HWA_IDENTIFIER_H

#include <stdbool.h>

#include "bytes.h"

#define IDENTIFIER_VALUE_MAX 256 /* with its NUL */
#define IDENTIFIER_NAME_MAX  (IDENTIFIER_VALUE_MAX + 16)

/* X(kind, how the configuration writes it, its type in ACME or NULL) */
#define IDENTIFIER_KINDS(X)                                                                  \
	X(DNS, "dns", "dns")                          /* RFC 8555, 9.7.7 */                  \
	X(IP, "ip", "ip")                             /* RFC 8738, 3 */                      \
	X(NF_INSTANCE, "nf-instance", "NfInstanceId") /* TS 33.310, Annex J: a UUID of v4 */ \
	X(URI, "uri", NULL)

#define X(kind, prefix, type) IDENTIFIER_##kind,
enum identifier_kind { IDENTIFIER_KINDS(X) IDENTIFIER_KIND_COUNT };
#undef X

struct identifier {
	enum identifier_kind kind;
	const char *value; /* borrowed: what follows the colon */
};

/* "KIND:VALUE"; false when the kind is none we know, or there is no value. */
bool identifier_parse(const char *name, struct identifier *ret);
/* By its type in ACME; IDENTIFIER_KIND_COUNT: none we know. */
enum identifier_kind identifier_kind_of(const char *type);
const char *identifier_prefix(enum identifier_kind kind); /* "dns", "nf-instance" */
const char *identifier_type(enum identifier_kind kind);   /* "NfInstanceId"; NULL: no identifier of ACME */
bool identifier_is_wildcard(const struct identifier *identifier);

/* NULL when the value can stand in a certificate; else what is wrong with it. */
const char *identifier_fault(const struct identifier *identifier);
/*
 * The one text of a value without fault: host names and UUIDs in lower case, addresses as RFC 5952 and RFC 8738, 3 write
 * them.  Two texts of one identifier are the same then.
 */
void identifier_canonical(const struct identifier *identifier, char ret_value[IDENTIFIER_VALUE_MAX]);
/* Is it this one, as an ACME server writes it? */
bool identifier_equal(const struct identifier *identifier, const char *type, const char *value);

/* The 4 or 16 octets of an address (RFC 5280, 4.2.1.6); 0: it is none. */
unsigned identifier_ip_octets(const char *text, uint8_t ret_octets[16]);

#endif /* HWA_IDENTIFIER_H */
