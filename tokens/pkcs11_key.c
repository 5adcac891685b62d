/* pkcs11_key.c -- keys are found by their id, listed, and erased; a handle is only a note of where one was last seen. */
#include <string.h>

#include "backends.h"
#include "pkcs11.h"
#include "spki.h"

void pkcs11_key_free(struct token_key *base)
{
	struct pkcs11_key *key = PKCS11_KEY(base);

	buf_clear(&key->spki);
	free(key);
}

static struct pkcs11_key *key_new(struct token *token)
{
	struct pkcs11_key *key = calloc(1, sizeof(*key));

	if (key)
		*key = (struct pkcs11_key){ .base = { .ops = &pkcs11_ops, .token = token, .type = KEY_TYPE_COUNT },
					    .spki = BUF_MAX(TOKEN_SPKI_MAX) };
	return key;
}

/* No key is an answer only from a token that is there: one that was pulled out may say so of every key (SoftHSM). */
static enum rc absent(struct pkcs11_session *session, struct err *err)
{
	CK_TOKEN_INFO info;
	CK_RV rv = session->call->C_GetTokenInfo(session->token->slot, &info);

	if (rv != CKR_OK)
		return pkcs11_session_fail(session, err, rv, "C_GetTokenInfo");
	return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "not in the token");
}

/* The one private key with this id, kept as it must be. */
static enum rc key_look(struct pkcs11_session *session, const uint8_t *id, CK_OBJECT_HANDLE *ret_handle, struct buf *ret_spki,
			struct err *err)
{
	CK_OBJECT_HANDLE objects[2];
	CK_ULONG count = 0;
	struct token_custody custody;
	enum rc rc = pkcs11_find_objects(session, CKO_PRIVATE_KEY, id, NULL, objects, 2, &count, err);

	if (rc != RC_OK)
		return rc;
	if (count == 0)
		return absent(session, err);
	if (count > 1)
		return err_set_raw(err, RC_DENIED, ERR_PKCS11, 0, "more than one key in the token has its id");
	rc = pkcs11_object_custody(session, objects[0], &custody, err);
	if (rc == RC_OK && !custody.held)
		rc = err_set_raw(err, RC_DENIED, ERR_PKCS11, 0, "it is not kept by the token as it must be: %s", custody.text);
	if (rc == RC_OK)
		rc = pkcs11_object_spki(session, objects[0], id, TOKEN_ID_LEN, ret_spki, err);
	if (rc == RC_OK)
		*ret_handle = objects[0];
	return rc;
}

enum rc pkcs11_key_load(struct pkcs11_session *session, const struct token_key_name *name, struct token_key **ret_key,
			struct err *err)
{
	struct pkcs11_key *key = key_new(&session->token->base);

	if (!key)
		return err_set(err, RC_RESOURCE, "out of memory");
	AUTO(token_key) struct token_key *owned = &key->base;
	enum rc rc = key_look(session, name->id, &key->handle, &key->spki, err);
	if (rc != RC_OK)
		return rc;
	key->base.name = *name;
	key->generation = session->generation;
	key->base.type = spki_key_type(buf_span(&key->spki));
	if (key->base.type == KEY_TYPE_COUNT)
		return err_set(err, RC_INPUT, "its type is none of ours");
	*ret_key = TAKE(owned);
	return RC_OK;
}

/* Handles die with the load of the module; the key is then looked for, and must be the same one. */
enum rc pkcs11_key_handle(struct pkcs11_session *session, struct pkcs11_key *key, CK_OBJECT_HANDLE *ret_handle, struct err *err)
{
	pthread_mutex_t *mutex = &session->token->mutex;
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	CK_OBJECT_HANDLE handle;

	pthread_mutex_lock(mutex);
	bool is_good = key->generation == session->generation;
	*ret_handle = key->handle;
	pthread_mutex_unlock(mutex);
	if (is_good)
		return RC_OK;
	enum rc rc = key_look(session, key->base.name.id, &handle, &spki, err);
	if (rc == RC_OK && !span_equal(buf_span(&spki), buf_span(&key->spki)))
		rc = err_set_raw(err, RC_DENIED, ERR_PKCS11, 0, "another key is in the token under its id");
	if (rc != RC_OK)
		return rc;
	pthread_mutex_lock(mutex);
	key->handle = *ret_handle = handle;
	key->generation = session->generation;
	pthread_mutex_unlock(mutex);
	return RC_OK;
}

struct find {
	const struct token_key_name *name;
	struct token_key **ret_key;
};

static enum rc find(struct pkcs11_session *session, void *ctx, struct err *err)
{
	const struct find *wanted = ctx;

	return pkcs11_key_load(session, wanted->name, wanted->ret_key, err);
}

enum rc pkcs11_find(struct token *token, const struct token_key_name *name, struct token_key **ret_key, struct err *err)
{
	return pkcs11_run(PKCS11(token), find, &(struct find){ name, ret_key }, err);
}

/* What list() saw, kept until the session is given back: each() may want one of its own. */
struct seen {
	struct pkcs11_key **keys;
	struct token_custody *custody;
	size_t count;
};

static void seen_clear(struct seen *seen)
{
	for (size_t i = 0; i < seen->count; i++)
		token_key_free(&seen->keys[i]->base);
	free(seen->keys);
	free(seen->custody);
	*seen = (struct seen){ 0 };
}
AUTO_DEFINE_VALUE(seen, struct seen, seen_clear);

/*
 * A half-made or foreign object may lack any of these; it is listed with what it has.  But what only could not be read
 * this time fails the list: a key without its id would look like nobody's.
 */
