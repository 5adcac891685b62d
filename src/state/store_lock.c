/* store_lock.c -- locks STATE for the one who renews, and notices when the files were taken from under it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database.h"

#define LOCK_NAME   "lock"
#define DAEMON_NAME "lock-daemon"
#define WANTED_NAME "lock-wanted"
#define MARK_NAME   "lock-run"

static enum rc lock_open(const struct store *store, const char *name, int *ret_fd, struct err *err)
{
	return *ret_fd >= 0 ? RC_OK : store_file_open(store->state_dir, name, ret_fd, err);
}

static enum rc lock_take(int fd, const char *does, struct err *err)
{
	char pid[32] = "", ours[32];
	int flocked = flock(fd, LOCK_EX | LOCK_NB);
	ssize_t len = pread(fd, pid, sizeof(pid) - 1, 0);

	if (flocked != 0)
		return err_set(err, RC_RETRY, "another hwacme (process %.*s) is %s", len > 0 ? (int)strcspn(pid, "\n") : 1,
			       len > 0 ? pid : "?", does);
	/* The number is for the message above only; the lock is the descriptor's.  A daemon takes it often, and writes once. */
	int ours_len = snprintf(ours, sizeof(ours), "%ld\n", (long)getpid());
	if (len != ours_len || memcmp(pid, ours, (size_t)len) != 0)
		(void)!(ftruncate(fd, 0) == 0 && pwrite(fd, ours, (size_t)ours_len, 0) == ours_len);
	return RC_OK;
}

enum rc store_lock(struct store *store, struct err *err)
{
	enum rc rc = lock_open(store, LOCK_NAME, &store->lock_fd, err);

	if (rc == RC_OK)
		rc = lock_take(store->lock_fd, "renewing in this state directory", err);
	if (rc == RC_OK && store->is_wanting)
		store->is_wanting = flock(store->wanted_fd, LOCK_UN) != 0;
	return rc;
}

void store_lock_want(struct store *store)
{
	/* Without it, nobody gives way: that is all. */
	if (!store->is_wanting && lock_open(store, WANTED_NAME, &store->wanted_fd, NULL) == RC_OK)
		store->is_wanting = flock(store->wanted_fd, LOCK_SH | LOCK_NB) == 0;
}

bool store_lock_is_wanted(struct store *store)
{
	if (store->wanted_fd < 0)
		return false;
	if (flock(store->wanted_fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK;
	flock(store->wanted_fd, LOCK_UN);
	return false;
}

void store_unlock(struct store *store)
{
	if (store->lock_fd >= 0)
		flock(store->lock_fd, LOCK_UN);
}

enum rc store_lock_daemon(struct store *store, struct err *err)
{
	enum rc rc = lock_open(store, DAEMON_NAME, &store->daemon_fd, err);

	if (rc == RC_OK)
		rc = lock_open(store, LOCK_NAME, &store->lock_fd, err);
	if (rc == RC_OK)
		rc = lock_open(store, WANTED_NAME, &store->wanted_fd, err);
	return rc == RC_OK ? lock_take(store->daemon_fd,
				       "the renewal daemon of this state directory; try again when it has ended", err)
			   : rc;
}

enum rc store_mark_daemon(const char *state_dir, int *ret_mark, struct err *err)
{
	int fd;
	enum rc rc = store_file_open(state_dir, MARK_NAME, &fd, err);

	if (rc != RC_OK)
		return rc;
	/* Who asks has it for a moment. */
	while (flock(fd, LOCK_SH) != 0) {
		int number = errno;

		if (number == EINTR)
			continue;
		close(fd);
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "%s/" MARK_NAME ": %s", state_dir, strerror(number));
	}
	*ret_mark = fd;
	return RC_OK;
}

bool store_has_daemon(const char *state_dir)
{
	int fd;

	if (store_file_open(state_dir, MARK_NAME, &fd, NULL) != RC_OK)
		return false;
	bool is_marked = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	close(fd);
	return is_marked;
}

static bool is_same(const char *path, const struct stat *opened)
{
	struct stat now;

	return stat(path, &now) == 0 && now.st_dev == opened->st_dev && now.st_ino == opened->st_ino;
}

/* Or it was never opened. */
static bool is_lock_in_place(int fd, const char *path)
{
	struct stat opened;

	return fd < 0 || (fstat(fd, &opened) == 0 && is_same(path, &opened));
}

enum rc store_in_place(struct store *store, struct err *err)
{
	char lock_path[sizeof(store->state_dir) + sizeof(LOCK_NAME)];
	char daemon_path[sizeof(store->state_dir) + sizeof(DAEMON_NAME)];
	const char *path = NULL;

	snprintf(lock_path, sizeof(lock_path), "%s/" LOCK_NAME, store->state_dir);
	snprintf(daemon_path, sizeof(daemon_path), "%s/" DAEMON_NAME, store->state_dir);
	if (!is_same(store->path, &store->opened))
		path = store->path;
	else if (!is_lock_in_place(store->lock_fd, lock_path))
		path = lock_path;
	else if (!is_lock_in_place(store->daemon_fd, daemon_path))
		path = daemon_path;
	return path ? err_set(err, RC_RESOURCE, "%s was removed or replaced by somebody else while it was in use", path) : RC_OK;
}
