/* pkcs11_rules.c -- the exceptions to "the outcome is the class of the code", each with its reason. */
#include "pkcs11_rules.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "pkcs11.h"
#include "sweep.h"

#define ANY              ((CK_RV)-1)
#define BIT(rc)          (1u << (rc))
#define THE_CLASS        0x100u
#define UNLESS_RETRY(rc) (BIT(rc) << 16) /* allowed where the class is final: another try would not change it */

static const struct {
	const char *phase, *function; /* "*": every */
	CK_RV code;
	unsigned allowed;
	const char *reason;
} EXCEPTIONS[] = {
	{ "*", "C_CloseSession", ANY, BIT(RC_OK), "closing cannot fail" },
	{ "*", "C_CloseAllSessions", ANY, BIT(RC_OK), "closing cannot fail" },
	{ "*", "C_Finalize", ANY, BIT(RC_OK), "closing cannot fail" },
	{ "*", "C_FindObjectsFinal", ANY, BIT(RC_OK) | BIT(RC_RETRY), "the search stays active in its session" },
	{ "info", "C_GetMechanismInfo", ANY, BIT(RC_OK), "what cannot be asked for is not offered" },
	{ "*", "C_GetSessionInfo", ANY, BIT(RC_OK) | THE_CLASS, "a module that does not tell of a login is not asked for it" },
	{ "list", "*", ANY, UNLESS_RETRY(RC_OK) | THE_CLASS, "a half-made key is listed with what it has" },
	{ "custody", "C_GetAttributeValue", ANY, UNLESS_RETRY(RC_OK) | THE_CLASS, "it is told what is not known" },
	{ "generate", "C_DestroyObject", ANY, BIT(RC_OK) | THE_CLASS, "what is left in the session goes with it" },
	{ "generate_tried", "C_DestroyObject", ANY, BIT(RC_OK) | THE_CLASS, "what is left in the session goes with it" },
	{ "erase_own", "C_GetAttributeValue", ANY, BIT(RC_OK) | THE_CLASS, "a search tells what the handles do not" },
	{ "*", "C_GetAttributeValue", ANY, UNLESS_RETRY(RC_DENIED) | THE_CLASS,
	  "what the token does not tell counts against the key" },
	/* The start of a module, by libp11: a module that does not start is a token that is away. */
	{ "*", "C_Initialize", ANY, BIT(RC_OK) | BIT(RC_RETRY), "the module does not start" },
	{ "*", "C_GetInfo", ANY, BIT(RC_OK) | BIT(RC_RETRY), "the module does not start" },
	{ "*", "C_GetSlotList", ANY, BIT(RC_RETRY), "the module does not start" },
	{ "*", "C_GetSlotInfo", ANY, BIT(RC_OK) | BIT(RC_RETRY), "libp11's list is not the only way" },
	{ "open", "C_GetTokenInfo", ANY, BIT(RC_OK) | BIT(RC_ABSENT) | THE_CLASS, "it was not there at the start" },
	{ "recover", "C_GetTokenInfo", ANY, BIT(RC_OK) | BIT(RC_RETRY) | THE_CLASS, "it was there before" },
	{ "open", "C_Login", CKR_USER_ALREADY_LOGGED_IN, BIT(RC_OK) | THE_CLASS, "it was logged in before" },
};

bool pkcs11_rule_has_effect(const char *function)
{
	static const char *const effects[] = { "C_Initialize",   "C_Finalize",       "C_OpenSession",
					       "C_CloseSession", "C_Login",          "C_GenerateKeyPair",
					       "C_CopyObject",   "C_DestroyObject",  "C_SignInit",
					       "C_Sign",         "C_FindObjectsInit" };

	for (size_t i = 0; i < sizeof(effects) / sizeof(effects[0]); i++)
		if (strcmp(effects[i], function) == 0)
			return true;
	return false;
}

static bool matches(const char *pattern, const char *word)
{
	return strcmp(pattern, "*") == 0 || strcmp(pattern, word) == 0;
}

bool pkcs11_rule_allows(const char *phase, const struct pkcs11_fault *fault, enum rc rc, char why[128])
{
	enum rc class = pkcs11_fail(NULL, fault->code, fault->function);
	unsigned allowed = THE_CLASS;
	const char *reason = "the table";

	for (size_t i = 0; i < sizeof(EXCEPTIONS) / sizeof(EXCEPTIONS[0]); i++) {
		if (matches(EXCEPTIONS[i].phase, phase) && matches(EXCEPTIONS[i].function, fault->function) &&
		    (EXCEPTIONS[i].code == ANY || EXCEPTIONS[i].code == fault->code)) {
			allowed = EXCEPTIONS[i].allowed;
			reason = EXCEPTIONS[i].reason;
			break;
		}
	}
	if (allowed & THE_CLASS)
		allowed = (allowed & ~THE_CLASS) | BIT(class);
	if (class != RC_RETRY)
		allowed |= allowed >> 16;
	/* A plainer template makes a second key of the id: then both are destroyed. */
	if (fault->mode == FAULT_LOST &&
	    (strcmp(fault->function, "C_GenerateKeyPair") == 0 || strcmp(fault->function, "C_CopyObject") == 0))
		allowed |= BIT(RC_DENIED);
	/* It may have been tried again, or done without. */
	if (fault->mode != FAULT_ONWARDS)
		allowed |= BIT(RC_OK);
	if (fault->code == PKCS11_NO_CODE)
		allowed = ~BIT(RC_BUG);
	snprintf(why, 128, "%s (%s)", sweep_rc_name(class), reason);
	return allowed & BIT(rc);
}
