/* tpm2_object.c -- TPM commands on keys: load, use, flush; no handle outlives a conversation unless it is to be kept. */
#include <string.h>

#include "tpm2.h"

/* What one use of a key has in the TPM. */
struct use {
	ESYS_TR object, session;
	bool was_kept;
	bool is_named; /* the TPM has just loaded it from its file, and named it: by the digest of its whole public area */
};

void tpm2_kept_drop(struct tpm2_token *token, const struct tpm2_key *key)
{
	if (!token->kept.key || (key && token->kept.key != key))
		return;
	token->kept.key = NULL;
	tpm2_flush(token, &token->kept.object);
	tpm2_session_close(token, &token->kept.session);
}

/* A new key's authorisation value is in the first parameter: it is encrypted, in a session that only the parent can read. */
static enum rc create_under(struct tpm2_token *token, ESYS_TR parent, TPM2B_PUBLIC *template,
			    const TPM2B_SENSITIVE_CREATE *sensitive, struct tss2_key *key, struct err *err)
{
	TPM2B_DATA outside = { 0 };
	TPML_PCR_SELECTION pcrs = { 0 };
	TPM2B_PRIVATE *private = NULL;
	TPM2B_PUBLIC *public = NULL;
	TPM2B_CREATION_DATA *made = NULL;
	ESYS_TR session = ESYS_TR_NONE;
	int64_t since = 0;
	TSS2_RC code;
	enum rc rc = RC_OK;

	if (!key->empty_auth)
		rc = tpm2_session_open(token, TPM2_SE_HMAC, parent, &session, err);
	if (rc == RC_OK)
		rc = tpm2_parent_begin(token, key->parent, err);
	if (rc == RC_OK) {
		if (session != ESYS_TR_NONE)
			tpm2_session_encrypt(token, session);
		do {
			code = Esys_Create(token->esys, parent, session == ESYS_TR_NONE ? ESYS_TR_PASSWORD : session,
					   ESYS_TR_NONE, ESYS_TR_NONE, sensitive, template, &outside, &pcrs, &private, &public,
					   &made, NULL, NULL);
		} while (tpm2_again(code, &since));
		rc = tpm2_parent_end(token, key->parent, code, "TPM2_Create", err);
	}
	rc = rc == RC_OK ? tpm2_parent_confirm(token, key->parent, parent, made, err)
			 : tpm2_parent_doubt(token, key->parent, rc, err);
	if (rc == RC_OK) {
		key->public = *public;
		key->private = *private;
	}
	Esys_Free(public);
	Esys_Free(private);
	Esys_Free(made);
	tpm2_session_close(token, &session);
	return rc;
}

struct creation {
	enum key_type type;
	struct tss2_key key;
};

static enum rc create_with(struct tpm2_token *token, const struct creation *creation, struct tss2_key *key, struct err *err)
{
	const struct config_token *config = token->config;
	AUTO(tpm2_auth) struct tpm2_auth auth = { .from = &config->auth };
	TPM2B_PUBLIC template = { .publicArea = tpm2_key_template(creation->type) };
	TPM2B_SENSITIVE_CREATE sensitive = { 0 };
	ESYS_TR parent = ESYS_TR_NONE;
	enum rc rc = tpm2_parent_choose(token, &key->parent, err);

	if (rc == RC_OK && !key->empty_auth)
		rc = tpm2_auth_read(auth.from, &auth.value, err);
	if (rc == RC_OK && config->pcrs.mask)
		rc = tpm2_policy_make(token, &config->pcrs, !key->empty_auth, &key->policy, &template.publicArea, err);
	if (rc == RC_OK)
		rc = tpm2_parent_open(token, key->parent, &parent, err);
	if (rc == RC_OK) {
		sensitive.sensitive.userAuth = auth.value;
		rc = create_under(token, parent, &template, &sensitive, key, err);
		bytes_wipe(&sensitive, sizeof(sensitive));
		tpm2_parent_close(token, key->parent, &parent);
	}
	return rc;
}

