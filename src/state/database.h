/* database.h -- the SQLite connection that the record files share; nothing outside src/state includes it. */
#ifndef HWA_DATABASE_H
#define HWA_DATABASE_H

#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "store.h"

#define DATABASE_KEPT_MAX 64 /* statements; to parse one takes longer than to run it */

/* What live/ has is served all the while. */
#define DATABASE_DAMAGED                                                                                                        \
	"; put a copy of it back, or move it away with hwacme.db-wal and hwacme.db-shm: everything is enrolled anew then, and " \
	"`hwacme token gc` erases the keys of before"

/* How far the write-ahead log is on the disk; counted in commits. */
struct durable {
	int log_fd;         /* -1: no such log, and COMMIT itself waits for the disk */
	uint64_t committed; /* with the store held; the others under `lock` */
	uint64_t reached;
	bool is_syncing;  /* somebody leads */
	bool is_doubtful; /* the leader's alone: a sync failed, and none is believed until all was carried into the database */
	pthread_mutex_t lock;
	pthread_cond_t told;
};

struct store {
	sqlite3 *db;
	struct durable durable;
	sqlite3_stmt *kept[DATABASE_KEPT_MAX]; /* those prepared so far */
	unsigned kept_count;
	pthread_mutex_t lock; /* of one call at a time: each is a transaction */
	char path[4096];
	char state_dir[4096];
	struct stat opened;     /* the database's file */
	int lock_fd, daemon_fd; /* -1: not opened */
	int wanted_fd;          /* so; shared by those who wait for the lock */
	bool is_wanting;
	int64_t version; /* of what others wrote, as last seen */
};

/* The store is the caller's alone until the end of the block; the same thread may take it again. */
#define STORE_HELD(store) __attribute__((cleanup(store_let_go), unused)) struct store *store_held = store_take_hold(store)
static inline struct store *store_take_hold(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	return store;
}
static inline void store_let_go(struct store **held)
{
	pthread_mutex_unlock(&(*held)->lock);
}

/* STATE/NAME, for reading and writing; made when it is missing, for us alone: it names keys and accounts, or tells of them. */
enum rc store_file_open(const char *state_dir, const char *name, int *ret_fd, struct err *err);

/* database_durable.c: once the log is there and its first commit on the disk */
enum rc database_durable_open(struct store *store, struct err *err);
/*
 * The last thing of every call that writes, with `rc` of its transaction: returns when that is on the disk.  Never with the store
 * held.  When it fails what was written may be there or not, as when the answer to it had been lost.
 */
enum rc database_durable(struct store *store, enum rc rc, struct err *err);

/* What SQLite says of the last call, behind `what` failed: RC_RETRY another process is at it, RC_RESOURCE disk or memory. */
enum rc database_fail(struct store *store, struct err *err, const char *what);
enum rc database_run(struct store *store, const char *sql, struct err *err);
/* One that was prepared before, where there is one; AUTO(statement) or database_finish() leaves it for the next. */
enum rc database_prepare(struct store *store, const char *sql, sqlite3_stmt **ret_statement, struct err *err);
extern const char *const database_steps[]; /* SQL, one step a version of the schema */
/* Makes the tables, or brings them up to date when it may; RC_INPUT for a version it cannot read. */
enum rc database_schema(struct store *store, bool may_write, struct err *err);
/* instance.c: the database's number and the one that is kept beside it are the same then.  A new database takes that of the one that was
 * lost, so that its keys are ours still; the number of one that has records is the one that counts. */
enum rc database_instance_keep(struct store *store, struct err *err);
/* For statements without rows: runs it, and lets go of it. */
enum rc database_finish(struct store *store, sqlite3_stmt *statement, struct err *err);

/* Keys are rows of five columns wherever they stand. */
int key_bind(sqlite3_stmt *statement, int at, const struct store_key *key);
void key_column(sqlite3_stmt *statement, int at, struct store_key *ret_key);
void text_column(sqlite3_stmt *statement, int at, char *text, size_t room);
#define KEY_COLUMNS 5
/* A row that is there keeps its place: but for the page it is on nothing is written.  `values`: ?2, ?3, ... for the columns; the key is ?1. */
#define ROW_SAVE(table, key, columns, values)                                                                      \
	"INSERT INTO " table " (" key ", " columns ") VALUES (?1, " values ") ON CONFLICT (" key ") DO UPDATE SET" \
	" (" columns ") = (" values ")"

/* Inside a transaction: the key waits to be erased; retired->certificate is "" for an account's. */
enum rc retired_add(struct store *store, const struct store_retired *retired, struct err *err);

/* Account, profile and renewal_info of the record, from the columns of a row at `at`; the column after them.  Without one, they are empty. */
#define ISSUED_COLUMNS                                                                                           \
	"issued.account, issued.profile, issued.id, issued.start_at, issued.end_at, issued.at, issued.check_at," \
	" issued.failures, issued.early, issued.is_replaced, issued.explanation, issued.authorized_until"
int issued_column(sqlite3_stmt *row, int at, struct store_certificate *record);
/* Inside a transaction. */
enum rc issued_save(struct store *store, const struct store_certificate *record, struct err *err);
bool issued_equal(const struct store_certificate *left, const struct store_certificate *right);

/* The same for its service. */
#define SERVICE_COLUMNS                                                                                         \
	"service.deployed_at, service.probed_at, service.grace_from, service.attempts, service.retry_at,"       \
	" service.failed_at, service.last_error, service.prune_at, service.revoke_at, service.revoke_failures," \
	" service.published, service.hook_by"
int service_column(sqlite3_stmt *row, int at, struct store_certificate *record);
enum rc service_save(struct store *store, const struct store_certificate *record, struct err *err);
bool service_equal(const struct store_service *left, const struct store_service *right);

/* What was bound to it need not outlive it. */
static inline void statement_leave(sqlite3_stmt *statement)
{
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
}
AUTO_DEFINE(statement, sqlite3_stmt *, statement_leave);

#endif /* HWA_DATABASE_H */
