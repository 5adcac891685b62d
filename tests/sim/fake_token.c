/* fake_token.c -- keeps keys in a list, and gives out handles of them through token.h. */
#include "fake_token.h"

#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "remote.h"
#include "virtual_clock.h"

#define CALL_MS 3

static struct fake_token tokens[FAKE_TOKENS_MAX];
static struct fake_key **keys;
static size_t key_count, key_room;

struct handle {
	struct token base;
	struct fake_token *token;
};

void fake_tokens_start(void)
{
	memset(tokens, 0, sizeof(tokens));
}

static void key_drop(size_t index)
{
	EVP_PKEY_free(keys[index]->pair);
	free(keys[index]);
	keys[index] = keys[--key_count];
}

void fake_tokens_stop(void)
{
	while (key_count)
		key_drop(key_count - 1);
	free(keys);
	keys = NULL;
	key_room = 0;
}

struct fake_token *fake_token_get(const char *name)
{
	for (size_t i = 0; i < FAKE_TOKENS_MAX; i++) {
		if (!tokens[i].name[0])
			snprintf(tokens[i].name, sizeof(tokens[i].name), "%s", name);
		if (strcmp(tokens[i].name, name) == 0)
			return &tokens[i];
	}
	abort();
}

const struct fake_key *fake_key_at(size_t index)
{
	return index < key_count ? keys[index] : NULL;
}

const struct fake_key *fake_key_by_uri(const char *uri)
{
	for (size_t i = 0; i < key_count; i++) {
		const char *label = strstr(uri, "object=");

		if (label && strcmp(label + 7, keys[i]->name.label) == 0)
			return keys[i];
	}
	return NULL;
}

void fake_key_lose(const struct token_key_name *name)
{
	for (size_t i = 0; i < key_count; i++)
		if (memcmp(keys[i]->name.id, name->id, TOKEN_ID_LEN) == 0) {
			key_drop(i);
			return;
		}
	abort();
}

void fake_token_clear(const struct fake_token *token)
{
	for (size_t i = key_count; i > 0; i--)
		if (keys[i - 1]->token == token)
			key_drop(i - 1);
}

static enum rc call(struct fake_token *token, struct err *err)
{
	virtual_clock_pass(CALL_MS);
	token->calls++;
	if (token->is_away)
		return err_set_raw(err, RC_RETRY, ERR_PKCS11, 0xe1, "token unavailable: the simulation took it away");
	if (token->is_refusing)
		return err_set_raw(err, RC_DENIED, ERR_PKCS11, 0xa0, "the PIN was refused, and is not sent again");
	if (chance_one_in(token->busy_one_in))
		return err_set_raw(err, RC_RETRY, ERR_TSS, 0x922, "the TPM is busy");
	return RC_OK;
}

static struct fake_token *of(const struct token *token)
{
	return ((const struct handle *)token)->token;
}

static size_t find_index(const struct fake_token *token, const struct token_key_name *name)
{
	for (size_t i = 0; i < key_count; i++)
		if (keys[i]->token == token && memcmp(keys[i]->name.id, name->id, TOKEN_ID_LEN) == 0)
			return i;
	return key_count;
}

/* Also while the token is away: RC_ABSENT is about the key. */
static enum rc key_of(const struct token_key *base, struct fake_key **ret_key, struct err *err)
{
	struct fake_token *token = of(base->token);
	enum rc rc = call(token, err);

	if (rc != RC_OK)
		return rc;
	size_t index = find_index(token, &base->name);
	if (index == key_count)
		return err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "the key is not there");
	*ret_key = keys[index];
	return RC_OK;
}

static void handle_close(struct token *token)
{
	free(token);
}

static void key_free(struct token_key *key)
{
	free(key);
}

static const struct token_ops fake_ops;

static enum rc key_handle_new(struct token *token, const struct fake_key *known, struct token_key **ret_key)
{
	struct token_key *key = calloc(1, sizeof(*key));

	*key = (struct token_key){ .ops = &fake_ops, .token = token, .name = known->name, .type = known->type };
	*ret_key = key;
	return RC_OK;
}

static enum rc generate(struct token *token, const struct token_key_name *name, enum key_type type, struct token_key **ret_key,
			struct err *err)
{
	enum rc rc = call(of(token), err);

	if (rc == RC_OK && type != KEY_EC_P256 && type != KEY_EC_P384)
		rc = err_set(err, RC_INPUT, "only P-256 and P-384 are simulated");
	if (rc == RC_OK && of(token)->is_full)
		rc = err_set_raw(err, RC_RESOURCE, ERR_PKCS11, 0x31, "CKR_DEVICE_MEMORY");
	if (rc == RC_OK && find_index(of(token), name) < key_count)
		rc = err_set(err, RC_INPUT, "the key is there already");
	if (rc != RC_OK)
		return rc;
	if (key_count == key_room) {
		key_room = key_room ? 2 * key_room : 64;
		keys = realloc(keys, key_room * sizeof(struct fake_key *));
	}
	struct fake_key *key = calloc(1, sizeof(*key));
	*key = (struct fake_key){
		.token = of(token), .name = *name, .type = type, .pair = EVP_EC_gen(type == KEY_EC_P384 ? "P-384" : "P-256")
	};
	keys[key_count++] = key;
	return key_handle_new(token, key, ret_key);
}

