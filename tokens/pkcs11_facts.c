/* pkcs11_facts.c -- reads what a token tells of one object in one C_GetAttributeValue, and bears with modules that tell less. */
#include "pkcs11_facts.h"

#include <string.h>

#include "pkcs11.h"

/* No attribute of ours has a value like this, so what is left of it was not written. */
#define UNWRITTEN 0xa5

/* What there is room for: the greatest that a key of ours has, and somewhat more. */
static const struct {
	unsigned group;
	CK_ATTRIBUTE_TYPE type;
	CK_ULONG room;
} FIELDS[] = {
	{ PKCS11_READ_KIND, CKA_CLASS, sizeof(CK_OBJECT_CLASS) },
	{ PKCS11_READ_KIND, CKA_KEY_TYPE, sizeof(CK_KEY_TYPE) },
	{ PKCS11_READ_ID, CKA_ID, 128 },
	{ PKCS11_READ_LABEL, CKA_LABEL, 1024 },
	{ PKCS11_READ_CUSTODY, CKA_SENSITIVE, sizeof(CK_BBOOL) },
	{ PKCS11_READ_CUSTODY, CKA_EXTRACTABLE, sizeof(CK_BBOOL) },
	{ PKCS11_READ_CUSTODY, CKA_ALWAYS_SENSITIVE, sizeof(CK_BBOOL) },
	{ PKCS11_READ_CUSTODY, CKA_NEVER_EXTRACTABLE, sizeof(CK_BBOOL) },
	{ PKCS11_READ_CUSTODY, CKA_LOCAL, sizeof(CK_BBOOL) },
	{ PKCS11_READ_POINT, CKA_EC_PARAMS, 128 },
	{ PKCS11_READ_POINT, CKA_EC_POINT, 256 },
	{ PKCS11_READ_MODULUS, CKA_MODULUS, 1024 }, /* RSA 8192 */
	{ PKCS11_READ_MODULUS, CKA_PUBLIC_EXPONENT, 128 },
	/* The last: of an older module that stops at what it does not know. */
	{ PKCS11_READ_CUSTODY, CKA_ALWAYS_AUTHENTICATE, sizeof(CK_BBOOL) },
};
#define FIELD_COUNT (sizeof(FIELDS) / sizeof(FIELDS[0]))
_Static_assert(FIELD_COUNT == PKCS11_FACTS_MAX, "each field has its place");

struct span pkcs11_fact(const struct pkcs11_facts *facts, CK_ATTRIBUTE_TYPE type)
{
	for (unsigned i = 0; i < facts->count; i++)
		if (facts->told[i].type == type && facts->told[i].len != CK_UNAVAILABLE_INFORMATION)
			return span_of(facts->room + facts->told[i].at, facts->told[i].len);
	return span_of(NULL, 0);
}

CK_ULONG pkcs11_fact_number(const struct pkcs11_facts *facts, CK_ATTRIBUTE_TYPE type)
{
	CK_ULONG number = CK_UNAVAILABLE_INFORMATION;
	struct span value = pkcs11_fact(facts, type);

	if (value.len == sizeof(number))
		memcpy(&number, value.at, sizeof(number));
	return number;
}

/* The template: each attribute has room for its value. */
static void facts_ask(struct pkcs11_facts *facts, unsigned groups, CK_ATTRIBUTE asked[PKCS11_FACTS_MAX])
{
	size_t at = 0;

	facts->count = 0;
	facts->untold = CKR_OK;
	memset(facts->room, UNWRITTEN, sizeof(facts->room));
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (!(groups & FIELDS[i].group))
			continue;
		asked[facts->count] = (CK_ATTRIBUTE){ FIELDS[i].type, facts->room + at, FIELDS[i].room };
		facts->told[facts->count].type = FIELDS[i].type;
		facts->told[facts->count].len = FIELDS[i].room; /* for now */
		facts->told[facts->count++].at = at;
		at += FIELDS[i].room;
	}
}

static bool is_of_one(CK_RV rv)
{
	return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_BUFFER_TOO_SMALL;
}

static bool may_tell_later(CK_RV rv)
{
	enum rc rc = rv == CKR_OK ? RC_OK : pkcs11_fail(NULL, rv, "");

	return rc == RC_RETRY || rc == RC_RESOURCE;
}

/* A module that stopped at the first it did not know has left the rest as it was. */
static bool is_unwritten(const struct pkcs11_facts *facts, unsigned i, CK_ULONG len)
{
	if (len != facts->told[i].len)
		return false;
	for (CK_ULONG at = 0; at < len; at++)
		if (facts->room[facts->told[i].at + at] != UNWRITTEN)
			return false;
	return true;
}

/* A length beyond the room is a lie, whatever the call answered. */
static void fact_settle(struct pkcs11_facts *facts, unsigned i, CK_ULONG len, CK_RV rv)
{
	if (len > facts->told[i].len) {
		facts->untold = rv == CKR_OK ? CKR_ATTRIBUTE_VALUE_INVALID : rv;
		len = CK_UNAVAILABLE_INFORMATION;
	}
	facts->told[i].len = len;
}

static enum rc read_alone(struct pkcs11_session *session, CK_OBJECT_HANDLE object, struct pkcs11_facts *facts, unsigned i,
			  struct err *err)
{
	CK_ATTRIBUTE asked = { facts->told[i].type, facts->room + facts->told[i].at, facts->told[i].len };
	CK_RV rv = session->call->C_GetAttributeValue(session->handle, object, &asked, 1);

	if (may_tell_later(rv))
		return pkcs11_session_fail(session, err, rv, "C_GetAttributeValue");
	fact_settle(facts, i, rv == CKR_OK ? asked.ulValueLen : CK_UNAVAILABLE_INFORMATION, rv);
	return RC_OK;
}

enum rc pkcs11_facts_read(struct pkcs11_session *session, CK_OBJECT_HANDLE object, unsigned groups,
			  struct pkcs11_facts *ret_facts, struct err *err)
{
	CK_ATTRIBUTE asked[PKCS11_FACTS_MAX];
	enum rc rc = RC_OK;

	facts_ask(ret_facts, groups, asked);
	CK_RV rv = session->call->C_GetAttributeValue(session->handle, object, asked, ret_facts->count);
	if (may_tell_later(rv))
		return pkcs11_session_fail(session, err, rv, "C_GetAttributeValue");
	for (unsigned i = 0; i < ret_facts->count && rc == RC_OK; i++) {
		bool is_told = rv == CKR_OK || (is_of_one(rv) && !is_unwritten(ret_facts, i, asked[i].ulValueLen));

		if (is_told)
			fact_settle(ret_facts, i, asked[i].ulValueLen, rv);
		else
			rc = read_alone(session, object, ret_facts, i, err);
	}
	return rc;
}
