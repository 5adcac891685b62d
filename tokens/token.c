/* token.c -- what every caller goes through: picks the backend, checks arguments, and verifies what a token signed. */
#include "token.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "fresh_names.h"
#include "spki.h"

static const char LABEL_LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

/* The configuration names what reaches the token, and that names the backend. */
static const struct token_ops *backend_for(const struct config_token *config)
{
	const char *scheme = config->tcti ? "tpm2" : "pkcs11";

	for (size_t i = 0; token_backends[i]; i++)
		if (strcmp(token_backends[i]->scheme, scheme) == 0)
			return token_backends[i];
	return NULL;
}

enum rc token_open(const struct config_token *config, const char *keys_dir, struct token **ret_token, struct err *err)
{
	const struct token_ops *ops = backend_for(config);

	if ((config->module || config->token_uri) == (config->tcti != NULL))
		return err_set(err, RC_INPUT, "token \"%s\": write either pkcs11: { module: ... } or tpm2: { tcti: ... }",
			       config->name);
	if (!ops)
		return err_set(err, RC_INPUT, "token \"%s\": this program was built without its backend", config->name);
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

/* Read once for all the signatures to come. */
static enum rc checker_make(struct token_key *key, struct err *err)
{
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	enum rc rc = key->ops->public_key(key, &spki, err);

	return rc == RC_OK ? spki_key_load(buf_span(&spki), &key->checker, err) : rc;
}

enum rc token_generate(struct token *token, const struct token_key_name *name, enum key_type type, struct token_key **ret_key,
		       struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	enum rc rc = label_check(name->label, err);

	if (rc == RC_OK && type >= KEY_TYPE_COUNT)
		rc = err_set(err, RC_INPUT, "no such key type");
	if (rc == RC_OK)
		rc = token->ops->generate(token, name, type, &key, err);
	if (rc == RC_OK)
		rc = checker_make(key, err);
	if (rc == RC_OK)
		*ret_key = TAKE(key);
	return rc == RC_OK
		       ? RC_OK
		       : err_wrap(err, rc, "token \"%s\": generate %s key \"%s\"", token->name, key_type_name(type), name->label);
}

enum rc token_find(struct token *token, const struct token_key_name *name, struct token_key **ret_key, struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	enum rc rc = label_check(name->label, err);

	if (rc == RC_OK)
		rc = token->ops->find(token, name, &key, err);
	if (rc == RC_OK)
		rc = checker_make(key, err);
	if (rc == RC_OK)
		*ret_key = TAKE(key);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "token \"%s\": key \"%s\"", token->name, name->label);
}

enum rc token_list(struct token *token, token_list_fn *each, void *ctx, struct err *err)
{
	enum rc rc = token->ops->list(token, each, ctx, err);

	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "token \"%s\": list keys", token->name);
}

void token_key_free(struct token_key *key)
{
	if (!key)
		return;
	spki_key_free(key->checker);
	key->ops->key_free(key);
}

void token_key_rest(struct token_key *key)
{
	spki_key_free(key->checker);
	key->checker = NULL;
}

/* Where it happened, in front of what happened. */
static enum rc key_wrap(struct err *err, enum rc rc, const struct token_key *key, const char *what)
{
	return err_wrap(err, rc, "token \"%s\": %s key \"%s\"", key->token->name, what, key->name.label);
}

enum rc token_public_key(struct token_key *key, struct buf *ret_spki, struct err *err)
{
	enum rc rc = key->ops->public_key(key, ret_spki, err);

	return rc == RC_OK ? RC_OK : key_wrap(err, rc, key, "public key of");
}

enum rc token_sign_check(const struct token_key *key, enum token_scheme scheme, enum token_hash hash, struct span input,
			 struct err *err)
{
	if (hash > TOKEN_SHA512 || scheme > TOKEN_EDDSA)
		return err_set(err, RC_BUG, "no such hash or signature scheme");
	if (scheme == TOKEN_EDDSA && input.len > TOKEN_MESSAGE_MAX)
		return err_set(err, RC_BUG, "a message of %zu bytes; at most %u are signed", input.len, TOKEN_MESSAGE_MAX);
	if (scheme != TOKEN_EDDSA && input.len != token_hash_len(hash))
		return err_set(err, RC_BUG, "a digest of %zu bytes where %zu belong", input.len, token_hash_len(hash));
	if (!key_type_signs(key->type, scheme, hash))
		return err_set(err, RC_INPUT, "it is %s and cannot make such a signature", key_type_name(key->type));
	return RC_OK;
}

/* A stale TPM handle can sign with another key and report success: nothing unverified leaves here. */
static enum rc sign_verify(struct token_key *key, enum token_scheme scheme, enum token_hash hash, struct span input,
			   struct span sig, struct err *err)
{
	size_t len = key_type_signature_len(key->type);

	if (sig.len != len)
		return err_set(err, RC_RETRY, "the token answered %zu bytes where a signature has %zu", sig.len, len);
	return spki_key_verify(key->checker, scheme, hash, input, sig, err);
}

