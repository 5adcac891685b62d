/* pkcs11_make.c -- the calls that make a key pair: in the token at once, or in the session and from there whole into the token. */
#include <string.h>

#include "pkcs11.h"
#include "pkcs11_quirks.h"

#define PRIVATE_ATTRIBUTES 11

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

/* What modules differ in: each step asks for less beyond what I2 needs; the first the module takes is used. */
static const struct {
	bool not_copyable; /* pkcs11-provider then cannot keep a copy of a destroyed key, whatever its cache-keys */
	bool sign_only;
} TEMPLATE_STEPS[] = { { true, true }, { false, true }, { false, false } };

struct template
{
	CK_ATTRIBUTE at[PRIVATE_ATTRIBUTES];
	CK_ULONG count;
};

static void add(struct template *template, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
	template->at[template->count++] = (CK_ATTRIBUTE){ type, (void *)(uintptr_t)value, len };
}

static void add_flag(struct template *template, CK_ATTRIBUTE_TYPE type, bool value)
{
	add(template, type, value ? &yes : &no, sizeof(CK_BBOOL));
}

/* What makes it an object of the token, and ours. */
static void add_place(struct template *template, const struct token_key_name *name)
{
	add_flag(template, CKA_TOKEN, true);
	add(template, CKA_LABEL, name->label, strlen(name->label));
	add(template, CKA_ID, name->id, TOKEN_ID_LEN);
}

static void public_template(struct template *template, enum key_type type, const CK_ULONG *bits)
{
	static const uint8_t exponent[] = { 0x01, 0x00, 0x01 };
	struct span curve = key_type_oid(type);

	add_flag(template, CKA_VERIFY, true);
	if (curve.len) {
		add(template, CKA_EC_PARAMS, curve.at, curve.len);
	} else {
		add(template, CKA_MODULUS_BITS, bits, sizeof(*bits));
		add(template, CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent));
	}
}

static void private_template(struct template *template, size_t step, bool is_copied)
{
	add_flag(template, CKA_PRIVATE, true);
	add_flag(template, CKA_SENSITIVE, true);
	add_flag(template, CKA_EXTRACTABLE, false);
	add_flag(template, CKA_SIGN, true);
	if (TEMPLATE_STEPS[step].not_copyable && !is_copied)
		add_flag(template, CKA_COPYABLE, false);
	if (TEMPLATE_STEPS[step].sign_only) {
		add_flag(template, CKA_DECRYPT, false);
		add_flag(template, CKA_UNWRAP, false);
		add_flag(template, CKA_DERIVE, false);
	}
}

struct pair_template {
	struct template public_key, private_key;
};

static CK_RV generate(struct pkcs11_session *session, enum key_type type, struct pair_template *template,
		      struct pkcs11_made *ret_made)
{
	CK_MECHANISM mechanism = { pkcs11_family(type)->generate, NULL, 0 };

	ret_made->function = "C_GenerateKeyPair";
	return session->call->C_GenerateKeyPair(session->handle, &mechanism, template->public_key.at, template->public_key.count,
						template->private_key.at, template->private_key.count, &ret_made->public_key,
						&ret_made->private_key);
}

static CK_RV make_in_token(struct pkcs11_session *session, const struct token_key_name *name, enum key_type type,
			   struct pair_template *template, struct pkcs11_made *ret_made)
{
	add_place(&template->public_key, name);
	add_place(&template->private_key, name);
	return generate(session, type, template, ret_made);
}

/* True: nothing of it is left. */
static bool unmake(struct pkcs11_session *session, const struct pkcs11_made *made)
{
	bool is_gone = true;

	if (made->private_key != CK_INVALID_HANDLE)
		is_gone = session->call->C_DestroyObject(session->handle, made->private_key) == CKR_OK;
	if (made->public_key != CK_INVALID_HANDLE)
		is_gone = session->call->C_DestroyObject(session->handle, made->public_key) == CKR_OK && is_gone;
	return is_gone;
}

static CK_RV copy(struct pkcs11_session *session, const struct token_key_name *name, const struct pkcs11_made *from,
		  struct pkcs11_made *ret_made)
{
	struct template template = { .count = 0 };

	add_place(&template, name);
	ret_made->function = "C_CopyObject";
	CK_RV rv = session->call->C_CopyObject(session->handle, from->public_key, template.at, template.count,
					       &ret_made->public_key);
	return rv == CKR_OK ? session->call->C_CopyObject(session->handle, from->private_key, template.at, template.count,
							  &ret_made->private_key)
			    : rv;
}

/*
 * Both halves are made in the session, without a name, where nobody looks for them and a process that is killed leaves nothing;
 * then each is put into the token with all that it has.  A key is there when its private half is: that one comes last.
 * It has to be copyable for this, and in SoftHSM remains so.
 */
static CK_RV make_in_session(struct pkcs11_session *session, const struct token_key_name *name, enum key_type type,
			     struct pair_template *template, struct pkcs11_made *ret_made)
{
	struct pkcs11_made first = { .public_key = CK_INVALID_HANDLE };

	add_flag(&template->public_key, CKA_TOKEN, false);
	add_flag(&template->private_key, CKA_TOKEN, false);
	CK_RV rv = generate(session, type, template, &first);
	bool is_made = rv == CKR_OK;
	ret_made->function = first.function;
	if (is_made)
		rv = copy(session, name, &first, ret_made);
	if (rv != CKR_OK)
		(void)unmake(session, ret_made); /* who reserved the name looks for what is left under it */
	/* What is not known to be destroyed goes with its session. */
	session->is_spoiled = !is_made || !unmake(session, &first) || session->is_spoiled;
	return rv;
}

/* Only a refused template is worth a plainer one. */
static bool is_template_refused(CK_RV rv)
{
	return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_TEMPLATE_INCONSISTENT ||
	       rv == CKR_GENERAL_ERROR || rv == CKR_ATTRIBUTE_READ_ONLY;
}

CK_RV pkcs11_make(struct pkcs11_session *session, const struct token_key_name *name, enum key_type type,
		  struct pkcs11_made *ret_made)
{
	const struct pkcs11_quirks *quirks = session->token->quirks;
	const CK_ULONG bits = key_type_bits(type);
	CK_RV rv = CKR_FUNCTION_FAILED;

	for (size_t step = quirks->template_step; step < sizeof(TEMPLATE_STEPS) / sizeof(TEMPLATE_STEPS[0]); step++) {
		struct pair_template template = { 0 };

		*ret_made = (struct pkcs11_made){ .is_alone = step == quirks->template_step };
		public_template(&template.public_key, type, &bits);
		private_template(&template.private_key, step, quirks->makes_in_session);
		pkcs11_making_begin(session);
		rv = quirks->makes_in_session ? make_in_session(session, name, type, &template, ret_made)
					      : make_in_token(session, name, type, &template, ret_made);
		pkcs11_objects_release(session);
		if (!is_template_refused(rv))
			break;
	}
	return rv;
}
