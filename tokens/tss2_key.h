/*
 * tss2_key.h -- the file of a key that a TPM wrapped: PEM "TSS2 PRIVATE KEY", as tpm2-openssl reads it.
 *
 * The private part in it is encrypted by the TPM that made it and useless anywhere else.
 */
#ifndef HWA_TSS2_KEY_H
#define HWA_TSS2_KEY_H

#include <tss2/tss2_tpm2_types.h>

#include "bytes.h"
#include "err.h"

#define TSS2_KEY_PEM_MAX  8192
#define TSS2_PARENT_OWNER TPM2_RH_OWNER /* primary made from the owner template at each use */

/* Binds a key to platform configuration registers: TPM2_PolicyPCR, then TPM2_PolicyAuthValue when it has one. */
struct tss2_policy {
	TPML_PCR_SELECTION pcrs; /* count 0: no policy */
	TPM2B_DIGEST pcr_digest; /* of the values that they must have */
	bool with_auth;
};

struct tss2_key {
	uint32_t parent; /* TSS2_PARENT_OWNER or a persistent handle 0x81...... */
	bool empty_auth;
	struct tss2_policy policy;
	TPM2B_PUBLIC public;
	TPM2B_PRIVATE private; /* wrapped */
};

enum rc tss2_key_print(const struct tss2_key *key, struct buf *ret_pem, struct err *err) HWA_CHECKED;
/* Strict: one block, our type, no unknown parts, no policy but ours, both areas unmarshal to their last byte. */
enum rc tss2_key_parse(struct span pem, struct tss2_key *ret_key, struct err *err) HWA_CHECKED;

#endif /* HWA_TSS2_KEY_H */
