/* refusal.h -- remembers across restarts which PINs and authorisation values a token refused; keeps keyed digests, never the PIN. */
#ifndef HWA_REFUSAL_H
#define HWA_REFUSAL_H

#include "bytes.h"
#include "err.h"

#define REFUSAL_FILE     ".refused" /* in keys_dir */
#define REFUSAL_ATTEMPTS 2          /* cut-off attempts with one secret; tokens lock at three or more */

/*
 * Before a secret is sent.  `who` names the token for good (label and serial; a TPM's name).  RC_DENIED
 * when this secret was refused before, or an attempt with it was cut off REFUSAL_ATTEMPTS times: a
 * module that crashes in C_Login is a refusal too.  On RC_OK the attempt is on disk as begun.
 *
 * One attempt for a `who` at a time: who comes second, in another thread or process, waits for the
 * answer of the first, so that a wrong PIN is sent once however many start together.  RC_RETRY when that
 * takes too long; RC_RESOURCE when it cannot be written down, and then the secret must not be sent.
 *
 * The text of RC_DENIED goes on from the name of the secret: "the PIN in file F" ": it was refused ...".
 */
enum rc refusal_begin(const char *keys_dir, struct span who, struct span secret, struct err *err) HWA_CHECKED;
/* How the attempt ended: refused is kept for good (until the operator changes the secret), accepted forgets. */
enum rc refusal_end(const char *keys_dir, struct span who, struct span secret, bool refused, struct err *err) HWA_CHECKED;

#endif /* HWA_REFUSAL_H */
