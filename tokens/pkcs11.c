/* pkcs11.c -- keys in an HSM through PKCS#11: find, list, sign, erase; and the table of operations. */
#include "pkcs11.h"

#include <string.h>
#include <unistd.h>

#include "backends.h"
#include "spki.h"

enum rc pkcs11_owned(const struct token *token, struct err *err)
{
	if (((const struct pkcs11_token *)(const void *)token)->owner != getpid())
		return err_set(err, RC_BUG, "it was opened by another process; open it after the fork");
	return RC_OK;
}

static void key_free(struct token_key *base)
{
	struct pkcs11_key *key = PKCS11_KEY(base);

	buf_clear(&key->spki);
	free(key);
}

enum rc pkcs11_find(struct token *base, const struct token_key_name *name, struct token_key **ret_key, struct err *err)
{
	struct pkcs11_token *token = PKCS11(base);
	CK_OBJECT_HANDLE objects[2];
	CK_ULONG count = 0;
	struct token_custody custody;
	enum rc rc = pkcs11_owned(base, err);

	if (rc == RC_OK)
		rc = pkcs11_find_objects(token, CKO_PRIVATE_KEY, name->id, NULL, objects, 2, &count, err);
	if (rc != RC_OK)
		return rc;
	if (count == 0)
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "not in the token");
	if (count > 1)
		return err_set_raw(err, RC_DENIED, ERR_PKCS11, 0, "more than one key in the token has its id");
	struct pkcs11_key *key = calloc(1, sizeof(*key));
	if (!key)
		return err_set(err, RC_RESOURCE, "out of memory");
	*key = (struct pkcs11_key){ .base = { .ops = &pkcs11_ops, .token = base, .name = *name },
				    .private_key = objects[0],
				    .spki = BUF_MAX(TOKEN_SPKI_MAX) };
	AUTO(token_key) struct token_key *owned = &key->base;
	rc = pkcs11_object_custody(token, key->private_key, &custody, err);
	if (rc == RC_OK && !custody.held)
		rc = err_set_raw(err, RC_DENIED, ERR_PKCS11, 0, "it is not kept by the token as it must be: %s", custody.text);
	if (rc == RC_OK)
		rc = pkcs11_object_spki(token, key->private_key, name->id, TOKEN_ID_LEN, &key->spki, err);
	if (rc != RC_OK)
		return rc;
	key->base.type = spki_key_type(buf_span(&key->spki));
	if (key->base.type == KEY_TYPE_COUNT)
		return err_set(err, RC_INPUT, "its type is none of ours");
	*ret_key = TAKE(owned);
	return RC_OK;
}

static enum rc list_one(struct pkcs11_token *token, CK_OBJECT_HANDLE object, token_list_fn *each, void *ctx, struct err *err)
{
	struct pkcs11_key key = { .base = { .ops = &pkcs11_ops, .token = &token->base, .type = KEY_TYPE_COUNT },
				  .private_key = object,
				  .spki = BUF_MAX(TOKEN_SPKI_MAX) };
	AUTO(buf) struct buf id = BUF_MAX(PKCS11_ATTRIBUTE_MAX);
	AUTO(buf) struct buf label = BUF_MAX(PKCS11_ATTRIBUTE_MAX);
	struct token_custody custody = { 0 };

	/* A half-made or foreign object may lack any of these; it is listed with what it has. */
	if (pkcs11_attribute(token, object, CKA_ID, &id, NULL) == RC_OK && id.len == TOKEN_ID_LEN)
		memcpy(key.base.name.id, id.at, TOKEN_ID_LEN);
	if (pkcs11_attribute(token, object, CKA_LABEL, &label, NULL) == RC_OK)
		pkcs11_text(label.at, label.len, key.base.name.label, sizeof(key.base.name.label));
	if (pkcs11_object_spki(token, object, key.base.name.id, id.len, &key.spki, NULL) == RC_OK)
		key.base.type = spki_key_type(buf_span(&key.spki));
	enum rc rc = pkcs11_object_custody(token, object, &custody, err);
	if (rc == RC_OK)
		rc = each(ctx, &key.base, &custody, err);
	buf_clear(&key.spki);
	return rc;
}

static enum rc list(struct token *base, token_list_fn *each, void *ctx, struct err *err)
{
	struct pkcs11_token *token = PKCS11(base);
	CK_OBJECT_HANDLE *objects = calloc(PKCS11_KEYS_MAX, sizeof(*objects));
	CK_ULONG count = 0;
	enum rc rc = objects ? pkcs11_owned(base, err) : err_set(err, RC_RESOURCE, "out of memory");

	if (rc == RC_OK)
		rc = pkcs11_find_objects(token, CKO_PRIVATE_KEY, NULL, NULL, objects, PKCS11_KEYS_MAX, &count, err);
	if (rc == RC_OK && count == PKCS11_KEYS_MAX)
		rc = err_set(err, RC_RESOURCE, "it holds %d private keys or more; that many are not looked at", PKCS11_KEYS_MAX);
	for (CK_ULONG i = 0; i < count && rc == RC_OK; i++)
		rc = list_one(token, objects[i], each, ctx, err);
	free(objects);
	return rc;
}

static enum rc public_key(struct token_key *key, struct buf *ret_spki, struct err *err)
{
	return buf_append(ret_spki, buf_span(&PKCS11_KEY(key)->spki), err);
}

