/* authority.c -- opens sessions with authorities and keeps their accounts in the store. */
#include "authority.h"

#include <stdio.h>
#include <string.h>

#include "account.h"

struct session {
	struct token_key *key;
	struct http *http;
	struct client *client; /* NULL: not opened */
};

struct authorities {
	const struct config *config;
	struct store *store;
	struct keyring *keyring;
	struct session *sessions; /* one per config->authorities */
};

enum rc authorities_new(const struct config *config, struct store *store, struct keyring *keyring,
			struct authorities **ret_authorities, struct err *err)
{
	AUTO(authorities) struct authorities *authorities = calloc(1, sizeof(*authorities));

	if (!authorities)
		return err_set(err, RC_RESOURCE, "out of memory");
	authorities->config = config;
	authorities->store = store;
	authorities->keyring = keyring;
	authorities->sessions = calloc(config->authority_count ? config->authority_count : 1, sizeof(struct session));
	if (!authorities->sessions)
		return err_set(err, RC_RESOURCE, "out of memory");
	*ret_authorities = TAKE(authorities);
	return RC_OK;
}

static void session_close(struct session *session)
{
	client_free(session->client);
	http_close(session->http);
	token_key_free(session->key);
	*session = (struct session){ 0 };
}

void authorities_free(struct authorities *authorities)
{
	if (!authorities)
		return;
	for (unsigned i = 0; authorities->sessions && i < authorities->config->authority_count; i++)
		session_close(&authorities->sessions[i]);
	free(authorities->sessions);
	free(authorities);
}

/* The stored account; a first one gets a key reserved on disk before the token makes it. */
static enum rc account_record(struct authorities *authorities, const struct config_authority *authority, int64_t now,
			      struct store_account *ret_account, struct err *err)
{
	struct store_account account = { 0 };
	const struct config_key *wanted = &authority->account_key;
	enum rc rc = store_account_load(authorities->store, authority->name, &account, err);

	if (rc == RC_OK) {
		if (strcmp(account.key.token, wanted->token) != 0 || account.key.type != wanted->type)
			return err_set(
				err, RC_INPUT,
				"account-key of \"%s\" was changed, but the account at the CA is bound to the %s key in token "
				"\"%s\"; set it back, or give the authority a new name to register a new account",
				authority->name, key_type_name(account.key.type), account.key.token);
		/* The authority moved: same operator, same key; it is asked which account the key has there. */
		if (strcmp(account.directory, authority->directory) != 0)
			account.url[0] = '\0';
	} else if (rc != RC_ABSENT) {
		return rc;
	} else {
		account = (struct store_account){ .created_at = now };
		snprintf(account.authority, sizeof(account.authority), "%s", authority->name);
		rc = keyring_reserve(authorities->store, "account", wanted, now, &account.key, err);
		if (rc != RC_OK)
			return rc;
	}
	snprintf(account.directory, sizeof(account.directory), "%s", authority->directory);
	if (!account.url[0]) {
		rc = store_account_save(authorities->store, &account, err);
		if (rc != RC_OK)
			return rc;
	}
	*ret_account = account;
	return RC_OK;
}

/* A registered account's key must be there; a missing one is never silently replaced by a new one. */
static enum rc account_key(struct authorities *authorities, const struct store_account *account, struct token_key **ret_key,
			   struct err *err)
{
	enum rc rc;

	if (!account->url[0])
		return keyring_find_or_generate(authorities->keyring, &account->key, ret_key, err);
	rc = keyring_find(authorities->keyring, &account->key, ret_key, err);
	if (rc == RC_ABSENT)
		return err_wrap(err, rc, "the key of account %s", account->url);
	return rc;
}

static enum rc session_open(struct authorities *authorities, const struct config_authority *authority, struct session *session,
			    int64_t now, bool *ret_by_token, struct err *err)
{
	struct store_account account;
	enum rc rc = account_record(authorities, authority, now, &account, err);

	if (rc != RC_OK)
		return rc;
	rc = account_key(authorities, &account, &session->key, err);
	if (rc != RC_OK) {
		*ret_by_token = true;
		return rc;
	}
	rc = http_open(authority->trust, &session->http, err);
	if (rc == RC_OK)
		rc = client_new(session->http, session->key, authority->directory, &session->client, err);
	if (rc != RC_OK)
		return rc;
	client_set_algorithm(session->client, authority->account_algorithm);
	if (account.url[0]) {
		client_set_account(session->client, account.url);
		return RC_OK;
	}
	rc = account_ensure(session->client, authority, account.url, err);
	if (rc != RC_OK)
		return rc;
	return store_account_save(authorities->store, &account, err);
}

static int authority_index(const struct authorities *authorities, const char *name)
{
	for (unsigned i = 0; i < authorities->config->authority_count; i++)
		if (strcmp(authorities->config->authorities[i].name, name) == 0)
			return (int)i;
	return -1;
}

enum rc authorities_client(struct authorities *authorities, const char *name, int64_t now, struct client **ret_client,
			   bool *ret_by_token, struct err *err)
{
	int at = authority_index(authorities, name);
	struct err why = { 0 };

	*ret_by_token = false;
	if (at < 0)
		return err_set(err, RC_INPUT, "no authority \"%s\" in %s", name, authorities->config->path);
	struct session *session = &authorities->sessions[at];
	if (!session->client || !client_account(session->client)[0]) {
		session_close(session);
		enum rc rc = session_open(authorities, &authorities->config->authorities[at], session, now, ret_by_token, &why);
		if (rc != RC_OK) {
			if (err_is_token(&why))
				*ret_by_token = true;
			session_close(session);
			if (err)
				*err = why;
			return err_wrap(err, rc, "authority \"%s\"", name);
		}
	}
	*ret_client = session->client;
	return RC_OK;
}

enum rc authorities_forget_account(struct authorities *authorities, const char *name, struct err *err)
{
	int at = authority_index(authorities, name);
	struct store_account account;
	enum rc rc = store_account_load(authorities->store, name, &account, err);

	if (rc != RC_OK)
		return rc;
	account.url[0] = '\0';
	if (at >= 0)
		session_close(&authorities->sessions[at]);
	return store_account_save(authorities->store, &account, err);
}
