/* tpm2_object.c -- TPM commands on keys: load, use, flush; no handle outlives a call. */
#include <string.h>

#include "tpm2.h"

#define KEY_ATTRIBUTES                                                                                                 \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | \
	 TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT)

/* What tpm2-openssl makes again for parent 0x40000001; with noDA, so that no restart costs an attempt. */
static const TPM2B_PUBLIC OWNER_PRIMARY = {
	.publicArea = {
		.type = TPM2_ALG_ECC,
		.nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
				    TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
		.parameters.eccDetail = {
			.symmetric = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB },
			.scheme.scheme = TPM2_ALG_NULL,
			.curveID = TPM2_ECC_NIST_P256,
			.kdf.scheme = TPM2_ALG_NULL,
		},
	},
};

TPM2_ECC_CURVE tpm2_curve(enum key_type type)
{
	static const TPM2_ECC_CURVE curves[KEY_TYPE_COUNT] = {
		[KEY_EC_P256] = TPM2_ECC_NIST_P256,
		[KEY_EC_P384] = TPM2_ECC_NIST_P384,
		[KEY_EC_P521] = TPM2_ECC_NIST_P521,
	};

	return curves[type];
}

/* Scheme NULL: TLS needs PSS and PKCS#1 of the same RSA key. */
static TPMT_PUBLIC key_template(enum key_type type)
{
	TPMT_PUBLIC area = { .nameAlg = TPM2_ALG_SHA256, .objectAttributes = KEY_ATTRIBUTES };

	if (key_type_family(type) == FAMILY_EC) {
		area.type = TPM2_ALG_ECC;
		area.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
		area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
		area.parameters.eccDetail.curveID = tpm2_curve(type);
		area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
	} else {
		area.type = TPM2_ALG_RSA;
		area.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
		area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
		area.parameters.rsaDetail.keyBits = (TPMI_RSA_KEY_BITS)key_type_bits(type);
	}
	return area;
}

bool tpm2_can_make(struct tpm2_token *token, enum key_type type)
{
	if (key_type_family(type) == FAMILY_ED25519)
		return false; /* TPM 2.0, part 2 has no number for its curve */
	TPMT_PUBLIC area = key_template(type);
	TPMT_PUBLIC_PARMS parameters = { .type = area.type, .parameters = area.parameters };

	return tpm2_connect(token, NULL) == RC_OK &&
	       Esys_TestParms(token->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &parameters) == TSS2_RC_SUCCESS;
}

static enum rc primary_create(struct tpm2_token *token, ESYS_TR *ret_parent, struct err *err)
{
	TPM2B_SENSITIVE_CREATE sensitive = { 0 };
	TPM2B_DATA outside = { 0 };
	TPML_PCR_SELECTION pcrs = { 0 };
	int64_t since = 0;
	TSS2_RC code;

	do {
		code = Esys_CreatePrimary(token->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
					  &OWNER_PRIMARY, &outside, &pcrs, ret_parent, NULL, NULL, NULL, NULL);
	} while (tpm2_again(code, &since));
	return code == TSS2_RC_SUCCESS ? RC_OK : tpm2_fail(token, err, code, "TPM2_CreatePrimary");
}

/* A parent is transient (to be flushed) for the owner hierarchy, and merely referred to when persistent. */
static enum rc parent_open(struct tpm2_token *token, uint32_t parent, ESYS_TR *ret_parent, struct err *err)
{
	int64_t since = 0;
	TSS2_RC code;

	if (parent == TSS2_PARENT_OWNER)
		return primary_create(token, ret_parent, err);
	do {
		code = Esys_TR_FromTPMPublic(token->esys, parent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ret_parent);
	} while (tpm2_again(code, &since));
	if (code != TSS2_RC_SUCCESS)
		return tpm2_fail(token, err, code, "TPM2_ReadPublic of the parent key");
	return RC_OK;
}

static void parent_close(struct tpm2_token *token, uint32_t parent, ESYS_TR *handle)
{
	if (parent == TSS2_PARENT_OWNER)
		tpm2_flush(token, handle);
	else if (*handle != ESYS_TR_NONE && token->esys)
		(void)Esys_TR_Close(token->esys, handle);
}

/* The storage root key where the platform provisioned one, else the owner template. */
static uint32_t parent_choose(struct tpm2_token *token)
{
	TPMS_CAPABILITY_DATA *capability = NULL;
	TPMI_YES_NO more;
	uint32_t parent = TSS2_PARENT_OWNER;

	if (Esys_GetCapability(token->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, TPM2_SRK_HANDLE, 1, &more,
			       &capability) != TSS2_RC_SUCCESS)
		return parent;
	const TPML_HANDLE *handles = &capability->data.handles;
	if (handles->count == 1 && handles->handle[0] == TPM2_SRK_HANDLE)
		parent = TPM2_SRK_HANDLE;
	Esys_Free(capability);
	return parent;
}

