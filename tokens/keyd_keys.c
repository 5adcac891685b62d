/* keyd_keys.c -- opens tokens and remembers keys for the threads of keyd. */
#include "keyd_keys.h"

#include "keyd_publish.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "keyd.h"

struct keyd_token {
	struct token *token; /* NULL: not open (yet) */
	pthread_mutex_t opening;
};

struct keyd_keys {
	const struct config *config;
	char keys_dir[4096];
	struct keyd_token *tokens; /* one per config->tokens */
	pthread_mutex_t lock;      /* of what follows */
	struct keyd_entry entries[KEYD_KEYS_MAX];
	uint64_t clock;
};

enum rc keyd_keys_new(const struct config *config, struct keyd_keys **ret_keys, struct err *err)
{
	struct keyd_keys *keys = calloc(1, sizeof(*keys));

	if (!keys)
		return err_set(err, RC_RESOURCE, "out of memory");
	keys->config = config;
	pthread_mutex_init(&keys->lock, NULL);
	AUTO(keyd_keys) struct keyd_keys *owned = keys;
	int len = snprintf(keys->keys_dir, sizeof(keys->keys_dir), "%s/keys", config->state);
	if (len < 0 || (size_t)len >= sizeof(keys->keys_dir))
		return err_set(err, RC_INPUT, "state: the path is too long: %s", config->state);
	keys->tokens = calloc(config->token_count + 1u, sizeof(*keys->tokens));
	if (!keys->tokens)
		return err_set(err, RC_RESOURCE, "out of memory");
	for (unsigned i = 0; i < config->token_count; i++)
		pthread_mutex_init(&keys->tokens[i].opening, NULL);
	*ret_keys = TAKE(owned);
	return RC_OK;
}

void keyd_keys_free(struct keyd_keys *keys)
{
	if (!keys)
		return;
	for (unsigned i = 0; i < KEYD_KEYS_MAX; i++)
		token_key_free(keys->entries[i].key);
	for (unsigned i = 0; keys->tokens && i < keys->config->token_count; i++) {
		token_close(keys->tokens[i].token);
		pthread_mutex_destroy(&keys->tokens[i].opening);
	}
	pthread_mutex_destroy(&keys->lock);
	free(keys->tokens);
	free(keys);
}

enum rc keyd_keys_token(struct keyd_keys *keys, const char *token, struct token **ret_token, struct err *err)
{
	for (unsigned i = 0; i < keys->config->token_count; i++) {
		struct keyd_token *slot = &keys->tokens[i];
		enum rc rc = RC_OK;

		if (strcmp(keys->config->tokens[i].name, token) != 0)
			continue;
		pthread_mutex_lock(&slot->opening);
		if (!slot->token)
			rc = token_open(&keys->config->tokens[i], keys->keys_dir, &slot->token, err);
		pthread_mutex_unlock(&slot->opening);
		if (rc == RC_OK)
			*ret_token = slot->token;
		return rc;
	}
	return err_set_raw(err, RC_ABSENT, ERR_KEYD, 0, "no token \"%s\" is configured", token);
}

enum rc keyd_keys_holder(struct keyd_keys *keys, const char *token, struct token **ret_token, struct err *err)
{
	struct err why = { 0 };
	enum rc rc = keyd_keys_token(keys, token, ret_token, &why);

	if (rc == RC_ABSENT)
		rc = why.rc = RC_RETRY;
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

enum rc keyd_name_check(const struct token_key_name *name, struct err *err)
{
	int64_t made_at;
	uint32_t instance;

	if (!token_key_name_has_id(name) || !token_key_name_parse(name, &made_at, &instance))
		return err_set_raw(err, RC_DENIED, ERR_KEYD, 0, "it is not a key of ours, which are called %sOWNER-<id>",
				   TOKEN_LABEL_PREFIX);
	return RC_OK;
}

static bool is_client_key(const struct config_client *client, const char *token, const struct token_key_name *name)
{
	return client->file && strcmp(client->token, token) == 0 && strcmp(client->label, name->label) == 0;
}

/* Of keys that are not of our making those alone that the configuration, keyd's own copy, gives to a client certificate. */
static enum rc name_allow(const struct keyd_keys *keys, const char *token, const struct token_key_name *name, struct err *err)
{
	const struct config *config = keys->config;
	bool is_allowed = false;

	for (unsigned i = 0; !token_key_name_has_id(name) && i < config->authority_count; i++)
		is_allowed = is_allowed || is_client_key(&config->authorities[i].client, token, name);
	for (unsigned i = 0; !token_key_name_has_id(name) && i < config->certificate_count; i++)
		for (unsigned at = 0; at < config->certificates[i].challenge_count; at++)
			is_allowed = is_allowed || is_client_key(&config->certificates[i].challenges[at].client, token, name);
	if (is_allowed || keyd_name_check(name, NULL) == RC_OK)
		return RC_OK;
	/* A key of ours that list() has shown under the label that consumers find it by; looked for last, for there may be many. */
	if (token_key_name_has_id(name) && keyd_label_is_configured(config, token, name->label))
		return RC_OK;
	return keyd_name_check(name, err);
}

static bool is_named(const struct token_key *key, const char *token, const struct token_key_name *name)
{
	return strcmp(key->token->name, token) == 0 && memcmp(key->name.id, name->id, TOKEN_ID_LEN) == 0 &&
	       strcmp(key->name.label, name->label) == 0;
}

/* The lock is held. */
static struct keyd_entry *entry_lend(struct keyd_keys *keys, struct keyd_entry *entry)
{
	entry->users++;
	entry->used_at = ++keys->clock;
	return entry;
}

/* An empty place, or that of the key that was not used for longest; NULL when all are in use.  The lock is held. */
static struct keyd_entry *entry_room(struct keyd_keys *keys)
{
	struct keyd_entry *oldest = NULL;

