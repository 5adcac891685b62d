/* account_lost.c -- a new account where the key of the old one is lost, or the CA has ended it; what works, or may work again, is left
 * alone. */
#include <stdio.h>
#include <string.h>

#include "account.h"
#include "account_keys.h"
#include "authority_session.h"
#include "log.h"
#include "origin.h"
#include "problem.h"

/* The key works, and the CA says of it, and of the account where its address is known, that they are of no use any more. */
static enum rc over_check(const struct store_account *account, struct client *client, bool *ret_is_over, struct err *err)
{
	char url[HTTP_URL_MAX];
	struct err why = { 0 };
	enum rc rc = account_find(client, url, &why);

	if (rc == RC_ABSENT)
		return err_set(err, RC_INPUT,
			       "the key of the account, \"%s\" in token \"%s\", works, and the CA has no account of it: "
			       "`hwacme account register %s` makes one with it",
			       account->key.name.label, account->key.token, account->authority);
	if (rc != RC_OK && why.problem != PROBLEM_UNAUTHORIZED) {
		if (err)
			*err = why;
		return rc;
	}
	if (rc != RC_OK)
		client_set_account(client, account->url);
	*ret_is_over = !client_account(client)[0] || account_keys_is_over(client);
	return RC_OK;
}

/* Whether the CA has ended the account of a key that works. */
static enum rc over_ask(struct authorities *authorities, const struct config_authority *authority,
			const struct store_account *account, struct token_key *key, bool *ret_is_over, struct err *err)
{
	AUTO(http) struct http *http = NULL;
	AUTO(client) struct client *client = NULL;
	struct store_account there = *account;
	enum rc rc = session_connect(authorities, authority, &http, err);

	if (rc == RC_OK)
		rc = client_new(http, key, authority->directory, &client, err);
	if (rc != RC_OK)
		return rc;
	client_set_algorithm(client, session_algorithm(authority, key));
	if (strcmp(account->directory, authority->directory) != 0)
		there.url[0] = '\0';
	return over_check(&there, client, ret_is_over, err);
}

