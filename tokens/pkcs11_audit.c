/*
 * pkcs11_audit.c -- attributes are a claim: tries to get a key out of the token, as a thief with the PIN would.
 *
 * NSS softokn says of a key that it was never extractable, and C_WrapKey gives it out.  So the key is wrapped
 * with keys of the session, of each kind a token may have; every one of these attempts must be refused.
 * What a token gives out is encrypted with a key that dies with the session, and wiped unseen.
 */
#include <string.h>

#include "pkcs11.h"

#define WRAPPED_MAX 8192 /* an RSA 4096 key in PKCS #8 has 2400 bytes */

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_ULONG aes_len = 32, rsa_bits = 2048;
static uint8_t exponent[] = { 0x01, 0x00, 0x01 }, zero_iv[16];
static CK_RSA_PKCS_OAEP_PARAMS oaep = { CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0 };

/* PKCS#11 3.0 has it; p11-kit's header does not. */
#define CKM_AES_KEY_WRAP_KWP 0x210bUL

static const struct attempt {
	const char *with;
	bool is_rsa;
	CK_MECHANISM mechanism;
} ATTEMPTS[] = {
	{ "CKM_AES_KEY_WRAP", false, { CKM_AES_KEY_WRAP, NULL, 0 } },
	{ "CKM_AES_KEY_WRAP_PAD", false, { CKM_AES_KEY_WRAP_PAD, NULL, 0 } },
	{ "CKM_AES_KEY_WRAP_KWP", false, { CKM_AES_KEY_WRAP_KWP, NULL, 0 } },
	{ "CKM_AES_CBC_PAD", false, { CKM_AES_CBC_PAD, zero_iv, sizeof(zero_iv) } },
	{ "CKM_RSA_PKCS", true, { CKM_RSA_PKCS, NULL, 0 } },
	{ "CKM_RSA_PKCS_OAEP", true, { CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep) } },
};

/* Keys of the session: they are gone with it, whatever becomes of us. */
struct wrapping_keys {
	CK_OBJECT_HANDLE aes, rsa, rsa_private;
	bool has_aes, has_rsa;
};

static void wrapping_keys_make(struct pkcs11_session *session, struct wrapping_keys *keys)
{
	CK_MECHANISM make_aes = { CKM_AES_KEY_GEN, NULL, 0 }, make_rsa = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	CK_ATTRIBUTE aes[] = { { CKA_TOKEN, &no, sizeof(no) },
			       { CKA_WRAP, &yes, sizeof(yes) },
			       { CKA_VALUE_LEN, &aes_len, sizeof(aes_len) } };
	CK_ATTRIBUTE rsa_public[] = { { CKA_TOKEN, &no, sizeof(no) },
				      { CKA_WRAP, &yes, sizeof(yes) },
				      { CKA_MODULUS_BITS, &rsa_bits, sizeof(rsa_bits) },
				      { CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent) } };
	CK_ATTRIBUTE rsa_private[] = { { CKA_TOKEN, &no, sizeof(no) },
				       { CKA_SENSITIVE, &yes, sizeof(yes) },
				       { CKA_EXTRACTABLE, &no, sizeof(no) } };

	*keys = (struct wrapping_keys){ 0 };
	keys->has_aes = session->call->C_GenerateKey(session->handle, &make_aes, aes, 3, &keys->aes) == CKR_OK;
	keys->has_rsa = session->call->C_GenerateKeyPair(session->handle, &make_rsa, rsa_public, 4, rsa_private, 3, &keys->rsa,
							 &keys->rsa_private) == CKR_OK;
}

static void wrapping_keys_destroy(struct pkcs11_session *session, const struct wrapping_keys *keys)
{
	if (keys->has_aes)
		session->call->C_DestroyObject(session->handle, keys->aes);
	if (keys->has_rsa) {
		session->call->C_DestroyObject(session->handle, keys->rsa_private);
		session->call->C_DestroyObject(session->handle, keys->rsa);
	}
}

