/* tpm2_context.c -- the connection to a TPM, and what a TSS2_RC means for the caller, in one table. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

#include "clock.h"
#include "tpm2.h"

#define LAYER_MASK   0xff0000u
#define LAYER_TCTI   0x0a0000u
#define BAD_SEQUENCE 0x070007u /* what ESYS answers for ever after a TCTI error */
#define AGAIN_MS     3

#define NO_SUCH_KEY "the TPM does not support this kind of key; `hwacme token list` shows what it can make"

static const struct {
	TSS2_RC code;
	enum rc rc;
	const char *text;
} CODES[] = {
	/* format one (TPM2_RC_FMT1): of whichever parameter, handle or session */
	{ TPM2_RC_AUTH_FAIL, RC_DENIED, "the authorisation value was refused; it is not tried again" },
	{ TPM2_RC_BAD_AUTH, RC_DENIED, "the authorisation value was refused; it is not tried again" },
	{ TPM2_RC_POLICY_FAIL, RC_DENIED, "the key's policy is not met" },
	{ TPM2_RC_INTEGRITY, RC_ABSENT, "this key belongs to another TPM, or the TPM was cleared: enrol anew" },
	{ TPM2_RC_HANDLE, RC_ABSENT, "the handle does not exist" },
	{ TPM2_RC_VALUE, RC_INPUT, NO_SUCH_KEY },
	{ TPM2_RC_KDF, RC_INPUT, NO_SUCH_KEY },
	{ TPM2_RC_CURVE, RC_INPUT, NO_SUCH_KEY },
	{ TPM2_RC_KEY_SIZE, RC_INPUT, NO_SUCH_KEY },
	/* format zero */
	{ TPM2_RC_LOCKOUT, RC_DENIED, TPM2_LOCKED },
	{ TPM2_RC_AUTH_UNAVAILABLE, RC_DENIED, "the key is for use by a policy that its file does not tell" },
	{ TPM2_RC_OBJECT_MEMORY, RC_RETRY, "the TPM has no room for another object" },
	{ TPM2_RC_SESSION_MEMORY, RC_RETRY, "the TPM has no room for another session" },
	{ TPM2_RC_SESSION_HANDLES, RC_RETRY, "the TPM has no number left for another session" },
	{ TPM2_RC_YIELDED, RC_RETRY, "the TPM yielded" },
	{ TPM2_RC_TESTING, RC_RETRY, "the TPM is testing itself" },
	{ TPM2_RC_RETRY, RC_RETRY, "the TPM asks to retry" },
	{ TPM2_RC_PCR_CHANGED, RC_RETRY, "the registers changed in the meantime" },
	{ TPM2_RC_REFERENCE_H0, RC_RETRY, "the key was flushed by somebody else" },
	{ TPM2_RC_REFERENCE_S0, RC_RETRY, "the session was flushed by somebody else" },
	{ TPM2_RC_INITIALIZE, RC_RETRY, "the TPM was not started" },
	{ TPM2_RC_FAILURE, RC_RESOURCE, "the TPM is in failure mode" },
};

/* Whichever layer says it: resource managers pass codes of the TPM on. */
static bool is_code(TSS2_RC code, TSS2_RC listed)
{
	if (!(listed & TPM2_RC_FMT1))
		return (code & 0xfffu) == listed;
	/* Which parameter, handle or session it is of stands in the other bits. */
	return code & TPM2_RC_FMT1 && (code & 0x3fu) == (listed & 0x3fu);
}

bool tpm2_is_lost(TSS2_RC code)
{
	return (code & LAYER_MASK) == LAYER_TCTI || code == BAD_SEQUENCE;
}

