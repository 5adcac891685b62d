/*
 * pkcs11_publish.c -- what consumers find in a token: the certificate beside its key, and the label that moves from key to key.
 *
 * PKCS#11 has no transaction, so the order decides what a consumer sees that looks at any moment, or what stays when we are
 * cut off.  It is: the certificate and its chain are written, under the key's own label; the new key, its public half and
 * its certificate, this one last, get the label; then the old ones lose it, the certificate first.  So
 *   - a whole pair of one generation is always under the label, and for the few calls between, two.  The other order would
 *     leave nothing under it in that time: and when the module refuses to relabel the new key, or goes away in the
 *     middle, the service that restarts then would find no key at all.  What works is not taken away before its successor is there;
 *   - NSS takes the newest certificate of a nickname, and Java (SunPKCS11) the one whose label is the alias; both find its key by
 *     CKA_ID, strongSwan finds either by CKA_ID alone: two generations never give them a key and a certificate that do not match.
 *     Java calls both "LABEL/issuer/serial" while two certificates have one label, as good as none, for those few calls only;
 *   - who looks for key and certificate separately by label (a PKCS#11 URI with object=) may get one of each
 *     generation in that time, and notices: TLS libraries compare the pair when they load it.
 * It is done before the deploy hook, which makes services look; and done again from the start, it ends the same.
 */
#include <string.h>

#include "pkcs11_certificate.h"
#include "pkcs11_quirks.h"

#define UNDER_LABEL_MAX 32u /* objects of one class under one label: more than two generations are somebody else's doing */

static const CK_OBJECT_CLASS CLASSES[] = { CKO_CERTIFICATE, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY };
#define CLASS_COUNT (sizeof(CLASSES) / sizeof(CLASSES[0]))

struct publish {
	struct pkcs11_key *key;
	const struct token_objects *objects;
	const char *label; /* the stable one, or the key's own */
	CK_OBJECT_HANDLE certificate;
};

static bool is_stable(const struct publish *publish)
{
	return publish->label != publish->key->base.name.label;
}

/* A refusal is the token's way, not its mood: it is told what to configure. */
static enum rc label_refused(struct pkcs11_session *session, CK_RV rv, struct err *err)
{
	enum rc rc = pkcs11_session_fail(session, err, rv, "C_SetAttributeValue");

	if (rc != RC_INPUT && rc != RC_DENIED)
		return rc;
	return err_wrap(
		err, rc,
		"the token does not let a label be changed (take \"label\" out of token-objects: consumers then find the key "
		"by the id in key.uri)");
}

static enum rc label_set(struct pkcs11_session *session, CK_OBJECT_HANDLE object, const char *label, struct err *err)
{
	AUTO(buf) struct buf present = BUF_MAX(PKCS11_ATTRIBUTE_MAX);
	CK_ATTRIBUTE wanted = { CKA_LABEL, (void *)(uintptr_t)label, strlen(label) };
	enum rc rc = pkcs11_attribute(session, object, CKA_LABEL, &present, err);

	if (rc != RC_OK || span_equal(buf_span(&present), span_text(label)))
		return rc;
	CK_RV rv = session->call->C_SetAttributeValue(session->handle, object, &wanted, 1);
	if (rv != CKR_OK)
		return label_refused(session, rv, err);
	rc = pkcs11_attribute(session, object, CKA_LABEL, &present, err);
	if (rc == RC_OK && !span_equal(buf_span(&present), span_text(label)))
		rc = err_set_raw(err, RC_PROTOCOL, ERR_PKCS11, 0, "a label that was set does not read back as it was set");
	return rc;
}

/* Bytes 4 to 7 of an id are the number of the state directory that reserved it (token_key_name_make()). */
static bool is_sibling(const struct buf *id, const struct token_key_name *name)
{
	return id->len == TOKEN_ID_LEN && memcmp(id->at + 4, name->id + 4, 4) == 0;
}

/* Called for each object that has the label and is not the key's. */
typedef enum rc each_other(struct pkcs11_session *session, const struct publish *publish, CK_OBJECT_HANDLE object,
			   const struct buf *id, struct err *err);

static enum rc others(struct pkcs11_session *session, const struct publish *publish, each_other *each, struct err *err)
{
	const struct token_key_name *name = &publish->key->base.name;
	CK_OBJECT_HANDLE objects[UNDER_LABEL_MAX];
	CK_ULONG count = 0;
	enum rc rc = RC_OK;

	for (size_t class = 0; class < CLASS_COUNT && rc == RC_OK; class ++) {
		rc = pkcs11_find_objects(session, CLASSES[class], NULL, publish->label, objects, UNDER_LABEL_MAX, &count, err);
		for (CK_ULONG i = 0; rc == RC_OK && i < count; i++) {
			AUTO(buf) struct buf id = BUF_MAX(PKCS11_ATTRIBUTE_MAX);

			rc = pkcs11_attribute(session, objects[i], CKA_ID, &id, err);
			if (rc == RC_OK && !span_equal(buf_span(&id), SPAN(name->id)))
				rc = each(session, publish, objects[i], &id, err);
		}
	}
	return rc;
}

static enum rc refuse_foreign(struct pkcs11_session *session, const struct publish *publish, CK_OBJECT_HANDLE object,
			      const struct buf *id, struct err *err)
{
	(void)session;
	(void)object;
	if (is_sibling(id, &publish->key->base.name))
		return RC_OK;
	return err_set_raw(
		err, RC_DENIED, ERR_PKCS11, 0,
		"a key or certificate that is not of this hwacme has the label \"%s\"; choose another in token-objects, or "
		"erase that one",
		publish->label);
}