/* The value itself, asked for its length only: a token that would give it answers one. */
static enum rc try_reading(struct pkcs11_session *session, CK_OBJECT_HANDLE key, struct err *err)
{
	static const CK_ATTRIBUTE_TYPE types[] = { CKA_VALUE, CKA_PRIVATE_EXPONENT };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		CK_ATTRIBUTE value = { types[i], NULL, 0 };
		CK_RV rv = session->call->C_GetAttributeValue(session->handle, key, &value, 1);

		if (rv == CKR_OK && value.ulValueLen != CK_UNAVAILABLE_INFORMATION && value.ulValueLen > 0)
			return err_set_raw(err, RC_DENIED, ERR_PKCS11, 0, "C_GetAttributeValue gives out the private key");
	}
	return RC_OK;
}

static enum rc try_wrapping(struct pkcs11_session *session, const struct wrapping_keys *keys, CK_OBJECT_HANDLE key,
			    struct err *err)
{
	CK_BYTE wrapped[WRAPPED_MAX];

	for (size_t i = 0; i < sizeof(ATTEMPTS) / sizeof(ATTEMPTS[0]); i++) {
		CK_MECHANISM mechanism = ATTEMPTS[i].mechanism;
		CK_ULONG len = sizeof(wrapped);

		if (ATTEMPTS[i].is_rsa ? !keys->has_rsa : !keys->has_aes)
			continue;
		CK_RV rv = session->call->C_WrapKey(session->handle, &mechanism, ATTEMPTS[i].is_rsa ? keys->rsa : keys->aes, key,
						    wrapped, &len);
		bytes_wipe(wrapped, sizeof(wrapped));
		/* Too large for this mechanism, and not refused, is no refusal either: it would have been given. */
		if (rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL)
			return err_set_raw(err, RC_DENIED, ERR_PKCS11, 0,
					   "C_WrapKey with %s gives it out, whatever its attributes say; accept-wrapping: true "
					   "beside the module: accepts such a token",
					   ATTEMPTS[i].with);
		/* A refusal for any reason will do; of a token that went away is_still_there() knows. */
	}
	return RC_OK;
}

/* A token that went away refuses everything, and so does one in which nobody is logged in any more: that proves nothing. */
static enum rc is_still_there(struct pkcs11_session *session, CK_OBJECT_HANDLE key, struct err *err)
{
	struct pkcs11_facts facts;
	enum rc rc = pkcs11_facts_read(session, key, PKCS11_READ_KIND, &facts, err);

	if (rc == RC_OK && pkcs11_fact_number(&facts, CKA_CLASS) != CKO_PRIVATE_KEY)
		rc = pkcs11_untold(&facts, err);
	return rc == RC_OK ? pkcs11_login_check(session, err) : rc;
}

static enum rc audit(struct pkcs11_session *session, void *ctx, struct err *err)
{
	struct wrapping_keys keys;
	CK_OBJECT_HANDLE handle;
	enum rc rc = pkcs11_key_handle(session, ctx, &handle, err);

	if (rc != RC_OK)
		return rc;
	wrapping_keys_make(session, &keys);
	rc = try_reading(session, handle, err);
	if (rc == RC_OK)
		rc = try_wrapping(session, &keys, handle, err);
	wrapping_keys_destroy(session, &keys);
	return rc == RC_OK ? is_still_there(session, handle, err) : rc;
}

enum rc pkcs11_audit_try(struct token_key *key, struct err *err)
{
	struct err why = { 0 };
	enum rc rc = pkcs11_run(PKCS11(key->token), audit, PKCS11_KEY(key), &why);

	/* The operator has accepted it by name. */
	if (rc == RC_OK || (rc == RC_DENIED && PKCS11(key->token)->accept_wrapping))
		return RC_OK;
	if (err)
		*err = why;
	return rc;
}
