/* tpm2_parent.c -- the keys that wrap ours: a persistent one, or the owner's primary, made once and then kept saved. */
#include <string.h>

#include "tpm2.h"

/* Salts a session while the owner's own primary cannot be had: it takes the session to make that. */
#define ENDORSEMENT TPM2_RH_ENDORSEMENT

static enum rc name_check(struct tpm2_token *token, uint32_t number, ESYS_TR parent, struct err *err)
{
	TPM2B_NAME *name = NULL;
	TSS2_RC code = Esys_TR_GetName(token->esys, parent, &name);

	if (code != TSS2_RC_SUCCESS)
		return tpm2_fail(token, err, code, "name of the parent key");
	enum rc rc = tpm2_known_check(token, number, name, err);
	Esys_Free(name);
	return rc;
}

static TSS2_RC create_primary(struct tpm2_token *token, ESYS_TR hierarchy, ESYS_TR session, ESYS_TR *ret_parent)
{
	TPM2B_SENSITIVE_CREATE sensitive = { 0 };
	TPM2B_DATA outside = { 0 };
	TPML_PCR_SELECTION pcrs = { 0 };
	int64_t since = 0;
	TSS2_RC code;

	do {
		code = Esys_CreatePrimary(token->esys, hierarchy, session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
					  &tpm2_storage_template, &outside, &pcrs, ret_parent, NULL, NULL, NULL, NULL);
	} while (tpm2_again(code, &since));
	return code;
}

static enum rc owner_by_password(struct tpm2_token *token, ESYS_TR *ret_parent, struct err *err)
{
	TSS2_RC code = create_primary(token, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ret_parent);

	if (tpm2_is_refusal(code))
		return err_set_raw(
			err, RC_DENIED, ERR_TSS, code,
			"the owner hierarchy has an authorisation value: write owner-auth: { file: ... }, or provision a "
			"storage key at 0x%08x",
			TPM2_SRK_HANDLE);
	return code == TSS2_RC_SUCCESS ? RC_OK : tpm2_fail(token, err, code, "TPM2_CreatePrimary");
}

/* The salt's key is a primary of the endorsement hierarchy, known by its name like every other. */
static enum rc salted_session(struct tpm2_token *token, struct tpm2_auth *auth, ESYS_TR *ret_session, struct err *err)
{
	ESYS_TR salt = ESYS_TR_NONE;
	TPM2B_NAME *name = NULL;
	TSS2_RC code = create_primary(token, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, &salt);

	if (tpm2_is_refusal(code))
		return err_set_raw(err, RC_DENIED, ERR_TSS, code,
				   "the endorsement hierarchy has an authorisation value, so owner-auth cannot be sent unseen; "
				   "provision a storage key at 0x%08x instead",
				   TPM2_SRK_HANDLE);
	if (code != TSS2_RC_SUCCESS)
		return tpm2_fail(token, err, code, "TPM2_CreatePrimary");
	enum rc rc = name_check(token, ENDORSEMENT, salt, err);
	if (rc == RC_OK && Esys_TR_GetName(token->esys, salt, &name) == TSS2_RC_SUCCESS)
		auth->who = *name;
	Esys_Free(name);
	if (rc == RC_OK)
		rc = tpm2_session_open(token, TPM2_SE_HMAC, salt, ret_session, err);
	tpm2_flush(token, &salt);
	return rc;
}

static enum rc owner_by_session(struct tpm2_token *token, ESYS_TR *ret_parent, struct err *err)
{
	AUTO(tpm2_auth) struct tpm2_auth auth = { .from = &token->config->owner_auth };
	ESYS_TR session = ESYS_TR_NONE;
	enum rc rc = tpm2_auth_read(auth.from, &auth.value, err);

	if (rc == RC_OK)
		rc = salted_session(token, &auth, &session, err);
	if (rc == RC_OK)
		rc = tpm2_auth_begin(token, &auth, err);
	if (rc == RC_OK) {
		TSS2_RC code = Esys_TR_SetAuth(token->esys, ESYS_TR_RH_OWNER, &auth.value);

		if (code == TSS2_RC_SUCCESS)
			code = create_primary(token, ESYS_TR_RH_OWNER, session, ret_parent);
		(void)Esys_TR_SetAuth(token->esys, ESYS_TR_RH_OWNER, NULL);
		rc = tpm2_auth_end(token, &auth, code, "TPM2_CreatePrimary", err);
	}
	tpm2_session_close(token, &session);
	return rc;
}

/* A blob that the TPM takes no more (it was reset) costs one command and is made anew. */
static bool primary_restore(struct tpm2_token *token, ESYS_TR *ret_parent)
{
	int64_t since = 0;
	TSS2_RC code;

	if (!token->primary)
		return false;
	do {
		code = Esys_ContextLoad(token->esys, token->primary, ret_parent);
	} while (tpm2_again(code, &since));
	if (code == TSS2_RC_SUCCESS)
		return true;
	Esys_Free(TAKE(token->primary));
	return false;
}

