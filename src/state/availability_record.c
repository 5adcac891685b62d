/* availability_record.c -- how each authority has been answering. */
#include "database.h"

enum rc store_availability_load(struct store *store, const char *authority, struct store_availability *ret, struct err *err)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store,
				      "SELECT down_since, retry_at, probing_until, order_at_ms, failures, noted_at FROM "
				      "availability WHERE authority = ?",
				      &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, authority, -1, SQLITE_STATIC);
	int stepped = sqlite3_step(row);
	if (stepped != SQLITE_DONE && stepped != SQLITE_ROW)
		return database_fail(store, err, "cannot read");
	*ret = (struct store_availability){ 0 };
	if (stepped == SQLITE_DONE)
		return RC_OK;
	ret->down_since = sqlite3_column_int64(row, 0);
	ret->retry_at = sqlite3_column_int64(row, 1);
	ret->probing_until = sqlite3_column_int64(row, 2);
	ret->order_at_ms = sqlite3_column_int64(row, 3);
	ret->failures = (unsigned)sqlite3_column_int64(row, 4);
	ret->noted_at = sqlite3_column_int64(row, 5);
	return RC_OK;
}

static enum rc save(struct store *store, const char *authority, const struct store_availability *availability, struct err *err)
{
	sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store,
				      ROW_SAVE("availability", "authority",
					       "down_since, retry_at, probing_until, order_at_ms, failures, noted_at",
					       "?2,?3,?4,?5,?6,?7"),
				      &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, authority, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 2, availability->down_since);
	sqlite3_bind_int64(row, 3, availability->retry_at);
	sqlite3_bind_int64(row, 4, availability->probing_until);
	sqlite3_bind_int64(row, 5, availability->order_at_ms);
	sqlite3_bind_int64(row, 6, availability->failures);
	sqlite3_bind_int64(row, 7, availability->noted_at);
	return database_finish(store, row, err);
}

static enum rc availability_change(struct store *store, const char *authority, store_availability_fn *change, void *ctx,
				   struct err *err)
{
	STORE_HELD(store);
	struct store_availability availability;
	enum rc rc = store_availability_load(store, authority, &availability, err);

	/* Mostly there is nothing to write. */
	if (rc != RC_OK || !change(ctx, &availability))
		return rc;
	rc = database_run(store, "BEGIN IMMEDIATE", err);
	if (rc != RC_OK)
		return rc;
	rc = store_availability_load(store, authority, &availability, err);
	if (rc == RC_OK && change(ctx, &availability))
		rc = save(store, authority, &availability, err);
	if (rc == RC_OK)
		rc = database_run(store, "COMMIT", err);
	if (rc != RC_OK)
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

enum rc store_availability_change(struct store *store, const char *authority, store_availability_fn *change, void *ctx,
				  struct err *err)
{
	return database_durable(store, availability_change(store, authority, change, ctx, err), err);
}
