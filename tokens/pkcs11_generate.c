/* pkcs11_generate.c -- makes a key pair in the token, reads back how it is kept, and destroys it when that is not enough. */
#include <string.h>

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

static CK_RV generate_pair(struct pkcs11_session *session, const struct token_key_name *name, enum key_type type)
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
	for (size_t step = session->token->quirks->template_step; step < sizeof(TEMPLATE_STEPS) / sizeof(TEMPLATE_STEPS[0]);
	     step++) {
		CK_ATTRIBUTE private_key[PRIVATE_ATTRIBUTES];
		CK_OBJECT_HANDLE public_object, private_object;
		CK_ULONG private_count = private_template(private_key, step, name);

		rv = session->call->C_GenerateKeyPair(session->handle, &mechanism, public_key, public_count, private_key,
						      private_count, &public_object, &private_object);
		/* Only a refused template is worth a plainer one. */
		if (rv != CKR_ATTRIBUTE_TYPE_INVALID && rv != CKR_ATTRIBUTE_VALUE_INVALID && rv != CKR_TEMPLATE_INCONSISTENT &&
		    rv != CKR_GENERAL_ERROR && rv != CKR_ATTRIBUTE_READ_ONLY)
			break;
	}
	return rv;
}

/* Id and label must both be free: some modules put a second key silently in the place of the first (NSS). */
static enum rc name_is_free(struct pkcs11_session *session, const struct token_key_name *name, struct err *err)
{
	const struct {
		const uint8_t *id;
		const char *label, *text;
	} parts[] = { { name->id, NULL, "id" }, { NULL, name->label, "label" } };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		CK_OBJECT_HANDLE object;
		CK_ULONG count = 0;
		enum rc rc = pkcs11_find_objects(session, CKO_PRIVATE_KEY, parts[i].id, parts[i].label, &object, 1, &count, err);

		if (rc != RC_OK)
			return rc;
		if (count)
			return err_set_raw(err, RC_INPUT, ERR_PKCS11, 0, "a key with this %s is in the token already",
					   parts[i].text);
	}
	return RC_OK;
}

/* find() reads custody back; a key that could leave, or is not what was asked for, does not stay. */
static enum rc keep_or_destroy(struct pkcs11_session *session, const struct token_key_name *name, enum key_type type,
			       struct token_key **ret_key, struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	enum rc rc = pkcs11_key_load(session, name, &key, err);

	if (rc == RC_OK && key->type != type)
		rc = err_set_raw(err, RC_PROTOCOL, ERR_PKCS11, 0, "the token made a %s key", key_type_name(key->type));
	if (rc == RC_OK) {
		*ret_key = TAKE(key);
		return RC_OK;
	}
	/* Not a verdict on the key, but a token that went away: the next run of the work decides. */
	if (session->is_gone && rc == RC_RETRY)
		return rc;
	if (pkcs11_key_erase(session, name->id, NULL) != RC_OK)
		return err_wrap(err, rc, "the new key is refused and could not be destroyed; destroy it by hand");
	return err_wrap(err, rc, "the new key is refused and was destroyed");
}

struct wanted {
	const struct token_key_name *name;
	enum key_type type;
	struct token_key **ret_key;
	bool is_begun; /* the name was free, and a key may have been made under it since */
	bool is_spent; /* this start of the module can make no more keys */
};

static enum rc generate(struct pkcs11_session *session, void *ctx, struct err *err)
{
	struct pkcs11_token *token = session->token;
	struct wanted *wanted = ctx;

	if (token->quirks->unusable_types & 1u << wanted->type)
		return err_set_raw(err, RC_INPUT, ERR_PKCS11, 0, "%s makes %s keys that it cannot use; choose another type",
				   token->quirks->name, key_type_name(wanted->type));
	/* Cut off in the middle: what was made meanwhile is ours alone, and goes.  So does the public half that an earlier
	 * process left alone under this id: a key's own would not be told from it. */
	enum rc rc = wanted->is_begun ? RC_OK : name_is_free(session, wanted->name, err);

	if (rc == RC_OK)
		rc = pkcs11_key_erase(session, wanted->name->id, err);
	if (rc != RC_OK)
		return rc;
	wanted->is_spent = pkcs11_module_spend(token->module, token->quirks->generations);
	if (wanted->is_spent)
		return RC_OK;
	wanted->is_begun = true;
	CK_RV rv = generate_pair(session, wanted->name, wanted->type);
	if (rv == CKR_MECHANISM_INVALID)
		return err_set_raw(err, RC_INPUT, ERR_PKCS11, (int64_t)rv,
				   "the token cannot make %s keys; `hwacme token list` shows what it can",
				   key_type_name(wanted->type));
	if (rv != CKR_OK)
		return pkcs11_session_fail(session, err, rv, "C_GenerateKeyPair");
	return keep_or_destroy(session, wanted->name, wanted->type, wanted->ret_key, err);
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