static enum rc see_one(struct pkcs11_session *session, CK_OBJECT_HANDLE object, struct pkcs11_key *key,
		       struct token_custody *custody, struct err *err)
{
	AUTO(buf) struct buf id = BUF_MAX(PKCS11_ATTRIBUTE_MAX);
	AUTO(buf) struct buf label = BUF_MAX(PKCS11_ATTRIBUTE_MAX);
	struct err why = { 0 };

	key->handle = object;
	key->generation = session->generation;
	enum rc rc = pkcs11_attribute(session, object, CKA_ID, &id, &why);
	if (rc == RC_OK && id.len == TOKEN_ID_LEN)
		memcpy(key->base.name.id, id.at, TOKEN_ID_LEN);
	if (rc != RC_RETRY)
		rc = pkcs11_attribute(session, object, CKA_LABEL, &label, &why);
	if (rc == RC_OK)
		pkcs11_text(label.at, label.len, key->base.name.label, sizeof(key->base.name.label));
	if (rc != RC_RETRY)
		rc = pkcs11_object_spki(session, object, key->base.name.id, id.len, &key->spki, &why);
	if (rc == RC_OK)
		key->base.type = spki_key_type(buf_span(&key->spki));
	if (rc != RC_RETRY)
		return pkcs11_object_custody(session, object, custody, err);
	if (err)
		*err = why;
	return rc;
}

static enum rc see_all(struct pkcs11_session *session, const CK_OBJECT_HANDLE *objects, CK_ULONG count, struct seen *seen,
		       struct err *err)
{
	enum rc rc = RC_OK;

	seen->keys = calloc(count + 1, sizeof(struct pkcs11_key *));
	seen->custody = calloc(count + 1, sizeof(*seen->custody));
	if (!seen->keys || !seen->custody)
		return err_set(err, RC_RESOURCE, "out of memory");
	for (CK_ULONG i = 0; i < count && rc == RC_OK; i++) {
		struct pkcs11_key *key = key_new(&session->token->base);

		if (!key)
			return err_set(err, RC_RESOURCE, "out of memory");
		seen->keys[seen->count++] = key;
		rc = see_one(session, objects[i], key, &seen->custody[i], err);
	}
	return rc;
}

static enum rc see(struct pkcs11_session *session, void *ctx, struct err *err)
{
	CK_OBJECT_HANDLE *objects = calloc(PKCS11_KEYS_MAX, sizeof(*objects));
	CK_ULONG count = 0;
	enum rc rc = objects ? RC_OK : err_set(err, RC_RESOURCE, "out of memory");

	seen_clear(ctx); /* of a run that was cut off */
	if (rc == RC_OK)
		rc = pkcs11_find_objects(session, CKO_PRIVATE_KEY, NULL, NULL, objects, PKCS11_KEYS_MAX, &count, err);
	if (rc == RC_OK && count == PKCS11_KEYS_MAX)
		rc = err_set(err, RC_RESOURCE, "it holds %d private keys or more; that many are not looked at", PKCS11_KEYS_MAX);
	if (rc == RC_OK)
		rc = see_all(session, objects, count, ctx, err);
	free(objects);
	return rc;
}

enum rc pkcs11_list(struct token *token, token_list_fn *each, void *ctx, struct err *err)
{
	AUTO(seen) struct seen seen = { 0 };
	enum rc rc = pkcs11_run(PKCS11(token), see, &seen, err);

	for (size_t i = 0; i < seen.count && rc == RC_OK; i++)
		rc = each(ctx, &seen.keys[i]->base, &seen.custody[i], err);
	return rc;
}

/* Both are found before one is destroyed: a public key whose private one is gone is found by nobody any more. */
enum rc pkcs11_key_erase(struct pkcs11_session *session, const uint8_t *id, struct err *err)
{
	/* Private first: a public key alone can do nothing. */
	static const CK_OBJECT_CLASS classes[] = { CKO_PRIVATE_KEY, CKO_PUBLIC_KEY };
	CK_OBJECT_HANDLE objects[16];
	CK_ULONG count = 0, found = 0;

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		enum rc rc = pkcs11_find_objects(session, classes[i], id, NULL, objects + count, 8, &found, err);

		if (rc != RC_OK)
			return rc;
		count += found;
	}
	for (CK_ULONG at = 0; at < count; at++) {
		CK_RV rv = session->call->C_DestroyObject(session->handle, objects[at]);

		if (rv != CKR_OK && rv != CKR_OBJECT_HANDLE_INVALID)
			return pkcs11_session_fail(session, err, rv, "C_DestroyObject");
	}
	return RC_OK;
}

static enum rc erase(struct pkcs11_session *session, void *ctx, struct err *err)
{
	const struct token_key *key = ctx;
	CK_OBJECT_HANDLE object;
	CK_ULONG left = 0;
	enum rc rc = pkcs11_key_erase(session, key->name.id, err);

	if (rc == RC_OK)
		rc = pkcs11_find_objects(session, CKO_PRIVATE_KEY, key->name.id, NULL, &object, 1, &left, err);
	if (rc == RC_OK && left)
		return err_set_raw(err, RC_RETRY, ERR_PKCS11, 0, "the token still has it after C_DestroyObject");
	if (rc == RC_OK && (rc = absent(session, err)) == RC_ABSENT)
		return RC_OK;
	return rc;
}

enum rc pkcs11_erase(struct token_key *key, struct err *err)
{
	return pkcs11_run(PKCS11(key->token), erase, key, err);
}
