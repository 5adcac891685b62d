/* database_schema.c -- the tables of STATE/hwacme.db, and how a database of an earlier version is brought up to date. */
#include "database.h"

/* One step a version, never changed once released; each ends by saying which version it made. */
const char *const database_steps[] = {
	"CREATE TABLE certificate (name TEXT PRIMARY KEY, state INTEGER NOT NULL, generation INTEGER NOT NULL,"
	" live_token TEXT NOT NULL, live_label TEXT NOT NULL, live_id BLOB NOT NULL, live_type INTEGER NOT NULL, live_at INTEGER "
	"NOT NULL,"
	" not_before INTEGER NOT NULL, not_after INTEGER NOT NULL, issued_at INTEGER NOT NULL, serial TEXT NOT NULL,"
	" fingerprint TEXT NOT NULL, authority TEXT NOT NULL, names TEXT NOT NULL, custody TEXT NOT NULL,"
	" next_token TEXT NOT NULL, next_label TEXT NOT NULL, next_id BLOB NOT NULL, next_type INTEGER NOT NULL, next_at INTEGER "
	"NOT NULL,"
	" next_generation INTEGER NOT NULL, phase TEXT NOT NULL, polls INTEGER NOT NULL, expires_at INTEGER NOT NULL, order_url "
	"TEXT NOT NULL,"
	" finalize_url TEXT NOT NULL, certificate_url TEXT NOT NULL, attempts INTEGER NOT NULL, retry_at INTEGER NOT NULL,"
	" peer_retry_at INTEGER NOT NULL,"
	" failed_at INTEGER NOT NULL, last_error TEXT NOT NULL) STRICT;"
	"CREATE TABLE account (authority TEXT PRIMARY KEY, directory TEXT NOT NULL, token TEXT NOT NULL, label TEXT NOT NULL,"
	" id BLOB NOT NULL, type INTEGER NOT NULL, made_at INTEGER NOT NULL, url TEXT NOT NULL, created_at INTEGER NOT NULL) "
	"STRICT;"
	"CREATE TABLE retired (token TEXT NOT NULL, label TEXT NOT NULL, id BLOB PRIMARY KEY, type INTEGER NOT NULL, made_at "
	"INTEGER NOT NULL,"
	" certificate TEXT NOT NULL, erase_at INTEGER NOT NULL) STRICT;"
	"CREATE INDEX retired_erase_at ON retired (erase_at);"
	"CREATE TABLE journal (number INTEGER PRIMARY KEY, certificate TEXT NOT NULL, at INTEGER NOT NULL, text TEXT NOT NULL) "
	"STRICT;"
	"CREATE INDEX journal_certificate ON journal (certificate, number);"
	"PRAGMA user_version = 1;",
	/* Tells our keys from those of another hwacme in a token that both use. */
	"CREATE TABLE instance (number BLOB NOT NULL) STRICT;"
	"INSERT INTO instance VALUES (randomblob(4));"
	"PRAGMA user_version = 2;",
	/* A wait that the CA asked for outlives a restart. */
	"ALTER TABLE certificate ADD COLUMN order_not_before INTEGER NOT NULL DEFAULT 0;"
	"PRAGMA user_version = 3;",
	/* Accounts that move to another key, tell the CA of new contacts, or end; certificates that we revoked. */
	"ALTER TABLE account ADD COLUMN next_token TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE account ADD COLUMN next_label TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE account ADD COLUMN next_id BLOB NOT NULL DEFAULT x'';"
	"ALTER TABLE account ADD COLUMN next_type INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE account ADD COLUMN next_at INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE account ADD COLUMN contact TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE account ADD COLUMN is_deactivated INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE certificate ADD COLUMN revoked_at INTEGER NOT NULL DEFAULT 0;"
	"PRAGMA user_version = 4;",
	/* What a certificate was asked to say beside its names: when the configuration changes it, the certificate is renewed. */
	"ALTER TABLE certificate ADD COLUMN asked TEXT NOT NULL DEFAULT '';"
	"PRAGMA user_version = 5;",
	/* How the live certificate was issued and when its CA wants it renewed (RFC 9773); the directories of the authorities. */
	"CREATE TABLE issued (certificate TEXT PRIMARY KEY, account TEXT NOT NULL, profile TEXT NOT NULL, id TEXT NOT NULL,"
	" start_at INTEGER NOT NULL, end_at INTEGER NOT NULL, at INTEGER NOT NULL, check_at INTEGER NOT NULL,"
	" failures INTEGER NOT NULL, early INTEGER NOT NULL, is_replaced INTEGER NOT NULL, explanation TEXT NOT NULL) STRICT;"
	"CREATE TABLE directory (authority TEXT PRIMARY KEY, url TEXT NOT NULL, fetched_at INTEGER NOT NULL, json BLOB NOT NULL)"
	" STRICT;"
	"PRAGMA user_version = 6;",
	/* What a hook was told to place in the DNS outlives us, and has to be removed whatever happens to us. */
	"CREATE TABLE answer (certificate TEXT NOT NULL, type TEXT NOT NULL, domain TEXT NOT NULL, record TEXT NOT NULL,"
	" value TEXT NOT NULL, PRIMARY KEY (certificate, type, record, value)) STRICT;"
	"PRAGMA user_version = 7;",
	/* Which authorities answer, and how many orders they were given: a restart neither forgets an outage nor a limit. */
	"CREATE TABLE availability (authority TEXT PRIMARY KEY, down_since INTEGER NOT NULL, retry_at INTEGER NOT NULL,"
	" probing_until INTEGER NOT NULL, order_at_ms INTEGER NOT NULL, failures INTEGER NOT NULL) STRICT;"
	"PRAGMA user_version = 8;",
	/* Until when the CA asks for no challenge. */
	"ALTER TABLE issued ADD COLUMN authorized_until INTEGER NOT NULL DEFAULT 0;"
	"PRAGMA user_version = 9;",
	/*
	 * Hook and probe with a back-off of their own; what is known of superseded keys and certificates.  What an older hwacme
	 * called "installed" (4) owes its hook; everything else that is live was in service as far as it knew.
	 */
	"CREATE TABLE service (certificate TEXT PRIMARY KEY, deployed_at INTEGER NOT NULL, probed_at INTEGER NOT NULL,"
	" grace_from INTEGER NOT NULL, attempts INTEGER NOT NULL, retry_at INTEGER NOT NULL, failed_at INTEGER NOT NULL,"
	" last_error TEXT NOT NULL, prune_at INTEGER NOT NULL, revoke_at INTEGER NOT NULL, revoke_failures INTEGER NOT NULL)"
	" STRICT;"
	"INSERT INTO service SELECT name, issued_at, 0, 0, 0, 0, 0, '', 0, 0, 0 FROM certificate WHERE generation > 0 AND state "
	"<> 4;"
	"INSERT INTO service SELECT name, 0, 0, 0, attempts, retry_at, failed_at, last_error, 0, 0, 0 FROM certificate"
	" WHERE generation > 0 AND state = 4;"
	"UPDATE certificate SET attempts = 0, retry_at = 0, peer_retry_at = 0, last_error = '' WHERE generation > 0 AND state = "
	"4;"
	"ALTER TABLE retired ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE retired ADD COLUMN not_after INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE superseded (certificate TEXT NOT NULL, generation INTEGER NOT NULL, authority TEXT NOT NULL,"
	" serial TEXT NOT NULL, not_after INTEGER NOT NULL, PRIMARY KEY (certificate, generation)) STRICT;"
	"PRAGMA user_version = 10;",
	/* What stands in the token beside the live key. */
	"ALTER TABLE service ADD COLUMN published TEXT NOT NULL DEFAULT '';"
	"PRAGMA user_version = 11;",
	/* When waits began, so that those by a clock that was ahead are known; by which profile an order was made (NULL: not known). */
	"ALTER TABLE certificate ADD COLUMN order_asked_at INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE certificate ADD COLUMN order_profile TEXT;"
	"ALTER TABLE availability ADD COLUMN noted_at INTEGER NOT NULL DEFAULT 0;"
	"PRAGMA user_version = 12;",
	/* That a renewal was forced is known as long as it takes. */
	"ALTER TABLE certificate ADD COLUMN is_forced INTEGER NOT NULL DEFAULT 0;"
	"PRAGMA user_version = 13;",
	/* An authority that answers and gives nothing is not waited for for ever, either. */
	"ALTER TABLE certificate ADD COLUMN refused_since INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE certificate ADD COLUMN refused_by TEXT NOT NULL DEFAULT '';"
	"PRAGMA user_version = 14;",
	/* Of the keys that wait to be erased there may be as many as certificates: a look at one, or at the next few, passes over no other. */
	"DROP INDEX retired_erase_at;"
	"CREATE INDEX retired_due ON retired (erase_at, id);"
	"CREATE INDEX retired_certificate ON retired (certificate, generation);"
	"PRAGMA user_version = 15;",
	/* What cannot be put into the token does not keep a hook from running for ever. */
	"ALTER TABLE service ADD COLUMN hook_by INTEGER NOT NULL DEFAULT 0;"
	"PRAGMA user_version = 16;",
};
#define SCHEMA_VERSION ((int)(sizeof(database_steps) / sizeof(database_steps[0])))

