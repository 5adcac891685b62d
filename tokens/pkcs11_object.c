/* pkcs11_object.c -- finds objects in a token and reads what may be read of them. */
#include <stdio.h>
#include <string.h>

#include "pkcs11.h"
#include "pkcs11_quirks.h"
#include "spki.h"

void pkcs11_text(const CK_UTF8CHAR *field, size_t width, char *text, size_t room)
{
	size_t len = width;

	while (len && (field[len - 1] == ' ' || field[len - 1] == '\0'))
		len--;
	snprintf(text, room, "%.*s", (int)len, (const char *)field);
	/* What a token says is shown to people: no control characters. */
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
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

enum rc pkcs11_find_objects(struct pkcs11_session *session, CK_OBJECT_CLASS class, const uint8_t *id, const char *label,
			    CK_OBJECT_HANDLE *ret_objects, CK_ULONG max, CK_ULONG *ret_count, struct err *err)
{
	CK_ATTRIBUTE wanted[3] = { { CKA_CLASS, &class, sizeof(class) } };
	CK_ULONG wanted_count = 1;
	CK_ULONG count = 0, got = 0, claimed = 0;

	if (id)
		wanted[wanted_count++] = (CK_ATTRIBUTE){ CKA_ID, (void *)(uintptr_t)id, TOKEN_ID_LEN };
	if (label)
		wanted[wanted_count++] = (CK_ATTRIBUTE){ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) };
	CK_RV rv = session->call->C_FindObjectsInit(session->handle, wanted, wanted_count);
	if (rv != CKR_OK)
		return pkcs11_session_fail(session, err, rv, "C_FindObjectsInit");
	session->is_spoiled = true; /* while the search is open */
	while (count < max) {
		rv = session->call->C_FindObjects(session->handle, ret_objects + count, max - count, &got);
		if (rv == CKR_OK && got > max - count)
			claimed = got;
		if (rv != CKR_OK || got == 0 || claimed)
			break;
		count += got;
	}
	/* What fails here leaves the search open, and the session of no use. */
	session->is_spoiled = session->call->C_FindObjectsFinal(session->handle) != CKR_OK;
	if (rv != CKR_OK)
		return pkcs11_session_fail(session, err, rv, "C_FindObjects");
	if (claimed)
		return err_set_raw(err, RC_PROTOCOL, ERR_PKCS11, 0, "C_FindObjects: the module claims %lu objects", claimed);
	*ret_count = count;
	return RC_OK;
}

enum rc pkcs11_attribute(struct pkcs11_session *session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, struct buf *ret_value,
			 struct err *err)
{
	CK_ATTRIBUTE attribute = { type, NULL, 0 };
	CK_RV rv = session->call->C_GetAttributeValue(session->handle, object, &attribute, 1);

	if (rv == CKR_OK && (attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION || attribute.ulValueLen > ret_value->max))
		rv = CKR_ATTRIBUTE_VALUE_INVALID;
	if (rv != CKR_OK)
		return pkcs11_session_fail(session, err, rv, "C_GetAttributeValue");
	enum rc rc = buf_resize(ret_value, attribute.ulValueLen, err);
	if (rc != RC_OK)
		return rc;
	attribute.pValue = ret_value->at;
	rv = session->call->C_GetAttributeValue(session->handle, object, &attribute, 1);
	if (rv != CKR_OK || attribute.ulValueLen > ret_value->len)
		return pkcs11_session_fail(session, err, rv == CKR_OK ? CKR_ATTRIBUTE_VALUE_INVALID : rv, "C_GetAttributeValue");
	ret_value->len = attribute.ulValueLen;
	return RC_OK;
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

static enum rc curve_spki(struct pkcs11_session *session, CK_KEY_TYPE key_type, CK_OBJECT_HANDLE public_key, struct buf *ret_spki,
			  struct err *err)
{
	AUTO(buf) struct buf point = BUF_MAX(PKCS11_ATTRIBUTE_MAX);
	AUTO(buf) struct buf params = BUF_MAX(PKCS11_ATTRIBUTE_MAX);
	enum rc rc = pkcs11_attribute(session, public_key, CKA_EC_PARAMS, &params, err);

