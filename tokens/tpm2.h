/* tpm2.h -- what the files of the TPM backend share; nothing outside tokens/tpm2*.c includes it. */
#ifndef HWA_TPM2_H
#define HWA_TPM2_H

#include <sys/types.h>
#include <tss2/tss2_esys.h>

#include "token.h"
#include "tss2_key.h"

#define TPM2_PATIENCE_MS 2000        /* how long a full or busy TPM is asked again */
#define TPM2_SRK_HANDLE  0x81000001u /* TCG Provisioning Guidance: the storage root key */

struct tpm2_token {
	struct token base;
	char *tcti;
	char *keys_dir;
	ESYS_CONTEXT *esys; /* NULL: thrown away after a TCTI error, opened again at the next use */
	TSS2_TCTI_CONTEXT *tcti_context;
	pid_t owner;
};

struct tpm2_key {
	struct token_key base;
	struct tss2_key file;
	struct buf spki;
};

#define TPM2(token)   ((struct tpm2_token *)(void *)(token))
#define TPM2_KEY(key) ((struct tpm2_key *)(void *)(key))

/* tpm2_context.c: the connection, and the one translation of TSS2_RC */
enum rc tpm2_connect(struct tpm2_token *token, struct err *err);
void tpm2_disconnect(struct tpm2_token *token);
enum rc tpm2_fail(struct tpm2_token *token, struct err *err, TSS2_RC code, const char *command);
/* True when the TPM was busy or full and it is worth asking again; waits a little. */
bool tpm2_again(TSS2_RC code, int64_t *since_ms);
void tpm2_flush(struct tpm2_token *token, ESYS_TR *handle);

/* tpm2_object.c: commands on keys; each leaves no object in the TPM */
enum rc tpm2_create(struct tpm2_token *token, enum key_type type, struct tss2_key *ret_key, struct err *err);
enum rc tpm2_sign(struct tpm2_token *token, const struct tss2_key *key, const TPM2B_DIGEST *digest, const TPMT_SIG_SCHEME *scheme,
		  TPMT_SIGNATURE *ret_sig, struct err *err);
/* Loads the key and reads its public area back from the TPM. */
enum rc tpm2_read_public(struct tpm2_token *token, const struct tss2_key *key, TPM2B_PUBLIC *ret_public, struct err *err);
bool tpm2_can_make(struct tpm2_token *token, enum key_type type);
/* TPM2_ECC_NONE for what is no curve, or none a TPM knows. */
TPM2_ECC_CURVE tpm2_curve(enum key_type type);

/* tpm2_reclaim.c: a TPM without a resource manager keeps what a killed process had loaded.  tpm2_reclaim() makes room
 * when the TPM stayed full for TPM2_PATIENCE_MS: it flushes storage parents, which nobody keeps loaded, and copies of
 * `ours` (may be NULL), a key not yet in service; true when there is room now.  Keys of others are left alone. */
bool tpm2_reclaim(struct tpm2_token *token, const TPM2B_PUBLIC *ours);
/* Copies of a key that is about to be erased. */
void tpm2_flush_copies(struct tpm2_token *token, const TPM2B_PUBLIC *ours);

#endif /* HWA_TPM2_H */
