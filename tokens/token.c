/* token.c -- what every caller goes through: picks the backend, checks arguments, and verifies what a token signed. */
#include "token.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "spki.h"

static const char LABEL_LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

static const struct token_ops *backend_for(const struct config_token *config)
{
	const char *scheme = config->module ? "pkcs11" : "tpm2";

	for (size_t i = 0; token_backends[i]; i++)
		if (strcmp(token_backends[i]->scheme, scheme) == 0)
			return token_backends[i];
	return NULL;
}

enum rc token_open(const struct config_token *config, const char *keys_dir, struct token **ret_token, struct err *err)
{
	const struct token_ops *ops = backend_for(config);

	if (!ops)
		return err_set(err, RC_BUG, "no backend for token \"%s\"", config->name);
	enum rc rc = ops->open(config, keys_dir, ret_token, err);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "token \"%s\"", config->name);
}

void token_close(struct token *token)
{
	if (token)
		token->ops->close(token);
}

enum rc token_info(struct token *token, struct token_info *ret_info, struct err *err)
{
	enum rc rc = token->ops->info(token, ret_info, err);

	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "token \"%s\"", token->name);
}

/* A label is a file name for some backends: nothing that could leave a directory, or hide. */
static enum rc label_check(const char *label, struct err *err)
{
	size_t len = strnlen(label, TOKEN_LABEL_MAX);

	if (len == 0 || len == TOKEN_LABEL_MAX || label[0] == '.' || strspn(label, LABEL_LETTERS) != len)
		return err_set(err, RC_INPUT, "a key label must be 1 to %d of [A-Za-z0-9._-], not starting with a dot",
			       TOKEN_LABEL_MAX - 1);
	return RC_OK;
}

enum rc token_generate(struct token *token, const struct token_key_name *name, enum key_type type,
		       struct token_key **ret_key, struct err *err)
{
	enum rc rc = label_check(name->label, err);

	if (rc == RC_OK && type >= KEY_TYPE_COUNT)
		rc = err_set(err, RC_INPUT, "no such key type");
	if (rc == RC_OK)
		rc = token->ops->generate(token, name, type, ret_key, err);
	return rc == RC_OK ? RC_OK
			   : err_wrap(err, rc, "token \"%s\": generate %s key \"%s\"", token->name, key_type_name(type), name->label);
}

enum rc token_find(struct token *token, const struct token_key_name *name, struct token_key **ret_key, struct err *err)
{
	enum rc rc = label_check(name->label, err);

	if (rc == RC_OK)
		rc = token->ops->find(token, name, ret_key, err);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "token \"%s\": key \"%s\"", token->name, name->label);
}

enum rc token_list(struct token *token, token_list_fn *each, void *ctx, struct err *err)
{
	enum rc rc = token->ops->list(token, each, ctx, err);

	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "token \"%s\": list keys", token->name);
}

void token_key_free(struct token_key *key)
{
	if (key)
		key->ops->key_free(key);
}

enum rc token_public_key(struct token_key *key, struct buf *ret_spki, struct err *err)
{
	return key->ops->public_key(key, ret_spki, err);
}

static size_t hash_len(enum token_hash hash)
{
	return hash == TOKEN_SHA384 ? 48 : hash == TOKEN_SHA512 ? 64 : 32;
}

enum rc token_sign(struct token_key *key, enum token_scheme scheme, enum token_hash hash, struct span digest,
		   struct buf *ret_sig, struct err *err)
{
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	bool is_ec = key_type_is_ec(key->type);
	size_t width = is_ec ? 2 * key_type_bits(key->type) / 8 : key_type_bits(key->type) / 8;
	enum rc rc = RC_OK;

	if (digest.len != hash_len(hash))
		return err_set(err, RC_BUG, "a digest of %zu bytes where %zu belong", digest.len, hash_len(hash));
	if (is_ec != (scheme == TOKEN_ECDSA))
		return err_set(err, RC_INPUT, "key \"%s\" is %s and cannot make such a signature", key->name.label,
			       key_type_name(key->type));
	rc = key->ops->sign(key, scheme, hash, digest, &sig, err);
	if (rc == RC_OK && sig.len != width)
		rc = err_set(err, RC_RETRY, "the token answered a signature of %zu bytes where %zu belong", sig.len, width);
	if (rc == RC_OK)
		rc = key->ops->public_key(key, &spki, err);
	/* A stale TPM handle can sign with another key and report success: nothing unverified leaves here. */
	if (rc == RC_OK)
		rc = spki_verify(buf_span(&spki), scheme, hash, digest, buf_span(&sig), err);
	if (rc == RC_OK)
		rc = buf_append(ret_sig, buf_span(&sig), err);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "token \"%s\": sign with key \"%s\"", key->token->name, key->name.label);
}

enum rc token_custody(struct token_key *key, struct token_custody *ret_custody, struct err *err)
{
	return key->ops->custody(key, ret_custody, err);
}

enum rc token_reference(struct token_key *key, struct buf *ret_pem, struct buf *ret_uri, struct err *err)
{
	return key->ops->reference(key, ret_pem, ret_uri, err);
}

enum rc token_erase(struct token_key *key, struct err *err)
{
	enum rc rc = key->ops->erase(key, err);

	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "token \"%s\": erase key \"%s\"", key->token->name, key->name.label);
}

enum rc token_key_name_new(const char *owner, struct token_key_name *ret_name, struct err *err)
{
	struct token_key_name name = { 0 };
	char hex[2 * TOKEN_ID_LEN + 1];
	/* "hwacme-" + owner + "-" + 32 digits must fit: the owner is cut, the id never. */
	const int owner_max = TOKEN_LABEL_MAX - 1 - 7 - 1 - 2 * TOKEN_ID_LEN;

	if (RAND_bytes(name.id, sizeof(name.id)) != 1)
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "no random numbers");
	for (size_t i = 0; i < TOKEN_ID_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", name.id[i]);
	snprintf(name.label, sizeof(name.label), "hwacme-%.*s-%s", owner_max, owner, hex);
	enum rc rc = label_check(name.label, err);
	if (rc == RC_OK)
		*ret_name = name;
	return rc;
}