	if (rc == RC_OK)
		rc = pkcs11_attribute(session, public_key, CKA_EC_POINT, &point, err);
	if (rc != RC_OK)
		return rc;
	enum key_type type = curve_of(key_type, buf_span(&params));
	if (type == KEY_TYPE_COUNT)
		return err_set(err, RC_INPUT, "its curve is none of ours");
	if (type == KEY_ED25519)
		return spki_from_ed25519(ec_point(buf_span(&point), key_type_width(type)), ret_spki, err);
	return spki_from_ec(type, ec_point(buf_span(&point), 1 + 2 * key_type_width(type)), ret_spki, err);
}

static enum rc rsa_spki(struct pkcs11_session *session, CK_OBJECT_HANDLE public_key, struct buf *ret_spki, struct err *err)
{
	AUTO(buf) struct buf modulus = BUF_MAX(PKCS11_ATTRIBUTE_MAX);
	AUTO(buf) struct buf exponent = BUF_MAX(PKCS11_ATTRIBUTE_MAX);
	enum rc rc = pkcs11_attribute(session, public_key, CKA_MODULUS, &modulus, err);

	if (rc == RC_OK)
		rc = pkcs11_attribute(session, public_key, CKA_PUBLIC_EXPONENT, &exponent, err);
	if (rc != RC_OK)
		return rc;
	return spki_from_rsa(buf_span(&modulus), buf_span(&exponent), ret_spki, err);
}

enum rc pkcs11_object_spki(struct pkcs11_session *session, CK_OBJECT_HANDLE private_key, const uint8_t *id, size_t id_len,
			   struct buf *ret_spki, struct err *err)
{
	AUTO(buf) struct buf type = BUF_MAX(sizeof(CK_KEY_TYPE));
	CK_OBJECT_HANDLE public_key;
	CK_ULONG count = 0;
	CK_KEY_TYPE key_type;
	enum rc rc = pkcs11_attribute(session, private_key, CKA_KEY_TYPE, &type, err);

	if (rc != RC_OK)
		return rc;
	if (type.len != sizeof(key_type) || id_len != TOKEN_ID_LEN)
		return err_set(err, RC_INPUT, "it is not a key of ours");
	memcpy(&key_type, type.at, sizeof(key_type));
	/* An RSA private key carries its public half; one on a curve does not everywhere. */
	if (key_type == CKK_RSA)
		return rsa_spki(session, private_key, ret_spki, err);
	if (key_type != CKK_EC && key_type != CKK_EC_EDWARDS)
		return err_set(err, RC_INPUT, "its key type 0x%lx is none of ours", key_type);
	rc = pkcs11_find_objects(session, CKO_PUBLIC_KEY, id, NULL, &public_key, 1, &count, err);
	if (rc != RC_OK)
		return rc;
	if (count == 0)
		return err_set(err, RC_ABSENT, "its public key object is missing from the token");
	return curve_spki(session, key_type, public_key, ret_spki, err);
}

/* What invariant I2 asks of a key; an attribute the module does not know counts against it. */
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

/* An answer that speaks of the connection and not of the attribute is a failure, never a broken rule. */
static enum rc custody_rule(struct pkcs11_session *session, CK_OBJECT_HANDLE private_key, const struct custody_rule *rule,
			    bool *ret_holds, struct err *err)
{
	AUTO(buf) struct buf value = BUF_MAX(sizeof(CK_BBOOL));
	struct err why = { 0 };
	enum rc rc = pkcs11_attribute(session, private_key, rule->type, &value, &why);

	if (rc == RC_RETRY || rc == RC_RESOURCE) {
		if (err)
			*err = why;
		return rc;
	}
	*ret_holds = rc == RC_OK && value.len == sizeof(CK_BBOOL) && value.at[0] == rule->must_be;
	return RC_OK;
}

enum rc pkcs11_object_custody(struct pkcs11_session *session, CK_OBJECT_HANDLE private_key, struct token_custody *ret_custody,
			      struct err *err)
{
	const struct pkcs11_token *token = session->token;
	struct token_custody custody = { .held = true };
	AUTO(buf) struct buf text = BUF_MAX(sizeof(custody.text) - 1);
	enum rc rc = RC_OK;

	for (size_t i = 0; i < CUSTODY_RULE_COUNT && rc == RC_OK; i++) {
		const struct custody_rule *rule = &CUSTODY_RULES[i];
		bool holds = false;

		rc = custody_rule(session, private_key, rule, &holds, err);
		bool is_unsaid = !holds && rule->unsaid && token->quirks->cannot_say_local && token->accept_wrapping;
		custody.held = custody.held && (holds || is_unsaid);
		if (rc == RC_OK)
			rc = buf_print(&text, err, "%s%s", i ? ", " : "",
				       is_unsaid ? rule->unsaid
				       : holds   ? rule->held
						 : rule->broken);
	}
	if (rc == RC_OK && token->quirks->gives_out_unextractable)
		rc = buf_print(&text, err, "; but this token gives out such keys");
	if (rc != RC_OK)
		return rc;
	memcpy(custody.text, buf_text(&text), text.len + 1);
	*ret_custody = custody;
	return RC_OK;
}
