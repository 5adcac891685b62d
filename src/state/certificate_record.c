/* certificate_record.c -- a certificate's record and its journal, and what becomes of keys it no longer names. */
#include <stdio.h>
#include <string.h>

#include "database.h"

/* Its row in each of three tables, as they are at one moment. */
static const char SELECT[] =
	"SELECT state, generation, live_token, live_label, live_id, live_type, live_at, not_before, not_after, issued_at, serial,"
	" fingerprint, authority, names, asked, custody, next_token, next_label, next_id, next_type, next_at, next_generation,"
	" phase, polls, expires_at, order_not_before, order_asked_at, order_url, order_profile, finalize_url, certificate_url,"
	" certificate.attempts, certificate.retry_at, peer_retry_at, certificate.failed_at, certificate.last_error, "
	"revoked_at, is_forced, refused_since, refused_by, " ISSUED_COLUMNS ", " SERVICE_COLUMNS
	" FROM certificate LEFT JOIN issued ON issued.certificate = name LEFT JOIN service ON service.certificate = name"
	" WHERE name = ?";
static const char SAVE[] =
	ROW_SAVE("certificate", "name",
		 "state, generation, live_token, live_label, live_id, live_type, live_at, not_before, not_after, issued_at, "
		 "serial, fingerprint, authority, names, asked, custody, next_token, next_label, next_id, next_type, "
		 "next_at, next_generation, phase, polls, expires_at, order_not_before, order_asked_at, order_url, "
		 "order_profile, finalize_url, certificate_url, attempts, retry_at, peer_retry_at, failed_at, last_error, "
		 "revoked_at, is_forced, refused_since, refused_by",
		 "?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,"
		 "?24,?25,?26,?27,?28,?29,?30,?31,?32,?33,?34,?35,?36,?37,?38,?39,?40,?41");

static void record_column(sqlite3_stmt *row, struct store_certificate *record)
{
	char phase[32];
	int at = 0;

	record->state = (enum certificate_state)sqlite3_column_int(row, at++);
	record->generation = (unsigned)sqlite3_column_int(row, at++);
	key_column(row, at, &record->live_key);
	at += KEY_COLUMNS;
	record->not_before = sqlite3_column_int64(row, at++);
	record->not_after = sqlite3_column_int64(row, at++);
	record->issued_at = sqlite3_column_int64(row, at++);
	text_column(row, at++, record->serial, sizeof(record->serial));
	text_column(row, at++, record->fingerprint, sizeof(record->fingerprint));
	text_column(row, at++, record->authority, sizeof(record->authority));
	text_column(row, at++, record->names, sizeof(record->names));
	text_column(row, at++, record->asked, sizeof(record->asked));
	text_column(row, at++, record->custody, sizeof(record->custody));
	key_column(row, at, &record->next_key);
	at += KEY_COLUMNS;
	record->next_generation = (unsigned)sqlite3_column_int(row, at++);
	text_column(row, at++, phase, sizeof(phase));
	record->order.phase = order_phase_parse(phase);
	record->order.waited_ms = sqlite3_column_int64(row, at++); /* polls: an older hwacme counted up to 200 looks there */
	record->order.expires_at = sqlite3_column_int64(row, at++);
	record->order.not_before = sqlite3_column_int64(row, at++);
	record->order.asked_at = sqlite3_column_int64(row, at++);
	text_column(row, at++, record->order.url, sizeof(record->order.url));
	record->order.is_profile_known = sqlite3_column_type(row, at) != SQLITE_NULL;
	text_column(row, at++, record->order.profile, sizeof(record->order.profile));
	text_column(row, at++, record->order.finalize_url, sizeof(record->order.finalize_url));
	text_column(row, at++, record->order.certificate_url, sizeof(record->order.certificate_url));
	record->attempts = (unsigned)sqlite3_column_int(row, at++);
	record->retry_at = sqlite3_column_int64(row, at++);
	record->peer_retry_at = sqlite3_column_int64(row, at++);
	record->failed_at = sqlite3_column_int64(row, at++);
	text_column(row, at++, record->last_error, sizeof(record->last_error));
	record->revoked_at = sqlite3_column_int64(row, at++);
	record->is_forced = sqlite3_column_int(row, at++) != 0;
	record->refused_since = sqlite3_column_int64(row, at++);
	text_column(row, at++, record->refused_by, sizeof(record->refused_by));
	at = issued_column(row, at, record);
	service_column(row, at, record);
}

