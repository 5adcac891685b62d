/* pkcs11_generate.c -- makes a key pair in the token, reads back how it is kept, and destroys it when that is not enough. */
#include <string.h>

#include "fresh_names.h"
#include "pkcs11.h"
#include "pkcs11_quirks.h"

/*
 * Id and label must both be free: some modules put a second key silently in the place of the first (NSS).  A label of
 * ours ends with the id, which then tells of both.  Cut off in the middle: what was made meanwhile is ours alone, and
 * goes.  So does the public half that an earlier process left alone under this id: a key's own would not be told from it.
 */
static enum rc name_clear(struct pkcs11_session *session, const struct token_key_name *name, bool is_begun, struct err *err)
{
	static const char taken[] = "a key with this %s is in the token already";
	struct pkcs11_pair pair;
	CK_OBJECT_HANDLE object;
	CK_ULONG count = 0;
	uint32_t instance;
	int64_t made_at;
	enum rc rc = pkcs11_pair_find(session, name->id, NULL, 0, &pair, err);

	if (rc == RC_OK && !is_begun && pair.private_count)
		return err_set_raw(err, RC_INPUT, ERR_PKCS11, 0, taken, "id");
	if (rc == RC_OK && !is_begun && !token_key_name_parse(name, &made_at, &instance)) {
		rc = pkcs11_find_objects(session, CKO_PRIVATE_KEY, NULL, name->label, &object, 1, &count, err);
		if (rc == RC_OK && count)
			return err_set_raw(err, RC_INPUT, ERR_PKCS11, 0, taken, "label");
	}
	return rc == RC_OK ? pkcs11_pair_destroy(session, &pair, err) : rc;
}

/* What was given as its handles, and whatever else has its id. */
static enum rc new_destroy(struct pkcs11_session *session, const struct token_key_name *name, const struct pkcs11_made *made)
{
	struct pkcs11_pair pair = {
		.private_keys = { made->private_key }, .private_count = 1, .public_keys = { made->public_key }, .public_count = 1
	};
	enum rc rc = pkcs11_pair_destroy(session, &pair, NULL);

	if (rc == RC_OK)
		rc = pkcs11_pair_find(session, name->id, NULL, 0, &pair, NULL);
	return rc == RC_OK ? pkcs11_pair_destroy(session, &pair, NULL) : rc;
}

struct wanted {
	const struct token_key_name *name;
	enum key_type type;
	struct token_key **ret_key;
	bool is_fresh; /* nothing had been made under the name when this one's turn came */
	bool is_begun; /* the name was free, and a key may have been made under it since */
	bool is_spent; /* this start of the module can make no more keys */
};

/* Custody is read back; a key that could leave, or is not what was asked for, does not stay. */
static enum rc keep_or_destroy(struct pkcs11_session *session, const struct wanted *wanted, const struct pkcs11_made *made,
			       struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	/* A search tells whether a template that was refused has left a key all the same. */
	enum rc rc = made->is_alone ? pkcs11_key_adopt(session, wanted->name, wanted->type, made->private_key, made->public_key,
						       &key, err)
				    : pkcs11_key_load(session, wanted->name, &key, err);

	if (rc == RC_OK && key->type != wanted->type)
		rc = err_set_raw(err, RC_PROTOCOL, ERR_PKCS11, 0, "the token made a %s key", key_type_name(key->type));
	if (rc == RC_OK) {
		PKCS11_KEY(key)->is_alone = wanted->is_fresh && made->is_alone;
		*wanted->ret_key = TAKE(key);
		return RC_OK;
	}
	/* Not a verdict on the key, but a token that went away: the next run of the work decides. */
	if (session->is_gone && rc == RC_RETRY)
		return rc;
	if (new_destroy(session, wanted->name, made) != RC_OK)
		return err_wrap(err, rc, "the new key is refused and could not be destroyed; destroy it by hand");
	return err_wrap(err, rc, "the new key is refused and was destroyed");
}

static enum rc generate(struct pkcs11_session *session, void *ctx, struct err *err)
{
	struct pkcs11_token *token = session->token;
	struct wanted *wanted = ctx;
	struct pkcs11_made made;

	if (token->quirks->unusable_types & 1u << wanted->type)
		return err_set_raw(err, RC_INPUT, ERR_PKCS11, 0, "%s makes %s keys that it cannot use; choose another type",
				   token->quirks->name, key_type_name(wanted->type));
	if (token->is_read_only)
		return err_set_raw(err, RC_DENIED, ERR_PKCS11, (int64_t)CKR_TOKEN_WRITE_PROTECTED,
				   "the token is write-protected: no key can be made in it");
	/* In the turn in which the key is made: another call with this name comes before it, and makes it stale, or after it. */
	wanted->is_fresh = !wanted->is_begun && fresh_names_take(wanted->name);
	enum rc rc = wanted->is_fresh ? RC_OK : name_clear(session, wanted->name, wanted->is_begun, err);
	if (rc != RC_OK)
		return rc;
	wanted->is_spent = pkcs11_module_spend(token->module, token->quirks->generations);
	if (wanted->is_spent)
		return RC_OK;
	wanted->is_begun = true;
	CK_RV rv = pkcs11_make(session, wanted->name, wanted->type, &made);
	if (rv == CKR_MECHANISM_INVALID)
		return err_set_raw(err, RC_INPUT, ERR_PKCS11, (int64_t)rv,
				   "the token cannot make %s keys; `hwacme token list` shows what it can",
				   key_type_name(wanted->type));
	if (rv != CKR_OK)
		return pkcs11_session_fail(session, err, rv, made.function);
	return keep_or_destroy(session, wanted, &made, err);
}

enum rc pkcs11_generate(struct token *base, const struct token_key_name *name, enum key_type type, struct token_key **ret_key,
			struct err *err)
{
	struct pkcs11_token *token = PKCS11(base);
	struct wanted wanted = { .name = name, .type = type, .ret_key = ret_key };
	enum rc rc = pkcs11_run(token, generate, &wanted, err);

	if (rc == RC_OK && wanted.is_spent) {
		pkcs11_module_stale(token->module, token->generation);
		rc = pkcs11_run(token, generate, &wanted, err);
	}
	return rc == RC_OK && wanted.is_spent ? err_set_raw(err, RC_RETRY, ERR_PKCS11, 0, "others make many keys at once") : rc;
}
