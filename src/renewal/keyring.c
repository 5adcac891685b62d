/* keyring.c -- opens each configured token once, and one that is away again after a while. */
#include "keyring.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"

#define RETRY_STEP_MS     INT64_C(1000)
#define RETRY_STEP_MAX_MS INT64_C(300000)

struct ring {
	pthread_mutex_t lock; /* while it is opened: those who want it too wait */
	struct token *token;  /* NULL: not opened yet, or failed */
	bool tried;
	struct err failure;
	int64_t retry_at_ms, retry_step_ms; /* not opened again before */
	atomic_bool is_hastened;            /* but now */
};

struct keyring {
	const struct config *config;
	struct remote_link *keyd;
	struct ring *rings; /* one per config->tokens */
};

enum rc keyring_new(const struct config *config, struct remote_link *keyd, struct keyring **ret_keyring, struct err *err)
{
	AUTO(keyring) struct keyring *keyring = calloc(1, sizeof(*keyring));

	if (!keyring)
		return err_set(err, RC_RESOURCE, "out of memory");
	keyring->config = config;
	keyring->keyd = keyd;
	keyring->rings = calloc(config->token_count ? config->token_count : 1, sizeof(*keyring->rings));
	if (!keyring->rings)
		return err_set(err, RC_RESOURCE, "out of memory");
	for (unsigned i = 0; i < config->token_count; i++)
		pthread_mutex_init(&keyring->rings[i].lock, NULL);
	*ret_keyring = TAKE(keyring);
	return RC_OK;
}

struct remote_link *keyring_keyd(struct keyring *keyring)
{
	return keyring->keyd;
}

void keyring_free(struct keyring *keyring)
{
	if (!keyring)
		return;
	for (unsigned i = 0; keyring->rings && i < keyring->config->token_count; i++) {
		token_close(keyring->rings[i].token);
		pthread_mutex_destroy(&keyring->rings[i].lock);
	}
	free(keyring->rings);
	free(keyring);
}

/* Also after a refusal: what was refused is not sent again (refusal.h), and only a new look can tell that it was put right. */
static bool may_try(const struct ring *ring)
{
	return !ring->tried || ring->is_hastened || clock_monotonic_ms() >= ring->retry_at_ms;
}

static void try_open(struct ring *ring, struct remote_link *keyd, const char *name)
{
	struct err failure = { 0 };

	ring->tried = true;
	ring->is_hastened = false; /* before it is opened: what is put right meanwhile is seen by the next one */
	if (remote_open(keyd, name, &ring->token, &failure) == RC_OK)
		return;
	ring->failure = failure;
	ring->retry_step_ms = ring->retry_step_ms ? 2 * ring->retry_step_ms : RETRY_STEP_MS;
	if (ring->retry_step_ms > RETRY_STEP_MAX_MS)
		ring->retry_step_ms = RETRY_STEP_MAX_MS;
	ring->retry_at_ms = clock_monotonic_ms() + ring->retry_step_ms;
}

/* `name` is borrowed by the token. */
static enum rc ring_token(struct ring *ring, struct remote_link *keyd, const char *name, struct token **ret_token,
			  struct err *err)
{
	pthread_mutex_lock(&ring->lock);
	if (!ring->token && may_try(ring))
		try_open(ring, keyd, name);
	enum rc rc = ring->token ? RC_OK : ring->failure.rc;
	if (ring->token)
		*ret_token = ring->token;
	else if (err)
		*err = ring->failure;
	pthread_mutex_unlock(&ring->lock);
	return rc;
}

void keyring_hasten(struct keyring *keyring)
{
	for (unsigned i = 0; i < keyring->config->token_count; i++)
		keyring->rings[i].is_hastened = true;
}

enum rc keyring_token(struct keyring *keyring, const char *name, struct token **ret_token, struct err *err)
{
	for (unsigned i = 0; i < keyring->config->token_count; i++)
		if (strcmp(keyring->config->tokens[i].name, name) == 0)
			return ring_token(&keyring->rings[i], keyring->keyd, keyring->config->tokens[i].name, ret_token, err);
	return err_set(err, RC_ABSENT, "no token \"%s\" in %s; it was there when the key was made", name, keyring->config->path);
}

