/* pkcs11_quirks.c -- the one table of what modules differ in, each line found by experiment. */
#include "pkcs11_quirks.h"

#include <string.h>

#include "key_type.h"

static const struct pkcs11_quirks QUIRKS[] = {
	/* A refused template is answered CKR_GENERAL_ERROR, as if the device were gone; and so is a certificate it has.  It wraps a key it calls
	 * unextractable, and says CKA_LOCAL = 0 of each key. */
	{ .name = "NSS softokn",
	  .token_maker = "Mozilla Foundation",
	  .model = "NSS",
	  .template_step = 1,
	  .is_software = true,
	  .gives_out_unextractable = true,
	  .keeps_certificate_once = true,
	  .turns = PKCS11_TURNS_ONE,
	  .cannot_say_local = true },
	/* DECRYPT = 0 is answered CKR_GENERAL_ERROR.  Each generation leaks a transient object: after 14 (of 27 that
	 * tpm2-abrmd allows) nothing can be loaded any more until C_Finalize.  It does not read the point of a P-521 key
	 * that it has made itself (1.9.0: a DER length of more than one octet). */
	{ .name = "tpm2-pkcs11 on a software TPM",
	  .library = "TPM2.0 Cryptoki",
	  .model = "SW ",
	  .template_step = 2,
	  .generations = 12,
	  .unusable_types = 1u << KEY_EC_P521,
	  .is_software = true },
	{ .name = "tpm2-pkcs11",
	  .library = "TPM2.0 Cryptoki",
	  .template_step = 2,
	  .generations = 12,
	  .unusable_types = 1u << KEY_EC_P521 },
	{ .name = "opencryptoki software token",
	  .token_maker = "IBM Corp.",
	  .model = "IBM SoftTok",
	  .template_step = 1,
	  .is_software = true },
	/* It writes an object of the token anew, to the disk, for each attribute that it gives it: thirty times for each half of a pair that
	 * C_GenerateKeyPair makes in the token, and twice for one that C_CopyObject puts there. */
	{ .name = "SoftHSM", .model = "SoftHSM", .is_software = true, .makes_in_session = true, .turns = PKCS11_TURNS_OBJECTS },
	/* Whatever is not known: the fullest template first, and what it says of itself is believed. */
	{ .name = "PKCS#11" },
};

static bool begins(const CK_UTF8CHAR *field, const char *wanted)
{
	return !wanted || memcmp(field, wanted, strlen(wanted)) == 0;
}

const struct pkcs11_quirks *pkcs11_quirks_find(const CK_INFO *library, const CK_TOKEN_INFO *token)
{
	const struct pkcs11_quirks *quirks = QUIRKS;

	while (!begins(library->manufacturerID, quirks->library_maker) || !begins(library->libraryDescription, quirks->library) ||
	       !begins(token->manufacturerID, quirks->token_maker) || !begins(token->model, quirks->model))
		quirks++; /* the last line takes anything */
	return quirks;
}
