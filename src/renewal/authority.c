/* authority.c -- opens sessions with authorities and keeps their accounts in the store. */
#include "authority_session.h"

#include <stdio.h>
#include <string.h>

#include "account.h"
#include "log.h"
#include "problem.h"

enum rc authorities_new(const struct config *config, struct store *store, struct keyring *keyring,
			struct authorities **ret_authorities, struct err *err)
{
	AUTO(authorities) struct authorities *authorities = calloc(1, sizeof(*authorities));

	if (!authorities)
		return err_set(err, RC_RESOURCE, "out of memory");
	authorities->config = config;
	authorities->store = store;
	authorities->keyring = keyring;
	authorities->slots = calloc(config->authority_count ? config->authority_count : 1, sizeof(struct session_slot));
	authorities->keepers = calloc(config->authority_count ? config->authority_count : 1, sizeof(struct directory_keeper));
	authorities->roots = calloc(config->authority_count ? config->authority_count : 1, sizeof(struct roots *));
	if (!authorities->slots || !authorities->keepers || !authorities->roots)
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = RC_OK;
	for (unsigned i = 0; i < config->authority_count; i++) {
		struct directory_keeper *keeper = &authorities->keepers[i];
		const char *roots = config->authorities[i].roots;

		pthread_mutex_init(&authorities->slots[i].lock, NULL);
		pthread_mutex_init(&keeper->lock, NULL);
		keeper->directory = (struct directory_cache){ store, &config->authorities[i] };
		if (roots && rc == RC_OK)
			rc = roots_new(roots, &authorities->roots[i], err);
	}
	if (rc == RC_OK)
		*ret_authorities = TAKE(authorities);
	return rc;
}

/* The configured algorithm is for the configured type; a key on its way out or in may be of another. */
enum jws_algorithm session_algorithm(const struct config_authority *authority, const struct token_key *key)
{
	return jws_algorithm_fits(authority->account_algorithm, key->type) ? authority->account_algorithm : JWS_BY_KEY_TYPE;
}

struct client *session_client(struct session *session)
{
	return session->client;
}

void session_release(struct session *session)
{
	if (!session || atomic_fetch_sub(&session->users, 1) > 1)
		return;
	client_free(session->client);
	http_close(session->http);
	token_key_free(session->key);
	free(session);
}

void session_close(struct session_slot *slot)
{
	session_release(slot->session);
	slot->session = NULL;
}

void authorities_free(struct authorities *authorities)
{
	if (!authorities)
		return;
	bool is_whole = authorities->slots && authorities->keepers && authorities->roots;
	for (unsigned i = 0; is_whole && i < authorities->config->authority_count; i++) {
		session_close(&authorities->slots[i]);
		directory_keeper_close(&authorities->keepers[i]);
		pthread_mutex_destroy(&authorities->slots[i].lock);
		pthread_mutex_destroy(&authorities->keepers[i].lock);
		roots_free(authorities->roots[i]);
	}
	free(authorities->roots);
	free(authorities->slots);
	free(authorities->keepers);
	free(authorities);
}

struct directory_keeper *session_keeper(struct authorities *authorities, const struct config_authority *authority)
{
	return &authorities->keepers[authority - authorities->config->authorities];
}

struct roots *authorities_roots(struct authorities *authorities, const struct config_authority *authority)
{
	return authorities->roots[authority - authorities->config->authorities];
}

/* Whether the stored account can be used as the configuration wants it. */
static enum rc account_check(const struct config_authority *authority, const struct store_account *account, bool is_moving,
			     struct err *err)
{
	const struct config_key *wanted = &authority->account_key;

	if (account->is_deactivated)
		return err_set(
			err, RC_INPUT,
			"the account at \"%s\" was deactivated; `hwacme account register %s` makes a new one with a new key",
			authority->name, authority->name);
	if (!is_moving && (strcmp(account->key.token, wanted->token) != 0 || account->key.type != wanted->type))
		return err_set(err, RC_INPUT,
			       "account-key of \"%s\" was changed, but the account at the CA is bound to the %s key in token "
			       "\"%s\"; `hwacme account rollover %s` moves it to the new one",
			       authority->name, key_type_name(account->key.type), account->key.token, authority->name);
	return RC_OK;
}

