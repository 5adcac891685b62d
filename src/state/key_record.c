/* key_record.c -- accounts, and whose a key is. */
#include <stdio.h>
#include <string.h>

#include "database.h"

enum rc store_account_load(struct store *store, const char *authority, struct store_account *ret, struct err *err)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *row = NULL;
	struct store_account account = { 0 };
	int at = 1;
	enum rc rc = database_prepare(store,
				      "SELECT directory, token, label, id, type, made_at, url, created_at, next_token,"
				      " next_label, next_id, next_type, next_at, contact, is_deactivated FROM account"
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
	key_column(row, at, &account.key);
	at += KEY_COLUMNS;
	text_column(row, at++, account.url, sizeof(account.url));
	account.created_at = sqlite3_column_int64(row, at++);
	key_column(row, at, &account.next_key);
	at += KEY_COLUMNS;
	text_column(row, at++, account.contact, sizeof(account.contact));
	account.is_deactivated = sqlite3_column_int(row, at) != 0;
	*ret = account;
	return RC_OK;
}

static bool account_has(const struct store_account *account, const struct store_key *key)
{
	return memcmp(account->key.name.id, key->name.id, TOKEN_ID_LEN) == 0 ||
	       (account->next_key.token[0] && memcmp(account->next_key.name.id, key->name.id, TOKEN_ID_LEN) == 0);
}

static enum rc account_write(struct store *store, const struct store_account *account, struct err *err)
{
	struct store_account before = { 0 };
	sqlite3_stmt *row = NULL;
	enum rc rc = store_account_load(store, account->authority, &before, err);
	const struct store_key *keys[] = { &before.key, &before.next_key };

	if (rc != RC_OK && rc != RC_ABSENT)
		return rc;
	rc = RC_OK;
	for (size_t i = 0; i < 2 && rc == RC_OK; i++)
		if (keys[i]->token[0] && !account_has(account, keys[i]))
			rc = retired_add(store, &(struct store_retired){ .key = *keys[i] }, err);
	if (rc == RC_OK)
		rc = database_prepare(
			store,
			"INSERT OR REPLACE INTO account (authority, directory, token, label, id, type, made_at, url,"
			" created_at, next_token, next_label, next_id, next_type, next_at, contact, is_deactivated)"
			" VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
			&row, err);
	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, account->authority, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, 2, account->directory, -1, SQLITE_STATIC);
	int at = key_bind(row, 3, &account->key);
	sqlite3_bind_text(row, at++, account->url, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, at++, account->created_at);
	at = key_bind(row, at, &account->next_key);
	sqlite3_bind_text(row, at++, account->contact, -1, SQLITE_STATIC);
	sqlite3_bind_int(row, at, account->is_deactivated);
	return database_finish(store, row, err);
}

static enum rc account_save(struct store *store, const struct store_account *account, struct err *err)
{
	STORE_HELD(store);
	enum rc rc = database_run(store, "BEGIN IMMEDIATE", err);

	if (rc != RC_OK)
		return rc;
	rc = account_write(store, account, err);
	if (rc == RC_OK)
		rc = database_run(store, "COMMIT", err);
	if (rc != RC_OK)
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

enum rc store_account_save(struct store *store, const struct store_account *account, struct err *err)
{
	return database_durable(store, account_save(store, account, err), err);
}

/* Whose each key is, by its id. */
#define OWNERS                                                                                                       \
	"SELECT live_id AS id, 'certificate ' || name || ' (live)' AS owner FROM certificate WHERE live_token <> ''" \
	" UNION ALL SELECT next_id, 'certificate ' || name || ' (next)' FROM certificate WHERE next_token <> ''"     \
	" UNION ALL SELECT id, 'account at ' || authority FROM account"                                              \
	" UNION ALL SELECT next_id, 'account at ' || authority || ' (next)' FROM account WHERE next_token <> ''"     \
	" UNION ALL SELECT id, CASE certificate WHEN '' THEN 'an account' ELSE 'certificate ' || certificate END"    \
	" || ' (superseded)' FROM retired"

static enum rc owner_look(struct store *store, const char *sql, const struct token_key_name *name, char ret_owner[128],
			  struct err *err)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store, sql, &row, err);

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

enum rc store_key_owner(struct store *store, const struct token_key_name *name, char ret_owner[128], struct err *err)
{
	return owner_look(store, "SELECT owner FROM (" OWNERS ") WHERE id = ?1", name, ret_owner, err);
}

/* In memory, and so no write to what query_only protects. */
enum rc store_key_owners_gather(struct store *store, struct err *err)
{
	STORE_HELD(store);
	enum rc rc = database_run(store,
				  "PRAGMA temp_store = MEMORY; PRAGMA query_only = OFF;"
				  " CREATE TEMP TABLE gathered (id BLOB NOT NULL, owner TEXT NOT NULL) STRICT;"
				  " INSERT INTO temp.gathered " OWNERS "; CREATE INDEX temp.gathered_id ON gathered (id)",
				  err);

	sqlite3_exec(store->db, "PRAGMA query_only = ON", NULL, NULL, NULL);
	return rc;
}

enum rc store_key_owner_gathered(struct store *store, const struct token_key_name *name, char ret_owner[128], struct err *err)
{
	return owner_look(store, "SELECT owner FROM temp.gathered WHERE id = ?1", name, ret_owner, err);
}