static enum rc find(struct token *token, const struct token_key_name *name, struct token_key **ret_key, struct err *err)
{
	enum rc rc = call(of(token), err);
	size_t index = find_index(of(token), name);

	if (rc == RC_OK && index == key_count)
		rc = err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "the key is not there");
	return rc == RC_OK ? key_handle_new(token, keys[index], ret_key) : rc;
}

static enum rc list(struct token *token, token_list_fn *each, void *ctx, struct err *err)
{
	(void)each;
	(void)ctx;
	/* All of them are kept as they must be; nobody asks for more here. */
	return call(of(token), err);
}

static enum rc public_key(struct token_key *base, struct buf *ret_spki, struct err *err)
{
	struct fake_key *key;
	unsigned char *der = NULL;
	enum rc rc = key_of(base, &key, err);

	if (rc != RC_OK)
		return rc;
	int len = i2d_PUBKEY(key->pair, &der);
	rc = buf_append(ret_spki, span_of(der, (size_t)len), err);
	OPENSSL_free(der);
	return rc;
}

/* r || s of what is SEQUENCE { r, s }. */
static enum rc fixed_width(const unsigned char *der, size_t len, int width, struct buf *ret_sig, struct err *err)
{
	unsigned char wide[96];
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);

	BN_bn2binpad(ECDSA_SIG_get0_r(sig), wide, width);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), wide + width, width);
	ECDSA_SIG_free(sig);
	return buf_append(ret_sig, span_of(wide, 2 * (size_t)width), err);
}

static enum rc sign(struct token_key *base, enum token_scheme scheme, enum token_hash hash, struct span input,
		    struct buf *ret_sig, struct err *err)
{
	struct fake_key *key;
	unsigned char der[128];
	size_t len = sizeof(der);
	enum rc rc = key_of(base, &key, err);

	(void)scheme;
	(void)hash;
	if (rc != RC_OK)
		return rc;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pair, NULL);
	bool is_signed = EVP_PKEY_sign_init(ctx) == 1 && EVP_PKEY_sign(ctx, der, &len, input.at, input.len) == 1;
	EVP_PKEY_CTX_free(ctx);
	return is_signed ? fixed_width(der, len, key->type == KEY_EC_P384 ? 48 : 32, ret_sig, err)
			 : err_set(err, RC_BUG, "it does not sign");
}

static enum rc custody(struct token_key *base, struct token_custody *ret_custody, struct err *err)
{
	struct fake_key *key;
	enum rc rc = key_of(base, &key, err);

	if (rc == RC_OK)
		*ret_custody = (struct token_custody){ .held = true, .text = "simulated" };
	return rc;
}

static enum rc reference(struct token_key *base, struct buf *ret_pem, struct buf *ret_uri, struct err *err)
{
	struct fake_key *key;
	enum rc rc = key_of(base, &key, err);

	if (rc == RC_OK)
		rc = buf_print(ret_pem, err, "a reference to %s\n", base->name.label);
	return rc == RC_OK ? buf_print(ret_uri, err, "pkcs11:token=%s;object=%s", key->token->name, base->name.label) : rc;
}

static enum rc erase(struct token_key *base, struct err *err)
{
	struct fake_token *token = of(base->token);
	enum rc rc = call(token, err);
	size_t index = find_index(token, &base->name);

	if (rc == RC_OK && index < key_count)
		key_drop(index);
	return rc;
}

static const struct token_ops fake_ops = {
	.scheme = "simulated",
	.close = handle_close,
	.generate = generate,
	.find = find,
	.list = list,
	.key_free = key_free,
	.public_key = public_key,
	.sign = sign,
	.custody = custody,
	.reference = reference,
	.erase = erase,
};

enum rc remote_open(struct remote_link *link, const char *name, struct token **ret_token, struct err *err)
{
	struct fake_token *token = fake_token_get(name);
	enum rc rc = call(token, err);

	(void)link;
	if (rc != RC_OK)
		return rc == RC_RETRY && token->is_away ? err_set_raw(err, RC_ABSENT, ERR_PKCS11, 0, "no such token") : rc;
	struct handle *handle = calloc(1, sizeof(*handle));
	*handle = (struct handle){ .base = { .ops = &fake_ops, .name = name }, .token = token };
	*ret_token = &handle->base;
	return RC_OK;
}

enum rc remote_key_name(struct remote_link *link, const char *owner, uint32_t instance, struct token_key_name *ret_name,
			struct err *err)
{
	(void)link;
	return token_key_name_make(owner, instance, ret_name, err);
}

enum rc remote_mac(struct remote_link *link, const char *authority, struct span message, struct buf *ret_mac, struct err *err)
{
	(void)link;
	(void)authority;
	(void)message;
	(void)ret_mac;
	return err_set(err, RC_BUG, "no external accounts are simulated");
}