static enum rc create_once(struct tpm2_token *token, void *ctx, struct err *err)
{
	struct creation *creation = ctx;
	struct tss2_key key = { .empty_auth = token->config->auth.source == SECRET_NONE };

	tpm2_kept_drop(token, NULL);
	enum rc rc = create_with(token, creation, &key, err);
	if (rc == RC_OK)
		creation->key = key;
	return rc;
}

enum rc tpm2_create(struct tpm2_token *token, enum key_type type, struct tss2_key *ret_key, struct err *err)
{
	struct creation creation = { .type = type };

	if (key_type_family(type) == FAMILY_ED25519)
		return err_set_raw(err, RC_INPUT, ERR_TSS, 0, "a TPM cannot make this kind of key");
	enum rc rc = tpm2_run(token, create_once, &creation, NULL, err);

	if (rc == RC_OK)
		*ret_key = creation.key;
	return rc;
}

static enum rc load_under(struct tpm2_token *token, const struct tpm2_key *key, ESYS_TR parent, ESYS_TR *ret_object,
			  struct err *err)
{
	int64_t since = 0;
	TSS2_RC code;
	enum rc rc = tpm2_parent_begin(token, key->file.parent, err);

	if (rc != RC_OK)
		return rc;
	do {
		code = Esys_Load(token->esys, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &key->file.private,
				 &key->file.public, ret_object);
	} while (tpm2_again(code, &since));
	return tpm2_parent_end(token, key->file.parent, code, "TPM2_Load", err);
}

/* The verdict on the key, unless there is one on its parent. */
static enum rc open_refused(struct tpm2_token *token, uint32_t parent, enum rc rc, struct err *err)
{
	TSS2_RC code = (TSS2_RC)err->code;

	rc = tpm2_parent_doubt(token, parent, rc, err);
	if ((TSS2_RC)err->code != code || !tpm2_is_format_one(code, TPM2_RC_INTEGRITY) || token->is_newly_known)
		return rc;
	return err_set_raw(err, RC_DENIED, ERR_TSS, code,
			   "TPM2_Load: the TPM is the one known here, so the key's file was damaged, or made elsewhere");
}

/* False: there is none, or the TPM was reset since and takes it no more. */
static bool saved_restore(struct tpm2_token *token, struct tpm2_key *key, ESYS_TR *ret_object)
{
	int64_t since = 0;
	TSS2_RC code;

	if (!key->saved)
		return false;
	do {
		code = Esys_ContextLoad(token->esys, key->saved, ret_object);
	} while (tpm2_again(code, &since));
	if (code == TSS2_RC_SUCCESS)
		return true;
	Esys_Free(TAKE(key->saved));
	return false;
}

static bool needs_session(const struct tss2_key *file)
{
	return !file->empty_auth || file->policy.pcrs.count;
}

/* By its parent, which also salts the session; it is gone again before the key is used. */
static enum rc open_by_parent(struct tpm2_token *token, struct tpm2_key *key, struct use *use, bool with_session, struct err *err)
{
	const struct tss2_key *file = &key->file;
	bool salted = !file->empty_auth;
	ESYS_TR parent = ESYS_TR_NONE;
	enum rc rc = tpm2_parent_open(token, file->parent, &parent, err);

	if (rc == RC_OK && with_session)
		rc = tpm2_session_open(token, file->policy.pcrs.count ? TPM2_SE_POLICY : TPM2_SE_HMAC,
				       salted ? parent : ESYS_TR_NONE, &use->session, err);
	if (rc == RC_OK && !key->saved) {
		rc = load_under(token, key, parent, &use->object, err);
		use->is_named = rc == RC_OK;
	}
	if (rc != RC_OK)
		rc = open_refused(token, file->parent, rc, err);
	tpm2_parent_close(token, file->parent, &parent);
	return rc;
}

static void use_end(struct tpm2_token *token, struct use *use)
{
	tpm2_flush(token, &use->object);
	tpm2_session_close(token, &use->session);
}

static enum rc use_begin(struct tpm2_token *token, struct tpm2_key *key, bool with_session, struct use *ret_use, struct err *err)
{
	struct use use = { .object = ESYS_TR_NONE, .session = ESYS_TR_NONE };
	enum rc rc = RC_OK;

