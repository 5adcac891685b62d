/* tpm2.c -- keys wrapped by a TPM 2.0: the table of operations, and what the rest of the program sees of such a key. */
#include "tpm2.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backends.h"
#include "codec.h"
#include "spki.h"
#include "tpm2_file.h"

/* A parent that the configuration names must be there; it is looked at now, not when a key is due. */
static enum rc open_check(struct tpm2_token *token, void *ctx, struct err *err)
{
	ESYS_TR parent = ESYS_TR_NONE;

	(void)ctx;
	if (!token->config->parent)
		return RC_OK; /* the connection is all that is asked */
	enum rc rc = tpm2_parent_open(token, token->config->parent, &parent, err);
	tpm2_parent_close(token, token->config->parent, &parent);
	return rc;
}

static enum rc tpm2_open(const struct config_token *config, const char *keys_dir, struct token **ret_token, struct err *err)
{
	struct tpm2_token *token = calloc(1, sizeof(*token));

	if (!token)
		return err_set(err, RC_RESOURCE, "out of memory");
	AUTO(token) struct token *owned = &token->base;
	token->base = (struct token){ .ops = &tpm2_ops, .name = config->name };
	token->config = config;
	token->owner = getpid();
	token->journal.fd = -1;
	pthread_mutex_init(&token->mutex, NULL);
	token->tcti = strdup(config->tcti);
	token->keys_dir = strdup(keys_dir);
	if (!token->tcti || !token->keys_dir)
		return err_set(err, RC_RESOURCE, "out of memory");
	if (!token->tcti[0])
		return err_set(err, RC_INPUT, "tcti is empty; write for example tcti: \"device:/dev/tpmrm0\"");
	enum rc rc = tpm2_run(token, open_check, NULL, NULL, err);
	if (rc == RC_OK)
		*ret_token = TAKE(owned);
	return rc;
}

static void tpm2_close(struct token *base)
{
	struct tpm2_token *token = TPM2(base);

	/* A child shares the TPM's objects with its parent, and perhaps the connection: it sends nothing. */
	if (token->owner == getpid())
		tpm2_kept_drop(token, NULL);
	tpm2_disconnect(token);
	tpm2_journal_close(token);
	Esys_Free(token->primary);
	pthread_mutex_destroy(&token->mutex);
	free(token->tcti);
	free(token->keys_dir);
	free(token);
}

static void key_free(struct token_key *base)
{
	struct tpm2_key *key = TPM2_KEY(base);
	struct tpm2_token *token = TPM2(base->token);

	if (token->owner == getpid()) {
		tpm2_lock(token);
		tpm2_kept_drop(token, key);
		tpm2_unlock(token);
	}
	Esys_Free(key->saved);
	buf_clear(&key->spki);
	free(key);
}

static enum rc key_new(struct token *base, const struct token_key_name *name, const struct tss2_key *file,
		       struct token_key **ret_key, struct err *err)
{
	struct tpm2_key *key = calloc(1, sizeof(*key));

	if (!key)
		return err_set(err, RC_RESOURCE, "out of memory");
	*key = (struct tpm2_key){ .base = { .ops = &tpm2_ops, .token = base, .name = *name },
				  .file = *file,
				  .spki = BUF_MAX(TOKEN_SPKI_MAX) };
	AUTO(token_key) struct token_key *owned = &key->base;
	enum rc rc = tpm2_key_spki(&file->public.publicArea, &key->spki, err);
	if (rc != RC_OK)
		return rc;
	key->base.type = spki_key_type(buf_span(&key->spki));
	if (key->base.type == KEY_TYPE_COUNT)
		return err_set(err, RC_INPUT, "its type is none of ours");
	*ret_key = TAKE(owned);
	return RC_OK;
}

static enum rc custody_read(struct tpm2_key *key, bool save, struct token_custody *ret_custody, struct err *err)
{
	TPM2B_PUBLIC public;
	enum rc rc = tpm2_read_public(key, save, &public, err);