static enum rc primary_open(struct tpm2_token *token, ESYS_TR *ret_parent, struct err *err)
{
	ESYS_TR parent = ESYS_TR_NONE;
	enum rc rc = RC_OK;

	if (!primary_restore(token, &parent)) {
		rc = token->config->owner_auth.source == SECRET_NONE ? owner_by_password(token, &parent, err)
								     : owner_by_session(token, &parent, err);
		if (rc == RC_OK)
			rc = name_check(token, TSS2_PARENT_OWNER, parent, err);
		if (rc == RC_OK && Esys_ContextSave(token->esys, parent, &token->primary) != TSS2_RC_SUCCESS)
			token->primary = NULL; /* then it is made again */
	}
	if (rc == RC_OK)
		*ret_parent = parent;
	else
		tpm2_flush(token, &parent);
	return rc;
}

#define NO_STORAGE TPM2_RC_TYPE /* of the key at a handle, as TPM2_Load would say */

/* Where a parent of ours was known, this is another TPM; where none was, the key is somebody else's. */
static enum rc no_storage(struct tpm2_token *token, uint32_t number, struct err *err)
{
	struct err why = { 0 };

	if (tpm2_known_missing(token, number, &why) == RC_DENIED) {
		*err = why;
		return RC_DENIED;
	}
	return err_set_raw(
		err, RC_INPUT, ERR_TSS, NO_STORAGE,
		"the key at 0x%08x is no storage key that stays in the TPM (restricted, decrypt, fixedTPM): write another "
		"\"parent\"",
		number);
}

static enum rc persistent_look(struct tpm2_token *token, uint32_t number, ESYS_TR handle, struct err *err)
{
	const TPMA_OBJECT storage = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_FIXEDTPM;
	TPM2B_PUBLIC *public = NULL;
	TSS2_RC code = Esys_ReadPublic(token->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL, NULL);

	if (code != TSS2_RC_SUCCESS)
		return tpm2_fail(token, err, code, "TPM2_ReadPublic of the parent key");
	TPMA_OBJECT attributes = public->publicArea.objectAttributes;
	Esys_Free(public);
	if ((attributes & (storage | TPMA_OBJECT_SIGN_ENCRYPT)) != storage)
		return no_storage(token, number, err);
	enum rc rc = name_check(token, number, handle, err);
	token->persistent.is_counted = !(attributes & TPMA_OBJECT_NODA);
	return rc;
}

/* Looked up once a connection: a second look-up that fails would destroy the first (tpm2-tss 3.2). */
static enum rc persistent_open(struct tpm2_token *token, uint32_t number, ESYS_TR *ret_parent, struct err *err)
{
	ESYS_TR handle = ESYS_TR_NONE;
	int64_t since = 0;
	TSS2_RC code;

	if (token->persistent.number == number) {
		*ret_parent = token->persistent.handle;
		return RC_OK;
	}
	do {
		code = Esys_TR_FromTPMPublic(token->esys, number, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &handle);
	} while (tpm2_again(code, &since));
	if (tpm2_is_format_one(code, TPM2_RC_HANDLE))
		return tpm2_known_missing(token, number, err);
	if (code != TSS2_RC_SUCCESS)
		return tpm2_fail(token, err, code, "TPM2_ReadPublic of the parent key");
	enum rc rc = persistent_look(token, number, handle, err);
	if (rc != RC_OK) {
		if (token->esys)
			(void)Esys_TR_Close(token->esys, &handle);
		return rc;
	}
	if (token->persistent.number)
		(void)Esys_TR_Close(token->esys, &token->persistent.handle);
	token->persistent.number = number;
	token->persistent.handle = *ret_parent = handle;
	return RC_OK;
}

/* Its handle first, for the reason above; whoever has been accepted there may be another now. */
static void persistent_forget(struct tpm2_token *token)
{
	(void)Esys_TR_Close(token->esys, &token->persistent.handle);
	token->persistent.number = 0;
	token->accepted_parent = 0;
}

enum rc tpm2_parent_open(struct tpm2_token *token, uint32_t number, ESYS_TR *ret_parent, struct err *err)
{
	return number == TSS2_PARENT_OWNER ? primary_open(token, ret_parent, err)
					   : persistent_open(token, number, ret_parent, err);
}

void tpm2_parent_close(struct tpm2_token *token, uint32_t number, ESYS_TR *parent)
{
	if (number == TSS2_PARENT_OWNER)
		tpm2_flush(token, parent);
	*parent = ESYS_TR_NONE;
}

/* RC_OK: it is still the one that is known.  A password authorises whatever is at a handle, so nothing else would tell. */
static enum rc persistent_review(struct tpm2_token *token, uint32_t number, struct err *err)
{
	ESYS_TR handle = ESYS_TR_NONE;