	for (unsigned i = 0; i < KEYD_KEYS_MAX; i++) {
		struct keyd_entry *entry = &keys->entries[i];

		if (!entry->key)
			return entry;
		if (!entry->users && (!oldest || entry->used_at < oldest->used_at))
			oldest = entry;
	}
	if (oldest) {
		token_key_free(oldest->key);
		*oldest = (struct keyd_entry){ 0 };
	}
	return oldest;
}

enum rc keyd_keys_add(struct keyd_keys *keys, struct token_key *key, struct keyd_entry **ret_entry, struct err *err)
{
	pthread_mutex_lock(&keys->lock);
	struct keyd_entry *entry = entry_room(keys);
	if (entry) {
		entry->key = key;
		*ret_entry = entry_lend(keys, entry);
	}
	pthread_mutex_unlock(&keys->lock);
	if (entry)
		return RC_OK;
	token_key_free(key);
	return err_set_raw(err, RC_RETRY, ERR_KEYD, 0, "more than %u keys are in use at once", KEYD_KEYS_MAX);
}

struct keyd_entry *keyd_keys_known(struct keyd_keys *keys, const char *token, const struct token_key_name *name)
{
	struct keyd_entry *found = NULL;

	pthread_mutex_lock(&keys->lock);
	for (unsigned i = 0; i < KEYD_KEYS_MAX && !found; i++) {
		struct keyd_entry *entry = &keys->entries[i];

		if (entry->key && !entry->is_doomed && is_named(entry->key, token, name))
			found = entry_lend(keys, entry);
	}
	pthread_mutex_unlock(&keys->lock);
	return found;
}

static enum rc find_and_add(struct keyd_keys *keys, const char *token_name, const struct token_key_name *name,
			    struct keyd_entry **ret_entry, struct err *err)
{
	struct token_key *key = NULL;
	struct token *token;
	enum rc rc = keyd_keys_holder(keys, token_name, &token, err);

	if (rc == RC_OK)
		rc = token->ops->find(token, name, &key, err);
	return rc == RC_OK ? keyd_keys_add(keys, key, ret_entry, err) : rc;
}

enum rc keyd_keys_take(struct keyd_keys *keys, const char *token, const struct token_key_name *name,
		       struct keyd_entry **ret_entry, struct err *err)
{
	enum rc rc = name_allow(keys, token, name, err);

	if (rc != RC_OK)
		return rc;
	*ret_entry = keyd_keys_known(keys, token, name);
	return *ret_entry ? RC_OK : find_and_add(keys, token, name, ret_entry, err);
}

/* What was found before is looked at again, which costs less than to find it; what is not the same any more is found anew. */
static enum rc confirm(struct keyd_keys *keys, struct keyd_entry *entry, struct keyd_entry **ret_entry, struct err *err)
{
	struct err why = { 0 };
	enum rc rc = !entry || !entry->key->ops->confirm ? RC_ABSENT : entry->key->ops->confirm(entry->key, &why);

	if (rc == RC_OK)
		*ret_entry = entry;
	else
		keyd_keys_drop(keys, entry);
	if (rc == RC_RETRY && err)
		*err = why;
	return rc;
}

enum rc keyd_keys_find(struct keyd_keys *keys, const char *token, const struct token_key_name *name,
		       struct keyd_entry **ret_entry, struct err *err)
{
	enum rc rc = name_allow(keys, token, name, err);

	if (rc != RC_OK)
		return rc;
	rc = confirm(keys, keyd_keys_known(keys, token, name), ret_entry, err);
	return rc == RC_OK || rc == RC_RETRY ? rc : find_and_add(keys, token, name, ret_entry, err);
}

static void give_back(struct keyd_keys *keys, struct keyd_entry *entry, bool drop)
{
	if (!entry)
		return;
	pthread_mutex_lock(&keys->lock);
	entry->is_doomed = entry->is_doomed || drop;
	if (--entry->users == 0 && entry->is_doomed) {
		token_key_free(entry->key);
		*entry = (struct keyd_entry){ 0 };
	}
	pthread_mutex_unlock(&keys->lock);
}

void keyd_keys_give_back(struct keyd_keys *keys, struct keyd_entry *entry)
{
	give_back(keys, entry, false);
}

void keyd_keys_drop(struct keyd_keys *keys, struct keyd_entry *entry)
{
	give_back(keys, entry, true);
}
