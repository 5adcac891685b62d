/* tpm2_run.c -- one conversation with the TPM at a time; what can be mended is mended, and the conversation repeated. */
#include <unistd.h>

#include "tpm2.h"

static bool mend_connection(struct tpm2_token *token, const TPM2B_PUBLIC *ours)
{
	(void)ours;
	return tpm2_connect(token, NULL) == RC_OK;
}

/* After a reset that nobody followed with TPM2_Startup: firmware and kernel do it on a platform, nobody for a swtpm. */
static bool mend_startup(struct tpm2_token *token, const TPM2B_PUBLIC *ours)
{
	(void)ours;
	return token->esys && Esys_Startup(token->esys, TPM2_SU_CLEAR) == TSS2_RC_SUCCESS;
}

static bool mend_objects(struct tpm2_token *token, const TPM2B_PUBLIC *ours)
{
	return tpm2_reclaim_objects(token, ours);
}

static bool mend_sessions(struct tpm2_token *token, const TPM2B_PUBLIC *ours)
{
	(void)ours;
	return tpm2_reclaim_sessions(token);
}

/* What was kept is dropped after any failure; that is all it takes. */
static bool mend_nothing(struct tpm2_token *token, const TPM2B_PUBLIC *ours)
{
	(void)token, (void)ours;
	return true;
}

static const struct {
	TSS2_RC code;
	bool (*mend)(struct tpm2_token *token, const TPM2B_PUBLIC *ours);
} MENDS[] = {
	{ TPM2_RC_INITIALIZE, mend_startup },
	{ TPM2_RC_OBJECT_MEMORY, mend_objects },
	{ TPM2_RC_OBJECT_HANDLES, mend_objects },
	{ TPM2_RC_SESSION_MEMORY, mend_sessions },
	{ TPM2_RC_SESSION_HANDLES, mend_sessions },
	{ TPM2_RC_REFERENCE_H0, mend_nothing }, /* flushed by somebody else, or by a reset */
	{ TPM2_RC_REFERENCE_S0, mend_nothing },
	{ TPM2_RC_PCR_CHANGED, mend_nothing }, /* some register, perhaps none of ours, changed in between */
	{ 0, mend_connection },
};
#define MEND_COUNT (sizeof(MENDS) / sizeof(MENDS[0]))

/* Which one is for this failure; MEND_COUNT: none. */
static unsigned mend_for(const struct err *why)
{
	if (why->origin != ERR_TSS)
		return MEND_COUNT;
	if (tpm2_is_lost((TSS2_RC)why->code))
		return MEND_COUNT - 1;
	for (unsigned i = 0; i < MEND_COUNT - 1; i++)
		if ((TSS2_RC)why->code == MENDS[i].code)
			return i;
	return MEND_COUNT;
}

void tpm2_lock(struct tpm2_token *token)
{
	pthread_mutex_lock(&token->mutex);
}

void tpm2_unlock(struct tpm2_token *token)
{
	pthread_mutex_unlock(&token->mutex);
}

static enum rc run_locked(struct tpm2_token *token, tpm2_conversation *run, void *ctx, const TPM2B_PUBLIC *ours, struct err *err)
{
	unsigned mended = 0; /* a bit each: what did not help once does not help twice */

	for (;;) {
		struct err why = { 0 };
		enum rc rc = tpm2_connect(token, &why);

		if (rc == RC_OK)
			rc = run(token, ctx, &why);
		if (rc == RC_OK)
			return RC_OK;
		unsigned mend = mend_for(&why);
		if (ours && mend == MEND_COUNT - 1)
			tpm2_left_note(token, ours);
		tpm2_kept_drop(token, NULL);
		if (mend == MEND_COUNT || mended & 1u << mend || !MENDS[mend].mend(token, ours)) {
			if (err)
				*err = why;
			return rc;
		}
		mended |= 1u << mend;
	}
}

enum rc tpm2_run(struct tpm2_token *token, tpm2_conversation *run, void *ctx, const TPM2B_PUBLIC *ours, struct err *err)
{
	/* Before the mutex, which a thread of the parent may have held when it forked. */
	if (token->owner != getpid())
		return err_set(err, RC_BUG, "a TPM opened by another process; open it after the fork");
	tpm2_lock(token);
	enum rc rc = run_locked(token, run, ctx, ours, err);
	tpm2_unlock(token);
	return rc;
}