	if (token->kept.key == key) {
		*ret_use = (struct use){ .object = token->kept.object, .session = token->kept.session, .was_kept = true };
		token->kept.key = NULL;
		return RC_OK;
	}
	tpm2_kept_drop(token, NULL);
	bool unsalted = with_session && key->file.empty_auth;
	if (unsalted)
		rc = tpm2_session_open(token, TPM2_SE_POLICY, ESYS_TR_NONE, &use.session, err);
	if (rc == RC_OK && ((with_session && !unsalted) || !key->saved))
		rc = open_by_parent(token, key, &use, with_session && !unsalted, err);
	/* Its saved form was no good: once more, by the parent. */
	if (rc == RC_OK && use.object == ESYS_TR_NONE && !saved_restore(token, key, &use.object))
		rc = open_by_parent(token, key, &use, false, err);
	if (rc == RC_OK)
		*ret_use = use;
	else
		use_end(token, &use);
	return rc;
}

/* Keeps what the next use of the key needs, or clears up. */
static void use_done(struct tpm2_token *token, struct tpm2_key *key, struct use *use)
{
	if (!token->config->keep_loaded) {
		tpm2_session_gone(token, &use->session);
		tpm2_flush(token, &use->object);
		return;
	}
	token->kept.key = key;
	token->kept.object = use->object;
	token->kept.session = use->session;
}

static TSS2_RC sign_command(struct tpm2_token *token, const struct use *use, struct tpm2_signing *signing)
{
	static const TPMT_TK_HASHCHECK no_ticket = { .tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL };
	ESYS_TR session = use->session == ESYS_TR_NONE ? ESYS_TR_PASSWORD : use->session;
	TPMT_SIGNATURE *sig = NULL;
	int64_t since = 0;
	TSS2_RC code;

	if (use->session != ESYS_TR_NONE && !token->config->keep_loaded)
		tpm2_session_last_use(token, use->session);
	do {
		code = Esys_Sign(token->esys, use->object, session, ESYS_TR_NONE, ESYS_TR_NONE, &signing->digest,
				 &signing->scheme, &no_ticket, &sig);
	} while (tpm2_again(code, &since));
	if (code == TSS2_RC_SUCCESS)
		signing->sig = *sig;
	Esys_Free(sig);
	return code;
}

/* Not when another key has come to a handle that was kept, as after a reset. */
static bool is_still_there(struct tpm2_token *token, const struct use *use, const TPM2B_NAME *wanted)
{
	TPM2B_NAME *name = NULL;
	bool same = Esys_ReadPublic(token->esys, use->object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, &name, NULL) ==
			    TSS2_RC_SUCCESS &&
		    span_equal(span_of(name->name, name->size), span_of(wanted->name, wanted->size));

	Esys_Free(name);
	return same;
}

/* The key's authorisation value is with ESYS for this one command. */
static enum rc sign_with_auth(struct tpm2_token *token, const struct use *use, struct tpm2_signing *signing, struct err *err)
{
	struct tpm2_key *key = signing->key;
	AUTO(tpm2_auth)
	struct tpm2_auth auth = {
		.from = &token->config->auth,
		.is_counted = !(key->file.public.publicArea.objectAttributes & TPMA_OBJECT_NODA),
	};
	TPM2B_NAME *name = NULL;
	enum rc rc = tpm2_auth_read(auth.from, &auth.value, err);
	TSS2_RC code = rc == RC_OK ? Esys_TR_GetName(token->esys, use->object, &name) : TSS2_RC_SUCCESS;

