/* store.c -- opens STATE/hwacme.db and keeps its schema. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database.h"
#include "folder.h"

#define BUSY_MS       5000
#define DATABASE_NAME "hwacme.db"
#define JOURNAL_NAME  DATABASE_NAME "-journal"

#define CACHE_SIZE "-512" /* KiB of pages (a negative number): records are read in the order of their names, or one by one */

#define X(name, text) text,
static const char *const STATE_NAMES[] = { CERTIFICATE_STATES(X) };
#undef X

const char *certificate_state_name(enum certificate_state state)
{
	return state < CERTIFICATE_STATE_COUNT ? STATE_NAMES[state] : "unknown";
}

static enum rc store_new(const char *state_dir, struct store **ret_store, struct err *err)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return err_set(err, RC_RESOURCE, "out of memory");
	pthread_mutexattr_t again;

	pthread_mutexattr_init(&again);
	pthread_mutexattr_settype(&again, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&store->lock, &again);
	pthread_mutexattr_destroy(&again);
	pthread_mutex_init(&store->durable.lock, NULL);
	pthread_cond_init(&store->durable.told, NULL);
	store->lock_fd = store->daemon_fd = store->wanted_fd = store->durable.log_fd = -1;
	int len = snprintf(store->path, sizeof(store->path), "%s/" DATABASE_NAME, state_dir);
	snprintf(store->state_dir, sizeof(store->state_dir), "%s", state_dir);
	if (len < 0 || (size_t)len >= sizeof(store->path)) {
		store_close(store);
		return err_set(err, RC_INPUT, "state: the path is too long: %s", state_dir);
	}
	*ret_store = store;
	return RC_OK;
}

/* Servers read archive/ and live/; what is secret has its own modes: keys/ 0700, the database 0600. */
static enum rc make_directories(const char *state_dir, struct err *err)
{
	static const struct {
		const char *name;
		mode_t mode;
	} below[] = { { "keys", 0700 }, { "archive", 0755 }, { "live", 0755 } };
	char path[PATH_MAX];
	int top, fd;
	enum rc rc = folder_open_top(state_dir, 0755, &top, err);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]) && rc == RC_OK; i++) {
		snprintf(path, sizeof(path), "%s/%s", state_dir, below[i].name);
		rc = folder_open(top, below[i].name, path, below[i].mode, &fd, err);
		if (rc == RC_OK)
			close(fd);
	}
	close(top);
	return rc;
}

enum rc store_file_open(const char *state_dir, const char *name, int *ret_fd, struct err *err)
{
	int top;
	enum rc rc = folder_open_top(state_dir, 0, &top, err);

	if (rc != RC_OK)
		return rc;
	rc = folder_open_file(top, state_dir, name, ret_fd, err);
	close(top);
	return rc;
}

/* An existing one stays as it is. */
static enum rc file_make(const char *state_dir, const char *name, struct err *err)
{
	int fd;
	enum rc rc = store_file_open(state_dir, name, &fd, err);

	if (rc == RC_OK)
		close(fd);
	return rc;
}

/* SQLite opens these by their paths, and writes to, or waits for, whatever lies there. */
static enum rc files_look(const char *state_dir, struct err *err)
{
	static const char *const names[] = { DATABASE_NAME, JOURNAL_NAME, DATABASE_NAME "-wal", DATABASE_NAME "-shm" };
	int top;
	enum rc rc = folder_open_top(state_dir, 0, &top, err);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc == RC_OK; i++)
		rc = folder_look_file(top, state_dir, names[i], err);
	close(top);
	return rc;
}

static enum rc write_ahead(struct store *store, bool *ret_is_write_ahead, struct err *err)
{
	AUTO(statement) sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store, "PRAGMA journal_mode = WAL", &row, err);

	if (rc == RC_OK && sqlite3_step(row) != SQLITE_ROW)
		rc = database_fail(store, err, "cannot open");
	*ret_is_write_ahead = rc == RC_OK && strcmp((const char *)sqlite3_column_text(row, 0), "wal") == 0;
	return rc;
}

/*
 * A write-ahead log costs one fsync a transaction where a rollback journal costs three, and nobody who reads waits for it.  It is
 * opened here, and stays: in the engine's sandbox no file can be made beside the database, nor removed.  Where memory
 * cannot be shared between processes (some network file systems) there is a journal after all, made now for the same reason.
 */
static enum rc journal_choose(struct store *store, bool *ret_is_write_ahead, struct err *err)
{
	struct err why = { 0 };
	int stays = 1;
	enum rc rc_ahead = write_ahead(store, ret_is_write_ahead, &why);

	if (*ret_is_write_ahead) {
		sqlite3_file_control(store->db, "main", SQLITE_FCNTL_PERSIST_WAL, &stays);
		return database_run(store, "PRAGMA journal_size_limit = 0", err);
	}
	enum rc rc = file_make(store->state_dir, JOURNAL_NAME, err);
	if (rc == RC_OK)
		rc = database_run(store, "PRAGMA journal_mode = TRUNCATE", err);
	/* One that has a log already cannot do without it: why that cannot be opened is the reason. */
	if (rc != RC_OK && rc_ahead != RC_OK && err)
		*err = why;
	return rc != RC_OK && rc_ahead != RC_OK ? rc_ahead : rc;
}

/* SQLite opens for reading what it could not open for writing at that moment, and is then refused each write until it is opened anew. */
static bool is_for_reading(struct store *store)
{
	return sqlite3_exec(store->db, "BEGIN IMMEDIATE; ROLLBACK", NULL, NULL, NULL) == SQLITE_READONLY;
}

