/* archive_prune.c -- removes superseded generations from the archive, when those who read them have had time to leave. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"

#define GENERATIONS_MAX 1024u /* looked at in one go; more are for the next */

struct generation {
	unsigned number;
	int64_t made_at;
};

static enum rc fail(struct err *err, const char *what, const char *path)
{
	int number = errno;

	return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "%s %s: %s", what, path, strerror(number));
}

static int by_number(const void *left, const void *right)
{
	unsigned a = ((const struct generation *)left)->number, b = ((const struct generation *)right)->number;

	return (a > b) - (a < b);
}

/* A directory whose name is a number as archive_stage() writes it; nothing else is ours. */
static bool generation_read(int archive, const char *name, struct generation *ret)
{
	char written[16];
	struct stat status;
	unsigned number = (unsigned)strtoul(name, NULL, 10);

	snprintf(written, sizeof(written), "%u", number);
	if (!number || strcmp(written, name) != 0 || fstatat(archive, name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISDIR(status.st_mode))
		return false;
	*ret = (struct generation){ number, status.st_mtime };
	return true;
}

static unsigned generations_list(DIR *directory, unsigned live, struct generation *list)
{
	const struct dirent *entry;
	unsigned count = 0;

	while (count < GENERATIONS_MAX && (entry = readdir(directory)))
		if (generation_read(dirfd(directory), entry->d_name, &list[count]) && list[count].number <= live)
			count++;
	qsort(list, count, sizeof(*list), by_number);
	return count;
}

/* Why a file could not be removed, an errno; what else an administrator may have put there stays, and is no reason. */
static int files_remove(DIR *directory)
{
	const struct dirent *entry;
	int why = 0;

	while ((entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    unlinkat(dirfd(directory), entry->d_name, 0) != 0 && errno != EISDIR && !why)
			why = errno;
	return why;
}

static enum rc generation_remove(int archive, unsigned number, struct err *err)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", number);
	int fd = openat(archive, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	if (!directory) {
		if (fd >= 0)
			close(fd);
		return fail(err, "cannot list the superseded generation", name);
	}
	int why = files_remove(directory);
	closedir(directory);
	if (unlinkat(archive, name, AT_REMOVEDIR) == 0)
		return RC_OK;
	errno = why ? why : errno;
	return fail(err, "cannot remove the superseded generation", name);
}

/*
 * One was superseded when the next was made: the age of the next is how long it is superseded.  A next one that is to be made in a time
 * to come was made by a clock that was ahead: nobody knows how old it is, and who calls has waited as long as any is kept.
 */
static int64_t goes_at(const struct generation *next, const struct archive_prune *terms)
{
	return next->made_at > terms->now + terms->age ? terms->now : next->made_at + terms->age;
}

static enum rc prune(int archive, const struct generation *list, unsigned count, const struct archive_prune *terms,
		     int64_t *ret_next_at, struct err *err)
{
	enum rc rc = RC_OK;

	*ret_next_at = 0;
	for (unsigned i = 0; i + terms->keep < count; i++) {
		int64_t at = goes_at(&list[i + 1], terms);

		if (list[i].number >= terms->until)
			break;
		if (at > terms->now) {
			*ret_next_at = at;
			break;
		}
		/* One that cannot be removed does not keep the others. */
		enum rc removed = generation_remove(archive, list[i].number, rc == RC_OK ? err : NULL);
		rc = rc == RC_OK ? removed : rc;
	}
	return rc;
}

enum rc archive_prune(const char *state_dir, const char *name, const struct archive_prune *terms, int64_t *ret_next_at,
		      struct err *err)
{
	char path[4096];
	unsigned live = 0;
	enum rc rc = archive_live(state_dir, name, &live, err);

	*ret_next_at = 0;
	if (rc != RC_OK || !live)
		return rc;
	snprintf(path, sizeof(path), "%s/archive/%s", state_dir, name);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct generation *list = calloc(GENERATIONS_MAX, sizeof(*list));
	if (!directory || !list) {
		rc = list ? fail(err, "cannot list", path) : err_set(err, RC_RESOURCE, "out of memory");
		if (fd >= 0 && !directory)
			close(fd);
	} else {
		rc = prune(fd, list, generations_list(directory, live, list), terms, ret_next_at, err);
	}
	if (directory)
		closedir(directory);
	free(list);
	return rc;
}
