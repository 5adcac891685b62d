/* account.c -- registers, finds, updates, re-keys and ends our account. */
#include "account.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "jwk.h"
#include "message.h"
#include "problem.h"

static enum rc key_jwk(struct token_key *key, struct buf *ret_jwk, struct err *err)
{
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	enum rc rc = token_public_key(key, &spki, err);

	return rc == RC_OK ? jwk_print(buf_span(&spki), ret_jwk, err) : rc;
}

/* RFC 8555, 7.3.4: the account's public key, authenticated with a key that both operators know. */
static enum rc binding_print(struct client *client, const struct config_authority *authority, const struct account_binder *binder,
			     const char *url, struct buf *ret_json, struct err *err)
{
	AUTO(buf) struct buf jwk = BUF_MAX(JWK_MAX);
	const struct config_external *external = &authority->external;

	if (!external->kid)
		return RC_OK;
	enum rc rc = key_jwk(client_account_key(client), &jwk, err);
	if (rc == RC_OK)
		rc = jws_mac(binder->mac, binder->ctx, external->hash, external->kid, url, buf_span(&jwk), ret_json, err);
	return rc == RC_OK ? RC_OK : err_wrap(err, rc, "external-account \"%s\"", external->kid);
}

/* The answer's Location is the account from now on. */
static enum rc location_take(struct client *client, const struct http_response *response, char ret_url[HTTP_URL_MAX],
			     struct err *err)
{
	if (strncasecmp(response->location, "https://", 8) != 0)
		return err_set_raw(err, RC_PROTOCOL, ERR_HTTP, response->status,
				   "newAccount: the answer has no https:// Location");
	/* It is our "kid" from now on, and asked for with a signature: another server's would lead nowhere, for good. */
	enum rc rc = client_same_origin(client, response->location, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "newAccount");
	client_set_account(client, response->location);
	snprintf(ret_url, HTTP_URL_MAX, "%s", response->location);
	return RC_OK;
}

enum rc account_may_register(struct client *client, const struct config_authority *authority, struct err *err)
{
	/* RFC 8555, 7.3: a client SHOULD NOT agree by itself. */
	if (client_terms_of_service(client)[0] && !authority->terms_agreed)
		return err_set(err, RC_INPUT,
			       "read the terms of service at %s, then write terms-agreed: true for authority \"%s\"",
			       client_terms_of_service(client), authority->name);
	if (!authority->external.kid && client_wants_external_account(client))
		return err_set(err, RC_INPUT,
			       "the CA wants an external account binding; write external-account: { kid: ..., hmac: "
			       "{ file: ... } } for authority \"%s\"",
			       authority->name);
	return RC_OK;
}

enum rc account_ensure(struct client *client, const struct config_authority *authority, const struct account_binder *binder,
		       char ret_url[HTTP_URL_MAX], struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	AUTO(buf) struct buf binding = BUF_MAX(JWS_MAX);
	AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	const char *url;
	enum rc rc = client_url(client, CLIENT_NEW_ACCOUNT, &url, err);

	if (rc == RC_OK)
		rc = account_may_register(client, authority, err);
	if (rc != RC_OK)
		return rc;
	client_set_account(client, "");
	rc = binding_print(client, authority, binder, url, &binding, err);
	if (rc == RC_OK)
		rc = message_account_print(authority, buf_text(&binding), &payload, err);
	/* RFC 8555, 7.3.1: 201 for a new account, 200 for the one this key already has. */
	if (rc == RC_OK)
		rc = client_post(client, "newAccount", url, buf_span(&payload), NULL, &response, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "newAccount");
	return location_take(client, &response, ret_url, err);
}

