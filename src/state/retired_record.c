/* retired_record.c -- keys that wait to be erased, and certificates that wait to be revoked: what a renewal left behind. */
#include <stdio.h>

#include "database.h"

enum rc retired_add(struct store *store, const struct store_retired *retired, struct err *err)
{
	sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store,
				      "INSERT OR REPLACE INTO retired (token, label, id, type, made_at, certificate, erase_at,"
				      " generation, not_after) VALUES (?,?,?,?,?,?,?,?,?)",
				      &row, err);

	if (rc != RC_OK)
		return rc;
	int at = key_bind(row, 1, &retired->key);
	sqlite3_bind_text(row, at, retired->certificate, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, at + 1, retired->erase_at);
	sqlite3_bind_int64(row, at + 2, retired->generation);
	sqlite3_bind_int64(row, at + 3, retired->not_after);
	return database_finish(store, row, err);
}

static void retired_column(sqlite3_stmt *row, struct store_retired *ret)
{
	key_column(row, 0, &ret->key);
	text_column(row, KEY_COLUMNS, ret->certificate, sizeof(ret->certificate));
	ret->erase_at = sqlite3_column_int64(row, KEY_COLUMNS + 1);
	ret->generation = (unsigned)sqlite3_column_int64(row, KEY_COLUMNS + 2);
	ret->not_after = sqlite3_column_int64(row, KEY_COLUMNS + 3);
	ret->newer = (unsigned)sqlite3_column_int64(row, KEY_COLUMNS + 4);
}

#define RETIRED_SELECT                                                                          \
	"SELECT token, label, id, type, made_at, certificate, erase_at, generation, not_after," \
	" (SELECT count(*) FROM retired AS other WHERE other.certificate = retired.certificate" \
	"  AND other.generation > retired.generation) FROM retired WHERE erase_at <= ?1"
#define RETIRED_ORDER " ORDER BY erase_at, id LIMIT ?2"

/* Of a statement whose other parameters are bound. */
static enum rc retired_read(struct store *store, sqlite3_stmt *row, int64_t now, struct store_retired *ret, unsigned max,
			    unsigned *ret_count, struct err *err)
{
	unsigned count = 0;
	int stepped = SQLITE_ROW;

	sqlite3_bind_int64(row, 1, now);
	sqlite3_bind_int64(row, 2, max);
	while (count < max && (stepped = sqlite3_step(row)) == SQLITE_ROW)
		retired_column(row, &ret[count++]);
	*ret_count = count;
	return stepped == SQLITE_ROW || stepped == SQLITE_DONE ? RC_OK : database_fail(store, err, "cannot read");
}

enum rc store_retired_page(struct store *store, int64_t now, const struct store_retired *after, struct store_retired *ret,
			   unsigned max, unsigned *ret_count, struct err *err)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store, RETIRED_SELECT " AND (erase_at, id) > (?3, ?4)" RETIRED_ORDER, &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_int64(row, 3, after ? after->erase_at : INT64_MIN);
	sqlite3_bind_blob(row, 4, after ? after->key.name.id : (const uint8_t *)"", after ? TOKEN_ID_LEN : 0, SQLITE_STATIC);
	return retired_read(store, row, now, ret, max, ret_count, err);
}

enum rc store_retired_of(struct store *store, const char *certificate, int64_t now, struct store_retired *ret, unsigned max,
			 unsigned *ret_count, struct err *err)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store, RETIRED_SELECT " AND certificate = ?3" RETIRED_ORDER, &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 3, certificate, -1, SQLITE_STATIC);
	return retired_read(store, row, now, ret, max, ret_count, err);
}

enum rc store_retired_count(struct store *store, const char *certificate, const char *token, unsigned *ret_count,
			    int64_t *ret_first_at, struct err *err)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store, "SELECT count(*), min(erase_at) FROM retired WHERE certificate = ? AND token = ?",
				      &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, certificate, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, 2, token, -1, SQLITE_STATIC);
	if (sqlite3_step(row) != SQLITE_ROW)
		return database_fail(store, err, "cannot read");
	*ret_count = (unsigned)sqlite3_column_int64(row, 0);
	*ret_first_at = sqlite3_column_int64(row, 1);
	return RC_OK;
}

/* What is to wait until after ?1, of certificates that say that ?2 can be the time now. */
#define RETIRED_LATE    "retired.erase_at > ?1 AND " IS_VALID("retired")
#define SUPERSEDED_LATE "service.revoke_at > ?1 AND service.revoke_failures = 0 AND " IS_VALID("service")
#define PRUNED_LATE     "service.prune_at > ?1 AND " IS_VALID("service")
#define IS_VALID(table) "EXISTS (SELECT 1 FROM certificate WHERE name = " table ".certificate AND not_before <= ?2)"

