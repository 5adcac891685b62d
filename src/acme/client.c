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
	struct client_cache cache;
	bool known;      /* the directory was fetched, or loaded */
	bool from_cache; /* loaded: it may be out of date */
	bool anew;       /* it was: the cache is not asked again */
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

/* A URL elsewhere would make us sign for somebody else. */
enum rc client_same_origin(const struct client *client, const char *url, struct err *err)
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
	const char *urls[] = { directory->new_nonce,   directory->new_account, directory->new_order,   directory->new_authz,
			       directory->revoke_cert, directory->key_change,  directory->renewal_info };

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		enum rc rc = urls[i][0] ? client_same_origin(client, urls[i], err) : RC_OK;
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc directory_take(struct client *client, struct span json, struct err *err)
{
	struct message_directory directory;
	enum rc rc = message_directory_parse(json, &directory, err);

	if (rc == RC_OK)
		rc = directory_check(client, &directory, err);
	if (rc != RC_OK)
		return rc;
	client->directory = directory;
	client->known = true;
	return RC_OK;
}

static bool directory_load(struct client *client)
{
	AUTO(buf) struct buf json = BUF_MAX(CLIENT_DIRECTORY_MAX);

	client->from_cache = !client->anew && client->cache.load &&
			     client->cache.load(client->cache.ctx, client->directory_url, &json, NULL) == RC_OK &&
			     directory_take(client, buf_span(&json), NULL) == RC_OK;
	return client->from_cache;
}

static enum rc refusal(const struct http_response *response, struct err *err)
{
	struct message_problem problem;
	bool is_problem = message_problem_parse(buf_span(&response->body), &problem);

	return problem_fail(err, is_problem ? &problem : NULL, response->status, response->retry_at);
}

static enum rc directory_fetch(struct client *client, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	struct http_request request = { .method = HTTP_GET, .url = client->directory_url, .endpoint = "directory" };

	if (client->known || directory_load(client))
		return RC_OK;
	enum rc rc = http_send(client->http, &request, &response, err);
	if (rc == RC_OK && response.status != 200) {
		rc = refusal(&response, err);
		/* "Absent" is said of what a directory does not list, not of the directory. */
		if (rc == RC_ABSENT)
			rc = RC_PROTOCOL;
		if (err)
			err->rc = rc;
	} else if (rc == RC_OK) {
		rc = directory_take(client, buf_span(&response.body), err);
	}
	if (rc != RC_OK)
		return err_wrap(err, rc, "directory %s", client->directory_url);
	if (client->cache.save && response.body.len <= CLIENT_DIRECTORY_MAX)
		client->cache.save(client->cache.ctx, client->directory_url, buf_span(&response.body));
	return RC_OK;
}

/* What was loaded turned out to be out of date: the next look fetches.  False: it had been fetched just now. */
static bool directory_forget(struct client *client)
{
	if (!client->from_cache)
		return false;
	client->known = client->from_cache = false;
	client->anew = true;
	return true;
}

void client_set_cache(struct client *client, const struct client_cache *cache)
{
	client->cache = *cache;
}

enum rc client_url(struct client *client, enum client_resource which, const char **ret_url, struct err *err)
{
	const struct message_directory *directory = &client->directory;
	const char *const urls[] = {
		[CLIENT_NEW_NONCE] = directory->new_nonce,      [CLIENT_NEW_ACCOUNT] = directory->new_account,
		[CLIENT_NEW_ORDER] = directory->new_order,      [CLIENT_NEW_AUTHZ] = directory->new_authz,
		[CLIENT_REVOKE_CERT] = directory->revoke_cert,  [CLIENT_KEY_CHANGE] = directory->key_change,
		[CLIENT_RENEWAL_INFO] = directory->renewal_info
	};
	enum rc rc = directory_fetch(client, err);

	if (rc != RC_OK)
		return rc;
	if (!urls[which][0])
		return err_set(err, RC_ABSENT, "the server does not offer this");
	*ret_url = urls[which];
	return RC_OK;
}

static bool has_profile(const struct client *client, const char *profile)
{
	for (unsigned i = 0; i < client->directory.profile_count; i++)
		if (strcmp(client->directory.profiles[i], profile) == 0)
			return true;
	return false;
}

enum rc client_profile_check(struct client *client, const char *profile, struct err *err)
{
	char names[256];
	enum rc rc = directory_fetch(client, err);

	if (rc == RC_OK && !has_profile(client, profile) && directory_forget(client))
		rc = directory_fetch(client, err);
	if (rc != RC_OK || has_profile(client, profile))
		return rc;
	client_profiles_print(client, names, sizeof(names));
	/* A certificate of another profile than the one that was wished for may be of no use: it is not ordered instead. */
	return err_set(err, RC_INPUT,
		       names[0] ? "profile \"%s\" is not one of those that the CA has: %s"
				: "profile \"%s\": the CA has no profiles; take the option out%s",
		       profile, names);
}

void client_profiles_print(const struct client *client, char *text, size_t room)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < client->directory.profile_count && used < room; i++)
		used += (size_t)snprintf(text + used, room - used, "%s%s", i ? ", " : "", client->directory.profiles[i]);
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

static bool is_gone(const struct http_response *response)
{
	return response->status == 404 || response->status == 410;
}

/* RFC 8555, 7.2.  A newNonce that is gone tells that the directory we had kept is out of date. */
static enum rc nonce_fetch(struct client *client, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	const char *url;
	enum rc rc = client_url(client, CLIENT_NEW_NONCE, &url, err);

	if (rc == RC_OK)
		rc = http_send(client->http, &(struct http_request){ .method = HTTP_HEAD, .url = url, .endpoint = "newNonce" },
			       &response, err);
	if (rc == RC_OK && is_gone(&response) && directory_forget(client))
		return nonce_fetch(client, err);
	/* RFC 8555, 7.2: the answer to HEAD has no body, so the status alone tells; an overloaded CA says here when to come again. */
	if (rc == RC_OK && response.status >= 400)
		rc = refusal(&response, err);
	if (rc != RC_OK)
		return err_wrap(err, rc, "newNonce");
	nonce_keep(client, response.nonce);
	return client->nonce_count ? RC_OK
				   : err_set_raw(err, RC_PROTOCOL, ERR_HTTP, response.status,
						 "newNonce: the answer (status %ld) has no usable Replay-Nonce", response.status);
}

static enum rc nonce_take(struct client *client, char ret_nonce[HTTP_NONCE_MAX], struct err *err)
{
	enum rc rc = client->nonce_count ? RC_OK : nonce_fetch(client, err);

	if (rc == RC_OK)
		snprintf(ret_nonce, HTTP_NONCE_MAX, "%s", client->nonces[--client->nonce_count]);
	return rc;
}

/* Of the directory, that is: one that is gone there is gone because the directory is out of date. */
static bool is_resource(const struct client *client, const char *url)
{
	const struct message_directory *directory = &client->directory;
	const char *const urls[] = { directory->new_account, directory->new_order,  directory->new_authz,
				     directory->revoke_cert, directory->key_change, directory->new_nonce };

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		if (strcmp(url, urls[i]) == 0)
			return true;
	return false;
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
	enum rc rc = directory_fetch(client, err);

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
			if (is_gone(&response) && is_resource(client, url))
				(void)directory_forget(client);
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
		return refusal(&response, err);
	*ret_response = response;
	response.body = BUF_MAX(0);
	return RC_OK;
}
