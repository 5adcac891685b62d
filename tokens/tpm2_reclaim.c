/* tpm2_reclaim.c -- flushes what a killed process of ours left loaded in a TPM that has no resource manager. */
#include <string.h>

#include "tpm2.h"

#define LOADED_MAX      16u         /* a TPM without a resource manager has room for a few */
#define TRANSIENT_FIRST 0x80000000u /* TPM2_TRANSIENT_FIRST, whose shift overflows an int */

static bool is_storage_parent(const TPMT_PUBLIC *area)
{
	const TPMA_OBJECT parent = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;

	return (area->objectAttributes & (parent | TPMA_OBJECT_SIGN_ENCRYPT)) == parent;
}

static bool is_same_key(const TPMT_PUBLIC *left, const TPMT_PUBLIC *right)
{
	const TPM2B_ECC_PARAMETER *x = &left->unique.ecc.x, *other = &right->unique.ecc.x;

	if (left->type != right->type)
		return false;
	if (left->type == TPM2_ALG_RSA)
		return left->unique.rsa.size == right->unique.rsa.size &&
		       memcmp(left->unique.rsa.buffer, right->unique.rsa.buffer, left->unique.rsa.size) == 0;
	return left->type == TPM2_ALG_ECC && x->size == other->size && memcmp(x->buffer, other->buffer, x->size) == 0;
}

/* True when the object was ours to flush, and was flushed. */
static bool flush_one(struct tpm2_token *token, TPM2_HANDLE number, const TPM2B_PUBLIC *ours, bool parents_too)
{
	ESYS_TR handle = ESYS_TR_NONE;
	TPM2B_PUBLIC *public = NULL;

	if (Esys_TR_FromTPMPublic(token->esys, number, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &handle) != TSS2_RC_SUCCESS)
		return false;
	bool wanted = Esys_ReadPublic(token->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL, NULL) ==
		      TSS2_RC_SUCCESS;
	if (wanted)
		wanted = (parents_too && is_storage_parent(&public->publicArea)) ||
			 (ours && is_same_key(&public->publicArea, &ours->publicArea));
	Esys_Free(public);
	if (wanted)
		return Esys_FlushContext(token->esys, handle) == TSS2_RC_SUCCESS;
	(void)Esys_TR_Close(token->esys, &handle);
	return false;
}

static unsigned flush_matching(struct tpm2_token *token, const TPM2B_PUBLIC *ours, bool parents_too)
{
	TPMS_CAPABILITY_DATA *capability = NULL;
	TPMI_YES_NO more;
	unsigned flushed = 0;

	if (tpm2_connect(token, NULL) != RC_OK ||
	    Esys_GetCapability(token->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, TRANSIENT_FIRST,
			       LOADED_MAX, &more, &capability) != TSS2_RC_SUCCESS)
		return 0;
	const TPML_HANDLE *loaded = &capability->data.handles;
	for (uint32_t i = 0; i < loaded->count && i < LOADED_MAX; i++)
		flushed += flush_one(token, loaded->handle[i], ours, parents_too);
	Esys_Free(capability);
	return flushed;
}

bool tpm2_reclaim(struct tpm2_token *token, const TPM2B_PUBLIC *ours)
{
	return flush_matching(token, ours, true) > 0;
}

void tpm2_flush_copies(struct tpm2_token *token, const TPM2B_PUBLIC *ours)
{
	(void)flush_matching(token, ours, false);
}
