/* pkcs11_facts.h -- what a token tells of one object, read in one call; nothing outside tokens/pkcs11*.c includes it. */
#ifndef HWA_PKCS11_FACTS_H
#define HWA_PKCS11_FACTS_H

#include <p11-kit/pkcs11.h>

#include "bytes.h"

struct pkcs11_session;

/* Which attributes are read, added up; of what an object cannot have nothing is told, and that is no failure. */
#define PKCS11_READ_KIND    0x01u /* CKA_CLASS, CKA_KEY_TYPE */
#define PKCS11_READ_ID      0x02u
#define PKCS11_READ_LABEL   0x04u
#define PKCS11_READ_CUSTODY 0x08u /* what invariant I2 asks of a private key; and whether it can be used unattended */
#define PKCS11_READ_POINT   0x10u /* CKA_EC_PARAMS, CKA_EC_POINT: the public half of a key on a curve */
#define PKCS11_READ_MODULUS 0x20u /* CKA_MODULUS, CKA_PUBLIC_EXPONENT: of an RSA key */
#define PKCS11_READ_ALL     0x3fu

#define PKCS11_FACTS_MAX  14
#define PKCS11_FACTS_ROOM 3072 /* for their values; one that needs more than its share of it is not told */

struct pkcs11_facts {
	struct {
		CK_ATTRIBUTE_TYPE type;
		CK_ULONG len; /* CK_UNAVAILABLE_INFORMATION: it was not told */
		size_t at;    /* in the room */
	} told[PKCS11_FACTS_MAX];
	unsigned count;
	CK_RV untold; /* what the module said of the last that it did not tell; CKR_OK: it told all */
	CK_BYTE room[PKCS11_FACTS_ROOM];
};

/*
 * PKCS#11 2.40, 5.7: one attribute that is sensitive or unknown makes the call fail, and the others are told all the
 * same.  What a module leaves out beyond that is asked for alone.  Fails only where it may tell another time, or cannot
 * for want of memory.
 */
enum rc pkcs11_facts_read(struct pkcs11_session *session, CK_OBJECT_HANDLE object, unsigned groups,
			  struct pkcs11_facts *ret_facts, struct err *err) HWA_CHECKED;
/* Empty when it was not told, or not asked for. */
struct span pkcs11_fact(const struct pkcs11_facts *facts, CK_ATTRIBUTE_TYPE type);
/* CK_UNAVAILABLE_INFORMATION likewise, and for what is no number. */
CK_ULONG pkcs11_fact_number(const struct pkcs11_facts *facts, CK_ATTRIBUTE_TYPE type);

#endif /* HWA_PKCS11_FACTS_H */
