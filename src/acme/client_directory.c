/* client_directory.c -- the directory of an ACME server: loaded or fetched once, checked, and forgotten when it is out of date. */
#include "client_directory.h"

#include <stdio.h>
#include <string.h>

#include "origin.h"
#include "problem.h"
#include "utf8.h"

/* A URL elsewhere would make us sign for somebody else. */
enum rc client_same_origin(const struct client *client, const char *url, struct err *err)
{
	if (!origin_is_same(url, client->directory_url))
		return err_set(err, RC_PROTOCOL, "the server names a URL that is not its own: %.200s", url);
	return RC_OK;
}

/* NULL: not known. */
static const struct message_directory *directory_known(struct client *client)
{
	pthread_mutex_lock(&client->lock);
	const struct message_directory *directory = client->directory;
	pthread_mutex_unlock(&client->lock);
	return directory;
}

static enum rc directory_check(const struct client *client, const struct message_directory *directory, struct err *err)
{
	const char *urls[] = { directory->new_nonce,   directory->new_account, directory->new_order,   directory->new_authz,
			       directory->revoke_cert, directory->key_change,  directory->renewal_info };

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		/* Behind a proxy a CA may know another name or port of itself than the one it is reached by. */
		if (urls[i][0] && client_same_origin(client, urls[i], NULL) != RC_OK)
			return err_set(
				err, RC_PROTOCOL,
				"the server names a URL that is not its own: %.200s; where that is the same server, write its "
				"host and port after directory:",
				urls[i]);
	}
	return RC_OK;
}

static enum rc directory_take(struct client *client, struct span json, struct message_directory *ret_directory, struct err *err)
{
	struct message_directory directory;
	enum rc rc = message_directory_parse(json, &directory, err);

	if (rc == RC_OK)
		rc = directory_check(client, &directory, err);
	if (rc != RC_OK)
		return rc;
	pthread_mutex_lock(&client->lock);
	*ret_directory = directory;
	client->directory = ret_directory;
	pthread_mutex_unlock(&client->lock);
	return RC_OK;
}

static bool directory_load(struct client *client)
{
	AUTO(buf) struct buf json = BUF_MAX(CLIENT_DIRECTORY_MAX);

	pthread_mutex_lock(&client->lock);
	bool anew = client->anew;
	pthread_mutex_unlock(&client->lock);
	return !anew && client->cache.load &&
	       client->cache.load(client->cache.ctx, client->directory_url, &json, NULL) == RC_OK &&
	       directory_take(client, buf_span(&json), &client->loaded, NULL) == RC_OK;
}

enum rc client_refusal(const struct http_response *response, struct err *err)
{
	struct message_problem problem;
	bool is_problem = message_problem_parse(buf_span(&response->body), &problem);

	return problem_fail(err, is_problem ? &problem : NULL, response->status, response->retry_at);
}

static enum rc directory_ask(struct client *client, struct err *err)
{
	AUTO(http_response) struct http_response response = { 0 };
	struct http_request request = { .method = HTTP_GET, .url = client->directory_url, .endpoint = "directory" };

	enum rc rc = http_send(client->http, &request, &response, err);
	if (rc == RC_OK && response.status != 200) {
		rc = client_refusal(&response, err);
		/* "Absent" is said of what a directory does not list, not of the directory. */
		if (rc == RC_ABSENT)
			rc = RC_PROTOCOL;
		if (err)
			err->rc = rc;
	} else if (rc == RC_OK) {
		rc = directory_take(client, buf_span(&response.body), &client->fetched, err);
	}
	if (rc != RC_OK)
		return err_wrap(err, rc, "directory %s", client->directory_url);
	if (client->cache.save && response.body.len <= CLIENT_DIRECTORY_MAX)
		client->cache.save(client->cache.ctx, client->directory_url, buf_span(&response.body));
	return RC_OK;
}

