/* store.c -- opens STATE/hwacme.db, keeps its schema, and locks it for the one who renews. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database.h"

#define BUSY_MS 5000

#define X(name, text) text,
static const char *const STATE_NAMES[] = { CERTIFICATE_STATES(X) };
#undef X

const char *certificate_state_name(enum certificate_state state)
{
	return state < CERTIFICATE_STATE_COUNT ? STATE_NAMES[state] : "unknown";
}

enum rc database_fail(struct store *store, struct err *err, const char *what)
{
	int code = sqlite3_errcode(store->db);
	enum rc rc = code == SQLITE_BUSY || code == SQLITE_LOCKED ? RC_RETRY : code == SQLITE_MISUSE ? RC_BUG : RC_RESOURCE;

	return err_set(err, rc, "%s: %s: %s", store->path, what, sqlite3_errmsg(store->db));
}

enum rc database_run(struct store *store, const char *sql, struct err *err)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? RC_OK : database_fail(store, err, "cannot write");
}

enum rc database_prepare(struct store *store, const char *sql, sqlite3_stmt **ret_statement, struct err *err)
{
	return sqlite3_prepare_v2(store->db, sql, -1, ret_statement, NULL) == SQLITE_OK
		       ? RC_OK
		       : database_fail(store, err, "cannot read");
}

enum rc database_finish(struct store *store, sqlite3_stmt *statement, struct err *err)
{
	enum rc rc = sqlite3_step(statement) == SQLITE_DONE ? RC_OK : database_fail(store, err, "cannot write");

	sqlite3_finalize(statement);
	return rc;
}

int key_bind(sqlite3_stmt *statement, int at, const struct store_key *key)
{
	sqlite3_bind_text(statement, at, key->token, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, at + 1, key->name.label, -1, SQLITE_STATIC);
	sqlite3_bind_blob(statement, at + 2, key->name.id, TOKEN_ID_LEN, SQLITE_STATIC);
	sqlite3_bind_int(statement, at + 3, (int)key->type);
	sqlite3_bind_int64(statement, at + 4, key->created_at);
	return at + KEY_COLUMNS;
}

void text_column(sqlite3_stmt *statement, int at, char *text, size_t room)
{
	const unsigned char *value = sqlite3_column_text(statement, at);

	snprintf(text, room, "%s", value ? (const char *)value : "");
}

void key_column(sqlite3_stmt *statement, int at, struct store_key *ret_key)
{
	*ret_key = (struct store_key){ 0 };
	text_column(statement, at, ret_key->token, sizeof(ret_key->token));
	text_column(statement, at + 1, ret_key->name.label, sizeof(ret_key->name.label));
	if (sqlite3_column_bytes(statement, at + 2) == TOKEN_ID_LEN)
		memcpy(ret_key->name.id, sqlite3_column_blob(statement, at + 2), TOKEN_ID_LEN);
	ret_key->type = (enum key_type)sqlite3_column_int(statement, at + 3);
	ret_key->created_at = sqlite3_column_int64(statement, at + 4);
}

static enum rc store_new(const char *state_dir, struct store **ret_store, struct err *err)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return err_set(err, RC_RESOURCE, "out of memory");
	store->lock_fd = store->daemon_fd = -1;
	int len = snprintf(store->path, sizeof(store->path), "%s/hwacme.db", state_dir);
	snprintf(store->lock_path, sizeof(store->lock_path), "%s/lock", state_dir);
	snprintf(store->daemon_path, sizeof(store->daemon_path), "%s/lock-daemon", state_dir);
	if (len < 0 || (size_t)len >= sizeof(store->path)) {
		free(store);
		return err_set(err, RC_INPUT, "state: the path is too long: %s", state_dir);
	}
	*ret_store = store;
	return RC_OK;
}

static enum rc make_directory(const char *path, mode_t mode, struct err *err)
{
	if (mkdir(path, mode) != 0 && errno != EEXIST)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "cannot make the directory %s: %s", path, strerror(errno));
	return RC_OK;
}

/* Servers read archive/ and live/; what is secret has its own modes: keys/ 0700, the database 0600. */
static enum rc make_directories(const char *state_dir, struct err *err)
{
	static const struct {
		const char *name;
		mode_t mode;
	} below[] = { { "keys", 0700 }, { "archive", 0755 }, { "live", 0755 } };
	char path[4096];
	enum rc rc = make_directory(state_dir, 0755, err);

	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]) && rc == RC_OK; i++) {
		snprintf(path, sizeof(path), "%s/%s", state_dir, below[i].name);
		rc = make_directory(path, below[i].mode, err);
	}
	return rc;
}

