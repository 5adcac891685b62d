/*
 * database_durable.c -- a save returns when it is on the disk; saves of several workers share one fdatasync of the write-ahead log.
 *
 * COMMIT writes the log and does not wait (synchronous = NORMAL): the store is free again for the next one.  Who wrote waits
 * here, and either leads, and syncs all that is committed by then, or is carried along.  With eight workers whose steps
 * each end in a save, the disk is waited for once where it was waited for eight times.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database.h"

/* The last commit of this thread that nobody has waited for. */
static _Thread_local struct {
	const struct store *store;
	uint64_t number;
} own;

/* With the store held, as every COMMIT. */
static int on_commit(void *ctx)
{
	struct store *store = ctx;

	own.store = store;
	own.number = ++store->durable.committed;
	return 0;
}

/* 0: what was called wrote nothing, and waits for nobody else's. */
static uint64_t own_commit(const struct store *store)
{
	uint64_t number = own.store == store ? own.number : 0;

	own.store = NULL;
	return number;
}

enum rc database_durable_open(struct store *store, struct err *err)
{
	char path[sizeof(store->path) + 8];
	struct stat status;

	snprintf(path, sizeof(path), "%s-wal", store->path);
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "cannot open %s: %s", path, strerror(errno));
	store->durable.log_fd = fd;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		return err_set(err, RC_RESOURCE, "%s is no file", path);
	sqlite3_commit_hook(store->db, on_commit, store);
	return database_run(store, "PRAGMA synchronous = NORMAL", err);
}

/* Every commit that is counted has been written: both happen with the store held. */
static uint64_t committed(struct store *store)
{
	STORE_HELD(store);
	return store->durable.committed;
}

/*
 * After a sync that failed the next one may well succeed without having written anything: the kernel has told its error, and takes the
 * pages for clean.  What was committed is then carried into the database itself, whose sync is a new one.
 */
static enum rc carry_over(struct store *store, struct err *err)
{
	STORE_HELD(store);
	return sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK
		       ? RC_OK
		       : database_fail(store, err, "cannot write");
}

/* By one thread at a time. */
static enum rc sync_now(struct store *store, struct err *err)
{
	struct durable *durable = &store->durable;

	if (!durable->is_doubtful && fdatasync(durable->log_fd) == 0)
		return RC_OK;
	durable->is_doubtful = true;
	enum rc rc = carry_over(store, err);
	if (rc == RC_OK)
		durable->is_doubtful = false;
	return rc;
}

/* With the lock, which is let go of meanwhile. */
static enum rc lead(struct store *store, struct err *err)
{
	struct durable *durable = &store->durable;

	durable->is_syncing = true;
	pthread_mutex_unlock(&durable->lock);
	uint64_t upto = committed(store);
	enum rc rc = sync_now(store, err);
	pthread_mutex_lock(&durable->lock);
	durable->is_syncing = false;
	if (rc == RC_OK)
		durable->reached = upto;
	pthread_cond_broadcast(&durable->told);
	return rc;
}

enum rc database_durable(struct store *store, enum rc rc, struct err *err)
{
	struct durable *durable = &store->durable;
	uint64_t mine = own_commit(store);

	if (rc != RC_OK || durable->log_fd < 0 || !mine)
		return rc;
	pthread_mutex_lock(&durable->lock);
	while (durable->is_syncing && durable->reached < mine)
		pthread_cond_wait(&durable->told, &durable->lock);
	if (durable->reached < mine)
		rc = lead(store, err);
	pthread_mutex_unlock(&durable->lock);
	return rc;
}