enum rc token_sign(struct token_key *key, enum token_scheme scheme, enum token_hash hash, struct span input, struct buf *ret_sig,
		   struct err *err)
{
	AUTO(buf) struct buf sig = BUF_MAX(TOKEN_SIG_MAX);
	enum rc rc = token_sign_check(key, scheme, hash, input, err);

	if (rc == RC_OK)
		rc = key->ops->sign(key, scheme, hash, input, &sig, err);
	if (rc == RC_OK && !key->checker)
		rc = checker_make(key, err);
	if (rc == RC_OK)
		rc = sign_verify(key, scheme, hash, input, buf_span(&sig), err);
	if (rc == RC_OK)
		rc = buf_append(ret_sig, buf_span(&sig), err);
	return rc == RC_OK ? RC_OK : key_wrap(err, rc, key, "sign with");
}

enum rc token_sign_message(struct token_key *key, enum token_scheme scheme, enum token_hash hash, struct span message,
			   struct buf *ret_sig, struct err *err)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	size_t len = 0;

	if (hash == TOKEN_HASH_NONE)
		return token_sign(key, scheme, hash, message, ret_sig, err);
	if (EVP_Q_digest(NULL, token_hash_name(hash), NULL, message.at, message.len, digest, &len) != 1)
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "%s failed", token_hash_name(hash));
	return token_sign(key, scheme, hash, span_of(digest, len), ret_sig, err);
}

enum rc token_custody(struct token_key *key, struct token_custody *ret_custody, struct err *err)
{
	enum rc rc = key->ops->custody(key, ret_custody, err);

	return rc == RC_OK ? RC_OK : key_wrap(err, rc, key, "custody of");
}

enum rc token_reference(struct token_key *key, struct buf *ret_pem, struct buf *ret_uri, struct err *err)
{
	AUTO(buf) struct buf pem = BUF_MAX(TOKEN_REFERENCE_MAX);
	AUTO(buf) struct buf uri = BUF_MAX(TOKEN_REFERENCE_MAX);
	enum rc rc = key->ops->reference(key, &pem, &uri, err);

	/* Both or neither: what does not fit is found before the first is written. */
	if (rc == RC_OK && uri.len > ret_uri->max - ret_uri->len)
		rc = err_set(err, RC_RESOURCE, "its URI is too long");
	if (rc == RC_OK)
		rc = buf_append(ret_pem, buf_span(&pem), err);
	if (rc == RC_OK)
		rc = buf_append(ret_uri, buf_span(&uri), err);
	return rc == RC_OK ? RC_OK : key_wrap(err, rc, key, "reference of");
}

enum rc token_audit_try(struct token_key *key, struct err *err)
{
	enum rc rc = key->ops->audit_try ? key->ops->audit_try(key, err) : RC_OK;

	return rc == RC_OK ? RC_OK : key_wrap(err, rc, key, "audit");
}

static enum rc objects_check(const struct token_key *key, const struct token_objects *objects, struct err *err)
{
	size_t len = objects->certificate.len;

	if (!key->ops->publish)
		return err_set(err, RC_INPUT, "this kind of token keeps no certificates and labels; leave token-objects out");
	if (objects->chain_count > TOKEN_CHAIN_MAX || (objects->chain_count && !len))
		return err_set(err, RC_BUG, "a chain of %u certificates", objects->chain_count);
	for (unsigned i = 0; i < objects->chain_count; i++)
		len += objects->chain[i].len;
	if (len > TOKEN_MESSAGE_MAX)
		return err_set(err, RC_INPUT, "certificates of %zu bytes; at most %u are written", len, TOKEN_MESSAGE_MAX);
	return token_key_name_has_id(&key->name) ? RC_OK : err_set(err, RC_DENIED, "it is not a key of our making");
}

enum rc token_publish(struct token_key *key, const struct token_objects *objects, struct err *err)
{
	enum rc rc = objects_check(key, objects, err);

	if (rc == RC_OK)
		rc = key->ops->publish(key, objects, err);
	return rc == RC_OK ? RC_OK : key_wrap(err, rc, key, "objects of");
}

enum rc token_erase(struct token_key *key, struct err *err)
{
	enum rc rc = token_key_name_has_id(&key->name) ? key->ops->erase(key, err)
						       : err_set(err, RC_DENIED, "it is not a key of our making");

	return rc == RC_OK ? RC_OK : key_wrap(err, rc, key, "erase");
}

struct unkept {
	const struct token_key_name *name;
	unsigned others; /* with its id, which an erasure by that would take along */
	bool is_erased;
};

static bool is_broken(const struct unkept *unkept, const struct token_key *key, const struct token_custody *custody)
{
	return custody->is_broken && strcmp(key->name.label, unkept->name->label) == 0;
}

