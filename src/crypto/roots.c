/* roots.c -- keeps what was read from a file of roots for as long as the file is the one that was read. */
#include "roots.h"

#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"

AUTO_DEFINE(trust, X509_STORE *, X509_STORE_free);

#define SETTLED_S 2 /* seconds after a change in which another need not show in the file's times */

/* What tells one file, and one state of it, from another. */
struct stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec written, changed;
};

struct roots {
	pthread_mutex_t lock;
	char *path;
	X509_STORE *store; /* NULL: not read yet, or too soon after a change to be kept */
	struct stamp stamp;
};

enum rc roots_new(const char *path, struct roots **ret_roots, struct err *err)
{
	struct roots *roots = calloc(1, sizeof(*roots));
	char *copy = strdup(path);

	if (!roots || !copy) {
		free(roots);
		free(copy);
		return err_set(err, RC_RESOURCE, "out of memory");
	}
	pthread_mutex_init(&roots->lock, NULL);
	roots->path = copy;
	*ret_roots = roots;
	return RC_OK;
}

void roots_free(struct roots *roots)
{
	if (!roots)
		return;
	X509_STORE_free(roots->store);
	pthread_mutex_destroy(&roots->lock);
	free(roots->path);
	free(roots);
}

const char *roots_path(const struct roots *roots)
{
	return roots->path;
}

static bool same_time(struct timespec left, struct timespec right)
{
	return left.tv_sec == right.tv_sec && left.tv_nsec == right.tv_nsec;
}

static bool same_stamp(const struct stamp *left, const struct stamp *right)
{
	return left->device == right->device && left->inode == right->inode && left->size == right->size &&
	       same_time(left->written, right->written) && same_time(left->changed, right->changed);
}

static bool stamp_read(const char *path, struct stamp *ret_stamp)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return false;
	*ret_stamp = (struct stamp){ status.st_dev, status.st_ino, status.st_size, status.st_mtim, status.st_ctim };
	return true;
}

/* A clock that was set back tells nothing: then it is read each time. */
static bool is_settled(const struct stamp *stamp)
{
	return clock_now() > (int64_t)stamp->changed.tv_sec + SETTLED_S;
}

/* With the lock. */
static enum rc refresh(struct roots *roots, X509_STORE **ret_store, struct err *err)
{
	struct stamp stamp;
	bool is_there = stamp_read(roots->path, &stamp); /* before it is read: what comes later shows next time */

	if (is_there && roots->store && same_stamp(&stamp, &roots->stamp)) {
		X509_STORE_up_ref(roots->store);
		*ret_store = roots->store;
		return RC_OK;
	}
	AUTO(trust) X509_STORE *store = X509_STORE_new();
	if (!store)
		return err_set(err, RC_RESOURCE, "out of memory");
	if (X509_STORE_load_file(store, roots->path) != 1)
		return err_set_raw(err, RC_INPUT, ERR_OPENSSL, 0, "roots: no certificates can be read from %s", roots->path);
	X509_STORE_free(roots->store);
	roots->store = NULL;
	if (is_there && is_settled(&stamp) && X509_STORE_up_ref(store) == 1) {
		roots->store = store;
		roots->stamp = stamp;
	}
	*ret_store = TAKE(store);
	return RC_OK;
}

enum rc roots_get(struct roots *roots, X509_STORE **ret_store, struct err *err)
{
	pthread_mutex_lock(&roots->lock);
	enum rc rc = refresh(roots, ret_store, err);
	pthread_mutex_unlock(&roots->lock);
	return rc;
}

enum rc roots_check(struct roots *roots, struct err *err)
{
	AUTO(trust) X509_STORE *store = NULL;

	return roots_get(roots, &store, err);
}
