/* pkcs11_key.c -- keys are found by their id; a handle is only a note of where one was last seen. */
#include <string.h>

#include "backends.h"
#include "pkcs11.h"
#include "pkcs11_certificate.h"
#include "spki.h"

void pkcs11_key_free(struct token_key *base)
{
	struct pkcs11_key *key = PKCS11_KEY(base);

	buf_clear(&key->spki);
	free(key);
}

struct pkcs11_key *pkcs11_key_new(struct token *token)
{
	struct pkcs11_key *key = calloc(1, sizeof(*key));

	if (key)
		*key = (struct pkcs11_key){ .base = { .ops = &pkcs11_ops, .token = token, .type = KEY_TYPE_COUNT },
					    .spki = BUF_MAX(TOKEN_SPKI_MAX) };
	return key;
}

enum rc pkcs11_absent(struct pkcs11_session *session, struct err *err)
{
	CK_TOKEN_INFO info;
	CK_RV rv = session->call->C_GetTokenInfo(session->token->slot, &info);

	if (rv != CKR_OK)
		return pkcs11_session_fail(session, err, rv, "C_GetTokenInfo");
	return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "not in the token");
}

/* PKCS#11 2.40, 4.9: each signature would need a C_Login of its own, and would be CKR_USER_NOT_LOGGED_IN without. */
static enum rc usable(const struct pkcs11_facts *private_key, struct err *err)
{
	struct span value = pkcs11_fact(private_key, CKA_ALWAYS_AUTHENTICATE);

	if (value.len != sizeof(CK_BBOOL) || value.at[0] == CK_FALSE)
		return RC_OK;
	return err_set_raw(
		err, RC_INPUT, ERR_PKCS11, 0,
		"it wants its PIN again for each signature (CKA_ALWAYS_AUTHENTICATE); use a key, or a token, that does not");
}

/* The one private key of this name, kept as it must be, and its public half. */
static enum rc pair_check(struct pkcs11_session *session, const struct pkcs11_pair *pair, bool is_by_id, struct buf *ret_spki,
			  struct err *err)
{
	struct token_custody custody;

	if (pair->private_count == 0)
		return pkcs11_absent(session, err);
	if (pair->private_count > 1)
		return err_set_raw(err, RC_DENIED, ERR_PKCS11, 0, "more than one key in the token has its %s",
				   is_by_id ? "id" : "label");
	enum rc rc = pkcs11_facts_custody(session->token, &pair->private_facts, &custody, err);
	if (rc == RC_OK && !custody.held)
		rc = err_set_raw(err, RC_DENIED, ERR_PKCS11, 0, "it is not kept by the token as it must be: %s", custody.text);
	if (rc == RC_OK)
		rc = usable(&pair->private_facts, err);
	return rc == RC_OK
		       ? pkcs11_facts_spki(&pair->private_facts, pair->public_count ? &pair->public_facts : NULL, ret_spki, err)
		       : rc;
}

/* By its id; one that is not of our making, by its label. */
static enum rc pair_look(struct pkcs11_session *session, const struct token_key_name *name, struct pkcs11_pair *ret_pair,
			 struct buf *ret_spki, struct err *err)
{
	const uint8_t *id = token_key_name_has_id(name) ? name->id : NULL;
	enum rc rc = pkcs11_pair_find(session, id, id ? NULL : name->label,
				      PKCS11_READ_CUSTODY | PKCS11_READ_POINT | PKCS11_READ_MODULUS, ret_pair, err);

	return rc == RC_OK ? pair_check(session, ret_pair, id != NULL, ret_spki, err) : rc;
}

/* With the token's mutex, or while nobody else has the key. */
static void key_note(struct pkcs11_key *key, const struct pkcs11_pair *pair, uint64_t generation)
{
	key->handle = pair->private_keys[0];
	key->public_handle = pair->public_count ? pair->public_keys[0] : CK_INVALID_HANDLE;
	key->generation = generation;
}

static enum rc key_settle(struct pkcs11_session *session, const struct token_key_name *name, const struct pkcs11_pair *pair,
			  struct pkcs11_key *key, struct err *err)
{
	key->base.name = *name;
	key_note(key, pair, session->generation);
	key->base.type = spki_key_type(buf_span(&key->spki));
	return key->base.type == KEY_TYPE_COUNT ? err_set(err, RC_INPUT, "its type is none of ours") : RC_OK;
}

enum rc pkcs11_key_load(struct pkcs11_session *session, const struct token_key_name *name, struct token_key **ret_key,
			struct err *err)
{
	struct pkcs11_key *key = pkcs11_key_new(&session->token->base);
	struct pkcs11_pair pair;

	if (!key)
		return err_set(err, RC_RESOURCE, "out of memory");
	AUTO(token_key) struct token_key *owned = &key->base;
	enum rc rc = pair_look(session, name, &pair, &key->spki, err);
	if (rc == RC_OK)
		rc = key_settle(session, name, &pair, key, err);
	if (rc == RC_OK)
		*ret_key = TAKE(owned);
	return rc;
}

/* A module may have its own mind about what was asked of it; a key that its id does not find is lost tomorrow. */
static enum rc has_id(const struct pkcs11_facts *facts, CK_OBJECT_CLASS class, const struct token_key_name *name, struct err *err)
{
	struct span id = pkcs11_fact(facts, CKA_ID);

	if (!id.at || pkcs11_fact_number(facts, CKA_CLASS) == CK_UNAVAILABLE_INFORMATION)
		return pkcs11_untold(facts, err);
	if (pkcs11_fact_number(facts, CKA_CLASS) == class && span_equal(id, SPAN(name->id)))
		return RC_OK;
	return err_set_raw(err, RC_PROTOCOL, ERR_PKCS11, 0, "the token did not give it the id that it was told");
}