enum rc store_certificate_load(struct store *store, const char *name, struct store_certificate *ret, struct err *err)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *row = NULL;
	struct store_certificate record = { 0 };
	enum rc rc = database_prepare(store, SELECT, &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, name, -1, SQLITE_STATIC);
	int stepped = sqlite3_step(row);
	if (stepped == SQLITE_DONE)
		return err_set(err, RC_ABSENT, "nothing is stored of \"%s\"", name);
	if (stepped != SQLITE_ROW)
		return database_fail(store, err, "cannot read");
	snprintf(record.name, sizeof(record.name), "%s", name);
	record_column(row, &record);
	if (record.state >= CERTIFICATE_STATE_COUNT || record.order.phase == ORDER_PHASE_COUNT)
		return err_set(err, RC_RESOURCE, "%s: the record of \"%s\" is damaged", store->path, name);
	*ret = record;
	return RC_OK;
}

static void record_bind(sqlite3_stmt *row, const struct store_certificate *record)
{
	int at = 1;

	sqlite3_bind_text(row, at++, record->name, -1, SQLITE_STATIC);
	sqlite3_bind_int(row, at++, (int)record->state);
	sqlite3_bind_int64(row, at++, record->generation);
	at = key_bind(row, at, &record->live_key);
	sqlite3_bind_int64(row, at++, record->not_before);
	sqlite3_bind_int64(row, at++, record->not_after);
	sqlite3_bind_int64(row, at++, record->issued_at);
	sqlite3_bind_text(row, at++, record->serial, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, at++, record->fingerprint, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, at++, record->authority, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, at++, record->names, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, at++, record->asked, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, at++, record->custody, -1, SQLITE_STATIC);
	at = key_bind(row, at, &record->next_key);
	sqlite3_bind_int64(row, at++, record->next_generation);
	sqlite3_bind_text(row, at++, order_phase_name(record->order.phase), -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(row, at++, record->order.waited_ms);
	sqlite3_bind_int64(row, at++, record->order.expires_at);
	sqlite3_bind_int64(row, at++, record->order.not_before);
	sqlite3_bind_int64(row, at++, record->order.asked_at);
	sqlite3_bind_text(row, at++, record->order.url, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, at++, record->order.is_profile_known ? record->order.profile : NULL, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, at++, record->order.finalize_url, -1, SQLITE_STATIC);
	sqlite3_bind_text(row, at++, record->order.certificate_url, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, at++, record->attempts);
	sqlite3_bind_int64(row, at++, record->retry_at);
	sqlite3_bind_int64(row, at++, record->peer_retry_at);
	sqlite3_bind_int64(row, at++, record->failed_at);
	sqlite3_bind_text(row, at++, record->last_error, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, at++, record->revoked_at);
	sqlite3_bind_int(row, at++, record->is_forced);
	sqlite3_bind_int64(row, at++, record->refused_since);
	sqlite3_bind_text(row, at++, record->refused_by, -1, SQLITE_STATIC);
}

static bool names_key(const struct store_certificate *record, const struct store_key *key)
{
	return (record->live_key.token[0] && memcmp(record->live_key.name.id, key->name.id, TOKEN_ID_LEN) == 0) ||
	       (record->next_key.token[0] && memcmp(record->next_key.name.id, key->name.id, TOKEN_ID_LEN) == 0);
}

/* A key that the stored record names and the new one does not is not lost sight of: it waits to be erased.  `live`: with what it
 * was live; NULL: it never was. */
static enum rc key_retire(struct store *store, const struct store_certificate *record, const struct store_key *key,
			  const struct store_certificate *live, int64_t erase_at, struct err *err)
{
	struct store_retired retired = { .key = *key, .erase_at = erase_at };

	if (!key->token[0] || names_key(record, key))
		return RC_OK;
	snprintf(retired.certificate, sizeof(retired.certificate), "%s", record->name);
	if (live) {
		retired.generation = live->generation;
		retired.not_after = live->not_after;
	}
	return retired_add(store, &retired, err);
}

static enum rc journal_add(struct store *store, const char *name, int64_t at, const char *text, struct err *err)
{
	sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store, "INSERT INTO journal (certificate, at, text) VALUES (?,?,?)", &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 2, at);
	sqlite3_bind_text(row, 3, text, -1, SQLITE_STATIC);
	rc = database_finish(store, row, err);
	if (rc == RC_OK)
		rc = database_prepare(store,
				      "DELETE FROM journal WHERE certificate = ?1 AND number <= (SELECT number FROM journal"
				      " WHERE certificate = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
				      &row, err);
	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_int(row, 2, STORE_JOURNAL_KEPT);
	return database_finish(store, row, err);
}

