/* instance.c -- the number by which a state directory knows its keys in a token: STATE/instance, which outlives the database. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "database.h"

#define INSTANCE_NAME "instance"
#define INSTANCE_LEN  9 /* eight hex digits, and the end of the line */

static bool kept_read(int fd, uint32_t *ret_number)
{
	char text[INSTANCE_LEN + 1] = "", written[INSTANCE_LEN + 1];

	if (pread(fd, text, sizeof(text), 0) != INSTANCE_LEN || sscanf(text, "%8" SCNx32 "\n", ret_number) != 1)
		return false;
	snprintf(written, sizeof(written), "%08" PRIx32 "\n", *ret_number);
	return memcmp(text, written, INSTANCE_LEN) == 0;
}

/* What is cut off here is not read, and written the next time. */
static void kept_write(int fd, uint32_t number)
{
	char text[INSTANCE_LEN + 1];

	snprintf(text, sizeof(text), "%08" PRIx32 "\n", number);
	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, INSTANCE_LEN, 0) == INSTANCE_LEN)
		(void)!fdatasync(fd);
}

/* Nothing was ever recorded: no key has the number yet that the database drew. */
static enum rc is_new(struct store *store, bool *ret_is_new, struct err *err)
{
	AUTO(statement) sqlite3_stmt *row = NULL;
	enum rc rc = database_prepare(store,
				      "SELECT EXISTS (SELECT 1 FROM certificate) OR EXISTS (SELECT 1 FROM account)"
				      " OR EXISTS (SELECT 1 FROM retired)",
				      &row, err);

	if (rc != RC_OK)
		return rc;
	if (sqlite3_step(row) != SQLITE_ROW)
		return database_fail(store, err, "cannot read");
	*ret_is_new = sqlite3_column_int(row, 0) == 0;
	return RC_OK;
}

static enum rc number_take(struct store *store, uint32_t number, struct err *err)
{
	const uint8_t bytes[4] = { (uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number };
	sqlite3_stmt *statement = NULL;
	enum rc rc = database_prepare(store, "UPDATE instance SET number = ?1", &statement, err);

	if (rc != RC_OK)
		return rc;
	sqlite3_bind_blob(statement, 1, bytes, sizeof(bytes), SQLITE_STATIC);
	return database_finish(store, statement, err);
}

enum rc store_instance(struct store *store, uint32_t *ret_instance, struct err *err)
{
	STORE_HELD(store);
	AUTO(statement) sqlite3_stmt *statement = NULL;
	enum rc rc = database_prepare(store, "SELECT number FROM instance", &statement, err);

	if (rc != RC_OK)
		return rc;
	if (sqlite3_step(statement) != SQLITE_ROW)
		return database_fail(store, err, "cannot read");
	const uint8_t *number = sqlite3_column_blob(statement, 0);
	if (sqlite3_column_bytes(statement, 0) != 4)
		return err_set(err, RC_RESOURCE, "%s: its number is damaged", store->path);
	*ret_instance = (uint32_t)number[0] << 24 | (uint32_t)number[1] << 16 | (uint32_t)number[2] << 8 | number[3];
	/* 0 is nobody's. */
	*ret_instance += *ret_instance == 0;
	return RC_OK;
}

/* Where it cannot be kept it is only missed when the database is lost. */
enum rc database_instance_keep(struct store *store, struct err *err)
{
	uint32_t number = 0, kept = 0;
	bool may_take = false;
	int fd = -1;
	enum rc rc = store_instance(store, &number, err);

	if (rc != RC_OK || store_file_open(store->state_dir, INSTANCE_NAME, &fd, NULL) != RC_OK)
		return rc;
	bool is_kept = kept_read(fd, &kept) && kept != 0;
	if (is_kept && kept != number)
		rc = is_new(store, &may_take, err);
	if (rc == RC_OK && may_take)
		rc = number_take(store, kept, err);
	else if (rc == RC_OK && (!is_kept || kept != number))
		kept_write(fd, number);
	close(fd);
	return rc;
}