enum rc keyring_holder(struct keyring *keyring, const struct store_key *key, struct token **ret_token, struct err *err)
{
	struct err why = { 0 };
	enum rc rc = keyring_token(keyring, key->token, ret_token, &why);

	if (rc == RC_ABSENT)
		rc = why.rc = RC_RETRY;
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

enum rc keyring_look(struct keyring *keyring, const struct store_key *key, struct token_key **ret_key, bool *ret_is_lost,
		     struct err *err)
{
	struct token *token;
	enum rc rc = keyring_holder(keyring, key, &token, err);

	*ret_is_lost = !config_token_get(keyring->config, key->token);
	if (rc != RC_OK)
		return rc;
	rc = token_find(token, &key->name, ret_key, err);
	*ret_is_lost = rc == RC_ABSENT || rc == RC_DENIED;
	return rc;
}

enum rc keyring_find(struct keyring *keyring, const struct store_key *key, struct token_key **ret_key, struct err *err)
{
	struct token *token;
	enum rc rc = keyring_holder(keyring, key, &token, err);

	if (rc != RC_OK)
		return rc;
	return token_find(token, &key->name, ret_key, err);
}

/* Finds it; of a key that the token does not keep as it must nothing is left: find() refuses it for good. */
static enum rc find_or_erase_unkept(struct token *token, const struct store_key *key, struct token_key **ret_key,
				    bool *ret_erased, struct err *err)
{
	struct err denied = { 0 };
	enum rc rc = token_find(token, &key->name, ret_key, &denied);

	*ret_erased = rc == RC_DENIED && token_erase_unkept(token, &key->name, NULL) == RC_OK;
	if (rc != RC_OK && err)
		*err = denied;
	return *ret_erased ? RC_ABSENT : rc;
}

enum rc keyring_find_or_generate(struct keyring *keyring, const struct store_key *key, struct token_key **ret_key,
				 struct err *err)
{
	struct token *token;
	bool is_erased = false;
	enum rc rc = keyring_holder(keyring, key, &token, err);

	if (rc != RC_OK)
		return rc;
	rc = find_or_erase_unkept(token, key, ret_key, &is_erased, err);
	if (is_erased)
		log_event(LOG_WARN, "key \"%s\" in token \"%s\" was cut off while it was made; it is made anew", key->name.label,
			  key->token);
	return rc == RC_ABSENT ? token_generate(token, &key->name, key->type, ret_key, err) : rc;
}

enum rc keyring_generate(struct keyring *keyring, const struct store_key *key, struct token_key **ret_key, struct err *err)
{
	struct token *token;
	enum rc rc = keyring_holder(keyring, key, &token, err);

	return rc == RC_OK ? token_generate(token, &key->name, key->type, ret_key, err) : rc;
}

enum rc keyring_erase(struct keyring *keyring, const struct store_key *key, bool *ret_was_there, struct err *err)
{
	struct token *token;
	struct err why = { 0 };
	enum rc rc = keyring_holder(keyring, key, &token, &why);

	if (rc == RC_OK)
		rc = token_erase_name(token, &key->name, &why);
	*ret_was_there = rc == RC_OK;
	/* Only of a token that is there. */
	if (rc == RC_ABSENT)
		return RC_OK;
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

enum rc keyring_reserve(const struct keyring *keyring, struct store *store, const char *owner, const struct config_key *wanted,
			int64_t now, struct store_key *ret_key, struct err *err)
{
	struct store_key key = { .type = wanted->type, .created_at = now };
	uint32_t instance = 0;
	enum rc rc = store_instance(store, &instance, err);

	/* Drawn by keyd, which then need not look whether there is such a key; a keyd that is away is told of when the key is made. */
	if (rc == RC_OK && remote_key_name(keyring->keyd, owner, instance, &key.name, NULL) != RC_OK)
		rc = token_key_name_make(owner, instance, &key.name, err);
	if (rc != RC_OK)
		return rc;
	int len = snprintf(key.token, sizeof(key.token), "%s", wanted->token);
	if (len < 0 || (size_t)len >= sizeof(key.token))
		return err_set(err, RC_INPUT, "token name \"%s\" is longer than %zu characters", wanted->token,
			       sizeof(key.token) - 1);
	*ret_key = key;
	return RC_OK;
}
