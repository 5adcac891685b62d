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

#define BESIDE_MAX   (TPM2_FILE_MAX + 6)
#define LOCK_MS      10000 /* for another writer, who needs as long as the disk to sync */
#define LOCK_STEP_MS 5

static enum rc fail(struct err *err, enum rc rc, const char *what, const char *keys_dir, const char *name)
{
	int number = errno;

	return err_set_raw(err, rc, ERR_ERRNO, number, "%s %s/%s: %s", what, keys_dir, name, strerror(number));
}

static enum rc directory_open(const char *keys_dir, bool create, int *ret_fd, struct err *err)
{
	if (create && mkdir(keys_dir, 0700) != 0 && errno != EEXIST)
		return fail(err, RC_RESOURCE, "cannot make", keys_dir, "");
	*ret_fd = open(keys_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return fail(err, errno == ENOENT ? RC_ABSENT : RC_RESOURCE, "cannot open", keys_dir, "");
	return RC_OK;
}

enum rc tpm2_file_read(const char *keys_dir, const char *name, struct buf *ret_content, struct err *err)
{
	uint8_t piece[1024];
	ssize_t got;
	int dir;
	enum rc rc = directory_open(keys_dir, false, &dir, err);

	if (rc != RC_OK)
		return rc;
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	close(dir);
	if (fd < 0)
		return fail(err, errno == ENOENT ? RC_ABSENT : RC_RESOURCE, "cannot open", keys_dir, name);
	while ((got = read(fd, piece, sizeof(piece))) > 0 && rc == RC_OK)
		rc = buf_append(ret_content, span_of(piece, (size_t)got), err);
	close(fd);
	if (got < 0)
		return fail(err, RC_RESOURCE, "cannot read", keys_dir, name);
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

static enum rc write_locked(int dir, const char *keys_dir, const char *name, struct span content, struct err *err)
{
	char beside[BESIDE_MAX];
	enum rc rc = RC_OK;

	snprintf(beside, sizeof(beside), ".%s.new", name);
	unlinkat(dir, beside, 0);
	int fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(err, RC_RESOURCE, "cannot create", keys_dir, beside);
	if (!span_write(fd, content) || fsync(fd) != 0)
		rc = fail(err, RC_RESOURCE, "cannot write", keys_dir, beside);
	close(fd);
	if (rc == RC_OK && renameat2(dir, beside, dir, name, RENAME_NOREPLACE) != 0)
		rc = fail(err, errno == EEXIST ? RC_INPUT : RC_RESOURCE, "cannot create", keys_dir, name);
	if (rc == RC_OK && fsync(dir) != 0)
		rc = fail(err, RC_RESOURCE, "cannot sync", keys_dir, "");
	if (rc != RC_OK)
		unlinkat(dir, beside, 0);
	return rc;
}

enum rc tpm2_file_write(const char *keys_dir, const char *name, struct span content, struct err *err)
{
	int dir;
	enum rc rc = directory_open(keys_dir, true, &dir, err);

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
	enum rc rc = directory_open(keys_dir, false, &dir, err);

	if (rc != RC_OK)
		return rc == RC_ABSENT ? RC_OK : rc;
	if (unlinkat(dir, name, 0) != 0 && errno != ENOENT)
		rc = fail(err, RC_RESOURCE, "cannot erase", keys_dir, name);
	else if (fsync(dir) != 0)
		rc = fail(err, RC_RESOURCE, "cannot sync", keys_dir, "");
	close(dir);
	return rc;
}