enum rc account_find(struct client *client, char ret_url[HTTP_URL_MAX], struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	struct err why = { 0 };
	const char *url;
	enum rc rc = client_url(client, CLIENT_NEW_ACCOUNT, &url, &why);

	client_set_account(client, "");
	if (rc == RC_OK)
		rc = message_account_find_print(&payload, &why);
	if (rc == RC_OK)
		rc = client_post(client, "newAccount", url, buf_span(&payload), NULL, &response, &why);
	if (rc == RC_OK)
		return location_take(client, &response, ret_url, err);
	/* RFC 8555, 7.3.1: "accountDoesNotExist" is the answer for a key without one. */
	if (why.problem == PROBLEM_ACCOUNT_DOES_NOT_EXIST)
		return err_set_raw(err, RC_ABSENT, ERR_ACME, why.code, "the key has no account");
	/* And nothing else is: 404 may be said by whatever stands before the CA, and a token that is away signs nothing. */
	if (rc == RC_ABSENT)
		rc = why.rc = RC_RETRY;
	if (err)
		*err = why;
	return err_wrap(err, rc, "newAccount");
}

/* RFC 8555, 7.3.6: of an account that has ended, by whom ever, nothing is taken but with this answer, which has other causes, too.  A
 * signature that does not verify is "malformed", for want of another word: so is that of a key which the account has no more. */
static enum rc refused(const struct client *client, enum rc rc, struct err *err)
{
	enum problem problem = err ? err->problem : PROBLEM_NONE;

	return err_wrap(err, rc, "account %s%s", client_account(client),
			problem == PROBLEM_UNAUTHORIZED
				? " (if the CA has ended it: `hwacme account register AUTHORITY --new-key`)"
			: problem == PROBLEM_MALFORMED ? " (if it has another key by now: `hwacme account register AUTHORITY`)"
						       : "");
}

enum rc account_show(struct client *client, struct message_account *ret_account, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	enum rc rc = client_post(client, "account", client_account(client), span_of(NULL, 0), NULL, &response, err);

	if (rc == RC_OK)
		rc = message_account_parse(buf_span(&response.body), ret_account, err);
	return rc == RC_OK ? RC_OK : refused(client, rc, err);
}

static enum rc account_post(struct client *client, struct span payload, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	enum rc rc = client_post(client, "account", client_account(client), payload, NULL, &response, err);

	return rc == RC_OK ? RC_OK : refused(client, rc, err);
}

enum rc account_update(struct client *client, const struct config_authority *authority, struct err *err)
{
	AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	enum rc rc = message_account_update_print(authority, &payload, err);

	return rc == RC_OK ? account_post(client, buf_span(&payload), err) : rc;
}

enum rc account_deactivate(struct client *client, struct err *err)
{
	/* RFC 8555, 7.3.6 */
	return account_post(client, span_text("{\"status\":\"deactivated\"}"), err);
}

enum rc account_change_key(struct client *client, struct token_key *new_key, enum jws_algorithm new_algorithm, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	AUTO(buf) struct buf old_jwk = BUF_MAX(JWK_MAX);
	AUTO(buf) struct buf payload = BUF_MAX(MESSAGE_PAYLOAD_MAX);
	AUTO(buf) struct buf inner = BUF_MAX(JWS_MAX);
	const char *url;
	enum rc rc = client_url(client, CLIENT_KEY_CHANGE, &url, err);

	if (rc != RC_OK)
		return err_wrap(err, rc, "keyChange");
	rc = key_jwk(client_account_key(client), &old_jwk, err);
	if (rc == RC_OK)
		rc = message_key_change_print(client_account(client), buf_text(&old_jwk), &payload, err);
	/* RFC 8555, 7.3.5: the inner JWS is the new key's, with "jwk", the same "url" and no nonce. */
	if (rc == RC_OK)
		rc = jws_sign(new_key, &(struct jws_header){ .url = url, .algorithm = new_algorithm }, buf_span(&payload), &inner,
			      err);
	if (rc == RC_OK)
		rc = client_post(client, "keyChange", url, buf_span(&inner), NULL, &response, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "keyChange");
	client_set_key(client, new_key);
	return RC_OK;
}