enum rc client_directory_fetch(struct client *client, struct err *err)
{
	enum rc rc = RC_OK;

	if (directory_known(client))
		return RC_OK;
	pthread_mutex_lock(&client->fetching);
	if (!directory_known(client) && !directory_load(client))
		rc = directory_ask(client, err);
	pthread_mutex_unlock(&client->fetching);
	return rc;
}

bool client_directory_forget(struct client *client)
{
	pthread_mutex_lock(&client->lock);
	bool was_loaded = client->directory == &client->loaded;
	if (was_loaded) {
		client->directory = NULL;
		client->anew = true;
	}
	pthread_mutex_unlock(&client->lock);
	return was_loaded;
}

void client_set_cache(struct client *client, const struct client_cache *cache)
{
	client->cache = *cache;
}

enum rc client_url(struct client *client, enum client_resource which, const char **ret_url, struct err *err)
{
	enum rc rc = client_directory_fetch(client, err);
	const struct message_directory *directory = directory_known(client);

	/* Another caller may have forgotten it at this very moment. */
	if (rc == RC_OK && !directory)
		return client_url(client, which, ret_url, err);
	if (rc != RC_OK)
		return rc;
	const char *const urls[] = {
		[CLIENT_NEW_NONCE] = directory->new_nonce,      [CLIENT_NEW_ACCOUNT] = directory->new_account,
		[CLIENT_NEW_ORDER] = directory->new_order,      [CLIENT_NEW_AUTHZ] = directory->new_authz,
		[CLIENT_REVOKE_CERT] = directory->revoke_cert,  [CLIENT_KEY_CHANGE] = directory->key_change,
		[CLIENT_RENEWAL_INFO] = directory->renewal_info
	};
	if (!urls[which][0])
		return err_set(err, RC_ABSENT, "the server does not offer this");
	*ret_url = urls[which];
	return RC_OK;
}

static bool has_profile(struct client *client, const char *profile)
{
	const struct message_directory *directory = directory_known(client);

	for (unsigned i = 0; directory && i < directory->profile_count; i++)
		if (strcmp(directory->profiles[i], profile) == 0)
			return true;
	return false;
}

enum rc client_profile_check(struct client *client, const char *profile, struct err *err)
{
	char names[256];
	enum rc rc = client_directory_fetch(client, err);

	if (rc == RC_OK && !has_profile(client, profile) && client_directory_forget(client))
		rc = client_directory_fetch(client, err);
	if (rc != RC_OK || has_profile(client, profile))
		return rc;
	client_profiles_print(client, names, sizeof(names));
	/* A certificate of another profile than the one that was wished for may be of no use: it is not ordered instead. */
	return err_set(err, RC_INPUT,
		       names[0] ? "profile \"%s\" is not one of those that the CA has: %s"
				: "profile \"%s\": the CA has no profiles; take the option out%s",
		       profile, names);
}

void client_profiles_print(struct client *client, char *text, size_t room)
{
	const struct message_directory *directory = directory_known(client);
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; directory && i < directory->profile_count && used < room; i++)
		used += (size_t)snprintf(text + used, room - used, "%s%s", i ? ", " : "", directory->profiles[i]);
	utf8_tame(text, ' '); /* it may have been cut */
}

const char *client_terms_of_service(struct client *client)
{
	const struct message_directory *directory = directory_known(client);

	return directory ? directory->terms_of_service : "";
}

bool client_wants_external_account(struct client *client)
{
	const struct message_directory *directory = directory_known(client);

	return directory && directory->external_account_required;
}

bool client_directory_has(struct client *client, const char *url)
{
	const struct message_directory *directory = directory_known(client);

	if (!directory)
		return false;
	const char *const urls[] = { directory->new_account, directory->new_order,  directory->new_authz,
				     directory->revoke_cert, directory->key_change, directory->new_nonce };

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		if (strcmp(url, urls[i]) == 0)
			return true;
	return false;
}
