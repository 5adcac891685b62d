/* pkcs11_quirks.h -- what modules differ in, as data; no other file asks which module it is. */
#ifndef HWA_PKCS11_QUIRKS_H
#define HWA_PKCS11_QUIRKS_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>

struct pkcs11_quirks {
	const char *name; /* for people */
	/* Beginnings of what C_GetInfo and C_GetTokenInfo say; NULL: anything. */
	const char *library_maker, *library, *token_maker, *model;

	unsigned template_step;       /* the first key template worth trying (pkcs11_generate.c) */
	unsigned generations;         /* in one start of the module; 0: without end */
	unsigned unusable_types;      /* 1 << KEY_...: it makes such keys, and cannot use them */
	bool is_software;             /* whatever its flags say */
	bool gives_out_unextractable; /* C_WrapKey hands out keys that read back as never extractable */
	bool cannot_say_local;        /* CKA_LOCAL is false for keys it has made itself */
};

const struct pkcs11_quirks *pkcs11_quirks_find(const CK_INFO *library, const CK_TOKEN_INFO *token);

#endif /* HWA_PKCS11_QUIRKS_H */
