/* database.h -- the SQLite connection that the record files share; nothing outside src/state includes it. */
#ifndef HWA_DATABASE_H
#define HWA_DATABASE_H

#include <sqlite3.h>

#include "store.h"

struct store {
	sqlite3 *db;
	char path[4096];
	char lock_path[4096], daemon_path[4096];
	int lock_fd, daemon_fd; /* -1: not opened */
	int64_t version;        /* of what others wrote, as last seen */
};

enum rc database_fail(struct store *store, struct err *err, const char *what);
enum rc database_run(struct store *store, const char *sql, struct err *err);
enum rc database_prepare(struct store *store, const char *sql, sqlite3_stmt **ret_statement, struct err *err);
extern const char *const database_steps[]; /* SQL, one step a version of the schema */
/* Makes the tables, or brings them up to date when it may; RC_INPUT for a version it cannot read. */
enum rc database_schema(struct store *store, bool may_write, struct err *err);
/* For statements without rows: runs and frees it. */
enum rc database_finish(struct store *store, sqlite3_stmt *statement, struct err *err);

/* Keys are rows of five columns wherever they stand. */
int key_bind(sqlite3_stmt *statement, int at, const struct store_key *key);
void key_column(sqlite3_stmt *statement, int at, struct store_key *ret_key);
void text_column(sqlite3_stmt *statement, int at, char *text, size_t room);
#define KEY_COLUMNS 5
/* Inside a transaction: the key waits to be erased.  `certificate` is "" for an account's. */
enum rc retired_add(struct store *store, const struct store_key *key, const char *certificate, int64_t erase_at, struct err *err);

/* Inside a transaction: account, profile and renewal_info of the record.  Nothing stored leaves them empty. */
enum rc issued_load(struct store *store, struct store_certificate *record, struct err *err);
enum rc issued_save(struct store *store, const struct store_certificate *record, struct err *err);

static inline void statement_free(sqlite3_stmt *statement)
{
	sqlite3_finalize(statement);
}
AUTO_DEFINE(statement, sqlite3_stmt *, statement_free);

#endif /* HWA_DATABASE_H */