	if (rc == RC_OK)
		tpm2_key_custody(&key->file, public.publicArea.objectAttributes, ret_custody);
	return rc;
}

static enum rc custody(struct token_key *key, struct token_custody *ret_custody, struct err *err)
{
	return custody_read(TPM2_KEY(key), false, ret_custody, err);
}

static const char *file_of(const char *label, char name[TPM2_FILE_MAX])
{
	snprintf(name, TPM2_FILE_MAX, "%s.pem", label);
	return name;
}

static enum rc file_load(struct tpm2_token *token, const char *label, struct tss2_key *ret_file, struct err *err)
{
	AUTO(buf) struct buf pem = BUF_MAX(TSS2_KEY_PEM_MAX);
	char name[TPM2_FILE_MAX];
	enum rc rc = tpm2_file_read(token->keys_dir, file_of(label, name), &pem, err);

	if (rc == RC_OK)
		rc = tss2_key_parse(buf_span(&pem), ret_file, err);
	return rc == RC_OK || rc == RC_ABSENT ? rc : err_wrap(err, rc, "%s/%s.pem", token->keys_dir, label);
}

static enum rc tpm2_find(struct token *base, const struct token_key_name *name, struct token_key **ret_key, struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	struct token_custody kept;
	struct tss2_key file;
	enum rc rc = file_load(TPM2(base), name->label, &file, err);

	if (rc == RC_OK)
		rc = key_new(base, name, &file, &key, err);
	if (rc == RC_OK)
		rc = custody_read(TPM2_KEY(key), true, &kept, err);
	/* An absent file is an absent key; a file that this TPM refuses is a lost one, and never quietly replaced. */
	if (rc == RC_ABSENT && key) {
		rc = RC_DENIED;
		if (err)
			err->rc = rc;
	}
	if (rc == RC_OK && !kept.held)
		rc = err_set_raw(err, RC_DENIED, ERR_TSS, 0, "it is not kept by the TPM as it must be: %s", kept.text);
	if (rc == RC_OK)
		*ret_key = TAKE(key);
	return rc;
}

/* The same file, and the same TPM, which has its own saved form of the key. */
static enum rc tpm2_confirm(struct token_key *base, struct err *err)
{
	struct tpm2_key *key = TPM2_KEY(base);
	AUTO(buf) struct buf now = BUF_MAX(TSS2_KEY_PEM_MAX);
	AUTO(buf) struct buf known = BUF_MAX(TSS2_KEY_PEM_MAX);
	struct token_custody kept;
	char name[TPM2_FILE_MAX];
	enum rc rc = tpm2_file_read(TPM2(base->token)->keys_dir, file_of(base->name.label, name), &now, err);

	if (rc == RC_OK)
		rc = tss2_key_print(&key->file, &known, err);
	if (rc == RC_OK && !span_equal(buf_span(&now), buf_span(&known)))
		return err_set_raw(err, RC_ABSENT, ERR_TSS, 0, "its file is another now");
	if (rc == RC_OK)
		rc = custody_read(key, true, &kept, err);
	return rc == RC_OK && !kept.held ? err_set_raw(err, RC_DENIED, ERR_TSS, 0, "%s", kept.text) : rc;
}

static enum rc tpm2_generate(struct token *base, const struct token_key_name *name, enum key_type type,
			     struct token_key **ret_key, struct err *err)
{
	struct tpm2_token *token = TPM2(base);
	AUTO(buf) struct buf pem = BUF_MAX(TSS2_KEY_PEM_MAX);
	AUTO(buf) struct buf present = BUF_MAX(TSS2_KEY_PEM_MAX);
	char path[TPM2_FILE_MAX];
	struct tss2_key file;
	struct err why = { 0 };
	enum rc rc = tpm2_file_read(token->keys_dir, file_of(name->label, path), &present, &why);

