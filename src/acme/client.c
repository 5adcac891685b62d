/* client.c -- the directory, the nonces, and signed requests to one ACME server. */
#include "client.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "jws.h"
#include "message.h"
#include "problem.h"

struct client {
	struct http *http;
	struct token_key *key;
	enum jws_algorithm algorithm;
	char directory_url[HTTP_URL_MAX];
	size_t origin_len; /* of directory_url: https://host:port */
	bool known;        /* the directory was fetched */
	struct message_directory directory;
	char account[HTTP_URL_MAX];
	char nonces[CLIENT_NONCES_MAX][HTTP_NONCE_MAX];
	unsigned nonce_count;
};

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
	client->http = http;
	client->key = account_key;
	snprintf(client->directory_url, sizeof(client->directory_url), "%s", directory_url);
	client->origin_len = 8 + strcspn(directory_url + 8, "/?#");
	*ret_client = client;
	return RC_OK;
}

void client_free(struct client *client)
{
	free(client);
}

/* A server may send us to itself only: a URL elsewhere would make us sign for somebody else. */
static enum rc same_origin(const struct client *client, const char *url, struct err *err)
{
	if (strncasecmp(url, client->directory_url, client->origin_len) != 0 ||
	    (url[client->origin_len] && !strchr("/?#", url[client->origin_len])))
		return err_set(err, RC_PROTOCOL, "the server names a URL that is not its own: %.200s", url);
	return RC_OK;
}

static void nonce_keep(struct client *client, const char *nonce)
{
	if (nonce[0] && client->nonce_count < CLIENT_NONCES_MAX)
		snprintf(client->nonces[client->nonce_count++], HTTP_NONCE_MAX, "%s", nonce);
}

static enum rc directory_check(const struct client *client, const struct message_directory *directory, struct err *err)
{
	const char *urls[] = { directory->new_nonce, directory->new_account, directory->new_order,
			       directory->new_authz, directory->revoke_cert, directory->key_change };

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		enum rc rc = urls[i][0] ? same_origin(client, urls[i], err) : RC_OK;
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc directory_fetch(struct client *client, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	struct http_request request = { .method = HTTP_GET, .url = client->directory_url };
	struct message_directory directory;

	if (client->known)
		return RC_OK;
	enum rc rc = http_send(client->http, &request, &response, err);
	if (rc == RC_OK && response.status != 200)
		rc = err_set_raw(err, response.status >= 500 ? RC_RETRY : RC_PROTOCOL, ERR_HTTP, response.status,
				 "HTTP status %ld", response.status);
	if (rc == RC_OK)
		rc = message_directory_parse(buf_span(&response.body), &directory, err);
	if (rc == RC_OK)
		rc = directory_check(client, &directory, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "directory %s", client->directory_url);
	client->directory = directory;
	client->known = true;
	return RC_OK;
}

enum rc client_url(struct client *client, enum client_resource which, const char **ret_url, struct err *err)
{
	const struct message_directory *directory = &client->directory;
	const char *const urls[] = { [CLIENT_NEW_NONCE] = directory->new_nonce,     [CLIENT_NEW_ACCOUNT] = directory->new_account,
				     [CLIENT_NEW_ORDER] = directory->new_order,     [CLIENT_NEW_AUTHZ] = directory->new_authz,
				     [CLIENT_REVOKE_CERT] = directory->revoke_cert, [CLIENT_KEY_CHANGE] = directory->key_change };
	enum rc rc = directory_fetch(client, err);

	if (rc != RC_OK)
		return rc;
	if (!urls[which][0])
		return err_set(err, RC_ABSENT, "the server does not offer this");
	*ret_url = urls[which];
	return RC_OK;
}

const char *client_terms_of_service(const struct client *client)
{
	return client->directory.terms_of_service;
}

bool client_wants_external_account(const struct client *client)
{
	return client->directory.external_account_required;
}

void client_set_key(struct client *client, struct token_key *account_key)
{
	client->key = account_key;
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

static enum rc nonce_take(struct client *client, char ret_nonce[HTTP_NONCE_MAX], struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	const char *url;

	if (client->nonce_count == 0) {
		enum rc rc = client_url(client, CLIENT_NEW_NONCE, &url, err);
		if (rc != RC_OK)
			return rc;
		rc = http_send(client->http, &(struct http_request){ .method = HTTP_HEAD, .url = url }, &response, err);
		if (rc != RC_OK)
			return err_wrap(err, rc, "newNonce");
		nonce_keep(client, response.nonce);
	}
	if (client->nonce_count == 0)
		return err_set_raw(err, RC_PROTOCOL, ERR_HTTP, response.status,
				   "newNonce: the answer (status %ld) has no usable Replay-Nonce", response.status);
	snprintf(ret_nonce, HTTP_NONCE_MAX, "%s", client->nonces[--client->nonce_count]);
	return RC_OK;
}

static enum rc refusal(const struct http_response *response, struct err *err)
{
	struct message_problem problem;
	bool is_problem = message_problem_parse(buf_span(&response->body), &problem);

	return problem_fail(err, is_problem ? &problem : NULL, response->status, response->retry_at);
}

static bool is_bad_nonce(const struct http_response *response)
{
	struct message_problem problem;

	return response->status == 400 && message_problem_parse(buf_span(&response->body), &problem) &&
	       strcmp(problem.type, "badNonce") == 0;
}

static enum rc post_once(struct client *client, const char *url, const char *nonce, struct span payload, const char *accept,
			 struct http_response *ret_response, struct err *err)
{
	AUTO(buf) struct buf jws = BUF_MAX(JWS_MAX);
	struct jws_header header = {
		.kid = client->account[0] ? client->account : NULL, .nonce = nonce, .url = url, .algorithm = client->algorithm
	};
	enum rc rc = jws_sign(client->key, &header, payload, &jws, err);

	if (rc != RC_OK)
		return err_wrap(err, rc, "sign the request");
	struct http_request request = { .method = HTTP_POST, .url = url, .body = buf_span(&jws), .accept = accept };
	return http_send(client->http, &request, ret_response, err);
}

enum rc client_post(struct client *client, const char *url, struct span payload, const char *accept,
		    struct http_response *ret_response, struct err *err)
{
	char nonce[HTTP_NONCE_MAX];
	enum rc rc = directory_fetch(client, err);

	if (rc == RC_OK)
		rc = same_origin(client, url, err);
	if (rc == RC_OK)
		rc = nonce_take(client, nonce, err);
	for (unsigned tries = 0; rc == RC_OK && tries < CLIENT_BAD_NONCE_MAX; tries++) {
		AUTO(http_response) struct http_response response = { 0 };

		rc = post_once(client, url, nonce, payload, accept, &response, err);
		if (rc != RC_OK)
			break;
		if (!is_bad_nonce(&response)) {
			nonce_keep(client, response.nonce);
			if (response.status < 200 || response.status > 299)
				return refusal(&response, err);
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
