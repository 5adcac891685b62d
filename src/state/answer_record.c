/* answer_record.c -- records that hooks were told to place and not yet told to remove. */
#include <stdio.h>

#include "database.h"

static void answer_bind(sqlite3_stmt *row, const struct store_answer *answer)
{
	sqlite3_bind_text(row, 1, answer->certificate, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, 2, answer->type, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, 3, answer->domain, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, 4, answer->record, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, 5, answer->value, -1, SQLITE_STATIC);
}

static enum rc answer_add(struct store *store, const struct store_answer *answer, struct err *err)
{
	STORE_HELD(store);
	sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(
		store, "INSERT OR REPLACE INTO answer (certificate, type, domain, record, value) VALUES (?,?,?,?,?)", &row, err);

	if (rc != RC_OK)
		return rc;
	answer_bind(row, answer);
	return database_finish(store, row, err);
}

enum rc store_answer_add(struct store *store, const struct store_answer *answer, struct err *err)
{
	return database_durable(store, answer_add(store, answer, err), err);
}

static enum rc answer_drop(struct store *store, const struct store_answer *answer, struct err *err)
{
	STORE_HELD(store);
	sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(
		store, "DELETE FROM answer WHERE certificate = ?1 AND type = ?2 AND domain = ?3 AND record = ?4 AND value = ?5",
		&row, err);

	if (rc != RC_OK)
		return rc;
	answer_bind(row, answer);
	return database_finish(store, row, err);
}

enum rc store_answer_drop(struct store *store, const struct store_answer *answer, struct err *err)
{
	return database_durable(store, answer_drop(store, answer, err), err);
}

enum rc store_answers(struct store *store, const char *certificate, struct store_answer *ret, unsigned max, unsigned *ret_count,
		      struct err *err)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *row = NULL;
	int stepped = SQLITE_ROW;
	enum rc rc = database_prepare(store, "SELECT type, domain, record, value FROM answer WHERE certificate = ? LIMIT ?", &row,
				      err);

	*ret_count = 0;
	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, certificate, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 2, max);
	while (*ret_count < max && (stepped = sqlite3_step(row)) == SQLITE_ROW) {
		struct store_answer *answer = &ret[(*ret_count)++];

		*answer = (struct store_answer){ 0 };
		text_column(row, 0, answer->type, sizeof(answer->type));
		text_column(row, 1, answer->domain, sizeof(answer->domain));
		text_column(row, 2, answer->record, sizeof(answer->record));
		text_column(row, 3, answer->value, sizeof(answer->value));
		snprintf(answer->certificate, sizeof(answer->certificate), "%s", certificate);
	}
	return stepped == SQLITE_ROW || stepped == SQLITE_DONE ? RC_OK : database_fail(store, err, "cannot read");
}