enum rc pkcs11_key_adopt(struct pkcs11_session *session, const struct token_key_name *name, enum key_type type,
			 CK_OBJECT_HANDLE private_key, CK_OBJECT_HANDLE public_key, struct token_key **ret_key, struct err *err)
{
	const unsigned kind = PKCS11_READ_KIND | PKCS11_READ_ID;
	const bool is_rsa = key_type_family(type) == FAMILY_RSA;
	struct pkcs11_key *key = pkcs11_key_new(&session->token->base);
	struct pkcs11_pair pair = {
		.private_keys = { private_key }, .private_count = 1, .public_keys = { public_key }, .public_count = 1
	};

	if (!key)
		return err_set(err, RC_RESOURCE, "out of memory");
	AUTO(token_key) struct token_key *owned = &key->base;
	enum rc rc = pkcs11_facts_read(session, private_key, kind | PKCS11_READ_CUSTODY | (is_rsa ? PKCS11_READ_MODULUS : 0),
				       &pair.private_facts, err);
	if (rc == RC_OK)
		rc = has_id(&pair.private_facts, CKO_PRIVATE_KEY, name, err);
	if (rc == RC_OK)
		rc = pkcs11_facts_read(session, public_key, kind | (is_rsa ? PKCS11_READ_MODULUS : PKCS11_READ_POINT),
				       &pair.public_facts, err);
	if (rc == RC_OK)
		rc = has_id(&pair.public_facts, CKO_PUBLIC_KEY, name, err);
	if (rc == RC_OK)
		rc = pair_check(session, &pair, true, &key->spki, err);
	if (rc == RC_OK)
		rc = key_settle(session, name, &pair, key, err);
	if (rc == RC_OK)
		*ret_key = TAKE(owned);
	return rc;
}

bool pkcs11_key_noted(struct pkcs11_session *session, struct pkcs11_key *key, CK_OBJECT_HANDLE *ret_handle,
		      CK_OBJECT_HANDLE *ret_public)
{
	pthread_mutex_lock(&session->token->mutex);
	bool is_good = key->generation == session->generation;
	*ret_handle = key->handle;
	*ret_public = key->public_handle;
	pthread_mutex_unlock(&session->token->mutex);
	return is_good;
}

/* Handles die with the load of the module, or with their object; the key is then looked for, and must be the same one. */
enum rc pkcs11_key_handle(struct pkcs11_session *session, struct pkcs11_key *key, CK_OBJECT_HANDLE *ret_handle, struct err *err)
{
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	CK_OBJECT_HANDLE public_handle;
	struct pkcs11_pair pair;

	if (pkcs11_key_noted(session, key, ret_handle, &public_handle))
		return RC_OK;
	enum rc rc = pair_look(session, &key->base.name, &pair, &spki, err);
	if (rc == RC_OK && !span_equal(buf_span(&spki), buf_span(&key->spki)))
		rc = err_set_raw(err, RC_DENIED, ERR_PKCS11, 0, "another key is in the token under its name");
	if (rc != RC_OK)
		return rc;
	pthread_mutex_lock(&session->token->mutex);
	key_note(key, &pair, session->generation);
	pthread_mutex_unlock(&session->token->mutex);
	*ret_handle = pair.private_keys[0];
	return RC_OK;
}

bool pkcs11_key_forget(struct pkcs11_session *session, struct pkcs11_key *key, CK_OBJECT_HANDLE handle, CK_RV rv)
{
	if (rv != CKR_OBJECT_HANDLE_INVALID && rv != CKR_KEY_HANDLE_INVALID)
		return false;
	pthread_mutex_lock(&session->token->mutex);
	if (key->generation == session->generation && key->handle == handle)
		key->generation = 0;
	pthread_mutex_unlock(&session->token->mutex);
	session->is_gone = false; /* of the object it spoke, not of the token */
	return true;
}

/* Once more, of the object that was found before: is it there, is it still this one, is it kept as it must be? */
static enum rc confirm(struct pkcs11_session *session, void *ctx, struct err *err)
{
	struct pkcs11_key *key = ctx;
	struct token_custody custody;
	struct pkcs11_facts facts;
	CK_OBJECT_HANDLE handle, public_handle;
	struct err why = { 0 };

	if (!pkcs11_key_noted(session, key, &handle, &public_handle))
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "it has to be found again");
	enum rc rc = pkcs11_facts_read(session, handle, PKCS11_READ_KIND | PKCS11_READ_ID | PKCS11_READ_CUSTODY, &facts, &why);
	if (rc != RC_OK && pkcs11_key_forget(session, key, handle, (CK_RV)why.code))
		rc = why.rc = RC_ABSENT;
	if (rc != RC_OK && err)
		*err = why;
	if (rc == RC_OK)
		rc = has_id(&facts, CKO_PRIVATE_KEY, &key->base.name, err);
	if (rc == RC_OK)
		rc = pkcs11_facts_custody(session->token, &facts, &custody, err);
	return rc == RC_OK && !custody.held ? err_set_raw(err, RC_DENIED, ERR_PKCS11, 0, "%s", custody.text) : rc;
}

enum rc pkcs11_confirm(struct token_key *key, struct err *err)
{
	if (!token_key_name_has_id(&key->name))
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "it has to be found again");
	return pkcs11_run(PKCS11(key->token), confirm, PKCS11_KEY(key), err);
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