/* The stored account; a first one gets a key reserved on disk before the token makes it. */
static enum rc account_record(struct authorities *authorities, const struct config_authority *authority, int64_t now,
			      bool is_moving, struct store_account *ret_account, struct err *err)
{
	struct store_account account = { 0 };
	enum rc rc = store_account_load(authorities->store, authority->name, &account, err);

	if (rc == RC_OK) {
		rc = account_check(authority, &account, is_moving, err);
		if (rc != RC_OK)
			return rc;
		/* The authority moved: same operator, same key; it is asked which account the key has there.  What is stored stays until it
		 * has answered. */
		if (strcmp(account.directory, authority->directory) != 0)
			account.url[0] = '\0';
		snprintf(account.directory, sizeof(account.directory), "%s", authority->directory);
	} else if (rc != RC_ABSENT) {
		return rc;
	} else {
		account = (struct store_account){ 0 };
		snprintf(account.authority, sizeof(account.authority), "%s", authority->name);
		snprintf(account.directory, sizeof(account.directory), "%s", authority->directory);
		rc = keyring_reserve(authorities->keyring, authorities->store, "account", &authority->account_key, now,
				     &account.key, err);
		if (rc == RC_OK)
			rc = store_account_save(authorities->store, &account, err);
		if (rc != RC_OK)
			return rc;
	}
	*ret_account = account;
	return RC_OK;
}

/* The key of an account that was ever registered, wherever that was, must be there; a missing one is never silently replaced by a new one, but
 * when the operator says so. */
static enum rc account_key(struct keyring *keyring, const struct store_account *account, struct token_key **ret_key,
			   struct err *err)
{
	bool is_lost = false;

	if (!account->created_at)
		return keyring_find_or_generate(keyring, &account->key, ret_key, err);
	enum rc rc = keyring_look(keyring, &account->key, ret_key, &is_lost, err);
	if (is_lost)
		return err_wrap(err, rc, "the key of account %s (if it is lost for good: `hwacme account register %s --new-key`)",
				account->url[0] ? account->url : "without a known address", account->authority);
	return rc;
}

/* Never sent: that it can be made shows that the key is good for more than to be found, as one bound to registers that changed is not. */
enum rc session_sign_try(const struct config_authority *authority, struct token_key *key, struct err *err)
{
	AUTO(buf) struct buf unsent = BUF_MAX(JWS_MAX);
	const struct jws_header header = { .url = authority->directory, .algorithm = session_algorithm(authority, key) };

	return jws_sign(key, &header, span_of(NULL, 0), &unsent, err);
}

enum rc authority_account_try(struct keyring *keyring, const struct config_authority *authority,
			      const struct store_account *account, struct token_custody *ret_custody, struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	enum rc rc = account_check(authority, account, false, err);

	if (rc == RC_OK)
		rc = account_key(keyring, account, &key, err);
	if (rc == RC_OK)
		rc = token_custody(key, ret_custody, err);
	return rc == RC_OK ? session_sign_try(authority, key, err) : rc;
}

/* Whose binding it is. */
struct session_binder {
	struct keyring *keyring;
	const char *authority;
};

static enum rc binder_mac(void *ctx, enum token_hash hash, struct span message, struct buf *ret_mac, struct err *err)
{
	const struct session_binder *binder = ctx;

	(void)hash; /* keyd has it from the configuration, as it has the key */
	return remote_mac(keyring_keyd(binder->keyring), binder->authority, message, ret_mac, err);
}

/* Never sent: that it can be made is what is asked. */
enum rc authority_binding_try(struct keyring *keyring, const struct config_authority *authority, const char *url, struct err *err)
{
	const struct config_external *external = &authority->external;
	struct session_binder binder = { keyring, authority->name };
	AUTO(buf) struct buf unsent = BUF_MAX(JWS_MAX);

