/* key_record.c -- accounts, retired keys, and whose a key is. */
#include <stdio.h>

#include "database.h"

enum rc store_account_load(struct store *store, const char *authority, struct store_account *ret, struct err *err)
{
	AUTO(statement) sqlite3_stmt *row = NULL;
	struct store_account account = { 0 };
	enum rc rc = database_prepare(store,
				      "SELECT directory, token, label, id, type, made_at, url, created_at FROM account"
				      " WHERE authority = ?",
				      &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, authority, -1, SQLITE_STATIC);
	int stepped = sqlite3_step(row);
	if (stepped == SQLITE_DONE)
		return err_set(err, RC_ABSENT, "no account at \"%s\" yet", authority);
	if (stepped != SQLITE_ROW)
		return database_fail(store, err, "cannot read");
	snprintf(account.authority, sizeof(account.authority), "%s", authority);
	text_column(row, 0, account.directory, sizeof(account.directory));
	key_column(row, 1, &account.key);
	text_column(row, 1 + KEY_COLUMNS, account.url, sizeof(account.url));
	account.created_at = sqlite3_column_int64(row, 2 + KEY_COLUMNS);
	*ret = account;
	return RC_OK;
}

enum rc store_account_save(struct store *store, const struct store_account *account, struct err *err)
{
	sqlite3_stmt *row = NULL;
	enum rc rc =
		database_prepare(store,
				 "INSERT OR REPLACE INTO account (authority, directory, token, label, id, type, made_at, url,"
				 " created_at) VALUES (?,?,?,?,?,?,?,?,?)",
				 &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, account->authority, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, 2, account->directory, -1, SQLITE_STATIC);
	int at = key_bind(row, 3, &account->key);
	sqlite3_bind_text(row, at, account->url, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, at + 1, account->created_at);
	return database_finish(store, row, err);
}

enum rc store_retired_due(struct store *store, int64_t now, struct store_retired *ret, unsigned max, unsigned *ret_count,
			  struct err *err)
{
	AUTO(statement) sqlite3_stmt *row = NULL;
	unsigned count = 0;
	enum rc rc = database_prepare(store,
				      "SELECT token, label, id, type, made_at, certificate, erase_at FROM retired"
				      " WHERE erase_at <= ? ORDER BY erase_at LIMIT ?",
				      &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_int64(row, 1, now);
	sqlite3_bind_int64(row, 2, max);
	while (count < max && sqlite3_step(row) == SQLITE_ROW) {
		key_column(row, 0, &ret[count].key);
		text_column(row, KEY_COLUMNS, ret[count].certificate, sizeof(ret[count].certificate));
		ret[count].erase_at = sqlite3_column_int64(row, KEY_COLUMNS + 1);
		count++;
	}
	*ret_count = count;
	return RC_OK;
}

enum rc store_retired_drop(struct store *store, const struct token_key_name *name, struct err *err)
{
	sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store, "DELETE FROM retired WHERE id = ?", &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_blob(row, 1, name->id, TOKEN_ID_LEN, SQLITE_STATIC);
	return database_finish(store, row, err);
}

enum rc store_key_owner(struct store *store, const struct token_key_name *name, char ret_owner[128], struct err *err)
{
	AUTO(statement) sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(
		store,
		"SELECT 'certificate ' || name || ' (live)' FROM certificate WHERE live_id = ?1 AND live_token <> ''"
		" UNION ALL SELECT 'certificate ' || name || ' (next)' FROM certificate WHERE next_id = ?1 AND next_token <> ''"
		" UNION ALL SELECT 'account at ' || authority FROM account WHERE id = ?1"
		" UNION ALL SELECT 'certificate ' || certificate || ' (superseded)' FROM retired WHERE id = ?1",
		&row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_blob(row, 1, name->id, TOKEN_ID_LEN, SQLITE_STATIC);
	int stepped = sqlite3_step(row);
	if (stepped == SQLITE_DONE)
		return err_set(err, RC_ABSENT, "nobody owns this key");
	if (stepped != SQLITE_ROW)
		return database_fail(store, err, "cannot read");
	text_column(row, 0, ret_owner, 128);
	return RC_OK;
}
