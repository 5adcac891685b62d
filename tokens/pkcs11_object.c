/* pkcs11_object.c -- finds the objects of a key in a token, and judges what they tell of it. */
#include <stdio.h>
#include <string.h>

#include "pkcs11.h"
#include "pkcs11_quirks.h"
#include "spki.h"
#include "utf8.h"

void pkcs11_text(const CK_UTF8CHAR *field, size_t width, char *text, size_t room)
{
	size_t len = width;

	while (len && (field[len - 1] == ' ' || field[len - 1] == '\0'))
		len--;
	snprintf(text, room, "%.*s", (int)len, (const char *)field);
	/* What a token says is shown to people, and stands in JSON: printable characters, and those whole. */
	utf8_tame(text, '?');
}

const struct pkcs11_family *pkcs11_family(enum key_type type)
{
	static const struct pkcs11_family families[] = {
		[FAMILY_EC] = { CKK_EC, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA },
		[FAMILY_RSA] = { CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS },
		[FAMILY_ED25519] = { CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA },
	};

	return &families[key_type_family(type)];
}

enum rc pkcs11_untold(const struct pkcs11_facts *facts, struct err *err)
{
	return pkcs11_fail(err, facts->untold == CKR_OK ? CKR_ATTRIBUTE_VALUE_INVALID : facts->untold, "C_GetAttributeValue");
}

/* The search is open. */
static CK_RV search_read(struct pkcs11_session *session, CK_OBJECT_HANDLE *ret_objects, CK_ULONG max, CK_ULONG *ret_count,
			 CK_ULONG *ret_claimed)
{
	CK_ULONG count = 0, got = 0;
	CK_RV rv = CKR_OK;

	while (count < max) {
		rv = session->call->C_FindObjects(session->handle, ret_objects + count, max - count, &got);
		if (rv == CKR_OK && got > max - count)
			*ret_claimed = got;
		if (rv != CKR_OK || got == 0 || *ret_claimed)
			break;
		count += got;
	}
	*ret_count = count;
	return rv;
}

static enum rc search(struct pkcs11_session *session, CK_ATTRIBUTE *wanted, CK_ULONG wanted_count, CK_OBJECT_HANDLE *ret_objects,
		      CK_ULONG max, CK_ULONG *ret_count, struct err *err)
{
	CK_ULONG count = 0, claimed = 0;
	CK_RV rv = session->call->C_FindObjectsInit(session->handle, wanted, wanted_count);

	if (rv != CKR_OK)
		return pkcs11_session_fail(session, err, rv, "C_FindObjectsInit");
	session->is_spoiled = true; /* while the search is open */
	rv = search_read(session, ret_objects, max, &count, &claimed);
	/* What fails here leaves the search open, and the session of no use. */
	session->is_spoiled = session->call->C_FindObjectsFinal(session->handle) != CKR_OK;
	if (rv != CKR_OK)
		return pkcs11_session_fail(session, err, rv, "C_FindObjects");
	if (claimed)
		return err_set_raw(err, RC_PROTOCOL, ERR_PKCS11, 0, "C_FindObjects: the module claims %lu objects", claimed);
	*ret_count = count;
	return RC_OK;
}

enum rc pkcs11_find_objects(struct pkcs11_session *session, CK_OBJECT_CLASS class, const uint8_t *id, const char *label,
			    CK_OBJECT_HANDLE *ret_objects, CK_ULONG max, CK_ULONG *ret_count, struct err *err)
{
	CK_ATTRIBUTE wanted[3];
	CK_ULONG wanted_count = 0;

	if (class != PKCS11_ANY_CLASS)
		wanted[wanted_count++] = (CK_ATTRIBUTE){ CKA_CLASS, &class, sizeof(class) };
	if (id)
		wanted[wanted_count++] = (CK_ATTRIBUTE){ CKA_ID, (void *)(uintptr_t)id, TOKEN_ID_LEN };
	if (label)
		wanted[wanted_count++] = (CK_ATTRIBUTE){ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) };
	pkcs11_search_begin(session);
	enum rc rc = search(session, wanted, wanted_count, ret_objects, max, ret_count, err);
	pkcs11_objects_release(session);
	return rc;
}

/* A search costs some modules a look at every object of the token: one for both halves, unless too much has the name. */
static enum rc pair_search(struct pkcs11_session *session, const uint8_t *id, const char *label,
			   CK_OBJECT_HANDLE objects[PKCS11_NAMESAKES_MAX], CK_ULONG *ret_count, bool *ret_is_all, struct err *err)
{
	const CK_ULONG half = PKCS11_NAMESAKES_MAX / 2;
	CK_ULONG count = 0, more = 0;
	enum rc rc = pkcs11_find_objects(session, PKCS11_ANY_CLASS, id, label, objects, PKCS11_NAMESAKES_MAX, &count, err);

	*ret_is_all = count < PKCS11_NAMESAKES_MAX;
	if (rc == RC_OK && !*ret_is_all) {
		rc = pkcs11_find_objects(session, CKO_PRIVATE_KEY, id, label, objects, half, &count, err);
		if (rc == RC_OK)
			rc = pkcs11_find_objects(session, CKO_PUBLIC_KEY, id, label, objects + count, half, &more, err);
	}
	*ret_count = count + more;
	return rc;
}