static enum rc late_bind(struct store *store, const char *sql, int64_t latest, int64_t now, sqlite3_stmt **ret_row,
			 struct err *err)
{
	enum rc rc = database_prepare(store, sql, ret_row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_int64(*ret_row, 1, latest);
	sqlite3_bind_int64(*ret_row, 2, now);
	return RC_OK;
}

static enum rc late_count(struct store *store, const char *sql, int64_t latest, int64_t now, unsigned *ret_count, struct err *err)
{
	AUTO(statement) sqlite3_stmt *row = NULL;
	enum rc rc = late_bind(store, sql, latest, now, &row, err);

	if (rc != RC_OK)
		return rc;
	if (sqlite3_step(row) != SQLITE_ROW)
		return database_fail(store, err, "cannot read");
	*ret_count = (unsigned)sqlite3_column_int64(row, 0);
	return RC_OK;
}

/* Nearly always there is nothing to write. */
static enum rc late_hasten(struct store *store, const char *count_sql, const char *hasten_sql, int64_t latest, int64_t now,
			   unsigned *ret_count, struct err *err)
{
	STORE_HELD(store);
	sqlite3_stmt *row = NULL;
	unsigned count = 0;
	enum rc rc = late_count(store, count_sql, latest, now, &count, err);

	if (rc == RC_OK && count) {
		rc = late_bind(store, hasten_sql, latest, now, &row, err);
		if (rc == RC_OK)
			rc = database_finish(store, row, err);
	}
	if (rc == RC_OK)
		*ret_count = count;
	return rc;
}

enum rc store_retired_hasten(struct store *store, int64_t latest, int64_t now, unsigned *ret_count, struct err *err)
{
	return database_durable(store,
				late_hasten(store, "SELECT count(*) FROM retired WHERE " RETIRED_LATE,
					    "UPDATE retired SET erase_at = ?1 WHERE " RETIRED_LATE, latest, now, ret_count, err),
				err);
}

enum rc store_superseded_hasten(struct store *store, int64_t latest, int64_t now, unsigned *ret_count, struct err *err)
{
	return database_durable(store,
				late_hasten(store, "SELECT count(*) FROM service WHERE " SUPERSEDED_LATE,
					    "UPDATE service SET revoke_at = ?1 WHERE " SUPERSEDED_LATE, latest, now, ret_count,
					    err),
				err);
}

enum rc store_prune_hasten(struct store *store, int64_t latest, int64_t now, unsigned *ret_count, struct err *err)
{
	return database_durable(store,
				late_hasten(store, "SELECT count(*) FROM service WHERE " PRUNED_LATE,
					    "UPDATE service SET prune_at = ?1 WHERE " PRUNED_LATE, latest, now, ret_count, err),
				err);
}

static enum rc retired_drop(struct store *store, const struct token_key_name *name, struct err *err)
{
	STORE_HELD(store);
	sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store, "DELETE FROM retired WHERE id = ?", &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_blob(row, 1, name->id, TOKEN_ID_LEN, SQLITE_STATIC);
	return database_finish(store, row, err);
}

enum rc store_retired_drop(struct store *store, const struct token_key_name *name, struct err *err)
{
	return database_durable(store, retired_drop(store, name, err), err);
}

static enum rc superseded_add(struct store *store, const char *certificate, const struct store_superseded *superseded,
			      struct err *err)
{
	STORE_HELD(store);
	sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store,
				      "INSERT OR REPLACE INTO superseded (certificate, generation, authority, serial, not_after)"
				      " VALUES (?,?,?,?,?)",
				      &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, certificate, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 2, superseded->generation);
	sqlite3_bind_text(row, 3, superseded->authority, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, 4, superseded->serial, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 5, superseded->not_after);
	return database_finish(store, row, err);
}

enum rc store_superseded_add(struct store *store, const char *certificate, const struct store_superseded *superseded,
			     struct err *err)
{
	return database_durable(store, superseded_add(store, certificate, superseded, err), err);
}

enum rc store_superseded_first(struct store *store, const char *certificate, unsigned generation, struct store_superseded *ret,
			       struct err *err)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store,
				      "SELECT generation, authority, serial, not_after FROM superseded WHERE certificate = ?"
				      " AND generation < ? ORDER BY generation LIMIT 1",
				      &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, certificate, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 2, generation);
	int stepped = sqlite3_step(row);
	if (stepped == SQLITE_DONE)
		return err_set(err, RC_ABSENT, "no superseded certificate of \"%s\" is to be revoked", certificate);
	if (stepped != SQLITE_ROW)
		return database_fail(store, err, "cannot read");
	ret->generation = (unsigned)sqlite3_column_int64(row, 0);
	text_column(row, 1, ret->authority, sizeof(ret->authority));
	text_column(row, 2, ret->serial, sizeof(ret->serial));
	ret->not_after = sqlite3_column_int64(row, 3);
	return RC_OK;
}

static enum rc superseded_drop(struct store *store, const char *certificate, unsigned generation, struct err *err)
{
	STORE_HELD(store);
	sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store, "DELETE FROM superseded WHERE certificate = ? AND generation = ?", &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, certificate, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 2, generation);
	return database_finish(store, row, err);
}

enum rc store_superseded_drop(struct store *store, const char *certificate, unsigned generation, struct err *err)
{
	return database_durable(store, superseded_drop(store, certificate, generation, err), err);
}
