/* tpm2_file.c -- writes, reads and erases small files of one directory. */
#include "tpm2_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "folder.h"

#define BESIDE_MAX   (TPM2_FILE_MAX + 6)
#define KEYS_MODE    0700
#define LOCK_MS      10000 /* for another writer, who needs as long as the disk to sync */
#define LOCK_STEP_MS 5

static enum rc fail(struct err *err, enum rc rc, const char *what, const char *keys_dir, const char *name)
{
	int number = errno;

	return err_set_raw(err, rc, ERR_ERRNO, number, "%s %s/%s: %s", what, keys_dir, name, strerror(number));
}

enum rc tpm2_file_read(const char *keys_dir, const char *name, struct buf *ret_content, struct err *err)
{
	int dir;
	enum rc rc = folder_open_path(keys_dir, 0, &dir, err);

	if (rc != RC_OK)
		return rc;
	rc = folder_read(dir, keys_dir, name, ret_content, err);
	close(dir);
	return rc;
}

/* One writer in the directory at a time, of whatever process: each clears away what a killed one left beside. */
static enum rc directory_lock(int dir, const char *keys_dir, struct err *err)
{
	int64_t deadline = clock_monotonic_ms() + LOCK_MS;

	while (flock(dir, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail(err, RC_RESOURCE, "cannot lock", keys_dir, "");
		if (clock_monotonic_ms() > deadline)
			return err_set(err, RC_RETRY, "another process writes in %s for too long", keys_dir);
		clock_wait_until(INT64_MAX, LOCK_STEP_MS);
	}
	return RC_OK;
}

/* Over no other.  NFS, and some others, know no such rename: there it gets its name beside the one that goes. */
static bool put_in_place(int dir, const char *beside, const char *name)
{
	if (renameat2(dir, beside, dir, name, RENAME_NOREPLACE) == 0)
		return true;
	return errno == EINVAL && linkat(dir, beside, dir, name, 0) == 0 && unlinkat(dir, beside, 0) == 0;
}

static enum rc write_locked(int dir, const char *keys_dir, const char *name, struct span content, struct err *err)
{
	char beside[BESIDE_MAX];
	const struct folder_file file = { .name = beside, .mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1 };

	snprintf(beside, sizeof(beside), ".%s.new", name);
	enum rc rc = folder_clear(dir, keys_dir, beside, S_IFREG, err);
	if (rc == RC_OK)
		rc = folder_write(dir, keys_dir, &file, content, err);
	if (rc != RC_OK)
		return rc;
	if (!put_in_place(dir, beside, name))
		rc = fail(err, errno == EEXIST ? RC_INPUT : RC_RESOURCE, "cannot create", keys_dir, name);
	else
		rc = folder_sync(dir, keys_dir, err);
	if (rc != RC_OK)
		unlinkat(dir, beside, 0);
	return rc;
}

enum rc tpm2_file_write(const char *keys_dir, const char *name, struct span content, struct err *err)
{
	int dir;
	enum rc rc = folder_open_path(keys_dir, KEYS_MODE, &dir, err);

	if (rc != RC_OK)
		return rc;
	rc = directory_lock(dir, keys_dir, err);
	if (rc == RC_OK)
		rc = write_locked(dir, keys_dir, name, content, err);
	close(dir); /* and unlocks */
	return rc;
}

enum rc tpm2_file_erase(const char *keys_dir, const char *name, struct err *err)
{
	int dir;
	struct err why = { 0 };
	enum rc rc = folder_open_path(keys_dir, 0, &dir, &why);

	if (rc == RC_ABSENT)
		return RC_OK;
	if (rc != RC_OK) {
		if (err)
			*err = why;
		return rc;
	}
	if (unlinkat(dir, name, 0) != 0 && errno != ENOENT)
		rc = fail(err, RC_RESOURCE, "cannot erase", keys_dir, name);
	else if (fsync(dir) != 0)
		rc = fail(err, RC_RESOURCE, "cannot sync", keys_dir, "");
	close(dir);
	return rc;
}