static enum rc create_under(struct tpm2_token *token, ESYS_TR parent, enum key_type type, struct tss2_key *key, struct err *err)
{
	TPM2B_PUBLIC template = { .publicArea = key_template(type) };
	TPM2B_SENSITIVE_CREATE sensitive = { 0 };
	TPM2B_DATA outside = { 0 };
	TPML_PCR_SELECTION pcrs = { 0 };
	TPM2B_PRIVATE *private = NULL;
	TPM2B_PUBLIC *public = NULL;
	int64_t since = 0;
	TSS2_RC code;

	do {
		code = Esys_Create(token->esys, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &template,
				   &outside, &pcrs, &private, &public, NULL, NULL, NULL);
	} while (tpm2_again(code, &since));
	if (code != TSS2_RC_SUCCESS)
		return tpm2_fail(token, err, code, "TPM2_Create");
	key->public = *public;
	key->private = *private;
	Esys_Free(public);
	Esys_Free(private);
	return RC_OK;
}

static bool is_full(const struct err *why)
{
	return why->origin == ERR_TSS && (why->code & 0xfff) == TPM2_RC_OBJECT_MEMORY;
}

static enum rc create_once(struct tpm2_token *token, enum key_type type, struct tss2_key *ret_key, struct err *err)
{
	struct tss2_key key = { .empty_auth = true };
	ESYS_TR parent = ESYS_TR_NONE;
	enum rc rc = tpm2_connect(token, err);

	if (rc != RC_OK)
		return rc;
	key.parent = parent_choose(token);
	rc = parent_open(token, key.parent, &parent, err);
	if (rc == RC_OK)
		rc = create_under(token, parent, type, &key, err);
	parent_close(token, key.parent, &parent);
	if (rc == RC_OK)
		*ret_key = key;
	return rc;
}

enum rc tpm2_create(struct tpm2_token *token, enum key_type type, struct tss2_key *ret_key, struct err *err)
{
	struct err why = { 0 };

	if (key_type_family(type) == FAMILY_ED25519)
		return err_set_raw(err, RC_INPUT, ERR_TSS, 0, "a TPM cannot make this kind of key");
	enum rc rc = create_once(token, type, ret_key, &why);

	if (rc != RC_OK && is_full(&why) && tpm2_reclaim(token, NULL))
		return create_once(token, type, ret_key, err);
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

static enum rc load_once(struct tpm2_token *token, const struct tss2_key *key, ESYS_TR *ret_handle, struct err *err)
{
	ESYS_TR parent = ESYS_TR_NONE;
	int64_t since = 0;
	TSS2_RC code;
	enum rc rc = tpm2_connect(token, err);

	if (rc == RC_OK)
		rc = parent_open(token, key->parent, &parent, err);
	if (rc != RC_OK)
		return rc;
	do {
		code = Esys_Load(token->esys, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &key->private, &key->public,
				 ret_handle);
	} while (tpm2_again(code, &since));
	if (code != TSS2_RC_SUCCESS)
		rc = tpm2_fail(token, err, code, "TPM2_Load");
	parent_close(token, key->parent, &parent);
	return rc;
}

/* Loads a key; the parent is flushed at once, so that one object is in the TPM afterwards. */
static enum rc key_load(struct tpm2_token *token, const struct tss2_key *key, ESYS_TR *ret_handle, struct err *err)
{
	struct err why = { 0 };
	enum rc rc = load_once(token, key, ret_handle, &why);

	if (rc != RC_OK && is_full(&why) && tpm2_reclaim(token, &key->public))
		return load_once(token, key, ret_handle, err);
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

enum rc tpm2_sign(struct tpm2_token *token, const struct tss2_key *key, const TPM2B_DIGEST *digest, const TPMT_SIG_SCHEME *scheme,
		  TPMT_SIGNATURE *ret_sig, struct err *err)
{
	static const TPMT_TK_HASHCHECK no_ticket = { .tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL };
	ESYS_TR handle = ESYS_TR_NONE;
	TPMT_SIGNATURE *sig = NULL;
	int64_t since = 0;
	TSS2_RC code;
	enum rc rc = key_load(token, key, &handle, err);

	if (rc != RC_OK)
		return rc;
	do {
		code = Esys_Sign(token->esys, handle, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, digest, scheme, &no_ticket,
				 &sig);
	} while (tpm2_again(code, &since));
	if (code != TSS2_RC_SUCCESS) {
		rc = tpm2_fail(token, err, code, "TPM2_Sign");
	} else {
		*ret_sig = *sig;
		Esys_Free(sig);
	}
	tpm2_flush(token, &handle);
	return rc;
}

enum rc tpm2_read_public(struct tpm2_token *token, const struct tss2_key *key, TPM2B_PUBLIC *ret_public, struct err *err)
{
	ESYS_TR handle = ESYS_TR_NONE;
	TPM2B_PUBLIC *public = NULL;
	enum rc rc = key_load(token, key, &handle, err);

	if (rc != RC_OK)
		return rc;
	TSS2_RC code = Esys_ReadPublic(token->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL, NULL);
	if (code != TSS2_RC_SUCCESS) {
		rc = tpm2_fail(token, err, code, "TPM2_ReadPublic");
	} else {
		*ret_public = *public;
		Esys_Free(public);
	}
	tpm2_flush(token, &handle);
	return rc;
}