	if (code != TSS2_RC_SUCCESS)
		return tpm2_fail(token, err, code, "name of the key");
	if (rc == RC_OK)
		auth.who = *name;
	Esys_Free(name);
	if (rc == RC_OK && !key->is_accepted)
		rc = tpm2_auth_begin(token, &auth, err);
	if (rc != RC_OK)
		return rc;
	code = Esys_TR_SetAuth(token->esys, use->object, &auth.value);
	if (code == TSS2_RC_SUCCESS)
		code = sign_command(token, use, signing);
	(void)Esys_TR_SetAuth(token->esys, use->object, NULL);
	if (!key->is_accepted) {
		key->is_accepted = code == TSS2_RC_SUCCESS;
		return tpm2_auth_end(token, &auth, code, "TPM2_Sign", err);
	}
	/* It was right before: refused by the same key, it is not sent again, as any other; the name is in what was authorised, so
	 * another key at the handle refuses it too, and then ours is loaded again. */
	if (tpm2_is_refusal(code) && (!use->was_kept || is_still_there(token, use, &auth.who))) {
		key->is_accepted = false;
		return tpm2_auth_refused(token, &auth, code, "TPM2_Sign", err);
	}
	if (tpm2_is_refusal(code))
		code = TPM2_RC_REFERENCE_H0;
	return code == TSS2_RC_SUCCESS ? RC_OK : tpm2_fail(token, err, code, "TPM2_Sign");
}

static enum rc sign_once(struct tpm2_token *token, void *ctx, struct err *err)
{
	struct tpm2_signing *signing = ctx;
	struct tpm2_key *key = signing->key;
	struct use use;

	if (!key->file.empty_auth && token->config->auth.source == SECRET_NONE)
		return err_set(err, RC_INPUT,
			       "the key has an authorisation value: write where it is, tpm2: { auth: { file: ... } }");
	enum rc rc = use_begin(token, key, needs_session(&key->file), &use, err);
	if (rc != RC_OK)
		return rc;
	signing->was_kept = use.was_kept;
	if (key->file.policy.pcrs.count)
		rc = tpm2_policy_run(token, &key->file.policy, use.session, err);
	if (rc == RC_OK && !key->file.empty_auth) {
		rc = sign_with_auth(token, &use, signing, err);
	} else if (rc == RC_OK) {
		TSS2_RC code = sign_command(token, &use, signing);
		rc = code == TSS2_RC_SUCCESS ? RC_OK : tpm2_fail(token, err, code, "TPM2_Sign");
	}
	if (rc == RC_OK)
		use_done(token, key, &use);
	else
		use_end(token, &use);
	return rc;
}

enum rc tpm2_sign(struct tpm2_signing *signing, struct err *err)
{
	return tpm2_run(TPM2(signing->key->base.token), sign_once, signing, &signing->key->file.public, err);
}

struct reading {
	struct tpm2_key *key;
	bool save;
	TPM2B_PUBLIC public;
};

static enum rc read_back(struct tpm2_token *token, const struct use *use, TPM2B_PUBLIC *ret_public, struct err *err)
{
	TPM2B_PUBLIC *public = NULL;
	TSS2_RC code = Esys_ReadPublic(token->esys, use->object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL, NULL);

	if (code != TSS2_RC_SUCCESS)
		return tpm2_fail(token, err, code, "TPM2_ReadPublic");
	*ret_public = *public;
	Esys_Free(public);
	return RC_OK;
}

static enum rc read_once(struct tpm2_token *token, void *ctx, struct err *err)
{
	struct reading *reading = ctx;
	struct tpm2_key *key = reading->key;
	struct use use;
	enum rc rc = use_begin(token, key, false, &use, err);

	if (rc != RC_OK)
		return rc;
	/* What it was loaded from is what it would read back: ESAPI has compared the name that the TPM answered. */
	if (use.is_named)
		reading->public = key->file.public;
	else
		rc = read_back(token, &use, &reading->public, err);
	if (rc == RC_OK && reading->save && !key->saved &&
	    Esys_ContextSave(token->esys, use.object, &key->saved) != TSS2_RC_SUCCESS)
		key->saved = NULL; /* then it is loaded by its parent again */
	use_end(token, &use);
	return rc;
}

enum rc tpm2_read_public(struct tpm2_key *key, bool save, TPM2B_PUBLIC *ret_public, struct err *err)
{
	struct reading reading = { .key = key, .save = save };
	enum rc rc = tpm2_run(TPM2(key->base.token), read_once, &reading, &key->file.public, err);

	if (rc == RC_OK)
		*ret_public = reading.public;
	return rc;
}