static enum rc rename_other(struct pkcs11_session *session, const struct publish *publish, CK_OBJECT_HANDLE object,
			    const struct buf *id, struct err *err)
{
	struct token_key_name own = token_key_name_like(&publish->key->base.name, id->at);

	return label_set(session, object, own.label, err);
}

static enum rc refuse_left(struct pkcs11_session *session, const struct publish *publish, CK_OBJECT_HANDLE object,
			   const struct buf *id, struct err *err)
{
	(void)session;
	(void)object;
	(void)id;
	return err_set_raw(err, RC_RETRY, ERR_PKCS11, 0, "another key has the label \"%s\" after it was moved", publish->label);
}

/* The key, its public half where the token keeps one, and its certificate. */
static enum rc label_take(struct pkcs11_session *session, const struct publish *publish, struct err *err)
{
	CK_OBJECT_HANDLE private_key, public_keys[8];
	CK_ULONG count = 0;
	enum rc rc = pkcs11_key_handle(session, publish->key, &private_key, err);

	if (rc == RC_OK)
		rc = label_set(session, private_key, publish->label, err);
	if (rc == RC_OK)
		rc = pkcs11_find_objects(session, CKO_PUBLIC_KEY, publish->key->base.name.id, NULL, public_keys, 8, &count, err);
	for (CK_ULONG i = 0; rc == RC_OK && i < count; i++)
		rc = label_set(session, public_keys[i], publish->label, err);
	if (rc == RC_OK && publish->objects->certificate.len)
		rc = label_set(session, publish->certificate, publish->label, err);
	return rc;
}

/* What a consumer will look for: the key under the label, and its certificate alone under its id. */
static enum rc read_back(struct pkcs11_session *session, const struct publish *publish, struct err *err)
{
	const struct token_key_name *name = &publish->key->base.name;
	CK_OBJECT_HANDLE found[2];
	CK_ULONG keys = 0, certificates = 0;
	enum rc rc = pkcs11_find_objects(session, CKO_PRIVATE_KEY, name->id, publish->label, found, 2, &keys, err);

	if (rc == RC_OK)
		rc = pkcs11_find_objects(session, CKO_CERTIFICATE, name->id,
					 publish->objects->certificate.len ? publish->label : NULL, found, 2, &certificates, err);
	if (rc == RC_OK && (keys != 1 || certificates != (publish->objects->certificate.len ? 1u : 0u)))
		rc = err_set_raw(err, RC_RETRY, ERR_PKCS11, 0, "the token does not hold under \"%s\" what was put there",
				 publish->label);
	return rc == RC_OK && is_stable(publish) ? others(session, publish, refuse_left, err) : rc;
}

/* What is there of the key's certificates, and what is there in the end. */
struct beside {
	struct pkcs11_certificates own, chain;
};

static enum rc beside_find(struct pkcs11_session *session, const struct publish *publish, struct beside *beside, struct err *err)
{
	const struct token_key_name *name = &publish->key->base.name;
	char label[PKCS11_LABEL_MAX];

	if (publish->objects->chain_count && session->token->quirks->keeps_certificate_once)
		return err_set_raw(
			err, RC_INPUT, ERR_PKCS11, 0,
			"%s keeps each certificate once, so two keys cannot have one issuer's; write token-objects without chain",
			session->token->quirks->name);
	pkcs11_chain_label(name, label);
	enum rc rc = pkcs11_certificates_find(session, name->id, NULL, &beside->own, err);
	return rc == RC_OK ? pkcs11_certificates_find(session, NULL, label, &beside->chain, err) : rc;
}

static enum rc beside_write(struct pkcs11_session *session, struct publish *publish, struct beside *beside, struct err *err)
{
	const struct token_key_name *name = &publish->key->base.name;
	const struct pkcs11_certificate own = { .der = publish->objects->certificate, .label = name->label, .id = name->id };
	enum rc rc = own.der.len ? pkcs11_certificate_hold(session, &own, &beside->own, &publish->certificate, err) : RC_OK;

	return rc == RC_OK ? pkcs11_chain_hold(session, name, publish->objects, &beside->chain, err) : rc;
}

static enum rc beside_tidy(struct pkcs11_session *session, const struct beside *beside, struct err *err)
{
	enum rc rc = pkcs11_certificates_destroy(session, &beside->chain, err);

	return rc == RC_OK ? pkcs11_certificates_destroy(session, &beside->own, err) : rc;
}

static enum rc publish_work(struct pkcs11_session *session, void *ctx, struct err *err)
{
	struct publish *publish = ctx;
	struct beside beside;
	enum rc rc = is_stable(publish) ? others(session, publish, refuse_foreign, err) : RC_OK;

	if (rc == RC_OK)
		rc = beside_find(session, publish, &beside, err);
	if (rc == RC_OK)
		rc = beside_write(session, publish, &beside, err);
	if (rc == RC_OK)
		rc = label_take(session, publish, err);
	if (rc == RC_OK && is_stable(publish))
		rc = others(session, publish, rename_other, err);
	if (rc == RC_OK)
		rc = beside_tidy(session, &beside, err);
	return rc == RC_OK ? read_back(session, publish, err) : rc;
}

enum rc pkcs11_publish(struct token_key *key, const struct token_objects *objects, struct err *err)
{
	struct publish publish = { .key = PKCS11_KEY(key),
				   .objects = objects,
				   .label = objects->label[0] ? objects->label : key->name.label };
	enum rc rc = objects->certificate.len
			     ? pkcs11_certificate_check(objects->certificate, buf_span(&PKCS11_KEY(key)->spki), err)
			     : RC_OK;

	pkcs11_key_accompany(PKCS11_KEY(key));
	return rc == RC_OK ? pkcs11_run_change(PKCS11(key->token), publish_work, &publish, err) : rc;
}
