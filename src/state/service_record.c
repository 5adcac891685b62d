/* service_record.c -- what became of a live certificate: its deploy hook, its probe, and what it left to be cleared away. */
#include <string.h>

#include "database.h"

int service_column(sqlite3_stmt *row, int at, struct store_certificate *record)
{
	struct store_service *service = &record->service;

	service->deployed_at = sqlite3_column_int64(row, at++);
	service->probed_at = sqlite3_column_int64(row, at++);
	service->grace_from = sqlite3_column_int64(row, at++);
	service->attempts = (unsigned)sqlite3_column_int64(row, at++);
	service->retry_at = sqlite3_column_int64(row, at++);
	service->failed_at = sqlite3_column_int64(row, at++);
	text_column(row, at++, service->last_error, sizeof(service->last_error));
	service->prune_at = sqlite3_column_int64(row, at++);
	service->revoke_at = sqlite3_column_int64(row, at++);
	service->revoke_failures = (unsigned)sqlite3_column_int64(row, at++);
	text_column(row, at++, service->published, sizeof(service->published));
	service->hook_by = sqlite3_column_int64(row, at++);
	return at;
}

enum rc service_save(struct store *store, const struct store_certificate *record, struct err *err)
{
	sqlite3_stmt *row = NULL;
	const struct store_service *service = &record->service;
	enum rc rc = database_prepare(
		store,
		ROW_SAVE("service", "certificate",
			 "deployed_at, probed_at, grace_from, attempts, retry_at, failed_at, last_error, prune_at, "
			 "revoke_at, revoke_failures, published, hook_by",
			 "?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13"),
		&row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, record->name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 2, service->deployed_at);
	sqlite3_bind_int64(row, 3, service->probed_at);
	sqlite3_bind_int64(row, 4, service->grace_from);
	sqlite3_bind_int64(row, 5, service->attempts);
	sqlite3_bind_int64(row, 6, service->retry_at);
	sqlite3_bind_int64(row, 7, service->failed_at);
	sqlite3_bind_text(row, 8, service->last_error, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 9, service->prune_at);
	sqlite3_bind_int64(row, 10, service->revoke_at);
	sqlite3_bind_int64(row, 11, service->revoke_failures);
	sqlite3_bind_text(row, 12, service->published, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 13, service->hook_by);
	return database_finish(store, row, err);
}

bool service_equal(const struct store_service *left, const struct store_service *right)
{
	return strcmp(left->published, right->published) == 0 && left->deployed_at == right->deployed_at &&
	       left->probed_at == right->probed_at && left->grace_from == right->grace_from &&
	       left->attempts == right->attempts && left->retry_at == right->retry_at && left->failed_at == right->failed_at &&
	       strcmp(left->last_error, right->last_error) == 0 && left->prune_at == right->prune_at &&
	       left->revoke_at == right->revoke_at && left->revoke_failures == right->revoke_failures &&
	       left->hook_by == right->hook_by;
}
