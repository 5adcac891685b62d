/* database.c -- statements and columns as all record files use them. */
#include "database.h"

#include <string.h>

enum rc database_fail(struct store *store, struct err *err, const char *what)
{
	int code = sqlite3_errcode(store->db);
	enum rc rc = code == SQLITE_BUSY || code == SQLITE_LOCKED ? RC_RETRY : code == SQLITE_MISUSE ? RC_BUG : RC_RESOURCE;

	/* Of other failures it is an earlier one's. */
	int number = code == SQLITE_IOERR || code == SQLITE_CANTOPEN ? sqlite3_system_errno(store->db) : 0;

	return err_set(err, rc, "%s: %s: %s%s%s%s", store->path, what, sqlite3_errmsg(store->db), number ? ": " : "",
		       number ? strerror(number) : "", code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? DATABASE_DAMAGED : "");
}

enum rc database_run(struct store *store, const char *sql, struct err *err)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? RC_OK : database_fail(store, err, "cannot write");
}

enum rc database_prepare(struct store *store, const char *sql, sqlite3_stmt **ret_statement, struct err *err)
{
	sqlite3_stmt *statement = NULL;

	for (unsigned i = 0; i < store->kept_count; i++)
		if (strcmp(sqlite3_sql(store->kept[i]), sql) == 0) {
			*ret_statement = store->kept[i];
			return sqlite3_stmt_busy(store->kept[i]) ? err_set(err, RC_BUG, "a statement within itself: %s", sql)
								 : RC_OK;
		}
	/* All that there are fit. */
	if (store->kept_count == DATABASE_KEPT_MAX)
		return err_set(err, RC_BUG, "more than %d statements", DATABASE_KEPT_MAX);
	if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
		return database_fail(store, err, "cannot read");
	*ret_statement = store->kept[store->kept_count++] = statement;
	return RC_OK;
}

enum rc database_finish(struct store *store, sqlite3_stmt *statement, struct err *err)
{
	enum rc rc = sqlite3_step(statement) == SQLITE_DONE ? RC_OK : database_fail(store, err, "cannot write");

	statement_leave(statement);
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
	size_t len = value ? (size_t)sqlite3_column_bytes(statement, at) : 0;

	if (len >= room)
		len = room - 1;
	if (len)
		memcpy(text, value, len);
	text[len] = '\0';
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
