/* pkcs11_certificate.c -- certificates as objects beside their key: written, found, and destroyed with it. */
#include "pkcs11_certificate.h"

#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_DER    8192 /* subject or issuer */
#define CATEGORY_USER   1u   /* PKCS#11 2.40, 4.6.2 */
#define CATEGORY_ISSUER 2u

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

/* What a template says of a certificate beside its value: consumers search for these. */
struct named {
	struct buf subject, issuer, serial; /* DER */
};

static void named_clear(struct named *named)
{
	buf_clear(&named->subject);
	buf_clear(&named->issuer);
	buf_clear(&named->serial);
}
AUTO_DEFINE_VALUE(named, struct named, named_clear);

static inline void x509_free(X509 *x509)
{
	X509_free(x509);
}
AUTO_DEFINE(x509, X509 *, x509_free);

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

/* Takes over `der`, of `len` octets as i2d functions answer it. */
static enum rc der_take(unsigned char *der, int len, struct buf *ret, struct err *err)
{
	enum rc rc = len > 0 ? buf_append(ret, span_of(der, (size_t)len), err)
			     : err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "a part of a certificate cannot be encoded");

	OPENSSL_free(der);
	return rc;
}

static X509 *x509_parse(struct span der)
{
	const unsigned char *at = der.at;
	X509 *x509 = der.len <= LONG_MAX ? d2i_X509(NULL, &at, (long)der.len) : NULL;

	if (x509 && at == der.at + der.len)
		return x509;
	X509_free(x509);
	return NULL;
}

static enum rc named_read(struct span der, struct named *named, struct err *err)
{
	AUTO(x509) X509 *x509 = x509_parse(der);
	unsigned char *part = NULL;

	if (!x509)
		return err_set(err, RC_INPUT, "it is not a certificate");
	int len = i2d_X509_NAME(X509_get_subject_name(x509), &part);
	enum rc rc = der_take(part, len, &named->subject, err);
	if (rc != RC_OK)
		return rc;
	part = NULL;
	len = i2d_X509_NAME(X509_get_issuer_name(x509), &part);
	rc = der_take(part, len, &named->issuer, err);
	if (rc != RC_OK)
		return rc;
	part = NULL;
	len = i2d_ASN1_INTEGER(X509_get0_serialNumber(x509), &part);
	return der_take(part, len, &named->serial, err);
}

enum rc pkcs11_certificate_check(struct span der, struct span spki, struct err *err)
{
	AUTO(x509) X509 *x509 = x509_parse(der);
	AUTO(buf) struct buf own = BUF_MAX(TOKEN_SPKI_MAX);
	unsigned char *part = NULL;

	if (!x509)
		return err_set(err, RC_INPUT, "what is to stand beside it is not a certificate");
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &part);
	enum rc rc = der_take(part, len, &own, err);
	if (rc == RC_OK && !span_equal(buf_span(&own), spki))
		rc = err_set(err, RC_INPUT, "the certificate that is to stand beside it is another key's");
	return rc;
}

/* Ids of the chain are nobody else's: consumers look for a key by the id of a certificate, and a CA's is not here. */
static void chain_id(const uint8_t key[TOKEN_ID_LEN], unsigned index, uint8_t ret[TOKEN_ID_LEN])
{
	uint8_t input[TOKEN_ID_LEN + 1], digest[SHA256_DIGEST_LENGTH];

	memcpy(input, key, TOKEN_ID_LEN);
	input[TOKEN_ID_LEN] = (uint8_t)index;
	SHA256(input, sizeof(input), digest);
	memcpy(ret, digest, TOKEN_ID_LEN);
}

void pkcs11_chain_label(const struct token_key_name *name, char ret_label[PKCS11_LABEL_MAX])
{
	snprintf(ret_label, PKCS11_LABEL_MAX, "%s chain", name->label);
}

static enum rc create(struct pkcs11_session *session, const struct pkcs11_certificate *what, CK_OBJECT_HANDLE *ret_object,
		      struct err *err)
{
	AUTO(named) struct named named = { BUF_MAX(NAME_MAX_DER), BUF_MAX(NAME_MAX_DER), BUF_MAX(PKCS11_ATTRIBUTE_MAX) };
	CK_OBJECT_CLASS class = CKO_CERTIFICATE;
	CK_CERTIFICATE_TYPE type = CKC_X_509;
	CK_ULONG category = what->is_issuer ? CATEGORY_ISSUER : CATEGORY_USER;
	enum rc rc = named_read(what->der, &named, err);

	if (rc != RC_OK)
		return rc;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_CERTIFICATE_TYPE, &type, sizeof(type) },
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_PRIVATE, &no, sizeof(no) },
		{ CKA_LABEL, (void *)(uintptr_t)what->label, strlen(what->label) },
		{ CKA_ID, (void *)(uintptr_t)what->id, TOKEN_ID_LEN },
		{ CKA_SUBJECT, named.subject.at, named.subject.len },
		{ CKA_ISSUER, named.issuer.at, named.issuer.len },
		{ CKA_SERIAL_NUMBER, named.serial.at, named.serial.len },
		{ CKA_VALUE, (void *)(uintptr_t)what->der.at, what->der.len },
		{ CKA_CERTIFICATE_CATEGORY, &category, sizeof(category) },
	};
	CK_ULONG count = sizeof(template) / sizeof(template[0]);
	pkcs11_making_begin(session);
	CK_RV rv = session->call->C_CreateObject(session->handle, template, count, ret_object);
	/* Older modules do not know the category. */
	if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_TEMPLATE_INCONSISTENT)
		rv = session->call->C_CreateObject(session->handle, template, count - 1, ret_object);
	pkcs11_objects_release(session);
	return rv == CKR_OK ? RC_OK : pkcs11_session_fail(session, err, rv, "C_CreateObject (certificate)");
}