/* DigestInfo prefixes of RFC 8017, 9.2 note 1: CKM_RSA_PKCS signs what it is given. */
static const uint8_t DIGEST_INFO[][19] = {
	[TOKEN_SHA256] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0,
			   0x04, 0x20 },
	[TOKEN_SHA384] = { 0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0,
			   0x04, 0x30 },
	[TOKEN_SHA512] = { 0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0,
			   0x04, 0x40 },
};
static const CK_RSA_PKCS_PSS_PARAMS PSS[] = {
	/* RFC 7518, 3.5: salt as long as the hash */
	[TOKEN_SHA256] = { CKM_SHA256, CKG_MGF1_SHA256, 32 },
	[TOKEN_SHA384] = { CKM_SHA384, CKG_MGF1_SHA384, 48 },
	[TOKEN_SHA512] = { CKM_SHA512, CKG_MGF1_SHA512, 64 },
};

static enum rc sign(struct token_key *base, enum token_scheme scheme, enum token_hash hash, struct span given,
		    struct buf *ret_sig, struct err *err)
{
	struct pkcs11_token *token = PKCS11(base->token);
	CK_RSA_PKCS_PSS_PARAMS pss = PSS[hash];
	CK_MECHANISM mechanism = { pkcs11_family(base->type)->sign, NULL, 0 };
	AUTO(buf) struct buf input = BUF_MAX(TOKEN_MESSAGE_MAX);
	CK_BYTE sig[TOKEN_SIG_MAX];
	CK_ULONG sig_len = sizeof(sig);
	enum rc rc = pkcs11_owned(base->token, err);

	if (scheme == TOKEN_RSA_PSS)
		mechanism = (CK_MECHANISM){ CKM_RSA_PKCS_PSS, &pss, sizeof(pss) };
	if (rc == RC_OK && scheme == TOKEN_RSA_PKCS1)
		rc = buf_append(&input, SPAN(DIGEST_INFO[hash]), err);
	if (rc == RC_OK)
		rc = buf_append(&input, given, err);
	if (rc != RC_OK)
		return rc;
	CK_RV rv = token->call->C_SignInit(token->session, &mechanism, PKCS11_KEY(base)->private_key);
	if (rv != CKR_OK) {
		pkcs11_session_renew(token);
		return pkcs11_fail(err, rv, "C_SignInit");
	}
	rv = token->call->C_Sign(token->session, input.at, input.len, sig, &sig_len);
	if (rv != CKR_OK) {
		/* Some modules leave the operation active, and refuse every later one in that session. */
		pkcs11_session_renew(token);
		return pkcs11_fail(err, rv, "C_Sign");
	}
	if (sig_len > sizeof(sig))
		return err_set_raw(err, RC_PROTOCOL, ERR_PKCS11, 0, "C_Sign: the module claims %lu bytes", sig_len);
	return buf_append(ret_sig, span_of(sig, sig_len), err);
}

static enum rc custody(struct token_key *key, struct token_custody *ret_custody, struct err *err)
{
	enum rc rc = pkcs11_owned(key->token, err);

	return rc == RC_OK ? pkcs11_object_custody(PKCS11(key->token), PKCS11_KEY(key)->private_key, ret_custody, err) : rc;
}

/* Private first: a public key alone can do nothing. */
enum rc pkcs11_erase_id(struct pkcs11_token *token, const uint8_t *id, struct err *err)
{
	static const CK_OBJECT_CLASS classes[] = { CKO_PRIVATE_KEY, CKO_PUBLIC_KEY };

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		CK_OBJECT_HANDLE objects[8];
		CK_ULONG count = 0;
		enum rc rc = pkcs11_find_objects(token, classes[i], id, NULL, objects, 8, &count, err);

		if (rc != RC_OK)
			return rc;
		for (CK_ULONG at = 0; at < count; at++) {
			CK_RV rv = token->call->C_DestroyObject(token->session, objects[at]);
			if (rv != CKR_OK && rv != CKR_OBJECT_HANDLE_INVALID)
				return pkcs11_fail(err, rv, "C_DestroyObject");
		}
	}
	return RC_OK;
}

static enum rc erase(struct token_key *key, struct err *err)
{
	CK_OBJECT_HANDLE object;
	CK_ULONG left = 0;
	enum rc rc = pkcs11_owned(key->token, err);

	if (rc == RC_OK)
		rc = pkcs11_erase_id(PKCS11(key->token), key->name.id, err);
	if (rc == RC_OK)
		rc = pkcs11_find_objects(PKCS11(key->token), CKO_PRIVATE_KEY, key->name.id, NULL, &object, 1, &left, err);
	if (rc == RC_OK && left)
		rc = err_set_raw(err, RC_RETRY, ERR_PKCS11, 0, "the token still has it after C_DestroyObject");
	return rc;
}

const struct token_ops pkcs11_ops = {
	.scheme = "pkcs11",
	.open = pkcs11_open,
	.close = pkcs11_close,
	.info = pkcs11_info,
	.generate = pkcs11_generate,
	.find = pkcs11_find,
	.list = list,
	.key_free = key_free,
	.public_key = public_key,
	.sign = sign,
	.custody = custody,
	.reference = pkcs11_reference,
	.erase = erase,
};