static enum rc version_read(struct store *store, int *ret_version, struct err *err)
{
	AUTO(statement) sqlite3_stmt *statement = NULL;
	enum rc rc = database_prepare(store, "PRAGMA user_version", &statement, err);

	if (rc != RC_OK)
		return rc;
	if (sqlite3_step(statement) != SQLITE_ROW)
		return database_fail(store, err, "cannot read");
	*ret_version = sqlite3_column_int(statement, 0);
	return RC_OK;
}

/* Whole or not at all: a process killed here leaves the version it found. */
static enum rc upgrade(struct store *store, struct err *err)
{
	int version = 0;
	enum rc rc = database_run(store, "BEGIN IMMEDIATE", err);

	if (rc != RC_OK)
		return rc;
	/* Another process may have been first. */
	rc = version_read(store, &version, err);
	for (; rc == RC_OK && version < SCHEMA_VERSION; version++)
		rc = database_run(store, database_steps[version], err);
	if (rc == RC_OK)
		rc = database_run(store, "COMMIT", err);
	if (rc != RC_OK)
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

enum rc database_schema(struct store *store, bool may_write, struct err *err)
{
	int version = 0;
	enum rc rc = version_read(store, &version, err);

	if (rc != RC_OK || version == SCHEMA_VERSION)
		return rc;
	if (version < 0 || version > SCHEMA_VERSION)
		return err_set(err, RC_INPUT, "%s was written by a newer hwacme (schema %d, this one knows %d)", store->path,
			       version, SCHEMA_VERSION);
	if (may_write)
		return upgrade(store, err);
	if (version == 0)
		return err_set(err, RC_ABSENT, "%s is empty", store->path);
	return err_set(err, RC_INPUT, "%s was written by an older hwacme (schema %d); `hwacme renew` brings it up to date",
		       store->path, version);
}
