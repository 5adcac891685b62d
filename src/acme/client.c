/* client.c -- the nonces, and signed requests to one ACME server. */
#include "client.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "client_directory.h"
#include "jwk.h"
#include "jws.h"
#include "problem.h"

enum rc client_new(struct http *http, struct token_key *account_key, const char *directory_url, struct client **ret_client,
		   struct err *err)
{
	if (strlen(directory_url) >= HTTP_URL_MAX || strncasecmp(directory_url, "https://", 8) != 0)
		return err_set(err, RC_INPUT,
			       "directory: %.200s is not an https:// URL; ACME is spoken over TLS only (RFC 8555, 6.1)",
			       directory_url);
	struct client *client = calloc(1, sizeof(*client));
	if (!client)
		return err_set(err, RC_RESOURCE, "out of memory");
	pthread_mutex_init(&client->fetching, NULL);
	pthread_mutex_init(&client->lock, NULL);
	client->http = http;
	client->key = account_key;
	snprintf(client->directory_url, sizeof(client->directory_url), "%s", directory_url);
	*ret_client = client;
	return RC_OK;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	pthread_mutex_destroy(&client->fetching);
	pthread_mutex_destroy(&client->lock);
	free(client);
}

static void nonce_keep(struct client *client, const char *nonce)
{
	pthread_mutex_lock(&client->lock);
	if (nonce[0] && client->nonce_count < CLIENT_NONCES_MAX)
		snprintf(client->nonces[client->nonce_count++], HTTP_NONCE_MAX, "%s", nonce);
	pthread_mutex_unlock(&client->lock);
}

/* False: none is left. */
static bool nonce_kept(struct client *client, char ret_nonce[HTTP_NONCE_MAX])
{
	pthread_mutex_lock(&client->lock);
	bool has_one = client->nonce_count > 0;
	if (has_one)
		snprintf(ret_nonce, HTTP_NONCE_MAX, "%s", client->nonces[--client->nonce_count]);
	pthread_mutex_unlock(&client->lock);
	return has_one;
}

void client_set_key(struct client *client, struct token_key *account_key)
{
	client->key = account_key;
	client->thumbprint[0] = '\0';
}

void client_set_account(struct client *client, const char *account_url)
{
	snprintf(client->account, sizeof(client->account), "%s", account_url);
}

void client_set_algorithm(struct client *client, enum jws_algorithm algorithm)
{
	client->algorithm = algorithm;
}

const char *client_account(const struct client *client)
{
	return client->account;
}

struct token_key *client_account_key(const struct client *client)
{
	return client->key;
}

enum rc client_thumbprint(struct client *client, char ret_text[CLIENT_THUMBPRINT_MAX], struct err *err)
{
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	AUTO(buf) struct buf text = BUF_MAX(CLIENT_THUMBPRINT_MAX - 1);

	pthread_mutex_lock(&client->lock);
	snprintf(ret_text, CLIENT_THUMBPRINT_MAX, "%s", client->thumbprint);
	pthread_mutex_unlock(&client->lock);
	if (ret_text[0])
		return RC_OK;
	enum rc rc = token_public_key(client->key, &spki, err);
	if (rc == RC_OK)
		rc = jwk_thumbprint(buf_span(&spki), &text, err);
	if (rc != RC_OK)
		return rc;
	snprintf(ret_text, CLIENT_THUMBPRINT_MAX, "%s", buf_text(&text));
	pthread_mutex_lock(&client->lock);
	snprintf(client->thumbprint, sizeof(client->thumbprint), "%s", ret_text);
	pthread_mutex_unlock(&client->lock);
	return RC_OK;
}

static bool is_gone(const struct http_response *response)
{
	return response->status == 404 || response->status == 410;
}

/* RFC 8555, 7.2.  A newNonce that is gone tells that the directory we had kept is out of date. */
static enum rc nonce_ask(struct client *client, char ret_nonce[HTTP_NONCE_MAX], struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	const char *url;
	enum rc rc = client_url(client, CLIENT_NEW_NONCE, &url, err);

	if (rc == RC_OK)
		rc = http_send(client->http, &(struct http_request){ .method = HTTP_HEAD, .url = url, .endpoint = "newNonce" },
			       &response, err);
	if (rc == RC_OK && is_gone(&response) && client_directory_forget(client))
		return nonce_ask(client, ret_nonce, err);
	/* RFC 8555, 7.2: the answer to HEAD has no body, so the status alone tells; an overloaded CA says here when to come again. */
	if (rc == RC_OK && response.status >= 400)
		return client_refusal(&response, err);
	if (rc == RC_OK && !response.nonce[0])
		return err_set_raw(err, RC_PROTOCOL, ERR_HTTP, response.status,
				   "the answer (status %ld) has no usable Replay-Nonce", response.status);
	if (rc == RC_OK)
		snprintf(ret_nonce, HTTP_NONCE_MAX, "%s", response.nonce);
	return rc;
}