	if (!external->kid)
		return RC_OK;
	enum rc rc = jws_mac(binder_mac, &binder, external->hash, external->kid, url, span_text("{}"), &unsent, err);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "external-account \"%s\"", external->kid);
}

/* RFC 8555, 7.3.2: what the CA was last told is stored, so that it is told again only when it changed. */
static enum rc contact_update(struct authorities *authorities, const struct config_authority *authority, struct client *client,
			      struct store_account *account, struct err *err)
{
	char contact[MESSAGE_CONTACT_MAX];

	message_contact_print(authority, contact);
	if (strcmp(contact, account->contact) == 0)
		return RC_OK;
	enum rc rc = account_update(client, authority, err);
	if (rc != RC_OK)
		return rc;
	snprintf(account->contact, sizeof(account->contact), "%s", contact);
	return store_account_save(authorities->store, account, err);
}

/* The CA, or what stands before it, did not take the contact; it said nothing of the account, and is not to be left alone for a while. */
static bool is_of_contact(const struct err *failure)
{
	bool is_answer = failure->origin == ERR_ACME || failure->origin == ERR_HTTP || failure->origin == ERR_CURL;

	return is_answer && failure->problem != PROBLEM_ACCOUNT_DOES_NOT_EXIST && failure->problem != PROBLEM_UNAUTHORIZED &&
	       failure->problem != PROBLEM_RATE_LIMITED;
}

/* No certificate is lost over a contact: who signs in goes on, and the next session tries again. */
static enum rc contact_offer(struct authorities *authorities, const struct config_authority *authority, struct client *client,
			     struct store_account *account, struct err *err)
{
	struct err why = { 0 };
	enum rc rc = contact_update(authorities, authority, client, account, &why);

	if (rc != RC_OK && is_of_contact(&why)) {
		log_event(LOG_WARN,
			  "authority \"%s\" keeps the contact of before, which stops no renewal; "
			  "`hwacme account register %s` sends contact: again: %s",
			  authority->name, authority->name, why.text);
		return RC_OK;
	}
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

static enum rc session_sign_in(struct authorities *authorities, const struct config_authority *authority, struct session *session,
			       int64_t now, struct store_account *account, struct err *err)
{
	struct session_binder binder = { authorities->keyring, authority->name };

	if (account->url[0]) {
		client_set_account(session->client, account->url);
		return contact_offer(authorities, authority, session->client, account, err);
	}
	enum rc rc = account_ensure(session->client, authority, &(struct account_binder){ .ctx = &binder, .mac = binder_mac },
				    account->url, err);
	if (rc != RC_OK)
		return rc;
	if (!account->created_at)
		account->created_at = now;
	message_contact_print(authority, account->contact);
	return store_account_save(authorities->store, account, err);
}

enum rc session_connect(struct authorities *authorities, const struct config_authority *authority, struct http **ret_http,
			struct err *err)
{
	const struct connection_desk desk = { authorities->config, authorities->store, authorities->keyring };

	return connection_open(&desk, authority->trust, &authority->client, ret_http, err);
}

/* Before anything is said of the stored key: it may not be the account's any more. */
static enum rc session_settle(struct authorities *authorities, const struct config_authority *authority, struct session *session,
			      struct err *err)
{
	struct store_account account;
	enum rc rc = store_account_load(authorities->store, authority->name, &account, err);

