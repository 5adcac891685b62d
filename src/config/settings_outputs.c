/* settings_outputs.c -- understands `outputs` of a certificate: which files, whose, and with what mode. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "settings_read.h"
#include "values.h"

#define ENTRY_MAX 65536 /* of the user database: a group may have many members */

static enum rc read_formats(const struct place *place, const struct schema_outputs *texts, unsigned *ret)
{
	char instead[256] = "write some of";

	if (!texts->formats)
		return RC_OK;
	*ret = 0;
	for (int i = 0; i < SET_FILE_COUNT; i++) {
		size_t used = strlen(instead);

		snprintf(instead + used, sizeof(instead) - used, "%s %s", i ? "," : "", set_file_word((enum set_file)i));
	}
	for (unsigned i = 0; i < texts->formats_count; i++) {
		enum set_file output = set_file_parse(texts->formats[i]);
		char option[64];

		snprintf(option, sizeof(option), "outputs.formats[%u]", i);
		if (output == SET_FILE_COUNT)
			return place_refuse(place, option, texts->formats[i], instead);
		*ret |= SET_FILE_BIT(output);
	}
	*ret = set_file_complete(*ret);
	return RC_OK;
}

/* Looked up now: in the engine's sandbox the user database is out of reach. */
static enum rc read_owner(const struct place *place, const char *text, uid_t *ret)
{
	char room[ENTRY_MAX];
	struct passwd entry, *found = NULL;

	if (!text)
		return RC_OK;
	if (getpwnam_r(text, &entry, room, sizeof(room), &found) != 0 || !found)
		return place_refuse(place, "outputs.owner", text, "there is no such user here; make it, or write another");
	*ret = entry.pw_uid;
	return RC_OK;
}

static enum rc read_group(const struct place *place, const char *text, gid_t *ret)
{
	char room[ENTRY_MAX];
	struct group entry, *found = NULL;

	if (!text)
		return RC_OK;
	if (getgrnam_r(text, &entry, room, sizeof(room), &found) != 0 || !found)
		return place_refuse(place, "outputs.group", text, "there is no such group here; make it, or write another");
	*ret = entry.gr_gid;
	return RC_OK;
}

enum rc read_outputs(const struct place *place, struct schema_outputs *texts, struct config_certificate *ret)
{
	struct set_files *files = &ret->outputs;

	*files = set_files_default();
	if (!texts)
		return RC_OK;
	enum rc rc = read_formats(place, texts, &files->formats);
	if (rc == RC_OK)
		rc = read_owner(place, texts->owner, &files->owner);
	if (rc == RC_OK)
		rc = read_group(place, texts->group, &files->group);
	if (rc == RC_OK && texts->mode && !value_mode(texts->mode, &files->mode))
		rc = place_refuse(place, "outputs.mode", texts->mode,
				  "write 0400, 0440, 0444, 0600, 0640 or 0644: its owner reads, and nobody else writes");
	return rc;
}