/* A rollover that was cut off is settled first: the account may have the next key.  RC_OK and *ret_is_lost: neither key has it. */
static enum rc settle(struct authorities *authorities, const struct config_authority *authority, struct store_account *account,
		      bool *ret_is_lost, bool *ret_is_over, struct err *err)
{
	AUTO(http) struct http *http = NULL;
	struct err why = { 0 };

	if (!account->next_key.token[0])
		return RC_OK;
	enum rc rc = session_connect(authorities, authority, &http, &why);
	if (rc == RC_OK)
		rc = account_keys_settle(authorities, authority, http, account, ret_is_lost, &why);
	*ret_is_over = *ret_is_lost && why.problem == PROBLEM_UNAUTHORIZED;
	if (*ret_is_lost)
		return RC_OK;
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

/* RC_OK: it is lost, or of no use because the CA has ended the account. */
static enum rc lost_check(struct authorities *authorities, const struct config_authority *authority,
			  struct store_account *account, bool *ret_is_over, struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	struct err why = { 0 };
	bool is_lost = false;
	enum rc rc = settle(authorities, authority, account, &is_lost, ret_is_over, err);

	if (is_lost || rc != RC_OK)
		return rc;
	rc = keyring_look(authorities->keyring, &account->key, &key, &is_lost, &why);
	if (rc == RC_OK) {
		rc = session_sign_try(authority, key, &why);
		is_lost = rc == RC_DENIED;
	}
	if (rc == RC_OK)
		rc = over_ask(authorities, authority, account, key, ret_is_over, &why);
	if (is_lost || *ret_is_over)
		return RC_OK;
	if (rc == RC_OK)
		return err_set(err, RC_INPUT,
			       "the key of the account, \"%s\" in token \"%s\", works: `hwacme account rollover %s` gives it "
			       "another, and "
			       "the account stays; --new-key is for one whose key is lost, or that the CA has ended",
			       account->key.name.label, account->key.token, authority->name);
	if (err)
		*err = why;
	return rc;
}

/* Intent before effect, and the old one until there is a new one: while the token makes the key, the record is that of a rollover. */
static enum rc next_make(struct authorities *authorities, const struct config_authority *authority, int64_t now,
			 struct store_account *account, bool *ret_by_token, struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	enum rc rc = keyring_reserve(authorities->keyring, authorities->store, "account", &authority->account_key, now,
				     &account->next_key, err);

	if (rc == RC_OK)
		rc = store_account_save(authorities->store, account, err);
	if (rc != RC_OK)
		return rc;
	rc = keyring_find_or_generate(authorities->keyring, &account->next_key, &key, err);
	*ret_by_token = rc != RC_OK;
	if (rc != RC_OK) {
		account->next_key = (struct store_key){ 0 };
		(void)!store_account_save(authorities->store, account, NULL);
	}
	return rc;
}

/* RFC 8555, 7.1.3: an order belongs to the account that made it; nobody else is shown it. */
static void order_leave(struct store_certificate *record, const struct store_account *account)
{
	if (!record->order.url[0] || !origin_is_same(record->order.url, account->directory))
		return;
	record->order = (struct order){ .phase = ORDER_START };
	record->state = record->next_key.token[0] ? CERT_KEYED : record->state;
}

/* Of every certificate: what is under way is begun anew, with the same key, and not after the back-off of failures that had this cause. */
static enum rc orders_leave(struct authorities *authorities, const struct store_account *account, int64_t now, const char *event,
			    struct err *err)
{
	const struct config *config = authorities->config;

	for (unsigned i = 0; i < config->certificate_count; i++) {
		const struct config_certificate *certificate = &config->certificates[i];
		struct store_certificate record;

		if (!config_is_authority_of(certificate, account->authority))
			continue;
		enum rc rc = store_certificate_load(authorities->store, certificate->name, &record, err);
		if (rc == RC_ABSENT)
			continue;
		if (rc == RC_OK) {
			order_leave(&record, account);
			record.retry_at = record.peer_retry_at;
			rc = store_certificate_save(authorities->store, &record, now,
						    now + config_policy_get(config, certificate->policy)->retire_after, event,
						    err);
		}
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

/* The last that is known of it here is told before it is forgotten. */
static enum rc account_leave(struct authorities *authorities, const struct config_authority *authority, int64_t now,
			     const struct store_account *account, bool is_over, struct err *err)
{
	struct store_account fresh = { .key = account->next_key };
	const char *url = account->url[0] ? account->url : "without a known address";
	char event[512];

	if (is_over)
		snprintf(event, sizeof(event), "account %s is left, for the CA has ended it", url);
	else
		snprintf(event, sizeof(event),
			 "account %s is left, for its key \"%s\" in token \"%s\" is lost; the CA has it still, and can end it",
			 url, account->key.name.label, account->key.token);
	enum rc rc = orders_leave(authorities, account, now, event, err);
	if (rc != RC_OK)
		return rc;
	log_event(LOG_WARN, "authority \"%s\": %s", authority->name, event);
	snprintf(fresh.authority, sizeof(fresh.authority), "%s", authority->name);
	snprintf(fresh.directory, sizeof(fresh.directory), "%s", authority->directory);
	return store_account_save(authorities->store, &fresh, err);
}

enum rc account_keys_replace(struct authorities *authorities, const char *name, int64_t now, bool *ret_by_token, struct err *err)
{
	const struct config_authority *authority;
	struct session_slot *slot;
	struct store_account account;
	bool is_over = false;
	enum rc rc = session_get(authorities, name, &authority, &slot, err);

	*ret_by_token = false;
	if (rc != RC_OK)
		return rc;
	rc = store_account_load(authorities->store, name, &account, err);
	if (rc == RC_ABSENT || (rc == RC_OK && account.is_deactivated))
		return account_keys_register(authorities, name, now, ret_by_token, err);
	if (rc == RC_OK)
		rc = lost_check(authorities, authority, &account, &is_over, err);
	if (rc == RC_OK)
		rc = next_make(authorities, authority, now, &account, ret_by_token, err);
	if (rc == RC_OK)
		rc = account_leave(authorities, authority, now, &account, is_over, err);
	return rc == RC_OK ? session_reopen(authorities, authority, slot, now, false, ret_by_token, err) : rc;
}