enum rc store_open(const char *state_dir, struct store **ret_store, struct err *err)
{
	AUTO(store) struct store *store = NULL;
	char journal[4200];
	enum rc rc = make_directories(state_dir, err);

	if (rc == RC_OK)
		rc = store_new(state_dir, &store, err);
	if (rc != RC_OK)
		return rc;
	/* SQLite would make it 0644; it names keys and accounts. */
	int fd = open(store->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "cannot open %s: %s", store->path, strerror(errno));
	close(fd);
	/* Its journal too is made now: in the engine's sandbox no file can be made beside the database. */
	snprintf(journal, sizeof(journal), "%s-journal", store->path);
	fd = open(journal, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "cannot open %s: %s", journal, strerror(errno));
	close(fd);
	if (sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK)
		return database_fail(store, err, "cannot open");
	sqlite3_busy_timeout(store->db, BUSY_MS);
	rc = database_run(store,
			  "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA "
			  "temp_store = MEMORY;",
			  err);
	if (rc == RC_OK)
		rc = database_schema(store, true, err);
	if (rc == RC_OK)
		*ret_store = TAKE(store);
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
	if (sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK)
		return database_fail(store, err, "cannot open");
	sqlite3_busy_timeout(store->db, BUSY_MS);
	rc = database_schema(store, false, err);
	if (rc == RC_OK)
		*ret_store = TAKE(store);
	return rc;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	sqlite3_close(store->db);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	if (store->daemon_fd >= 0)
		close(store->daemon_fd);
	free(store);
}

static enum rc lock_open(const char *path, int *ret_fd, struct err *err)
{
	if (*ret_fd < 0)
		*ret_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return *ret_fd >= 0 ? RC_OK
			    : err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "cannot open %s: %s", path, strerror(errno));
}

static enum rc lock_take(int fd, const char *does, struct err *err)
{
	char pid[32] = "";

	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		ssize_t len = pread(fd, pid, sizeof(pid) - 1, 0);
		return err_set(err, RC_RETRY, "another hwacme (process %.*s) is %s; try again when it has ended",
			       len > 0 ? (int)strcspn(pid, "\n") : 1, len > 0 ? pid : "?", does);
	}
	/* The number is for the message above only; the lock is the descriptor's. */
	int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)len, 0) != len)
		return RC_OK;
	return RC_OK;
}

enum rc store_lock(struct store *store, struct err *err)
{
	enum rc rc = lock_open(store->lock_path, &store->lock_fd, err);

	return rc == RC_OK ? lock_take(store->lock_fd, "renewing in this state directory", err) : rc;
}

void store_unlock(struct store *store)
{
	if (store->lock_fd >= 0)
		flock(store->lock_fd, LOCK_UN);
}

enum rc store_lock_daemon(struct store *store, struct err *err)
{
	enum rc rc = lock_open(store->daemon_path, &store->daemon_fd, err);

	if (rc == RC_OK)
		rc = lock_open(store->lock_path, &store->lock_fd, err);
	return rc == RC_OK ? lock_take(store->daemon_fd, "the renewal daemon of this state directory", err) : rc;
}

bool store_changed_elsewhere(struct store *store)
{
	sqlite3_stmt *statement = NULL;
	int64_t version = store->version - 1;

	/* It changes with commits of other connections alone (sqlite.org/pragma.html, data_version). */
	if (sqlite3_prepare_v2(store->db, "PRAGMA data_version", -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		version = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	bool has_changed = version != store->version;
	store->version = version;
	return has_changed;
}
