/* tpm2_policy.c -- keys that work only while platform configuration registers hold the values of their making. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "tpm2.h"

AUTO_DEFINE(md_ctx, EVP_MD_CTX *, EVP_MD_CTX_free);

#define PCR_COUNT 24

static const struct {
	const char *name;
	TPM2_ALG_ID algorithm;
} BANKS[] = {
	{ "sha256", TPM2_ALG_SHA256 },
	{ "sha384", TPM2_ALG_SHA384 },
	{ "sha512", TPM2_ALG_SHA512 },
};
#define BANK_COUNT (sizeof(BANKS) / sizeof(BANKS[0]))

static TPML_PCR_SELECTION selection_of(const struct config_pcrs *pcrs)
{
	TPML_PCR_SELECTION selection = { .count = 1 };
	TPMS_PCR_SELECTION *one = &selection.pcrSelections[0];

	for (size_t i = 0; i < BANK_COUNT; i++)
		if (strcmp(pcrs->bank, BANKS[i].name) == 0)
			one->hash = BANKS[i].algorithm;
	one->sizeofSelect = PCR_COUNT / 8;
	for (unsigned i = 0; i < PCR_COUNT / 8; i++)
		one->pcrSelect[i] = (BYTE)(pcrs->mask >> 8 * i);
	return selection;
}

const char *tpm2_policy_text(const struct tss2_policy *policy, char text[96])
{
	const TPMS_PCR_SELECTION *one = &policy->pcrs.pcrSelections[0];
	const char *bank = "a bank of registers";
	size_t used;

	for (size_t i = 0; i < BANK_COUNT; i++)
		if (one->hash == BANKS[i].algorithm)
			bank = BANKS[i].name;
	used = (size_t)snprintf(text, 96, "%s", bank);
	for (unsigned i = 0; i < 8u * one->sizeofSelect && i < 8u * sizeof(one->pcrSelect) && used < 90; i++)
		if (one->pcrSelect[i / 8] & 1u << i % 8)
			used += (size_t)snprintf(text + used, 96 - used, "%c%u", strchr(text, ':') ? ',' : ':', i);
	return text;
}

/* Takes what was read out of `left`; false when the TPM read nothing: it has no such bank. */
static bool selection_subtract(TPML_PCR_SELECTION *left, const TPML_PCR_SELECTION *read)
{
	bool any = false;

	if (read->count != 1)
		return false;
	for (unsigned i = 0; i < PCR_COUNT / 8; i++) {
		any = any || (left->pcrSelections[0].pcrSelect[i] & read->pcrSelections[0].pcrSelect[i]);
		left->pcrSelections[0].pcrSelect[i] &= (BYTE)~read->pcrSelections[0].pcrSelect[i];
	}
	return any;
}

static bool selection_is_empty(const TPML_PCR_SELECTION *selection)
{
	const BYTE *bits = selection->pcrSelections[0].pcrSelect;

	return !bits[0] && !bits[1] && !bits[2];
}

/* TPM2_PCR_Read gives eight at a time, lowest first, which is also the order in which they are hashed. */
static enum rc registers_hash(struct tpm2_token *token, const struct config_pcrs *pcrs, EVP_MD_CTX *ctx, struct err *err)
{
	TPML_PCR_SELECTION left = selection_of(pcrs);

	while (!selection_is_empty(&left)) {
		TPML_PCR_SELECTION *read = NULL;
		TPML_DIGEST *values = NULL;
		UINT32 updates;
		TSS2_RC code =
			Esys_PCR_Read(token->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &left, &updates, &read, &values);

		if (code != TSS2_RC_SUCCESS)
			return tpm2_fail(token, err, code, "TPM2_PCR_Read");
		bool hashed = selection_subtract(&left, read);
		for (uint32_t i = 0; hashed && i < values->count; i++)
			hashed = EVP_DigestUpdate(ctx, values->digests[i].buffer, values->digests[i].size) == 1;
		Esys_Free(read);
		Esys_Free(values);
		if (!hashed)
			return err_set(err, RC_INPUT, "the TPM has no %s bank of registers; \"tpm2_getcap pcrs\" shows them",
				       pcrs->bank);
	}
	return RC_OK;
}