/* Nothing was asked with it yet: whatever is said of it, an order is neither refused nor gone. */
static enum rc nonce_fetch(struct client *client, char ret_nonce[HTTP_NONCE_MAX], struct err *err)
{
	enum rc rc = nonce_ask(client, ret_nonce, err);

	if (rc == RC_OK)
		return RC_OK;
	if (rc == RC_ABSENT || rc == RC_DENIED || rc == RC_PROTOCOL)
		rc = RC_RETRY;
	if (err)
		err->rc = rc;
	return err_wrap(err, rc, "newNonce");
}

static enum rc nonce_take(struct client *client, char ret_nonce[HTTP_NONCE_MAX], struct err *err)
{
	return nonce_kept(client, ret_nonce) ? RC_OK : nonce_fetch(client, ret_nonce, err);
}

static bool is_bad_nonce(const struct http_response *response)
{
	struct message_problem problem;

	return response->status == 400 && message_problem_parse(buf_span(&response->body), &problem) &&
	       strcmp(problem.type, "badNonce") == 0;
}

static enum rc post_once(struct client *client, const char *endpoint, const char *url, const char *nonce, struct span payload,
			 const char *accept, struct http_response *ret_response, struct err *err)
{
	AUTO(buf) struct buf jws = BUF_MAX(JWS_MAX);
	struct jws_header header = {
		.kid = client->account[0] ? client->account : NULL, .nonce = nonce, .url = url, .algorithm = client->algorithm
	};
	enum rc rc = jws_sign(client->key, &header, payload, &jws, err);

	if (rc != RC_OK)
		return err_wrap(err, rc, "sign the request");
	struct http_request request = {
		.method = HTTP_POST, .url = url, .body = buf_span(&jws), .accept = accept, .endpoint = endpoint
	};
	return http_send(client->http, &request, ret_response, err);
}

enum rc client_post(struct client *client, const char *endpoint, const char *url, struct span payload, const char *accept,
		    struct http_response *ret_response, struct err *err)
{
	char nonce[HTTP_NONCE_MAX];
	enum rc rc = client_directory_fetch(client, err);

	if (rc == RC_OK)
		rc = client_same_origin(client, url, err);
	if (rc == RC_OK)
		rc = nonce_take(client, nonce, err);
	for (unsigned tries = 0; rc == RC_OK && tries < CLIENT_BAD_NONCE_MAX; tries++) {
		AUTO(http_response) struct http_response response = { 0 };

		rc = post_once(client, endpoint, url, nonce, payload, accept, &response, err);
		if (rc != RC_OK)
			break;
		if (!is_bad_nonce(&response)) {
			nonce_keep(client, response.nonce);
			if (is_gone(&response) && client_directory_has(client, url))
				(void)client_directory_forget(client);
			if (response.status < 200 || response.status > 299)
				return client_refusal(&response, err);
			*ret_response = response;
			response.body = BUF_MAX(0);
			return RC_OK;
		}
		/* RFC 8555, 6.5: the retry MUST use the nonce of the error answer. */
		snprintf(nonce, sizeof(nonce), "%s", response.nonce);
		if (!nonce[0])
			rc = nonce_take(client, nonce, err);
	}
	if (rc == RC_OK)
		return err_set_raw(err, RC_RETRY, ERR_ACME, 400, "%s: the CA refused %d nonces in a row", url,
				   CLIENT_BAD_NONCE_MAX);
	return rc;
}

enum rc client_get(struct client *client, const char *endpoint, const char *url, struct http_response *ret_response,
		   struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	enum rc rc = client_same_origin(client, url, err);

	if (rc == RC_OK)
		rc = http_send(client->http, &(struct http_request){ .method = HTTP_GET, .url = url, .endpoint = endpoint },
			       &response, err);
	if (rc != RC_OK)
		return rc;
	if (response.status != 200)
		return client_refusal(&response, err);
	*ret_response = response;
	response.body = BUF_MAX(0);
	return RC_OK;
}