bool pkcs11_facts_has_id(const struct pkcs11_facts *facts, const uint8_t *id)
{
	struct span told = pkcs11_fact(facts, CKA_ID);

	return !told.at || span_equal(told, span_of(id, TOKEN_ID_LEN));
}

/* Of a certificate that has the id of its key it is only told that there is one.  What has another id has not been looked for. */
enum rc pkcs11_pair_find(struct pkcs11_session *session, const uint8_t *id, const char *label, unsigned groups,
			 struct pkcs11_pair *ret_pair, struct err *err)
{
	CK_OBJECT_HANDLE objects[PKCS11_NAMESAKES_MAX];
	CK_ULONG count = 0;
	bool is_all = true;
	enum rc rc = pair_search(session, id, label, objects, &count, &is_all, err);

	ret_pair->private_count = ret_pair->public_count = 0;
	ret_pair->has_certificate = !is_all; /* among so many there may be one */
	for (CK_ULONG i = 0; i < count && rc == RC_OK; i++) {
		struct pkcs11_facts facts;

		rc = pkcs11_facts_read(session, objects[i], PKCS11_READ_KIND | (id ? PKCS11_READ_ID : 0) | groups, &facts, err);
		if (rc != RC_OK)
			break;
		if (id && !pkcs11_facts_has_id(&facts, id))
			continue;
		switch (pkcs11_fact_number(&facts, CKA_CLASS)) {
		case CKO_PRIVATE_KEY:
			if (ret_pair->private_count == 0)
				ret_pair->private_facts = facts;
			ret_pair->private_keys[ret_pair->private_count++] = objects[i];
			break;
		case CKO_PUBLIC_KEY:
			if (ret_pair->public_count == 0)
				ret_pair->public_facts = facts;
			ret_pair->public_keys[ret_pair->public_count++] = objects[i];
			break;
		case CKO_CERTIFICATE: ret_pair->has_certificate = true; break;
		case CK_UNAVAILABLE_INFORMATION: /* it may be the key: never taken for one that is not there */
			return pkcs11_untold(&facts, err);
		}
	}
	/* Without a login its public half is all that is seen of a key. */
	return rc == RC_OK && ret_pair->private_count == 0 ? pkcs11_login_check(session, err) : rc;
}

/* CKA_EC_POINT is a DER OCTET STRING around the point; some modules give the bare point. */
static struct span ec_point(struct span value, size_t point_len)
{
	if (value.len == point_len + 2 && value.at[0] == 0x04 && value.at[1] == point_len)
		return span_of(value.at + 2, point_len);
	if (value.len == point_len + 3 && value.at[0] == 0x04 && value.at[1] == 0x81 && value.at[2] == point_len)
		return span_of(value.at + 3, point_len);
	return value;
}

static enum key_type curve_of(CK_KEY_TYPE key_type, struct span params)
{
	/* PKCS#11 3.0, 2.3.10: for Ed25519 a name may stand in the place of the identifier, as a PrintableString. */
	static const char name[] = "\x13\x0c"
				   "edwards25519";

	if (key_type == CKK_EC_EDWARDS && span_equal(params, span_text(name)))
		return KEY_ED25519;
	for (int i = 0; i < KEY_TYPE_COUNT; i++) {
		enum key_type type = (enum key_type)i;

		if (pkcs11_family(type)->key_type == key_type && span_equal(params, key_type_oid(type)))
			return type;
	}
	return KEY_TYPE_COUNT;
}

static enum rc curve_spki(CK_KEY_TYPE key_type, const struct pkcs11_facts *public_key, struct buf *ret_spki, struct err *err)
{
	struct span params = pkcs11_fact(public_key, CKA_EC_PARAMS), point = pkcs11_fact(public_key, CKA_EC_POINT);

	if (!params.at || !point.at)
		return pkcs11_untold(public_key, err);
	enum key_type type = curve_of(key_type, params);
	if (type == KEY_TYPE_COUNT)
		return err_set(err, RC_INPUT, "its curve is none of ours");
	if (type == KEY_ED25519)
		return spki_from_ed25519(ec_point(point, key_type_width(type)), ret_spki, err);
	return spki_from_ec(type, ec_point(point, 1 + 2 * key_type_width(type)), ret_spki, err);
}

/* PKCS#11 2.40 (current mechanisms), 2.1.3: before, a token need not store the CKA_PUBLIC_EXPONENT of a private key. */
static struct span told_by_either(const struct pkcs11_facts *private_key, const struct pkcs11_facts *public_key,
				  CK_ATTRIBUTE_TYPE type)
{
	struct span value = pkcs11_fact(private_key, type);

	return value.at || !public_key ? value : pkcs11_fact(public_key, type);
}

