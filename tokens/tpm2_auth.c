/* tpm2_auth.c -- authorisation values: read for the one command that needs them, and tried once. */
#include <stdio.h>
#include <string.h>

#include "pin.h"
#include "refusal.h"
#include "tpm2.h"

#define AUTH_MAX 32 /* bytes: the digest of every name algorithm we use; longer ones each TSS would hash in its own way */

enum rc tpm2_auth_read(const struct config_secret *from, TPM2B_AUTH *ret_value, struct err *err)
{
	AUTO(pin) struct pin *pin = NULL;
	char where[512];
	enum rc rc = pin_read(from, "authorisation value", &pin, err);

	if (rc != RC_OK)
		return rc;
	/* Part 1, 19.6.4.3: trailing zeros are not part of it, and would be the one thing two readers see differently. */
	if (pin_len(pin) > AUTH_MAX || pin_bytes(pin)[pin_len(pin) - 1] == 0)
		return err_set(err, RC_INPUT, "the authorisation value in %s is longer than %d bytes, or ends in a zero byte",
			       pin_where(from, where), AUTH_MAX);
	ret_value->size = (UINT16)pin_len(pin);
	memcpy(ret_value->buffer, pin_bytes(pin), pin_len(pin));
	return RC_OK;
}

bool tpm2_is_refusal(TSS2_RC code)
{
	return tpm2_is_format_one(code, TPM2_RC_AUTH_FAIL) || tpm2_is_format_one(code, TPM2_RC_BAD_AUTH);
}

/* "the authorisation value in file F". */
static const char *auth_text(const struct tpm2_auth *auth, char text[640])
{
	char where[512];

	if (auth->from)
		snprintf(text, 640, "the authorisation value in %s", pin_where_corrected(auth->from, where));
	else
		snprintf(text, 640, "the empty authorisation value of the parent key");
	return text;
}

/* A failure that could lock is not ours to cause: the last one before the limit is left to the operator. */
static enum rc lockout_check(struct tpm2_token *token, struct err *err)
{
	TPMS_CAPABILITY_DATA *variable = NULL;
	TPMI_YES_NO more;
	TSS2_RC code = Esys_GetCapability(token->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
					  TPM2_PT_VAR, 64, &more, &variable);

	if (code != TSS2_RC_SUCCESS)
		return tpm2_fail(token, err, code, "TPM2_GetCapability");
	bool is_locked = tpm2_property(variable, TPM2_PT_PERMANENT) & TPMA_PERMANENT_INLOCKOUT;
	uint32_t counted = tpm2_property(variable, TPM2_PT_LOCKOUT_COUNTER);
	uint32_t most = tpm2_property(variable, TPM2_PT_MAX_AUTH_FAIL);
	Esys_Free(variable);
	if (is_locked)
		return err_set_raw(err, RC_DENIED, ERR_TSS, TPM2_RC_LOCKOUT, TPM2_LOCKED);
	if (counted + 1 >= most)
		return err_set_raw(
			err, RC_DENIED, ERR_TSS, 0,
			"one more failure locks the TPM (%u of %u counted), so nothing was tried; tpm2_dictionarylockout "
			"-c clears the count",
			counted, most);
	return RC_OK;
}

static struct span auth_who(const struct tpm2_auth *auth)
{
	return span_of(auth->who.name, auth->who.size);
}

static struct span auth_secret(const struct tpm2_auth *auth)
{
	return span_of(auth->value.buffer, auth->value.size);
}

enum rc tpm2_auth_begin(struct tpm2_token *token, const struct tpm2_auth *auth, struct err *err)
{
	char text[640];
	enum rc rc = auth->is_counted ? lockout_check(token, err) : RC_OK;

	if (rc != RC_OK)
		return rc;
	rc = refusal_begin(token->keys_dir, auth_who(auth), auth_secret(auth), err);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "%s", auth_text(auth, text));
}

enum rc tpm2_auth_end(struct tpm2_token *token, const struct tpm2_auth *auth, TSS2_RC code, const char *command, struct err *err)
{
	char text[640];
	bool refused = tpm2_is_refusal(code);
	enum rc rc = refusal_end(token->keys_dir, auth_who(auth), auth_secret(auth), refused, err);

	if (refused)
		return err_set_raw(err, RC_DENIED, ERR_TSS, code, "%s: %s was refused; it is not tried again: %s", command,
				   auth_text(auth, text),
				   auth->from ? "correct it there" : "provision one without, or write another \"parent\"");
	return code == TSS2_RC_SUCCESS ? rc : tpm2_fail(token, err, code, command);
}

enum rc tpm2_auth_refused(struct tpm2_token *token, const struct tpm2_auth *auth, TSS2_RC code, const char *command,
			  struct err *err)
{
	enum rc rc = refusal_begin(token->keys_dir, auth_who(auth), auth_secret(auth), err);

	return rc == RC_OK || rc == RC_DENIED ? tpm2_auth_end(token, auth, code, command, err) : rc;
}