static enum rc unkept_look(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	struct unkept *unkept = ctx;

	(void)err;
	if (memcmp(key->name.id, unkept->name->id, TOKEN_ID_LEN) == 0 && !is_broken(unkept, key, custody))
		unkept->others++;
	return RC_OK;
}

static enum rc unkept_erase(void *ctx, struct token_key *key, const struct token_custody *custody, struct err *err)
{
	struct unkept *unkept = ctx;

	if (memcmp(key->name.id, unkept->name->id, TOKEN_ID_LEN) != 0 || !is_broken(unkept, key, custody))
		return RC_OK;
	enum rc rc = token_erase(key, err);
	unkept->is_erased = rc == RC_OK;
	return rc;
}

enum rc token_erase_unkept(struct token *token, const struct token_key_name *name, struct err *err)
{
	struct unkept unkept = { .name = name };
	enum rc rc = token_list(token, unkept_look, &unkept, err);

	if (rc == RC_OK && !unkept.others)
		rc = token_list(token, unkept_erase, &unkept, err);
	if (rc != RC_OK || unkept.is_erased)
		return rc;
	return err_set(err, RC_ABSENT, "token \"%s\" has no key \"%s\" that is not kept as it must be", token->name, name->label);
}

static enum rc find_and_erase(struct token *token, const struct token_key_name *name, struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	enum rc rc = token_find(token, name, &key, err);

	if (rc == RC_DENIED && token_erase_unkept(token, name, NULL) == RC_OK)
		return RC_OK;
	return rc == RC_OK ? token_erase(key, err) : rc;
}

enum rc token_erase_name(struct token *token, const struct token_key_name *name, struct err *err)
{
	enum rc rc = label_check(name->label, err);

	if (rc == RC_OK && !token_key_name_has_id(name))
		rc = err_set(err, RC_DENIED, "it is not a key of our making");
	if (rc == RC_OK && !token->ops->erase_name)
		return find_and_erase(token, name, err);
	if (rc == RC_OK)
		rc = token->ops->erase_name(token, name, err);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "token \"%s\": erase key \"%s\"", token->name, name->label);
}

static void number_put(uint8_t at[4], uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t number_get(const uint8_t at[4])
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* "-" and the id in hex, as every label of ours ends. */
static void label_tail(const uint8_t id[TOKEN_ID_LEN], char tail[2 * TOKEN_ID_LEN + 2])
{
	tail[0] = '-';
	for (size_t i = 0; i < TOKEN_ID_LEN; i++)
		snprintf(tail + 1 + 2 * i, 3, "%02x", id[i]);
}

enum rc token_key_name_make(const char *owner, uint32_t instance, struct token_key_name *ret_name, struct err *err)
{
	struct token_key_name name = { 0 };
	char tail[2 * TOKEN_ID_LEN + 2];
	/* The owner is cut, the id never. */
	const int owner_max = (int)(TOKEN_LABEL_MAX - sizeof(TOKEN_LABEL_PREFIX) - sizeof(tail) + 1);

	number_put(name.id, (uint32_t)clock_now());
	number_put(name.id + 4, instance);
	if (RAND_bytes(name.id + 8, TOKEN_ID_LEN - 8) != 1)
		return err_set_raw(err, RC_RESOURCE, ERR_OPENSSL, 0, "no random numbers");
	label_tail(name.id, tail);
	snprintf(name.label, sizeof(name.label), "%s%.*s%s", TOKEN_LABEL_PREFIX, owner_max, owner, tail);
	enum rc rc = label_check(name.label, err);
	if (rc != RC_OK)
		return rc;
	fresh_names_add(&name);
	*ret_name = name;
	return RC_OK;
}

bool token_key_name_has_id(const struct token_key_name *name)
{
	static const uint8_t none[TOKEN_ID_LEN];

	return memcmp(name->id, none, TOKEN_ID_LEN) != 0;
}

bool token_key_name_parse(const struct token_key_name *name, int64_t *ret_made_at, uint32_t *ret_instance)
{
	char tail[2 * TOKEN_ID_LEN + 2];
	size_t len = strnlen(name->label, sizeof(name->label)), prefix = strlen(TOKEN_LABEL_PREFIX);

	label_tail(name->id, tail);
	if (len == sizeof(name->label) || len < prefix + strlen(tail) || strncmp(name->label, TOKEN_LABEL_PREFIX, prefix) != 0 ||
	    strcmp(name->label + len - strlen(tail), tail) != 0)
		return false;
	*ret_made_at = number_get(name->id);
	*ret_instance = number_get(name->id + 4);
	return true;
}

struct token_key_name token_key_name_like(const struct token_key_name *like, const uint8_t id[TOKEN_ID_LEN])
{
	struct token_key_name name = *like;
	size_t len = strlen(like->label);

	memcpy(name.id, id, TOKEN_ID_LEN);
	if (len >= 2 * TOKEN_ID_LEN + 1)
		label_tail(id, name.label + len - 2 * TOKEN_ID_LEN - 1);
	return name;
}
