/* tpm2_session.c -- authorisation sessions, salted to a parent key whose name is known. */
#include "tpm2.h"

/* What a parent of ours can do (tpm2_storage_template), and every TPM of the PC Client profile. */
static const TPMT_SYM_DEF AES_128_CFB = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB };

enum rc tpm2_session_open(struct tpm2_token *token, TPM2_SE type, ESYS_TR salt, ESYS_TR *ret_session, struct err *err)
{
	TPM2_HANDLE number = TPM2_JOURNAL_OPENING;
	ESYS_TR session = ESYS_TR_NONE;
	int64_t since = 0;
	TSS2_RC code;

	if (token->journal.fd < 0)
		tpm2_reclaim_review(token);
	tpm2_journal_note(token, TPM2_JOURNAL_OPENING);
	do {
		code = Esys_StartAuthSession(token->esys, salt, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
					     type, &AES_128_CFB, TPM2_ALG_SHA256, &session);
	} while (tpm2_again(code, &since));
	if (code != TSS2_RC_SUCCESS) {
		if (!tpm2_is_lost(code)) /* else it may be there, and nobody will know its number */
			tpm2_journal_note(token, TPM2_JOURNAL_NONE);
		return tpm2_fail(token, err, code, "TPM2_StartAuthSession");
	}
	(void)Esys_TR_GetTpmHandle(token->esys, session, &number);
	tpm2_journal_note(token, number);
	*ret_session = session;
	return RC_OK;
}

void tpm2_session_encrypt(struct tpm2_token *token, ESYS_TR session)
{
	(void)Esys_TRSess_SetAttributes(token->esys, session, TPMA_SESSION_DECRYPT, TPMA_SESSION_DECRYPT);
}

void tpm2_session_last_use(struct tpm2_token *token, ESYS_TR session)
{
	(void)Esys_TRSess_SetAttributes(token->esys, session, 0, TPMA_SESSION_CONTINUESESSION);
}

void tpm2_session_gone(struct tpm2_token *token, ESYS_TR *session)
{
	if (*session != ESYS_TR_NONE) {
		tpm2_journal_note(token, TPM2_JOURNAL_NONE);
		(void)Esys_TR_Close(token->esys, session);
	}
	*session = ESYS_TR_NONE;
}

void tpm2_session_close(struct tpm2_token *token, ESYS_TR *session)
{
	if (*session != ESYS_TR_NONE && token->esys && Esys_FlushContext(token->esys, *session) == TSS2_RC_SUCCESS)
		tpm2_journal_note(token, TPM2_JOURNAL_NONE);
	*session = ESYS_TR_NONE;
}
