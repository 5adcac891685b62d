/* account_keys.c -- changes the key of an account without ever losing sight of which key it has. */
#include "account_keys.h"

#include <stdio.h>
#include <string.h>

#include "account.h"
#include "authority_session.h"
#include "problem.h"

/* The next key is the account's from now on; the old one waits to be erased. */
static enum rc key_switch(struct authorities *authorities, struct store_account *account, struct err *err)
{
	account->key = account->next_key;
	account->next_key = (struct store_key){ 0 };
	return store_account_save(authorities->store, account, err);
}

/* The old key stays; the next one waits to be erased, if it was ever made. */
static enum rc key_give_up(struct authorities *authorities, struct store_account *account, struct err *err)
{
	account->next_key = (struct store_key){ 0 };
	return store_account_save(authorities->store, account, err);
}

/* Which account a key has, the CA knows.  After a failure *ret_has_none: the CA says that it has none, or one that has ended, or a token
 * that is there that it has no such key, or refuses it.  A token that is away says neither. */
static enum rc account_of(struct authorities *authorities, const struct config_authority *authority, struct http *http,
			  const struct store_key *stored, char ret_url[HTTP_URL_MAX], bool *ret_has_none, struct err *err)
{
	AUTO(token_key) struct token_key *key = NULL;
	AUTO(client) struct client *client = NULL;
	enum rc rc = keyring_look(authorities->keyring, stored, &key, ret_has_none, err);

	if (rc == RC_OK)
		rc = client_new(http, key, authority->directory, &client, err);
	if (rc != RC_OK)
		return rc;
	client_set_algorithm(client, session_algorithm(authority, key));
	struct err why = { 0 };
	rc = account_find(client, ret_url, &why);
	*ret_has_none = rc == RC_ABSENT || (rc != RC_OK && why.problem == PROBLEM_UNAUTHORIZED);
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

/* Where the authority has moved, or an answer was lost, the address is not known: any account that the key has there is the one. */
static bool is_the_account(const struct config_authority *authority, const struct store_account *account, const char *url)
{
	return !account->url[0] || strcmp(account->directory, authority->directory) != 0 || strcmp(account->url, url) == 0;
}

/*
 * Nothing that is said of the next key alone is enough to give it up, whatever it is: an account has one key (RFC 8555, 7.3.5), and a
 * backend that knows nothing, or a token that was put in the place of another, says "none" as well.  What counts is that the CA says of
 * the old key that it still has the account.
 */
static enum rc settle_by_old_key(struct authorities *authorities, const struct config_authority *authority, struct http *http,
				 struct store_account *account, const struct err *next, bool *ret_has_none, struct err *err)
{
	char url[HTTP_URL_MAX] = "";
	struct err old = { 0 };
	enum rc rc = account_of(authorities, authority, http, &account->key, url, ret_has_none, &old);

	if (rc == RC_OK && is_the_account(authority, account, url))
		return key_give_up(authorities, account, err);
	if (rc == RC_OK)
		rc = err_set(&old, RC_DENIED, "it has another account, %s", url);
	if (rc == RC_ABSENT) /* not of what is configured, which is what "absent" would mean above */
		rc = old.rc = RC_RETRY;
	err_wrap(&old, rc,
		 "settle the key rollover: neither key has account %s (if the CA has lost it, or both keys are lost: `hwacme "
		 "account register %s "
		 "--new-key`); the "
		 "next "
		 "one: %.120s; the one before",
		 account->url, account->authority, next->text);
	if (err)
		*err = old;
	return rc;
}

enum rc account_keys_settle(struct authorities *authorities, const struct config_authority *authority, struct http *http,
			    struct store_account *account, bool *ret_is_lost, struct err *err)
{
	char url[HTTP_URL_MAX] = "";
	bool next_has_none = false, old_has_none = false;
	struct err why = { 0 };
	enum rc rc = account_of(authorities, authority, http, &account->next_key, url, &next_has_none, &why);

	if (rc == RC_OK && is_the_account(authority, account, url))
		return key_switch(authorities, account, err);
	if (rc == RC_OK)
		return err_set(err, RC_DENIED, "the key that account %s was moving to has another account, %s", account->url,
			       url);
	/* It was never made, or cut off while it was made, or the CA was never told of it, or does not take such a key. */
	if (next_has_none || (rc != RC_RETRY && rc != RC_RESOURCE && !why.retry_at)) {
		rc = settle_by_old_key(authorities, authority, http, account, &why, &old_has_none, err);
		if (ret_is_lost)
			*ret_is_lost = next_has_none && old_has_none;
		return rc;
	}
	if (err)
		*err = why;
	return err_wrap(err, rc, "settle the key rollover");
}

/* The record and a signed-in client; the stored key is used, whatever is configured. */
static enum rc begin(struct authorities *authorities, const char *name, int64_t now, bool *ret_by_token,
		     const struct config_authority **ret_authority, struct session_slot **ret_slot,
		     struct store_account *ret_account, struct err *err)
{
	enum rc rc = session_get(authorities, name, ret_authority, ret_slot, err);

	*ret_by_token = false;
	if (rc == RC_OK)
		rc = session_reopen(authorities, *ret_authority, *ret_slot, now, true, ret_by_token, err);
	return rc == RC_OK ? store_account_load(authorities->store, name, ret_account, err) : rc;
}

/* What the CA refused did not happen, if it was the CA that spoke: it is asked at once, unless it said when to come again.  Otherwise, as
 * after a lost answer, the next session asks. */
static bool is_refused_by_ca(enum rc rc, const struct err *why)
{
	return why->origin == ERR_ACME && rc != RC_RETRY && !why->retry_at;
}

/* A CA that is away, or does not know the account any more, is found out before there is a next key: with one, the next session would have to
 * learn from that CA which of the two has the account, and could do nothing while neither has. */
static enum rc account_is_there(struct client *client, bool *ret_by_token, struct err *err)
{
	struct message_account shown;
	struct err why = { 0 };
	enum rc rc = account_show(client, &shown, &why);

	if (rc == RC_OK)
		return RC_OK;
	*ret_by_token = err_is_token(&why);
	if (err)
		*err = why;
	return rc;
}

enum rc account_keys_rollover(struct authorities *authorities, const char *name, int64_t now, bool *ret_by_token, struct err *err)
{
	const struct config_authority *authority;
	struct session_slot *slot;
	struct store_account account;
	AUTO(token_key) struct token_key *key = NULL;
	struct err why = { 0 };
	enum rc rc = begin(authorities, name, now, ret_by_token, &authority, &slot, &account, err);

	if (rc == RC_OK)
		rc = account_is_there(slot->session->client, ret_by_token, err);
	if (rc == RC_OK)
		rc = keyring_reserve(authorities->keyring, authorities->store, "account", &authority->account_key, now,
				     &account.next_key, err);
	/* Intent before effect: both keys are on disk before one of them is made, and before the CA is told. */
	if (rc == RC_OK)
		rc = store_account_save(authorities->store, &account, err);
	if (rc != RC_OK)
		return rc;
	rc = keyring_find_or_generate(authorities->keyring, &account.next_key, &key, err);
	if (rc != RC_OK) {
		*ret_by_token = true;
		return rc;
	}
	rc = account_change_key(slot->session->client, key, session_algorithm(authority, key), &why);
	if (rc == RC_OK)
		rc = key_switch(authorities, &account, &why);
	else if (is_refused_by_ca(rc, &why) &&
		 account_keys_settle(authorities, authority, slot->session->http, &account, NULL, NULL) == RC_OK)
		rc = memcmp(account.key.name.id, key->name.id, TOKEN_ID_LEN) == 0 ? RC_OK : rc;
	/* The session's client must not outlive the key it signs with now. */
	session_close(slot);
	if (rc == RC_OK)
		return RC_OK;
	*ret_by_token = err_is_token(&why);
	if (err)
		*err = why;
	return err_wrap(err, rc, "authority \"%s\"", name);
}

bool account_keys_is_over(struct client *client)
{
	struct message_account shown = { 0 };
	struct err why = { 0 };

	if (account_show(client, &shown, &why) != RC_OK)
		return why.problem == PROBLEM_UNAUTHORIZED;
	return strcmp(shown.status, "deactivated") == 0 || strcmp(shown.status, "revoked") == 0;
}

/* RFC 8555, 7.3.6: of an account that is deactivated nothing is accepted any more, not even to be shown.  It is then what was wanted: we
 * were killed before it was written down, or the answer was lost. */
static bool is_deactivated(struct client *client, const struct err *refusal)
{
	return refusal->problem == PROBLEM_UNAUTHORIZED && account_keys_is_over(client);
}

enum rc account_keys_deactivate(struct authorities *authorities, const char *name, int64_t now, bool *ret_by_token,
				struct err *err)
{
	const struct config_authority *authority;
	struct session_slot *slot;
	struct store_account account;
	struct err why = { 0 };
	enum rc rc = begin(authorities, name, now, ret_by_token, &authority, &slot, &account, err);

	if (rc != RC_OK)
		return rc;
	rc = account_deactivate(slot->session->client, &why);
	if (rc != RC_OK && !is_deactivated(slot->session->client, &why)) {
		if (err)
			*err = why;
		return rc;
	}
	session_close(slot);
	account.is_deactivated = true;
	return store_account_save(authorities->store, &account, err);
}

/* RFC 8555, 7.3: a new account gets a fresh key. */
static enum rc start_anew(struct authorities *authorities, const struct config_authority *authority, int64_t now,
			  struct store_account *account, struct err *err)
{
	struct store_account fresh = { 0 };

	snprintf(fresh.authority, sizeof(fresh.authority), "%s", account->authority);
	snprintf(fresh.directory, sizeof(fresh.directory), "%s", authority->directory);
	enum rc rc = keyring_reserve(authorities->keyring, authorities->store, "account", &authority->account_key, now,
				     &fresh.key, err);
	return rc == RC_OK ? store_account_save(authorities->store, &fresh, err) : rc;
}

/* The CA has lost it; or what our key signs for it does not verify, and the key has none: it was given another key, of which records that
 * were put back do not know.  A key without an account has one made, as in a renewal. */
static bool is_account_gone(const struct session_slot *slot, const struct err *why)
{
	char url[HTTP_URL_MAX];

	return why->problem == PROBLEM_ACCOUNT_DOES_NOT_EXIST || (why->problem == PROBLEM_MALFORMED && slot->session &&
								  account_find(slot->session->client, url, NULL) == RC_ABSENT);
}

enum rc account_keys_register(struct authorities *authorities, const char *name, int64_t now, bool *ret_by_token, struct err *err)
{
	const struct config_authority *authority;
	struct session_slot *slot;
	struct store_account account;
	struct err why = { 0 };
	enum rc rc = session_get(authorities, name, &authority, &slot, err);

	*ret_by_token = false;
	if (rc != RC_OK)
		return rc;
	rc = store_account_load(authorities->store, name, &account, err);
	bool was_registered = rc == RC_OK && account.url[0] && !account.is_deactivated;
	if (rc == RC_OK && account.is_deactivated)
		rc = start_anew(authorities, authority, now, &account, err);
	if (rc != RC_OK && rc != RC_ABSENT)
		return rc;
	rc = session_reopen(authorities, authority, slot, now, false, ret_by_token, &why);
	/* RFC 8555, 7.3.3: terms that changed are agreed to when the operator says so again. */
	if (rc == RC_OK && was_registered)
		rc = account_update(slot->session->client, authority, &why);
	if (is_account_gone(slot, &why)) {
		why = (struct err){ 0 };
		rc = authorities_forget_account(authorities, name, NULL, &why);
		if (rc == RC_OK)
			rc = session_reopen(authorities, authority, slot, now, false, ret_by_token, &why);
	}
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}