static enum rc record_write(struct store *store, const struct store_certificate *record, int64_t now, int64_t erase_at,
			    const char *event, struct err *err)
{
	struct store_certificate before = { 0 };
	sqlite3_stmt *row = NULL;
	enum rc rc = store_certificate_load(store, record->name, &before, err);
	bool is_known = rc == RC_OK;

	if (rc == RC_OK) {
		rc = key_retire(store, record, &before.live_key, &before, erase_at, err);
		/* A next key that never went live was in no service: it may go at once. */
		if (rc == RC_OK)
			rc = key_retire(store, record, &before.next_key, NULL, now, err);
	} else if (rc == RC_ABSENT) {
		rc = RC_OK;
	}
	if (rc == RC_OK)
		rc = database_prepare(store, SAVE, &row, err);
	if (rc != RC_OK)
		return rc;
	record_bind(row, record);
	rc = database_finish(store, row, err);
	if (rc == RC_OK && (!is_known || !issued_equal(record, &before)))
		rc = issued_save(store, record, err);
	if (rc == RC_OK && (!is_known || !service_equal(&record->service, &before.service)))
		rc = service_save(store, record, err);
	if (rc == RC_OK && event)
		rc = journal_add(store, record->name, now, event, err);
	return rc;
}

static enum rc certificate_save(struct store *store, const struct store_certificate *record, int64_t now, int64_t erase_at,
				const char *event, struct err *err)
{
	STORE_HELD(store);
	enum rc rc = database_run(store, "BEGIN IMMEDIATE", err);

	if (rc != RC_OK)
		return rc;
	rc = record_write(store, record, now, erase_at, event, err);
	if (rc == RC_OK)
		rc = database_run(store, "COMMIT", err);
	if (rc != RC_OK)
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

enum rc store_certificate_save(struct store *store, const struct store_certificate *record, int64_t now, int64_t erase_at,
			       const char *event, struct err *err)
{
	return database_durable(store, certificate_save(store, record, now, erase_at, event, err), err);
}

enum rc store_journal(struct store *store, const char *certificate, struct store_journal_line *ret, unsigned max,
		      unsigned *ret_count, struct err *err)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *row = NULL;
	unsigned count = 0;
	enum rc rc = database_prepare(store, "SELECT at, text FROM journal WHERE certificate = ? ORDER BY number DESC LIMIT ?",
				      &row, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_text(row, 1, certificate, -1, SQLITE_STATIC);
	sqlite3_bind_int64(row, 2, max);
	while (sqlite3_step(row) == SQLITE_ROW && count < max) {
		ret[count].at = sqlite3_column_int64(row, 0);
		text_column(row, 1, ret[count].text, sizeof(ret[count].text));
		count++;
	}
	*ret_count = count;
	return RC_OK;
}
