/* authority_directory.c -- keeps directories in the store for a day, and reads from a CA what needs no account. */
#include <stdio.h>
#include <string.h>

#include "authority_session.h"
#include "clock.h"

#define DIRECTORY_KEPT INT64_C(86400) /* seconds; terms of service and new resources are noticed this late */

static enum rc cache_load(void *ctx, const char *url, struct buf *ret_json, struct err *err)
{
	const struct directory_cache *cache = ctx;
	AUTO(buf) struct buf json = BUF_MAX(CLIENT_DIRECTORY_MAX);
	struct store_directory kept = { .json = json };
	int64_t now = clock_now();
	enum rc rc = store_directory_load(cache->store, cache->authority->name, &kept, err);

	json = kept.json;
	if (rc != RC_OK)
		return rc;
	if (strcmp(kept.url, url) != 0 || kept.fetched_at > now || now - kept.fetched_at >= DIRECTORY_KEPT)
		return err_set(err, RC_ABSENT, "the directory that is kept is another, or old");
	return buf_append(ret_json, buf_span(&json), err);
}

static void cache_save(void *ctx, const char *url, struct span json)
{
	const struct directory_cache *cache = ctx;
	AUTO(buf) struct buf copy = BUF_MAX(CLIENT_DIRECTORY_MAX);
	struct store_directory kept = { .fetched_at = clock_now() };

	if (buf_append(&copy, json, NULL) != RC_OK)
		return;
	snprintf(kept.url, sizeof(kept.url), "%s", url);
	kept.json = copy;
	/* Without it the directory is fetched again: nothing is lost. */
	(void)!store_directory_save(cache->store, cache->authority->name, &kept, NULL);
}

void directory_cache_serve(struct directory_cache *cache, struct client *client)
{
	client_set_cache(client, &(struct client_cache){ .ctx = cache, .load = cache_load, .save = cache_save });
}

void directory_keeper_close(struct directory_keeper *keeper)
{
	client_free(keeper->reader);
	http_close(keeper->http);
	keeper->reader = NULL;
	keeper->http = NULL;
}

static enum rc reader_open(struct authorities *authorities, struct directory_keeper *keeper, struct err *err)
{
	enum rc rc = session_connect(authorities, keeper->directory.authority, &keeper->http, err);

	if (rc == RC_OK)
		rc = client_new(keeper->http, NULL, keeper->directory.authority->directory, &keeper->reader, err);
	if (rc != RC_OK) {
		directory_keeper_close(keeper);
		return err_wrap(err, rc, "authority \"%s\"", keeper->directory.authority->name);
	}
	directory_cache_serve(&keeper->directory, keeper->reader);
	return RC_OK;
}

enum rc authorities_reader(struct authorities *authorities, const char *name, struct client **ret_client, struct err *err)
{
	const struct config_authority *authority;
	struct session_slot *slot;
	enum rc rc = session_get(authorities, name, &authority, &slot, err);

	if (rc != RC_OK)
		return rc;
	struct directory_keeper *keeper = session_keeper(authorities, authority);
	pthread_mutex_lock(&keeper->lock);
	if (!keeper->reader)
		rc = reader_open(authorities, keeper, err);
	*ret_client = keeper->reader;
	pthread_mutex_unlock(&keeper->lock);
	return rc;
}
