/* tpm2_rules.c -- the exceptions to "the outcome is the class of the code", each with its reason. */
#include "tpm2_rules.h"

#include <stdio.h>
#include <string.h>

#include "sweep.h"
#include "tpm2.h"

#define BIT(rc)          (1u << (rc))
#define THE_CLASS        0x100u
#define UNLESS_RETRY(rc) (BIT(rc) << 16) /* allowed where the class is final: another try would not change it */

static const struct {
	const char *phase, *command; /* "*": every */
	unsigned allowed;
	const char *reason;
} EXCEPTIONS[] = {
	{ "close", "*", BIT(RC_OK), "closing cannot fail" },
	{ "erase", "*", BIT(RC_OK), "the file is the key" },
	{ "list", "*", BIT(RC_OK), "the custody says why" },
	{ "*", "TPM2_FlushContext", BIT(RC_OK) | BIT(RC_RETRY), "there is room again later" },
	{ "*", "TPM2_ContextLoad", BIT(RC_OK) | THE_CLASS, "it is loaded by its parent then" },
	{ "*", "TPM2_ContextSave", BIT(RC_OK) | THE_CLASS, "it only spares commands later" },
	{ "*", "TPM2_PolicyPCR", UNLESS_RETRY(RC_DENIED) | THE_CLASS, "the registers are not what they were" },
	{ "*", "TPM2_TestParms", BIT(RC_OK), "what cannot be asked for is not offered" },
	{ "open", "TPM2_tcti_open", BIT(RC_ABSENT), "there is no TPM" },
	{ "*", "TPM2_tcti_open", BIT(RC_ABSENT) | BIT(RC_RETRY), "there is no TPM" },
};

static bool matches(const char *pattern, const char *word)
{
	return strcmp(pattern, "*") == 0 || strcmp(pattern, word) == 0;
}

static enum rc class_of(TSS2_RC code)
{
	static char tcti[] = "swept";
	struct tpm2_token token = { .tcti = tcti };

	return tpm2_fail(&token, NULL, code, "");
}

bool tpm2_rule_allows(const char *phase, const struct tpm2_fault *fault, enum rc rc, char why[128])
{
	enum rc class = class_of(fault->code);
	unsigned allowed = THE_CLASS;
	const char *reason = "the table";

	for (size_t i = 0; i < sizeof(EXCEPTIONS) / sizeof(EXCEPTIONS[0]); i++) {
		if (matches(EXCEPTIONS[i].phase, phase) && matches(EXCEPTIONS[i].command, fault->command)) {
			allowed = EXCEPTIONS[i].allowed;
			reason = EXCEPTIONS[i].reason;
			break;
		}
	}
	if (allowed & THE_CLASS)
		allowed |= BIT(class);
	/* A file that this TPM refuses is a lost key, and never quietly replaced. */
	if (class == RC_ABSENT && (allowed & THE_CLASS))
		allowed |= BIT(RC_DENIED);
	if (class != RC_RETRY)
		allowed |= allowed >> 16;
	/* It may have been tried again, or done without. */
	if (fault->mode != FAULT_ONWARDS)
		allowed |= BIT(RC_OK);
	if (fault->code == TPM2_NO_CODE)
		allowed = ~BIT(RC_BUG);
	snprintf(why, 128, "%s (%s)", sweep_rc_name(class), reason);
	return allowed & BIT(rc);
}

bool tpm2_rule_may_leave(const struct tpm2_fault *fault)
{
	static const char *const makers[] = { "TPM2_CreatePrimary", "TPM2_Load", "TPM2_ContextLoad", "TPM2_StartAuthSession" };

	/* A code of no layer there is breaks the library's context, as a lost connection does. */
	if (strcmp(fault->command, "TPM2_FlushContext") == 0 || tpm2_is_lost(fault->code) || fault->code > TSS2_RC_LAYER(0x0f))
		return true;
	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		if (strcmp(makers[i], fault->command) == 0)
			return fault->mode == FAULT_LOST || fault->code == TPM2_NO_CODE;
	return fault->code == TPM2_NO_CODE;
}