	if (rc == RC_OK && account.next_key.token[0])
		return account_keys_settle(authorities, authority, session->http, &account, NULL, err);
	return rc == RC_ABSENT ? RC_OK : rc;
}

static enum rc session_open(struct authorities *authorities, const struct config_authority *authority, struct session *session,
			    int64_t now, bool is_moving, bool *ret_by_token, struct err *err)
{
	struct store_account account;
	enum rc rc = session_connect(authorities, authority, &session->http, err);

	if (rc == RC_OK)
		rc = session_settle(authorities, authority, session, err);
	if (rc == RC_OK)
		rc = account_record(authorities, authority, now, is_moving, &account, err);
	if (rc != RC_OK)
		return rc;
	rc = account_key(authorities->keyring, &account, &session->key, err);
	if (rc != RC_OK) {
		*ret_by_token = true;
		return rc;
	}
	rc = client_new(session->http, session->key, authority->directory, &session->client, err);
	if (rc != RC_OK)
		return rc;
	client_set_algorithm(session->client, session_algorithm(authority, session->key));
	session->directory = (struct directory_cache){ authorities->store, authority };
	directory_cache_serve(&session->directory, session->client);
	return session_sign_in(authorities, authority, session, now, &account, err);
}

enum rc session_get(struct authorities *authorities, const char *name, const struct config_authority **ret_authority,
		    struct session_slot **ret_slot, struct err *err)
{
	for (unsigned i = 0; i < authorities->config->authority_count; i++) {
		if (strcmp(authorities->config->authorities[i].name, name) != 0)
			continue;
		*ret_authority = &authorities->config->authorities[i];
		*ret_slot = &authorities->slots[i];
		return RC_OK;
	}
	return err_set(err, RC_INPUT, "no authority \"%s\" in %s", name, authorities->config->path);
}

enum rc session_reopen(struct authorities *authorities, const struct config_authority *authority, struct session_slot *slot,
		       int64_t now, bool is_moving, bool *ret_by_token, struct err *err)
{
	AUTO(session) struct session *session = calloc(1, sizeof(*session));
	struct err why = { 0 };

	session_close(slot);
	if (!session)
		return err_set(err, RC_RESOURCE, "out of memory");
	atomic_init(&session->users, 1);
	enum rc rc = session_open(authorities, authority, session, now, is_moving, ret_by_token, &why);
	if (rc == RC_OK) {
		slot->session = TAKE(session);
		return RC_OK;
	}
	*ret_by_token = *ret_by_token || err_is_token(&why);
	if (err)
		*err = why;
	return err_wrap(err, rc, "authority \"%s\"", authority->name);
}

enum rc authorities_sign_in(struct authorities *authorities, const char *name, int64_t now, struct session **ret_session,
			    bool *ret_by_token, struct err *err)
{
	const struct config_authority *authority;
	struct session_slot *slot;
	enum rc rc = session_get(authorities, name, &authority, &slot, err);

	*ret_by_token = false;
	if (rc != RC_OK)
		return rc;
	/* One opens it, and registers the account if need be; the others wait and find it open. */
	pthread_mutex_lock(&slot->lock);
	if (!slot->session)
		rc = session_reopen(authorities, authority, slot, now, false, ret_by_token, err);
	if (rc == RC_OK) {
		atomic_fetch_add(&slot->session->users, 1);
		*ret_session = slot->session;
	}
	pthread_mutex_unlock(&slot->lock);
	return rc;
}

enum rc authorities_client(struct authorities *authorities, const char *name, int64_t now, struct client **ret_client,
			   bool *ret_by_token, struct err *err)
{
	AUTO(session) struct session *session = NULL;
	enum rc rc = authorities_sign_in(authorities, name, now, &session, ret_by_token, err);

	if (rc == RC_OK)
		*ret_client = session->client;
	return rc;
}

enum rc authorities_forget_account(struct authorities *authorities, const char *name, const char *account_url, struct err *err)
{
	const struct config_authority *authority;
	struct session_slot *slot;
	struct store_account account;
	enum rc rc = session_get(authorities, name, &authority, &slot, err);

	if (rc != RC_OK)
		return rc;
	pthread_mutex_lock(&slot->lock);
	rc = store_account_load(authorities->store, name, &account, err);
	/* Unless another renewal was told the same before, and the account has been found or made anew since. */
	if (rc == RC_OK && (!account_url || strcmp(account.url, account_url) == 0)) {
		account.url[0] = '\0';
		session_close(slot);
		rc = store_account_save(authorities->store, &account, err);
	}
	pthread_mutex_unlock(&slot->lock);
	return rc;
}

void authorities_note_failure(struct authorities *authorities, const char *name, const char *account_url, const struct err *why)
{
	/* It lost its data, or the account is gone. */
	if (why->problem == PROBLEM_ACCOUNT_DOES_NOT_EXIST)
		(void)!authorities_forget_account(authorities, name, account_url, NULL);
}