enum rc tpm2_fail(struct tpm2_token *token, struct err *err, TSS2_RC code, const char *command)
{
	if (tpm2_is_lost(code)) {
		tpm2_disconnect(token);
		return err_set_raw(err, RC_RETRY, ERR_TSS, code, "%s: no answer from the TPM at \"%s\"", command, token->tcti);
	}
	for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++)
		if (is_code(code, CODES[i].code))
			return err_set_raw(err, CODES[i].rc, ERR_TSS, code, "%s: %s", command, CODES[i].text);
	return err_set_raw(err, RC_RETRY, ERR_TSS, code, "%s: %s", command, Tss2_RC_Decode(code));
}

bool tpm2_is_format_one(TSS2_RC code, TSS2_RC base)
{
	/* Of the TPM alone (bits 16 up are zero); 6 bits number, the rest says which parameter, handle or session. */
	return code <= 0xfffu && (code & TPM2_RC_FMT1) && (code & 0x3fu) == (base & 0x3fu);
}

bool tpm2_again(TSS2_RC code, int64_t *since_ms)
{
	TSS2_RC number = code & 0xfffu;

	if ((code & LAYER_MASK) == LAYER_TCTI ||
	    (number != TPM2_RC_OBJECT_MEMORY && number != TPM2_RC_SESSION_MEMORY && number != TPM2_RC_RETRY &&
	     number != TPM2_RC_YIELDED && number != TPM2_RC_TESTING))
		return false;
	if (*since_ms == 0)
		*since_ms = clock_monotonic_ms();
	if (clock_monotonic_ms() - *since_ms > TPM2_PATIENCE_MS)
		return false;
	poll(NULL, 0, AGAIN_MS);
	return true;
}

void tpm2_flush(struct tpm2_token *token, ESYS_TR *handle)
{
	if (*handle != ESYS_TR_NONE && token->esys)
		(void)Esys_FlushContext(token->esys, *handle);
	*handle = ESYS_TR_NONE;
}

void tpm2_disconnect(struct tpm2_token *token)
{
	/* Handles are good for one connection. */
	token->persistent.number = 0;
	token->kept.key = NULL;
	if (token->esys)
		Esys_Finalize(&token->esys);
	if (token->tcti_context)
		Tss2_TctiLdr_Finalize(&token->tcti_context);
}

/* Our errors say what matters; the library's own lines on stderr would only repeat it. */
static void library_silence(void)
{
	setenv("TSS2_LOG", "all+NONE", 0);
}

#define DEVICE "device:"

/* Of a device the TCTI says "IO failure", whatever it is; the system knows: not there, not ours, or somebody else's just now. */
static const char *connect_text(const char *tcti, TSS2_RC code)
{
	if (code == TSS2_TCTI_RC_NOT_SUPPORTED)
		return "tpm2-tss has no such way to a TPM installed; write device:PATH, tabrmd:..., swtpm:host=...,port=... or "
		       "swtpm:path=...";
	if (strncmp(tcti, DEVICE, strlen(DEVICE)) != 0)
		return Tss2_RC_Decode(code);
	int fd = open(tcti + strlen(DEVICE), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0) {
		close(fd);
		return Tss2_RC_Decode(code);
	}
	return errno == EACCES ? "Permission denied; whoever uses it has to be in its group, tss as a rule" : strerror(errno);
}

enum rc tpm2_connect(struct tpm2_token *token, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (token->esys)
		return RC_OK;
	pthread_once(&once, library_silence);
	TSS2_RC code = Tss2_TctiLdr_Initialize(token->tcti, &token->tcti_context);
	if (code == TSS2_RC_SUCCESS)
		code = Esys_Initialize(&token->esys, token->tcti_context, NULL);
	if (code != TSS2_RC_SUCCESS) {
		tpm2_disconnect(token);
		/* One that was there is away: it has said nothing of the key that is asked for, as "absent" or a refusal would. */
		return err_set_raw(err, token->was_connected ? RC_RETRY : RC_ABSENT, ERR_TSS, code, "no TPM at \"%s\": %s",
				   token->tcti, connect_text(token->tcti, code));
	}
	token->was_connected = true;
	return RC_OK;
}