	/* A primary is loaded or made each time; and a connection that was lost has taken the handle with it. */
	if (number == TSS2_PARENT_OWNER || token->persistent.number != number)
		return RC_OK;
	persistent_forget(token);
	return persistent_open(token, number, &handle, err);
}

enum rc tpm2_parent_confirm(struct tpm2_token *token, uint32_t number, ESYS_TR parent, const TPM2B_CREATION_DATA *made,
			    struct err *err)
{
	const TPM2B_NAME *told = &made->creationData.parentName;
	TPM2B_NAME *name = NULL;
	TSS2_RC code = Esys_TR_GetName(token->esys, parent, &name);

	if (code != TSS2_RC_SUCCESS)
		return tpm2_fail(token, err, code, "name of the parent key");
	bool is_same = span_equal(span_of(name->name, name->size), span_of(told->name, told->size));
	Esys_Free(name);
	if (is_same)
		return RC_OK;
	enum rc rc = persistent_review(token, number, err);
	/* Known again: the operator has said so meanwhile. */
	return rc == RC_OK ? err_set_raw(err, RC_RETRY, ERR_TSS, 0, "the parent key 0x%08x was another until now", number) : rc;
}

enum rc tpm2_parent_doubt(struct tpm2_token *token, uint32_t number, enum rc rc, struct err *err)
{
	struct err why = { 0 };

	if (err->origin != ERR_TSS || err->code > 0xfff || !(err->code & TPM2_RC_FMT1))
		return rc;
	enum rc known = persistent_review(token, number, &why);
	if (known == RC_OK)
		return rc;
	*err = why;
	return known;
}

/* What an application that knew no better has put there is passed over. */
static enum rc root_key_choose(struct tpm2_token *token, uint32_t *ret_number, struct err *err)
{
	ESYS_TR handle = ESYS_TR_NONE;
	struct err why = { 0 };
	enum rc rc = persistent_open(token, TPM2_SRK_HANDLE, &handle, &why);
	bool is_others = rc == RC_INPUT && why.origin == ERR_TSS && why.code == NO_STORAGE;

	if (rc == RC_OK || is_others) {
		*ret_number = is_others ? TSS2_PARENT_OWNER : TPM2_SRK_HANDLE;
		return RC_OK;
	}
	*err = why;
	return rc;
}

enum rc tpm2_parent_choose(struct tpm2_token *token, uint32_t *ret_number, struct err *err)
{
	TPMS_CAPABILITY_DATA *capability = NULL;
	TPMI_YES_NO more;

	if (token->config->parent) {
		*ret_number = token->config->parent;
		return RC_OK;
	}
	TSS2_RC code = Esys_GetCapability(token->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES,
					  TPM2_SRK_HANDLE, 1, &more, &capability);
	if (code != TSS2_RC_SUCCESS)
		return tpm2_fail(token, err, code, "TPM2_GetCapability");
	const TPML_HANDLE *handles = &capability->data.handles;
	bool is_there = handles->count == 1 && handles->handle[0] == TPM2_SRK_HANDLE;
	Esys_Free(capability);
	if (is_there)
		return root_key_choose(token, ret_number, err);
	/* One that was there and is gone means another TPM, not another parent. */
	struct err why = { 0 };
	if (tpm2_known_missing(token, TPM2_SRK_HANDLE, &why) == RC_DENIED) {
		*err = why;
		return RC_DENIED;
	}
	*ret_number = TSS2_PARENT_OWNER;
	return RC_OK;
}

static bool is_tried(const struct tpm2_token *token, uint32_t number)
{
	return number != TSS2_PARENT_OWNER && token->persistent.is_counted && token->accepted_parent != number;
}

static struct tpm2_auth parent_auth(struct tpm2_token *token)
{
	struct tpm2_auth auth = { .is_counted = true };
	TPM2B_NAME *name = NULL;

	if (token->esys && Esys_TR_GetName(token->esys, token->persistent.handle, &name) == TSS2_RC_SUCCESS)
		auth.who = *name;
	Esys_Free(name);
	return auth;
}

enum rc tpm2_parent_begin(struct tpm2_token *token, uint32_t number, struct err *err)
{
	if (!is_tried(token, number))
		return RC_OK;
	struct tpm2_auth auth = parent_auth(token);
	return tpm2_auth_begin(token, &auth, err);
}

enum rc tpm2_parent_end(struct tpm2_token *token, uint32_t number, TSS2_RC code, const char *command, struct err *err)
{
	if (!is_tried(token, number))
		return code == TSS2_RC_SUCCESS ? RC_OK : tpm2_fail(token, err, code, command);
	struct tpm2_auth auth = parent_auth(token);
	if (code == TSS2_RC_SUCCESS)
		token->accepted_parent = number;
	return tpm2_auth_end(token, &auth, code, command, err);
}