	if (rc == RC_OK)
		return err_set(err, RC_INPUT, "%s/%s exists already", token->keys_dir, path);
	if (rc != RC_ABSENT) {
		if (err)
			*err = why;
		return rc;
	}
	rc = tpm2_create(token, type, &file, err);
	if (rc == RC_OK)
		rc = tss2_key_print(&file, &pem, err);
	if (rc == RC_OK)
		rc = tpm2_file_write(token->keys_dir, path, buf_span(&pem), err);
	if (rc != RC_OK)
		return rc;
	rc = tpm2_find(base, name, ret_key, err);
	if (rc != RC_OK)
		(void)!tpm2_file_erase(token->keys_dir, path, NULL);
	return rc;
}

/* "hwacme-amf-<32 hex digits>.pem": the label, and the id at its end. */
static bool label_of(const char *file_name, struct token_key_name *ret_name)
{
	size_t len = strlen(file_name);
	AUTO(buf) struct buf id = BUF_MAX(TOKEN_ID_LEN);

	if (file_name[0] == '.' || len <= 4 || len - 4 >= TOKEN_LABEL_MAX || strcmp(file_name + len - 4, ".pem") != 0)
		return false;
	*ret_name = (struct token_key_name){ 0 };
	memcpy(ret_name->label, file_name, len - 4);
	if (len - 4 >= 2 * TOKEN_ID_LEN && codec_hex_decode(ret_name->label + len - 4 - 2 * TOKEN_ID_LEN, &id, NULL) == RC_OK &&
	    id.len == TOKEN_ID_LEN)
		memcpy(ret_name->id, id.at, TOKEN_ID_LEN);
	return true;
}

static enum rc list_one(struct token *base, const struct token_key_name *name, token_list_fn *each, void *ctx, struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	struct token_custody kept = { 0 };
	struct tss2_key file;
	struct err why = { 0 };
	enum rc rc = file_load(TPM2(base), name->label, &file, &why);

	if (rc == RC_OK)
		rc = key_new(base, name, &file, &key, &why);
	/* The TPM did not take it now; its file is whole all the same, for it came to be by a rename. */
	if (rc == RC_OK && custody_read(TPM2_KEY(key), false, &kept, &why) != RC_OK)
		snprintf(kept.text, sizeof(kept.text), "%s", why.text);
	if (rc == RC_OK)
		return each(ctx, key, &kept, err);
	/* A damaged file is listed too: an operator wants to know of it. */
	struct token_key broken = { .ops = &tpm2_ops, .token = base, .name = *name, .type = KEY_TYPE_COUNT };
	snprintf(kept.text, sizeof(kept.text), "%s", why.text);
	return each(ctx, &broken, &kept, err);
}

static enum rc tpm2_list(struct token *base, token_list_fn *each, void *ctx, struct err *err)
{
	DIR *directory = opendir(TPM2(base)->keys_dir);
	const struct dirent *entry;
	struct token_key_name name;
	enum rc rc = RC_OK;

	if (!directory)
		return RC_OK; /* no key was ever made */
	while (rc == RC_OK && (entry = readdir(directory)))
		if (label_of(entry->d_name, &name))
			rc = list_one(base, &name, each, ctx, err);
	closedir(directory);
	return rc;
}

static enum rc public_key(struct token_key *key, struct buf *ret_spki, struct err *err)
{
	return buf_append(ret_spki, buf_span(&TPM2_KEY(key)->spki), err);
}

static enum rc sign_by_tpm(struct tpm2_signing *signing, enum token_scheme scheme, struct buf *ret_sig, struct err *err)
{
	enum rc rc = tpm2_sign(signing, err);

	if (rc == RC_OK)
		rc = tpm2_key_signature(signing->key->base.type, scheme, &signing->sig, ret_sig, err);
	return rc;
}