static enum rc has_value(struct pkcs11_session *session, CK_OBJECT_HANDLE object, struct span der, bool *ret, struct err *err)
{
	AUTO(buf) struct buf value = BUF_MAX(TOKEN_MESSAGE_MAX);
	enum rc rc = pkcs11_attribute(session, object, CKA_VALUE, &value, err);

	*ret = rc == RC_OK && span_equal(buf_span(&value), der);
	return rc;
}

/* Which of those present it is; their count: none.  One that has no value is not the one; one that could not be read this time may be. */
static enum rc present_find(struct pkcs11_session *session, const struct pkcs11_certificates *present, struct span der,
			    CK_ULONG *ret_at, struct err *err)
{
	bool is_it = false;

	for (CK_ULONG i = 0; i < present->count; i++) {
		struct err why = { 0 };
		enum rc rc = present->is_wanted[i] ? RC_OK : has_value(session, present->objects[i], der, &is_it, &why);

		if (rc == RC_RETRY || rc == RC_RESOURCE) {
			if (err)
				*err = why;
			return rc;
		}
		if (is_it) {
			*ret_at = i;
			return RC_OK;
		}
	}
	*ret_at = present->count;
	return RC_OK;
}

enum rc pkcs11_certificate_hold(struct pkcs11_session *session, const struct pkcs11_certificate *what,
				struct pkcs11_certificates *present, CK_OBJECT_HANDLE *ret_object, struct err *err)
{
	bool is_there = false;
	CK_ULONG at = 0;
	enum rc rc = present_find(session, present, what->der, &at, err);

	if (rc == RC_OK && at < present->count) {
		present->is_wanted[at] = true;
		*ret_object = present->objects[at];
		return RC_OK;
	}
	if (rc == RC_OK)
		rc = create(session, what, ret_object, err);
	if (rc == RC_OK)
		rc = has_value(session, *ret_object, what->der, &is_there, err);
	if (rc == RC_OK && !is_there)
		rc = err_set_raw(err, RC_PROTOCOL, ERR_PKCS11, 0,
				 "a certificate that was written does not read back as it was written");
	return rc;
}

enum rc pkcs11_chain_hold(struct pkcs11_session *session, const struct token_key_name *name, const struct token_objects *objects,
			  struct pkcs11_certificates *present, struct err *err)
{
	char label[PKCS11_LABEL_MAX];
	CK_OBJECT_HANDLE object;
	enum rc rc = RC_OK;

	pkcs11_chain_label(name, label);
	for (unsigned i = 0; i < objects->chain_count && rc == RC_OK; i++) {
		uint8_t id[TOKEN_ID_LEN];

		chain_id(name->id, i, id);
		rc = pkcs11_certificate_hold(
			session,
			&(struct pkcs11_certificate){ .der = objects->chain[i], .label = label, .id = id, .is_issuer = true },
			present, &object, err);
	}
	return rc;
}

enum rc pkcs11_certificates_find(struct pkcs11_session *session, const uint8_t *id, const char *label,
				 struct pkcs11_certificates *ret, struct err *err)
{
	*ret = (struct pkcs11_certificates){ 0 };
	enum rc rc =
		pkcs11_find_objects(session, CKO_CERTIFICATE, id, label, ret->objects, PKCS11_CERTIFICATES_MAX, &ret->count, err);
	CK_ULONG found = rc == RC_OK && id ? ret->count : 0, kept = 0;

	for (CK_ULONG i = 0; i < found && rc == RC_OK; i++) {
		struct pkcs11_facts facts;

		rc = pkcs11_facts_read(session, ret->objects[i], PKCS11_READ_ID, &facts, err);
		if (rc == RC_OK && pkcs11_facts_has_id(&facts, id))
			ret->objects[kept++] = ret->objects[i];
	}
	if (found)
		ret->count = kept;
	return rc;
}

enum rc pkcs11_certificates_destroy(struct pkcs11_session *session, const struct pkcs11_certificates *present, struct err *err)
{
	for (CK_ULONG i = 0; i < present->count; i++) {
		CK_RV rv = present->is_wanted[i] ? CKR_OK : session->call->C_DestroyObject(session->handle, present->objects[i]);

		if (rv != CKR_OK && rv != CKR_OBJECT_HANDLE_INVALID)
			return pkcs11_session_fail(session, err, rv, "C_DestroyObject (certificate)");
	}
	return RC_OK;
}

/* The key's own last: while it is there, it tells that there may be a chain. */
enum rc pkcs11_certificates_erase(struct pkcs11_session *session, const struct token_key_name *name, struct err *err)
{
	struct pkcs11_certificates own, chain;
	char label[PKCS11_LABEL_MAX];
	enum rc rc = pkcs11_certificates_find(session, name->id, NULL, &own, err);

	if (rc != RC_OK || own.count == 0)
		return rc;
	pkcs11_chain_label(name, label);
	rc = pkcs11_certificates_find(session, NULL, label, &chain, err);
	if (rc == RC_OK)
		rc = pkcs11_certificates_destroy(session, &chain, err);
	return rc == RC_OK ? pkcs11_certificates_destroy(session, &own, err) : rc;
}
