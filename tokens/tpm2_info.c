/* tpm2_info.c -- what a TPM says of itself: maker, firmware, lock-out, key types. */
#include <stdio.h>
#include <string.h>

#include "tpm2.h"

uint32_t tpm2_property(const TPMS_CAPABILITY_DATA *capability, uint32_t wanted)
{
	const TPML_TAGGED_TPM_PROPERTY *list = &capability->data.tpmProperties;

	for (uint32_t i = 0; i < list->count; i++)
		if (list->tpmProperty[i].property == wanted)
			return list->tpmProperty[i].value;
	return 0;
}

/* TPM vendor texts come four letters to a number. */
static void vendor_text(const TPMS_CAPABILITY_DATA *capability, uint32_t first, int words, char *text, size_t room)
{
	size_t used = 0;

	for (int i = 0; i < words; i++) {
		uint32_t value = tpm2_property(capability, first + (uint32_t)i);

		for (int shift = 24; shift >= 0; shift -= 8) {
			char letter = (char)(value >> shift & 0xff);

			if (letter > 0x20 && letter < 0x7f && used + 1 < room)
				text[used++] = letter;
		}
	}
	text[used] = '\0';
}

static void lockout_text(const TPMS_CAPABILITY_DATA *variable, bool has_auth, char *text, size_t room)
{
	if (tpm2_property(variable, TPM2_PT_PERMANENT) & TPMA_PERMANENT_INLOCKOUT)
		snprintf(text, room, "in dictionary-attack lockout");
	else
		snprintf(text, room, "%s; %u of %u failures counted", has_auth ? "set" : "not needed",
			 tpm2_property(variable, TPM2_PT_LOCKOUT_COUNTER), tpm2_property(variable, TPM2_PT_MAX_AUTH_FAIL));
}

static bool can_make(struct tpm2_token *token, enum key_type type)
{
	if (key_type_family(type) == FAMILY_ED25519)
		return false; /* TPM 2.0, part 2 has no number for its curve */
	TPMT_PUBLIC area = tpm2_key_template(type);
	TPMT_PUBLIC_PARMS parameters = { .type = area.type, .parameters = area.parameters };

	return Esys_TestParms(token->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &parameters) == TSS2_RC_SUCCESS;
}

static enum rc properties(struct tpm2_token *token, uint32_t first, TPMS_CAPABILITY_DATA **ret, struct err *err)
{
	TPMI_YES_NO more;
	TSS2_RC code = Esys_GetCapability(token->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES, first,
					  64, &more, ret);

	return code == TSS2_RC_SUCCESS ? RC_OK : tpm2_fail(token, err, code, "TPM2_GetCapability");
}

/* swtpm and the reference simulator name themselves; a vendor's TPM names its chip. */
static bool is_simulator(const struct token_info *info)
{
	return strncmp(info->model, "SW", 2) == 0 || strncmp(info->model, "xCG", 3) == 0;
}

static enum rc info_read(struct tpm2_token *token, void *ctx, struct err *err)
{
	struct token_info *info = ctx;
	TPMS_CAPABILITY_DATA *fixed = NULL, *variable = NULL;
	enum rc rc = properties(token, TPM2_PT_FIXED, &fixed, err);

	if (rc == RC_OK)
		rc = properties(token, TPM2_PT_VAR, &variable, err);
	if (rc == RC_OK) {
		uint32_t firmware = tpm2_property(fixed, TPM2_PT_FIRMWARE_VERSION_1);

		vendor_text(fixed, TPM2_PT_MANUFACTURER, 1, info->manufacturer, sizeof(info->manufacturer));
		vendor_text(fixed, TPM2_PT_VENDOR_STRING_1, 4, info->model, sizeof(info->model));
		snprintf(info->firmware, sizeof(info->firmware), "%u.%u", firmware >> 16, firmware & 0xffff);
		lockout_text(variable, token->config->auth.source != SECRET_NONE, info->pin_state, sizeof(info->pin_state));
		snprintf(info->label, sizeof(info->label), "TPM 2.0");
		info->software = is_simulator(info);
		info->free_memory = -1; /* keys lie in files; the TPM keeps none between operations */
	}
	Esys_Free(fixed);
	Esys_Free(variable);
	for (int type = 0; type < KEY_TYPE_COUNT && rc == RC_OK; type++)
		info->key_types[type] = can_make(token, (enum key_type)type);
	return rc;
}

enum rc tpm2_info(struct token *base, struct token_info *ret_info, struct err *err)
{
	struct token_info info = { 0 };
	enum rc rc = tpm2_run(TPM2(base), info_read, &info, NULL, err);

	if (rc == RC_OK)
		*ret_info = info;
	return rc;
}
