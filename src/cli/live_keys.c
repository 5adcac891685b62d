/* live_keys.c -- whose keys are live, as live/ shows it; for keys that no record names. */
#include "live_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "certificate.h"
#include "fingerprint.h"

struct live_key {
	char name[64];
	char fingerprint[65];
};

struct live_keys {
	struct live_key *list;
	size_t count, room;
};

static enum rc make_room(struct live_keys *keys, struct err *err)
{
	if (keys->count < keys->room)
		return RC_OK;
	size_t room = keys->room ? 2 * keys->room : 16;
	struct live_key *list = realloc(keys->list, room * sizeof(*list));

	if (!list)
		return err_set(err, RC_RESOURCE, "out of memory");
	keys->list = list;
	keys->room = room;
	return RC_OK;
}

static enum rc add(void *ctx, const char *name, struct span certificate, struct err *err)
{
	struct live_keys *keys = ctx;
	AUTO(buf) struct buf spki = BUF_MAX(1u << 16);
	enum rc rc = certificate_leaf_spki(certificate, &spki, err);

	if (rc != RC_OK)
		return err_wrap(err, rc, "live/%s/cert.pem", name);
	rc = make_room(keys, err);
	if (rc != RC_OK)
		return rc;
	struct live_key *key = &keys->list[keys->count++];
	snprintf(key->name, sizeof(key->name), "%s", name);
	fingerprint_print(buf_span(&spki), key->fingerprint);
	return RC_OK;
}

enum rc live_keys_read(const char *state_dir, struct live_keys **ret_keys, struct err *err)
{
	AUTO(live_keys) struct live_keys *keys = calloc(1, sizeof(*keys));

	if (!keys)
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = archive_each_live(state_dir, add, keys, err);
	if (rc == RC_OK)
		*ret_keys = TAKE(keys);
	return rc;
}

void live_keys_free(struct live_keys *keys)
{
	if (!keys)
		return;
	free(keys->list);
	free(keys);
}

const char *live_keys_owner(const struct live_keys *keys, const char *fingerprint)
{
	for (size_t i = 0; i < keys->count; i++)
		if (strcmp(keys->list[i].fingerprint, fingerprint) == 0)
			return keys->list[i].name;
	return NULL;
}
