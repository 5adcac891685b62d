/* archive_live.c -- what is live, as live/ itself says it: a copy of the database that was put back may know less. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "folder.h"

#define CERTIFICATE_MAX (128u * 1024u)

/* From *folder to the one of that name in it. */
static enum rc descend(int *folder, const char *name, const char *path, struct err *err)
{
	int below = -1;
	enum rc rc = folder_open(*folder, name, path, 0, &below, err);

	close(*folder);
	*folder = below;
	return rc;
}

static enum rc certificate_read(const char *state_dir, const char *name, unsigned generation, struct buf *ret_pem,
				struct err *err)
{
	char path[PATH_MAX], number[16];
	int folder = -1;

	snprintf(path, sizeof(path), "%s/archive", state_dir);
	enum rc rc = folder_open_path(path, 0, &folder, err);
	snprintf(path, sizeof(path), "%s/archive/%s", state_dir, name);
	if (rc == RC_OK)
		rc = descend(&folder, name, path, err);
	snprintf(number, sizeof(number), "%u", generation);
	snprintf(path, sizeof(path), "%s/archive/%s/%u", state_dir, name, generation);
	if (rc == RC_OK)
		rc = descend(&folder, number, path, err);
	if (rc == RC_OK)
		rc = folder_read(folder, path, set_file_name(SET_FILE_CERT), ret_pem, err);
	if (folder >= 0)
		close(folder);
	return rc;
}

static enum rc look(const char *state_dir, int live, const char *name, archive_live_fn *each, void *ctx, struct err *err)
{
	AUTO(buf) struct buf pem = BUF_MAX(CERTIFICATE_MAX);
	struct stat status;
	unsigned generation = 0;

	if (name[0] == '.' || fstatat(live, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISLNK(status.st_mode))
		return RC_OK;
	enum rc rc = archive_live(state_dir, name, &generation, err);
	if (rc != RC_OK || !generation)
		return rc;
	rc = certificate_read(state_dir, name, generation, &pem, err);
	if (rc == RC_ABSENT)
		return RC_OK;
	return rc == RC_OK ? each(ctx, name, buf_span(&pem), err) : rc;
}

static enum rc cannot_list(struct err *err, const char *path)
{
	int number = errno;

	return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "cannot list %s: %s", path, strerror(number));
}

enum rc archive_each_live(const char *state_dir, archive_live_fn *each, void *ctx, struct err *err)
{
	char path[PATH_MAX];
	int live = -1;

	snprintf(path, sizeof(path), "%s/live", state_dir);
	enum rc rc = folder_open_path(path, 0, &live, err);
	if (rc != RC_OK)
		return rc == RC_ABSENT ? RC_OK : rc;
	DIR *directory = fdopendir(live);
	if (!directory) {
		rc = cannot_list(err, path);
		close(live);
		return rc;
	}
	while (rc == RC_OK) {
		errno = 0;
		const struct dirent *entry = readdir(directory);

		if (!entry) {
			rc = errno ? cannot_list(err, path) : RC_OK;
			break;
		}
		rc = look(state_dir, live, entry->d_name, each, ctx, err);
	}
	closedir(directory);
	return rc;
}