static enum rc rsa_spki(const struct pkcs11_facts *private_key, const struct pkcs11_facts *public_key, struct buf *ret_spki,
			struct err *err)
{
	struct span modulus = told_by_either(private_key, public_key, CKA_MODULUS);
	struct span exponent = told_by_either(private_key, public_key, CKA_PUBLIC_EXPONENT);

	return modulus.at && exponent.at ? spki_from_rsa(modulus, exponent, ret_spki, err) : pkcs11_untold(private_key, err);
}

static bool is_on_curve(CK_KEY_TYPE key_type)
{
	return key_type == CKK_EC || key_type == CKK_EC_EDWARDS;
}

unsigned pkcs11_untold_half(const struct pkcs11_facts *private_key)
{
	CK_KEY_TYPE key_type = pkcs11_fact_number(private_key, CKA_KEY_TYPE);
	bool is_told = pkcs11_fact(private_key, CKA_MODULUS).at && pkcs11_fact(private_key, CKA_PUBLIC_EXPONENT).at;

	if (is_on_curve(key_type))
		return PKCS11_READ_POINT;
	return key_type == CKK_RSA && !is_told ? PKCS11_READ_MODULUS : 0;
}

enum rc pkcs11_facts_spki(const struct pkcs11_facts *private_key, const struct pkcs11_facts *public_key, struct buf *ret_spki,
			  struct err *err)
{
	CK_KEY_TYPE key_type = pkcs11_fact_number(private_key, CKA_KEY_TYPE);

	if (key_type == CK_UNAVAILABLE_INFORMATION)
		return pkcs11_untold(private_key, err);
	/* An RSA private key carries its public half, or most of it; one on a curve does not everywhere. */
	if (key_type == CKK_RSA)
		return rsa_spki(private_key, public_key, ret_spki, err);
	if (!is_on_curve(key_type))
		return err_set(err, RC_INPUT, "its key type 0x%lx is none of ours", key_type);
	if (!public_key)
		return err_set(err, RC_ABSENT, "its public key object is missing from the token");
	return curve_spki(key_type, public_key, ret_spki, err);
}

/* What invariant I2 asks of a key; without an attribute that the module does not tell it is not held, though not broken either. */
static const struct custody_rule {
	CK_ATTRIBUTE_TYPE type;
	CK_BBOOL must_be;
	const char *held, *broken;
	/* Instead, where the module is known to say it of no key and the operator has accepted it all the same. */
	const char *unsaid;
} CUSTODY_RULES[] = {
	{ CKA_SENSITIVE, CK_TRUE, "sensitive", "not sensitive", NULL },
	{ CKA_EXTRACTABLE, CK_FALSE, "not extractable", "EXTRACTABLE", NULL },
	{ CKA_ALWAYS_SENSITIVE, CK_TRUE, "always sensitive", "was not always sensitive", NULL },
	{ CKA_NEVER_EXTRACTABLE, CK_TRUE, "never extractable", "was extractable once", NULL },
	{ CKA_LOCAL, CK_TRUE, "generated in the token", "not generated in the token", "it does not say where it was made" },
};
#define CUSTODY_RULE_COUNT (sizeof(CUSTODY_RULES) / sizeof(CUSTODY_RULES[0]))

static enum rc rule_apply(const struct custody_rule *rule, struct span value, bool may_be_unsaid, struct token_custody *custody,
			  struct buf *text, struct err *err)
{
	bool is_told = value.len == sizeof(CK_BBOOL);
	bool holds = is_told && value.at[0] == rule->must_be;
	bool is_unsaid = !holds && rule->unsaid && may_be_unsaid;

	custody->held = custody->held && (holds || is_unsaid);
	custody->is_broken = custody->is_broken || (is_told && !holds && !is_unsaid);
	if (is_unsaid)
		return buf_print(text, err, "%s", rule->unsaid);
	return is_told ? buf_print(text, err, "%s", holds ? rule->held : rule->broken)
		       : buf_print(text, err, "%s (not told)", rule->held);
}

enum rc pkcs11_facts_custody(const struct pkcs11_token *token, const struct pkcs11_facts *private_key,
			     struct token_custody *ret_custody, struct err *err)
{
	const bool may_be_unsaid = token->quirks->cannot_say_local && token->accept_wrapping;
	struct token_custody custody = { .held = true };
	AUTO(buf) struct buf text = BUF_MAX(sizeof(custody.text) - 1);
	enum rc rc = RC_OK;

	for (size_t i = 0; i < CUSTODY_RULE_COUNT && rc == RC_OK; i++) {
		const struct custody_rule *rule = &CUSTODY_RULES[i];

		rc = i ? buf_append(&text, span_text(", "), err) : RC_OK;
		if (rc == RC_OK)
			rc = rule_apply(rule, pkcs11_fact(private_key, rule->type), may_be_unsaid, &custody, &text, err);
	}
	if (rc == RC_OK && token->quirks->gives_out_unextractable)
		rc = buf_print(&text, err, "; but this token gives out such keys");
	if (rc != RC_OK)
		return rc;
	memcpy(custody.text, buf_text(&text), text.len + 1);
	*ret_custody = custody;
	return RC_OK;
}
