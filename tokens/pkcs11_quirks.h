/* pkcs11_quirks.h -- what modules differ in, as data; no other file asks which module it is. */
#ifndef HWA_PKCS11_QUIRKS_H
#define HWA_PKCS11_QUIRKS_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>

/* What its threads may not do at the same time (pkcs11_turn.c). */
enum pkcs11_turn_rule {
	PKCS11_TURNS_FREE,    /* PKCS#11 as it is: with CKF_OS_LOCKING_OK, anything */
	PKCS11_TURNS_OBJECTS, /* searching and making an object; using and changing one */
	PKCS11_TURNS_ONE,     /* anything */
};

struct pkcs11_quirks {
	const char *name; /* for people */
	/* Beginnings of what C_GetInfo and C_GetTokenInfo say; NULL: anything. */
	const char *library_maker, *library, *token_maker, *model;

	unsigned template_step;       /* the first key template worth trying (pkcs11_make.c) */
	unsigned generations;         /* in one start of the module; 0: without end */
	unsigned unusable_types;      /* 1 << KEY_...: it makes such keys, and cannot use them */
	bool is_software;             /* whatever its flags say */
	bool gives_out_unextractable; /* C_WrapKey hands out keys that read back as never extractable */
	bool keeps_certificate_once;  /* one object for each, whatever its label: no copy of an issuer's beside each key */
	bool cannot_say_local;        /* CKA_LOCAL is false for keys it has made itself */
	bool makes_in_session;        /* a pair is made in the session and copied into the token */
	enum pkcs11_turn_rule turns;
};

const struct pkcs11_quirks *pkcs11_quirks_find(const CK_INFO *library, const CK_TOKEN_INFO *token);

#endif /* HWA_PKCS11_QUIRKS_H */