static enum rc sign(struct token_key *base, enum token_scheme scheme, enum token_hash hash, struct span digest,
		    struct buf *ret_sig, struct err *err)
{
	static const TPM2_ALG_ID schemes[] = {
		[TOKEN_ECDSA] = TPM2_ALG_ECDSA, [TOKEN_RSA_PKCS1] = TPM2_ALG_RSASSA, [TOKEN_RSA_PSS] = TPM2_ALG_RSAPSS
	};
	static const TPM2_ALG_ID hashes[] = {
		[TOKEN_SHA256] = TPM2_ALG_SHA256, [TOKEN_SHA384] = TPM2_ALG_SHA384, [TOKEN_SHA512] = TPM2_ALG_SHA512
	};
	struct tpm2_key *key = TPM2_KEY(base);
	struct tpm2_signing signing = { .key = key,
					.scheme = { .scheme = schemes[scheme], .details.any.hashAlg = hashes[hash] },
					.digest.size = (UINT16)digest.len };
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);

	if (digest.len > sizeof(signing.digest.buffer))
		return err_set(err, RC_BUG, "a digest of %zu bytes", digest.len);
	memcpy(signing.digest.buffer, digest.at, digest.len);
	enum rc rc = sign_by_tpm(&signing, scheme, &sig, err);
	/* By the key that is at this handle now; callers verify too, but could not mend it. */
	if (rc == RC_OK && signing.was_kept &&
	    spki_verify(buf_span(&key->spki), scheme, hash, digest, buf_span(&sig), NULL) != RC_OK) {
		tpm2_lock(TPM2(base->token));
		tpm2_kept_drop(TPM2(base->token), NULL);
		tpm2_unlock(TPM2(base->token));
		buf_clear(&sig);
		rc = sign_by_tpm(&signing, scheme, &sig, err);
	}
	return rc == RC_OK ? buf_append(ret_sig, buf_span(&sig), err) : rc;
}

static enum rc reference(struct token_key *key, struct buf *ret_pem, struct buf *ret_uri, struct err *err)
{
	enum rc rc = tss2_key_print(&TPM2_KEY(key)->file, ret_pem, err);

	if (rc == RC_OK)
		rc = buf_print(ret_uri, err, "file:%s/%s.pem", TPM2(key->token)->keys_dir, key->name.label);
	return rc;
}

static enum rc flush_copies(struct tpm2_token *token, void *ctx, struct err *err)
{
	(void)err;
	/* Whichever it is: looking a handle up that is in use, and closing it, would end that use. */
	tpm2_kept_drop(token, NULL);
	tpm2_flush_copies(token, ctx);
	return RC_OK;
}

static enum rc erase_file(struct tpm2_token *token, const char *label, TPM2B_PUBLIC *public, struct err *err)
{
	char name[TPM2_FILE_MAX];

	/* The file is the key: a child process that inherited the handle must not erase it. */
	if (token->owner != getpid())
		return err_set(err, RC_BUG, "a TPM opened by another process; open it after the fork");
	(void)!tpm2_run(token, flush_copies, public, NULL, NULL);
	return tpm2_file_erase(token->keys_dir, file_of(label, name), err);
}

static enum rc erase(struct token_key *key, struct err *err)
{
	return erase_file(TPM2(key->token), key->name.label, &TPM2_KEY(key)->file.public, err);
}

static enum rc erase_name(struct token *token, const struct token_key_name *name, struct err *err)
{
	struct tss2_key file;
	enum rc rc = file_load(TPM2(token), name->label, &file, err);

	return rc == RC_OK ? erase_file(TPM2(token), name->label, &file.public, err) : rc;
}

const struct token_ops tpm2_ops = {
	.scheme = "tpm2",
	.open = tpm2_open,
	.close = tpm2_close,
	.info = tpm2_info,
	.generate = tpm2_generate,
	.find = tpm2_find,
	.confirm = tpm2_confirm,
	.list = tpm2_list,
	.key_free = key_free,
	.public_key = public_key,
	.sign = sign,
	.custody = custody,
	.reference = reference,
	.erase = erase,
	.erase_name = erase_name,
};
