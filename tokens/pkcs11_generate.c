/* pkcs11_generate.c -- makes a key pair in the token, reads back how it is kept, and destroys it when that is not enough. */
#include <string.h>

#include "fresh_names.h"
#include "pkcs11.h"
#include "pkcs11_quirks.h"

#define PRIVATE_ATTRIBUTES 11

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

/* What modules differ in: each step asks for less beyond what I2 needs; the first the module takes is used. */
static const struct {
	bool not_copyable; /* pkcs11-provider then cannot keep a copy of a destroyed key */
	bool sign_only;
} TEMPLATE_STEPS[] = { { true, true }, { false, true }, { false, false } };

static CK_ULONG private_template(CK_ATTRIBUTE *attribute, size_t step, const struct token_key_name *name)
{
	CK_ULONG count = 0;

	attribute[count++] = (CK_ATTRIBUTE){ CKA_TOKEN, &yes, sizeof(yes) };
	attribute[count++] = (CK_ATTRIBUTE){ CKA_PRIVATE, &yes, sizeof(yes) };
	attribute[count++] = (CK_ATTRIBUTE){ CKA_SENSITIVE, &yes, sizeof(yes) };
	attribute[count++] = (CK_ATTRIBUTE){ CKA_EXTRACTABLE, &no, sizeof(no) };
	attribute[count++] = (CK_ATTRIBUTE){ CKA_SIGN, &yes, sizeof(yes) };
	attribute[count++] = (CK_ATTRIBUTE){ CKA_LABEL, (void *)(uintptr_t)name->label, strlen(name->label) };
	attribute[count++] = (CK_ATTRIBUTE){ CKA_ID, (void *)(uintptr_t)name->id, TOKEN_ID_LEN };
	if (TEMPLATE_STEPS[step].not_copyable)
		attribute[count++] = (CK_ATTRIBUTE){ CKA_COPYABLE, &no, sizeof(no) };
	if (TEMPLATE_STEPS[step].sign_only) {
		attribute[count++] = (CK_ATTRIBUTE){ CKA_DECRYPT, &no, sizeof(no) };
		attribute[count++] = (CK_ATTRIBUTE){ CKA_UNWRAP, &no, sizeof(no) };
		attribute[count++] = (CK_ATTRIBUTE){ CKA_DERIVE, &no, sizeof(no) };
	}
	return count;
}

struct made {
	CK_OBJECT_HANDLE private_key, public_key;
	bool is_alone; /* nothing was tried before it, that might have left a key as well */
};

static CK_RV generate_pair(struct pkcs11_session *session, const struct token_key_name *name, enum key_type type,
			   struct made *ret_made)
{
	static const uint8_t exponent[] = { 0x01, 0x00, 0x01 };
	CK_ULONG bits = key_type_bits(type);
	struct span curve = key_type_oid(type);
	CK_MECHANISM mechanism = { pkcs11_family(type)->generate, NULL, 0 };
	CK_ATTRIBUTE public_key[6] = {
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_VERIFY, &yes, sizeof(yes) },
		{ CKA_LABEL, (void *)(uintptr_t)name->label, strlen(name->label) },
		{ CKA_ID, (void *)(uintptr_t)name->id, TOKEN_ID_LEN },
	};
	CK_ULONG public_count = 4;
	CK_RV rv = CKR_FUNCTION_FAILED;

	if (curve.len) {
		public_key[public_count++] = (CK_ATTRIBUTE){ CKA_EC_PARAMS, (void *)(uintptr_t)curve.at, curve.len };
	} else {
		public_key[public_count++] = (CK_ATTRIBUTE){ CKA_MODULUS_BITS, &bits, sizeof(bits) };
		public_key[public_count++] = (CK_ATTRIBUTE){ CKA_PUBLIC_EXPONENT, (void *)(uintptr_t)exponent, sizeof(exponent) };
	}
	const size_t first = session->token->quirks->template_step;

	for (size_t step = first; step < sizeof(TEMPLATE_STEPS) / sizeof(TEMPLATE_STEPS[0]); step++) {
		CK_ATTRIBUTE private_key[PRIVATE_ATTRIBUTES];
		CK_ULONG private_count = private_template(private_key, step, name);

		pkcs11_making_begin(session);
		rv = session->call->C_GenerateKeyPair(session->handle, &mechanism, public_key, public_count, private_key,
						      private_count, &ret_made->public_key, &ret_made->private_key);
		pkcs11_objects_release(session);
		ret_made->is_alone = step == first;
		/* Only a refused template is worth a plainer one. */
		if (rv != CKR_ATTRIBUTE_TYPE_INVALID && rv != CKR_ATTRIBUTE_VALUE_INVALID && rv != CKR_TEMPLATE_INCONSISTENT &&
		    rv != CKR_GENERAL_ERROR && rv != CKR_ATTRIBUTE_READ_ONLY)
			break;
	}
	return rv;
}

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
static enum rc new_destroy(struct pkcs11_session *session, const struct token_key_name *name, const struct made *made)
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
static enum rc keep_or_destroy(struct pkcs11_session *session, const struct wanted *wanted, const struct made *made,
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
	struct made made;

	if (token->quirks->unusable_types & 1u << wanted->type)
		return err_set_raw(err, RC_INPUT, ERR_PKCS11, 0, "%s makes %s keys that it cannot use; choose another type",
				   token->quirks->name, key_type_name(wanted->type));
	/* In the turn in which the key is made: another call with this name comes before it, and makes it stale, or after it. */
	wanted->is_fresh = !wanted->is_begun && fresh_names_take(wanted->name);
	enum rc rc = wanted->is_fresh ? RC_OK : name_clear(session, wanted->name, wanted->is_begun, err);
	if (rc != RC_OK)
		return rc;
	wanted->is_spent = pkcs11_module_spend(token->module, token->quirks->generations);
	if (wanted->is_spent)
		return RC_OK;
	wanted->is_begun = true;
	CK_RV rv = generate_pair(session, wanted->name, wanted->type, &made);
	if (rv == CKR_MECHANISM_INVALID)
		return err_set_raw(err, RC_INPUT, ERR_PKCS11, (int64_t)rv,
				   "the token cannot make %s keys; `hwacme token list` shows what it can",
				   key_type_name(wanted->type));
	if (rv != CKR_OK)
		return pkcs11_session_fail(session, err, rv, "C_GenerateKeyPair");
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