static enum rc tell_for_reading(const struct store *store, struct err *err)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char path[sizeof(store->path) + 8];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", store->path, suffixes[i]);
		int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && errno != ENOENT)
			return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "cannot write %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	return err_set(err, RC_RESOURCE, "%s: it could not be opened for writing a moment ago; try again", store->path);
}

/* SQLite then refuses a link anywhere in the path.  STATE may lead through some; the database itself must be none. */
static enum rc database_open(struct store *store, struct err *err)
{
	char real[PATH_MAX], path[PATH_MAX + sizeof("/" DATABASE_NAME)];

	if (!realpath(store->state_dir, real))
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "cannot find %s: %s", store->state_dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/" DATABASE_NAME, real);
	if (sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK)
		return database_fail(store, err, "cannot open");
	return RC_OK;
}

/* *ret_again: another try may find it otherwise. */
static enum rc open_once(const char *state_dir, struct store **ret_store, bool *ret_again, struct err *err)
{
	AUTO(store) struct store *store = NULL;
	bool is_ahead = false;
	enum rc rc = store_new(state_dir, &store, err);

	*ret_again = false;
	if (rc != RC_OK)
		return rc;
	rc = database_open(store, err);
	if (rc != RC_OK)
		return rc;
	if (stat(store->path, &store->opened) != 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "cannot look at %s: %s", store->path, strerror(errno));
	sqlite3_busy_timeout(store->db, BUSY_MS);
	rc = journal_choose(store, &is_ahead, err);
	*ret_again = rc == RC_OK && is_for_reading(store);
	if (*ret_again)
		return tell_for_reading(store, err);
	if (rc == RC_OK)
		rc = database_run(store,
				  "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA "
				  "cache_size = " CACHE_SIZE ";",
				  err);
	if (rc == RC_OK)
		rc = database_schema(store, true, err);
	if (rc == RC_OK)
		rc = database_instance_keep(store, err);
	if (rc == RC_OK && is_ahead)
		rc = database_durable_open(store, err);
	if (rc == RC_OK)
		*ret_store = TAKE(store);
	return rc;
}

enum rc store_open(const char *state_dir, struct store **ret_store, struct err *err)
{
	struct err why = { 0 };
	bool again = false;
	enum rc rc = make_directories(state_dir, err);

	/* SQLite would make it 0644; it names keys and accounts. */
	if (rc == RC_OK)
		rc = file_make(state_dir, DATABASE_NAME, err);
	if (rc == RC_OK)
		rc = files_look(state_dir, err);
	if (rc != RC_OK)
		return rc;
	rc = open_once(state_dir, ret_store, &again, &why);
	if (again) {
		why = (struct err){ 0 };
		rc = open_once(state_dir, ret_store, &again, &why);
	}
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

enum rc store_open_readonly(const char *state_dir, struct store **ret_store, struct err *err)
{
	AUTO(store) struct store *store = NULL;
	enum rc rc = store_new(state_dir, &store, err);

	if (rc != RC_OK)
		return rc;
	if (access(store->path, R_OK) != 0)
		return err_set_raw(err, errno == ENOENT ? RC_ABSENT : RC_RESOURCE, ERR_ERRNO, errno, "cannot read %s: %s",
				   store->path, strerror(errno));
	rc = files_look(state_dir, err);
	if (rc != RC_OK)
		return rc;
	/* Not SQLITE_OPEN_READONLY: what a killed process left half written has to be taken back before it can be read. */
	rc = database_open(store, err);
	if (rc != RC_OK)
		return rc;
	sqlite3_busy_timeout(store->db, BUSY_MS);
	rc = database_run(store, "PRAGMA query_only = ON", err);
	if (rc == RC_OK)
		rc = database_schema(store, false, err);
	if (rc == RC_OK)
		*ret_store = TAKE(store);
	return rc;
}

enum rc store_view_begin(struct store *store, struct err *err)
{
	STORE_HELD(store);
	return database_run(store, "BEGIN", err);
}

void store_view_end(struct store *store)
{
	STORE_HELD(store);
	sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL); /* of what was only read: it cannot fail in a way that counts */
}

void store_close(struct store *store)
{
	if (!store)
		return;
	for (unsigned i = 0; i < store->kept_count; i++)
		sqlite3_finalize(store->kept[i]);
	sqlite3_close(store->db);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	if (store->daemon_fd >= 0)
		close(store->daemon_fd);
	if (store->wanted_fd >= 0)
		close(store->wanted_fd);
	if (store->durable.log_fd >= 0)
		close(store->durable.log_fd);
	pthread_mutex_destroy(&store->lock);
	pthread_mutex_destroy(&store->durable.lock);
	pthread_cond_destroy(&store->durable.told);
	free(store);
}

enum rc store_sound(struct store *store, struct err *err)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store, "PRAGMA quick_check(1)", &row, err);

	if (rc != RC_OK)
		return rc;
	if (sqlite3_step(row) != SQLITE_ROW)
		return database_fail(store, err, "cannot read");
	const char *found = (const char *)sqlite3_column_text(row, 0);
	return found && strcmp(found, "ok") == 0
		       ? RC_OK
		       : err_set(err, RC_RESOURCE, "%s is damaged: %.160s%s", store->path, found ? found : "?", DATABASE_DAMAGED);
}

bool store_changed_elsewhere(struct store *store)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *statement = NULL;
	int64_t version = store->version - 1;

	/* It changes with commits of other connections alone (sqlite.org/pragma.html, data_version). */
	if (database_prepare(store, "PRAGMA data_version", &statement, NULL) == RC_OK && sqlite3_step(statement) == SQLITE_ROW)
		version = sqlite3_column_int64(statement, 0);
	bool has_changed = version != store->version;
	store->version = version;
	return has_changed;
}