/* TPM 2.0 Part 3, 23.7 and 23.17: policyDigest' = H(policyDigest || command || parameters). */
static bool digest_extend(TPM2B_DIGEST *digest, uint32_t command, const uint8_t *parameters, size_t len)
{
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t number[4];
	size_t at = 0;

	return ctx && Tss2_MU_UINT32_Marshal(command, number, sizeof(number), &at) == TSS2_RC_SUCCESS &&
	       EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 && EVP_DigestUpdate(ctx, digest->buffer, digest->size) == 1 &&
	       EVP_DigestUpdate(ctx, number, sizeof(number)) == 1 && EVP_DigestUpdate(ctx, parameters, len) == 1 &&
	       EVP_DigestFinal_ex(ctx, digest->buffer, NULL) == 1;
}

static bool policy_digest(const struct tss2_policy *policy, TPM2B_DIGEST *ret_digest)
{
	uint8_t parameters[sizeof(policy->pcrs) + sizeof(policy->pcr_digest)];
	TPM2B_DIGEST digest = { .size = 32 };
	size_t len = 0;

	if (Tss2_MU_TPML_PCR_SELECTION_Marshal(&policy->pcrs, parameters, sizeof(parameters), &len) != TSS2_RC_SUCCESS)
		return false;
	memcpy(parameters + len, policy->pcr_digest.buffer, policy->pcr_digest.size);
	if (!digest_extend(&digest, TPM2_CC_PolicyPCR, parameters, len + policy->pcr_digest.size))
		return false;
	if (policy->with_auth && !digest_extend(&digest, TPM2_CC_PolicyAuthValue, (const uint8_t *)"", 0))
		return false;
	*ret_digest = digest;
	return true;
}

enum rc tpm2_policy_make(struct tpm2_token *token, const struct config_pcrs *pcrs, bool with_auth, struct tss2_policy *ret_policy,
			 TPMT_PUBLIC *template, struct err *err)
{
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct tss2_policy policy = { .pcrs = selection_of(pcrs), .pcr_digest.size = 32, .with_auth = with_auth };

	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = registers_hash(token, pcrs, ctx, err);
	if (rc != RC_OK)
		return rc;
	if (EVP_DigestFinal_ex(ctx, policy.pcr_digest.buffer, NULL) != 1 || !policy_digest(&policy, &template->authPolicy))
		return err_set(err, RC_RESOURCE, "out of memory");
	/* Else the authorisation value alone would open it. */
	template->objectAttributes &= ~(TPMA_OBJECT)TPMA_OBJECT_USERWITHAUTH;
	*ret_policy = policy;
	return RC_OK;
}

enum rc tpm2_policy_run(struct tpm2_token *token, const struct tss2_policy *policy, ESYS_TR session, struct err *err)
{
	char registers[96];
	TSS2_RC code = Esys_PolicyPCR(token->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &policy->pcr_digest,
				      &policy->pcrs);

	if (tpm2_is_format_one(code, TPM2_RC_VALUE))
		return err_set_raw(err, RC_DENIED, ERR_TSS, code,
				   "the registers %s are not what they were when the key was made: firmware, boot loader or "
				   "kernel changed. Enrol anew if that was on purpose (an account: `hwacme account register "
				   "AUTHORITY --new-key`)",
				   tpm2_policy_text(policy, registers));
	if (code == TSS2_RC_SUCCESS && policy->with_auth)
		code = Esys_PolicyAuthValue(token->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE);
	return code == TSS2_RC_SUCCESS ? RC_OK : tpm2_fail(token, err, code, "TPM2_PolicyPCR");
}
