/* issued_record.c -- how a live certificate was issued, when its CA wants it renewed, and the directories of the authorities. */
#include <stdio.h>
#include <string.h>

#include "database.h"

int issued_column(sqlite3_stmt *row, int at, struct store_certificate *record)
{
	struct renewal_info *info = &record->renewal_info;

	text_column(row, at++, record->account, sizeof(record->account));
	text_column(row, at++, record->profile, sizeof(record->profile));
	text_column(row, at++, info->id, sizeof(info->id));
	info->start = sqlite3_column_int64(row, at++);
	info->end = sqlite3_column_int64(row, at++);
	info->at = sqlite3_column_int64(row, at++);
	info->check_at = sqlite3_column_int64(row, at++);
	info->failures = (unsigned)sqlite3_column_int64(row, at++);
	info->early = (unsigned)sqlite3_column_int64(row, at++);
	info->is_replaced = sqlite3_column_int(row, at++) != 0;
	text_column(row, at++, info->explanation, sizeof(info->explanation));
	record->authorized_until = sqlite3_column_int64(row, at++);
	return at;
}

enum rc issued_save(struct store *store, const struct store_certificate *record, struct err *err)
{
	sqlite3_stmt *row = NULL;
	const struct renewal_info *info = &record->renewal_info;
	enum rc rc =
		database_prepare(store,
				 ROW_SAVE("issued", "certificate",
					  "account, profile, id, start_at, end_at, at, check_at, failures, early, is_replaced, "
					  "explanation, authorized_until",
					  "?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13"),
				 &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, record->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, 2, record->account, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, 3, record->profile, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, 4, info->id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 5, info->start);
	sqlite3_bind_int64(row, 6, info->end);
	sqlite3_bind_int64(row, 7, info->at);
	sqlite3_bind_int64(row, 8, info->check_at);
	sqlite3_bind_int64(row, 9, info->failures);
	sqlite3_bind_int64(row, 10, info->early);
	sqlite3_bind_int(row, 11, info->is_replaced);
	sqlite3_bind_text(row, 12, info->explanation, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 13, record->authorized_until);
	return database_finish(store, row, err);
}

static bool info_equal(const struct renewal_info *left, const struct renewal_info *right)
{
	return strcmp(left->id, right->id) == 0 && left->start == right->start && left->end == right->end &&
	       left->at == right->at && left->check_at == right->check_at && left->failures == right->failures &&
	       left->early == right->early && left->is_replaced == right->is_replaced &&
	       strcmp(left->explanation, right->explanation) == 0;
}

bool issued_equal(const struct store_certificate *left, const struct store_certificate *right)
{
	return strcmp(left->account, right->account) == 0 && strcmp(left->profile, right->profile) == 0 &&
	       left->authorized_until == right->authorized_until && info_equal(&left->renewal_info, &right->renewal_info);
}

enum rc store_directory_load(struct store *store, const char *authority, struct store_directory *ret, struct err *err)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store, "SELECT url, fetched_at, json FROM directory WHERE authority = ?", &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, authority, -1, SQLITE_STATIC);
	int stepped = sqlite3_step(row);
	if (stepped == SQLITE_DONE)
		return err_set(err, RC_ABSENT, "no directory of \"%s\" is kept", authority);
	if (stepped != SQLITE_ROW)
		return database_fail(store, err, "cannot read");
	rc = buf_append(&ret->json, span_of(sqlite3_column_blob(row, 2), (size_t)sqlite3_column_bytes(row, 2)), err);
	if (rc != RC_OK)
		return rc;
	text_column(row, 0, ret->url, sizeof(ret->url));
	ret->fetched_at = sqlite3_column_int64(row, 1);
	return RC_OK;
}

static enum rc directory_save(struct store *store, const char *authority, const struct store_directory *directory,
			      struct err *err)
{
	STORE_HELD(store);
	sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(
		store, "INSERT OR REPLACE INTO directory (authority, url, fetched_at, json) VALUES (?,?,?,?)", &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, authority, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, 2, directory->url, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 3, directory->fetched_at);
	sqlite3_bind_blob(row, 4, directory->json.at, (int)directory->json.len, SQLITE_STATIC);
	return database_finish(store, row, err);
}

enum rc store_directory_save(struct store *store, const char *authority, const struct store_directory *directory, struct err *err)
{
	return database_durable(store, directory_save(store, authority, directory, err), err);
}
