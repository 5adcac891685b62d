/* store_scan_test.c -- no statement that a renewal needs, or that says what is due, looks at all rows of a table. */
#include "state_fixture.h"

#include <string.h>

#include "database.h"

#define NOW INT64_C(1795000000)

/* What may, and why. */
static const char *const may_scan[] = {
	"SELECT number FROM instance",                    /* there is one */
	"SELECT count(*) FROM service", "UPDATE service", /* once an hour, and when the clock was set */
	"SELECT owner FROM (SELECT live_id ",             /* who asks of many keys gathers the owners first */
};

static bool is_allowed(const char *sql)
{
	for (size_t i = 0; i < sizeof(may_scan) / sizeof(may_scan[0]); i++)
		if (strncmp(sql, may_scan[i], strlen(may_scan[i])) == 0)
			return true;
	return false;
}

static void look(struct store *store, const char *sql)
{
	char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
	sqlite3_stmt *plan = NULL;

	assert_int_equal(sqlite3_prepare_v2(store->db, explain, -1, &plan, NULL), SQLITE_OK);
	while (sqlite3_step(plan) == SQLITE_ROW) {
		const char *detail = (const char *)sqlite3_column_text(plan, 3);

		if (strncmp(detail, "SCAN ", 5) == 0 && strcmp(detail, "SCAN CONSTANT ROW") != 0 && !is_allowed(sql))
			fail_msg("%s: %s", detail, sql);
	}
	sqlite3_finalize(plan);
	sqlite3_free(explain);
}

static bool change(void *ctx, struct store_availability *availability)
{
	(void)ctx;
	availability->retry_at++;
	return true;
}

static void use_certificates(struct store *store)
{
	struct store_certificate record = { .name = "amf", .generation = 1, .live_key = key_of(1), .next_key = key_of(2) };
	struct store_journal_line lines[2];
	struct store_superseded superseded = { .generation = 1, .authority = "ra", .serial = "AB" };
	unsigned count;

	for (uint8_t i = 3; i < 6; i++) {
		record.live_key = key_of(i);
		record.service.prune_at = record.renewal_info.check_at = i;
		assert_int_equal(store_certificate_save(store, &record, NOW, NOW, "saved", NULL), RC_OK);
	}
	assert_int_equal(store_certificate_load(store, "amf", &record, NULL), RC_OK);
	assert_int_equal(store_journal(store, "amf", lines, 2, &count, NULL), RC_OK);
	assert_int_equal(store_superseded_add(store, "amf", &superseded, NULL), RC_OK);
	assert_int_equal(store_superseded_first(store, "amf", 2, &superseded, NULL), RC_OK);
	assert_int_equal(store_superseded_drop(store, "amf", 1, NULL), RC_OK);
	assert_int_equal(store_superseded_hasten(store, 1, NOW, &count, NULL), RC_OK);
	assert_int_equal(store_prune_hasten(store, 1, NOW, &count, NULL), RC_OK);
}

static void use_keys(struct store *store)
{
	struct store_retired retired[2];
	unsigned count;
	int64_t first_at;
	char owner[128];

	assert_int_equal(store_retired_hasten(store, 1, NOW, &count, NULL), RC_OK);
	assert_int_equal(store_retired_count(store, "amf", "hsm", &count, &first_at, NULL), RC_OK);
	assert_int_equal(store_retired_of(store, "amf", NOW, retired, 2, &count, NULL), RC_OK);
	assert_int_equal(store_retired_page(store, NOW, NULL, retired, 2, &count, NULL), RC_OK);
	assert_int_equal(count, 2);
	assert_int_equal(store_key_owner(store, &retired[0].key.name, owner, NULL), RC_OK);
	assert_int_equal(store_retired_drop(store, &retired[0].key.name, NULL), RC_OK);
}

static void use_authorities(struct store *store)
{
	struct store_account account = { .authority = "ra", .directory = "https://ca/dir", .key = key_of(9) };
	struct store_directory directory = { .url = "https://ca/dir", .json = BUF_MAX(64) };
	struct store_availability availability;
	struct store_answer answer = { .certificate = "amf", .type = "dns-01", .domain = "a", .record = "b", .value = "c" };
	unsigned count;
	uint32_t instance;

	assert_int_equal(store_account_save(store, &account, NULL), RC_OK);
	assert_int_equal(store_account_load(store, "ra", &account, NULL), RC_OK);
	assert_int_equal(buf_append(&directory.json, span_text("{}"), NULL), RC_OK);
	assert_int_equal(store_directory_save(store, "ra", &directory, NULL), RC_OK);
	assert_int_equal(store_directory_load(store, "ra", &directory, NULL), RC_OK);
	assert_int_equal(store_availability_change(store, "ra", change, NULL, NULL), RC_OK);
	assert_int_equal(store_availability_load(store, "ra", &availability, NULL), RC_OK);
	assert_int_equal(store_answer_add(store, &answer, NULL), RC_OK);
	assert_int_equal(store_answers(store, "amf", &answer, 1, &count, NULL), RC_OK);
	assert_int_equal(store_answer_drop(store, &answer, NULL), RC_OK);
	assert_int_equal(store_instance(store, &instance, NULL), RC_OK);
	buf_clear(&directory.json);
}

static void nothing_is_found_by_looking_at_everything(void **state)
{
	AUTO(store) struct store *store = open_it();

	(void)state;
	use_certificates(store);
	use_keys(store);
	use_authorities(store);
	for (unsigned i = 0; i < store->kept_count; i++)
		look(store, sqlite3_sql(store->kept[i]));
	assert_in_range(store->kept_count, 25, DATABASE_KEPT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_found_by_looking_at_everything),
	};
	return cmocka_run_group_tests(tests, state_fixture_start, state_fixture_stop);
}
