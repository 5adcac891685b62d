/* store_test.c -- records survive, a step happens whole, and a key that is no longer live is not forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database.h"
#include "state_fixture.h"

static void nothing_is_there_at_first_and_reading_makes_nothing(void **state)
{
	struct store *store = NULL;
	struct stat status;

	(void)state;
	assert_int_equal(store_open_readonly(state_dir, &store, NULL), RC_ABSENT);
	assert_int_not_equal(stat(state_dir, &status), 0);
}

static void a_record_comes_back_as_it_was(void **state)
{
	AUTO(store) struct store *store = open_it();
	struct store_certificate record = { .name = "amf",
					    .state = CERT_ORDERED,
					    .generation = 3,
					    .live_key = key_of(1),
					    .next_key = key_of(2),
					    .not_after = 99,
					    .attempts = 4,
					    .revoked_at = 98,
					    .names = "dns:a",
					    .asked = "C=DE nf:AMF",
					    .custody = "held",
					    .issued_at = 97,
					    .peer_retry_at = 77,
					    .refused_since = 76,
					    .refused_by = "ra",
					    .next_generation = 4 };
	struct store_certificate back;

	(void)state;
	strcpy(record.order.url, "https://ca/o");
	record.order.phase = ORDER_FINALIZE;
	record.order.not_before = 8;
	record.order.asked_at = 7;
	record.order.is_profile_known = true;
	strcpy(record.order.profile, "nf-tls");
	record.order.waited_ms = INT64_C(90) * 86400 * 1000;
	strcpy(record.last_error, "why");
	assert_int_equal(store_certificate_load(store, "amf", &back, NULL), RC_ABSENT);
	assert_int_equal(store_certificate_save(store, &record, 10, 20, "event", NULL), RC_OK);
	store_close(store);
	store = open_it();
	assert_int_equal(store_certificate_load(store, "amf", &back, NULL), RC_OK);
	assert_int_equal(back.state, CERT_ORDERED);
	assert_int_equal(back.order.phase, ORDER_FINALIZE);
	assert_string_equal(back.order.url, "https://ca/o");
	assert_string_equal(back.next_key.name.label, "key-2");
	assert_int_equal(back.next_key.name.id[0], 2);
	assert_int_equal(back.next_key.type, KEY_EC_P384);
	assert_int_equal(back.generation, 3);
	assert_int_equal(back.attempts, 4);
	assert_int_equal(back.peer_retry_at, 77);
	assert_int_equal(back.refused_since, 76);
	assert_string_equal(back.refused_by, "ra");
	assert_int_equal(back.order.not_before, 8);
	assert_int_equal(back.order.asked_at, 7);
	assert_true(back.order.is_profile_known);
	assert_string_equal(back.order.profile, "nf-tls");
	assert_int_equal(back.order.waited_ms, INT64_C(90) * 86400 * 1000);
	assert_string_equal(back.last_error, "why");
	assert_int_equal(back.revoked_at, 98);
	assert_int_equal(back.issued_at, 97);
	assert_string_equal(back.names, "dns:a");
	assert_string_equal(back.asked, "C=DE nf:AMF");
	assert_string_equal(back.custody, "held");
}

static void the_database_is_ours_alone(void **state)
{
	AUTO(store) struct store *store = open_it();
	char path[96];
	struct stat status;

	(void)state;
	(void)store;
	snprintf(path, sizeof(path), "%s/hwacme.db", state_dir);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void how_it_was_issued_and_what_its_authority_suggests_comes_back(void **state)
{
	AUTO(store) struct store *store = open_it();
	struct store_certificate record = { .name = "upf",
					    .account = "https://ca/a",
					    .profile = "nf-tls",
					    .renewal_info = { .id = "a.b",
							      .start = 100,
							      .end = 200,
							      .at = 150,
							      .check_at = 90,
							      .failures = 2,
							      .early = 3,
							      .is_replaced = true,
							      .explanation = "https://ca/why" } };
	struct store_certificate back;

	(void)state;
	assert_int_equal(store_certificate_save(store, &record, 1, 1, NULL, NULL), RC_OK);
	assert_int_equal(store_certificate_load(store, "upf", &back, NULL), RC_OK);
	assert_string_equal(back.account, "https://ca/a");
	assert_string_equal(back.profile, "nf-tls");
	assert_string_equal(back.renewal_info.id, "a.b");
	assert_int_equal(back.renewal_info.start, 100);
	assert_int_equal(back.renewal_info.end, 200);
	assert_int_equal(back.renewal_info.at, 150);
	assert_int_equal(back.renewal_info.check_at, 90);
	assert_int_equal(back.renewal_info.failures, 2);
	assert_int_equal(back.renewal_info.early, 3);
	assert_true(back.renewal_info.is_replaced);
	assert_string_equal(back.renewal_info.explanation, "https://ca/why");
}

static void what_became_of_it_in_service_comes_back(void **state)
{
	AUTO(store) struct store *store = open_it();
	struct store_certificate record = { .name = "nrf",
					    .state = CERT_NOT_IN_SERVICE,
					    .service = { .published = "certificate",
							 .hook_by = 10,
							 .deployed_at = 1,
							 .probed_at = 2,
							 .grace_from = 3,
							 .attempts = 4,
							 .retry_at = 5,
							 .failed_at = 6,
							 .last_error = "why",
							 .prune_at = 7,
							 .revoke_at = 8,
							 .revoke_failures = 9 } };
	struct store_certificate back;

	(void)state;
	assert_int_equal(store_certificate_save(store, &record, 1, 1, NULL, NULL), RC_OK);
	assert_int_equal(store_certificate_load(store, "nrf", &back, NULL), RC_OK);
	assert_int_equal(back.state, CERT_NOT_IN_SERVICE);
	assert_string_equal(certificate_state_name(back.state), "not in service");
	assert_string_equal(back.service.published, "certificate");
	assert_int_equal(back.service.hook_by, 10);
	assert_int_equal(back.service.deployed_at, 1);
	assert_int_equal(back.service.probed_at, 2);
	assert_int_equal(back.service.grace_from, 3);
	assert_int_equal(back.service.attempts, 4);
	assert_int_equal(back.service.retry_at, 5);
	assert_int_equal(back.service.failed_at, 6);
	assert_string_equal(back.service.last_error, "why");
	assert_int_equal(back.service.prune_at, 7);
	assert_int_equal(back.service.revoke_at, 8);
	assert_int_equal(back.service.revoke_failures, 9);
}

/* At each file that is opened, the log beside the database too. */
static void a_file_that_cannot_be_opened_is_told_with_the_reason(void **state)
{
	struct rlimit before, limit;
	unsigned failed = 0;
	bool is_open = false;

	(void)state;
	store_close(open_it());
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	int next = dup(STDERR_FILENO);
	assert_true(next >= 0);
	close(next);
	limit = before;
	for (rlim_t room = 0; room < 16 && !is_open; room++) {
		AUTO(store) struct store *store = NULL;
		struct err err = { 0 };

		limit.rlim_cur = (rlim_t)next + room;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		is_open = store_open(state_dir, &store, &err) == RC_OK;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		failed += !is_open;
		if (!is_open && !strstr(err.text, "Too many open files"))
			fail_msg("with %u more: %s", (unsigned)room, err.text);
	}
	assert_true(is_open && failed >= 3);
}

static unsigned refusals;

/* In the place of SQLite's own. */
static int open_refused(const char *path, int flags, int mode)
{
	if (refusals && strstr(path, "-wal") && (flags & O_ACCMODE) == O_RDWR) {
		refusals--;
		errno = EIO;
		return -1;
	}
	return open(path, flags, mode);
}

/* SQLite opens it for reading then, and a daemon would be refused each write for years. */
static void a_log_that_could_not_be_opened_for_writing_is_opened_anew(void **state)
{
	sqlite3_vfs *files = sqlite3_vfs_find(NULL);
	struct store_certificate record = { .name = "pcf", .state = CERT_KEYED };

	(void)state;
	store_close(open_it());
	assert_int_equal(files->xSetSystemCall(files, "open", (sqlite3_syscall_ptr)open_refused), SQLITE_OK);
	for (unsigned count = 0; count < 3; count++) {
		AUTO(store) struct store *store = NULL;
		struct err err = { 0 };

		refusals = count;
		enum rc rc = store_open(state_dir, &store, &err);
		assert_int_equal(refusals, 0);
		assert_int_equal(rc, count < 2 ? RC_OK : RC_RESOURCE);
		if (store)
			assert_int_equal(store_certificate_save(store, &record, 1, 1, NULL, NULL), RC_OK);
		else
			assert_non_null(strstr(err.text, "could not be opened for writing"));
	}
	assert_int_equal(files->xSetSystemCall(files, "open", NULL), SQLITE_OK);
}

static void the_superseded_key_is_retired_in_the_same_step(void **state)
{
	AUTO(store) struct store *store = open_it();
	struct store_certificate record;
	struct store_retired retired[4];
	unsigned count = 9;
	char owner[128];

	(void)state;
	assert_int_equal(store_certificate_load(store, "amf", &record, NULL), RC_OK);
	record.live_key = record.next_key;
	record.next_key = (struct store_key){ 0 };
	assert_int_equal(store_certificate_save(store, &record, 100, 200, NULL, NULL), RC_OK);
	assert_int_equal(store_retired_page(store, 199, NULL, retired, 4, &count, NULL), RC_OK);
	assert_int_equal(count, 0);
	assert_int_equal(store_retired_page(store, 200, NULL, retired, 4, &count, NULL), RC_OK);
	assert_int_equal(count, 1);
	assert_string_equal(retired[0].key.name.label, "key-1");
	assert_string_equal(retired[0].certificate, "amf");
	assert_int_equal(store_key_owner(store, &retired[0].key.name, owner, NULL), RC_OK);
	assert_non_null(strstr(owner, "superseded"));
	assert_int_equal(store_retired_drop(store, &retired[0].key.name, NULL), RC_OK);
	assert_int_equal(store_retired_page(store, 200, NULL, retired, 4, &count, NULL), RC_OK);
	assert_int_equal(count, 0);
	assert_int_equal(store_key_owner(store, &retired[0].key.name, owner, NULL), RC_ABSENT);
	assert_int_equal(store_key_owner(store, &record.live_key.name, owner, NULL), RC_OK);
	assert_non_null(strstr(owner, "live"));
}

static void an_account_is_kept_with_its_key(void **state)
{
	AUTO(store) struct store *store = open_it();
	struct store_account account = {
		.authority = "ra", .directory = "https://ca/dir", .key = key_of(9), .url = "https://ca/acct/1"
	};
	struct store_account back;
	char owner[128];

	(void)state;
	assert_int_equal(store_account_load(store, "ra", &back, NULL), RC_ABSENT);
	assert_int_equal(store_account_save(store, &account, NULL), RC_OK);
	assert_int_equal(store_account_load(store, "ra", &back, NULL), RC_OK);
	assert_string_equal(back.url, "https://ca/acct/1");
	assert_string_equal(back.key.name.label, "key-9");
	assert_int_equal(store_key_owner(store, &account.key.name, owner, NULL), RC_OK);
	assert_non_null(strstr(owner, "account"));
	/* A key without an id, as other programs and cut-off modules make them, is not the next key of an account that has none. */
	assert_int_equal(store_key_owner(store, &(struct token_key_name){ 0 }, owner, NULL), RC_ABSENT);
}

static void the_directory_of_an_authority_is_kept_as_it_came(void **state)
{
	AUTO(store) struct store *store = open_it();
	AUTO(buf) struct buf json = BUF_MAX(64);
	AUTO(buf) struct buf copy = BUF_MAX(64);
	struct store_directory directory = { .url = "https://ca/dir", .fetched_at = 5 }, back = { .json = BUF_MAX(64) };
	struct store_directory narrow = { .json = BUF_MAX(3) };

	(void)state;
	assert_int_equal(store_directory_load(store, "ra", &back, NULL), RC_ABSENT);
	for (int i = 0; i < 2; i++) {
		buf_clear(&json);
		assert_int_equal(buf_print(&json, NULL, "{\"n\":%d}", i), RC_OK);
		directory.json = json;
		assert_int_equal(store_directory_save(store, "ra", &directory, NULL), RC_OK);
	}
	assert_int_equal(store_directory_load(store, "ra", &back, NULL), RC_OK);
	copy = back.json;
	assert_string_equal(buf_text(&copy), "{\"n\":1}");
	assert_string_equal(back.url, "https://ca/dir");
	assert_int_equal(back.fetched_at, 5);
	assert_int_equal(store_directory_load(store, "smf", &back, NULL), RC_ABSENT);
	assert_int_equal(store_directory_load(store, "ra", &narrow, NULL), RC_PROTOCOL);
}

static void the_journal_is_newest_first(void **state)
{
	AUTO(store) struct store *store = open_it();
	struct store_certificate record = { .name = "smf" };
	struct store_journal_line lines[4];
	unsigned count = 0;

	(void)state;
	assert_int_equal(store_certificate_save(store, &record, 1, 0, "first", NULL), RC_OK);
	assert_int_equal(store_certificate_save(store, &record, 2, 0, "second", NULL), RC_OK);
	assert_int_equal(store_journal(store, "smf", lines, 4, &count, NULL), RC_OK);
	assert_int_equal(count, 2);
	assert_string_equal(lines[0].text, "second");
	assert_int_equal(lines[1].at, 1);
}

/* A database as the first version made it, with a record in it. */
static void make_an_old_one(const char *directory)
{
	char path[128];
	sqlite3 *database = NULL;

	assert_int_equal(mkdir(directory, 0755), 0);
	snprintf(path, sizeof(path), "%s/hwacme.db", directory);
	assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
	assert_int_equal(sqlite3_exec(database, database_steps[0], NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(
			database,
			"INSERT INTO certificate VALUES ('old', 5, 3, 'hsm', 'label', x'00', 0, 7, 1, 2, 3, 'AB', 'cd',"
			" 'ra', 'dns:a', 'held', '', '', x'00', 0, 0, 0, 'start', 0, 0, '', '', '', 0, 0, 0, 0, '');"
			"INSERT INTO certificate VALUES ('owing', 4, 3, 'hsm', 'label', x'01', 0, 7, 1, 2, 3, 'AB', 'cd',"
			" 'ra', 'dns:a', 'held', '', '', x'00', 0, 0, 0, 'start', 0, 0, '', '', '', 5, 60, 0, 50, 'the hook');",
			NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(database);
}

static void a_database_of_an_earlier_version_is_brought_up_to_date(void **state)
{
	struct store_certificate again;
	struct store *store = NULL;
	uint32_t first = 0, second = 0;
	struct err err = { 0 };
	char old[64];

	(void)state;
	snprintf(old, sizeof(old), "%s/old", dir);
	make_an_old_one(old);
	assert_int_equal(store_open_readonly(old, &store, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "older"));
	for (int i = 0; i < 2; i++) {
		if (store_open(old, &store, &err) != RC_OK)
			fail_msg("%s", err.text);
		assert_int_equal(store_instance(store, i ? &second : &first, NULL), RC_OK);
		assert_int_equal(store_certificate_load(store, "old", &again, NULL), RC_OK);
		assert_int_equal(again.generation, 3);
		assert_string_equal(again.serial, "AB");
		assert_int_equal(again.service.deployed_at, 3);
		/* A hook that failed has had the back-off of the renewal; it has its own now. */
		assert_int_equal(store_certificate_load(store, "owing", &again, NULL), RC_OK);
		assert_int_equal(again.state, CERT_INSTALLED);
		assert_int_equal(again.attempts + again.retry_at, 0);
		assert_string_equal(again.last_error, "");
		assert_int_equal(again.service.deployed_at, 0);
		assert_int_equal(again.service.attempts, 5);
		assert_int_equal(again.service.retry_at, 60);
		assert_string_equal(again.service.last_error, "the hook");
		store_close(store);
	}
	assert_int_not_equal(first, 0);
	assert_int_equal(first, second);
}

/* The version before waits and orders said when they began and by what: a wait goes on, and an order is not given up. */
static void an_open_order_of_the_version_before_goes_on(void **state)
{
	struct store_certificate record;
	struct store_availability availability;
	AUTO(store) struct store *store = NULL;
	char old[64], path[96];
	sqlite3 *database = NULL;
	struct err err = { 0 };

	(void)state;
	snprintf(old, sizeof(old), "%s/eleven", dir);
	make_an_old_one(old);
	snprintf(path, sizeof(path), "%s/hwacme.db", old);
	assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
	for (unsigned i = 1; i < 11; i++)
		assert_int_equal(sqlite3_exec(database, database_steps[i], NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(database,
				      "UPDATE certificate SET phase = 'poll', order_url = 'https://ca/o', order_not_before = 300"
				      " WHERE name = 'old'; INSERT INTO availability VALUES ('ra', 100, 160, 0, 0, 1)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(database);
	if (store_open(old, &store, &err) != RC_OK || store_certificate_load(store, "old", &record, &err) != RC_OK ||
	    store_availability_load(store, "ra", &availability, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(order_waits_until(&record.order, 200), 300);
	assert_string_equal(record.order.url, "https://ca/o");
	assert_false(record.order.is_profile_known);
	assert_false(record.is_forced);
	assert_int_equal(availability.retry_at, 160);
	assert_int_equal(availability.noted_at, 0);
	/* As long as nobody says, it stays so. */
	assert_int_equal(store_certificate_save(store, &record, 1, 1, NULL, &err), RC_OK);
	assert_int_equal(store_certificate_load(store, "old", &record, &err), RC_OK);
	assert_false(record.order.is_profile_known);
}

/* A row that did not change is not written again: each member that changes alone is told from one that did not. */
static void each_member_that_changes_alone_is_stored(void **state)
{
	AUTO(store) struct store *store = open_it();
	struct store_certificate record = { .name = "alone" }, back;
	struct store_service *service = &record.service;
	struct renewal_info *info = &record.renewal_info;
	struct err err = { 0 };
	int64_t *const times[] = {
		&service->deployed_at, &service->probed_at,     &service->grace_from, &service->retry_at, &service->failed_at,
		&service->prune_at,    &service->revoke_at,     &info->start,         &info->end,         &info->at,
		&info->check_at,       &record.authorized_until
	};
	unsigned *const counts[] = { &service->attempts, &service->revoke_failures, &info->failures, &info->early };
	char *const texts[] = { service->last_error, info->id, info->explanation, record.account, record.profile };

	(void)state;
	assert_int_equal(store_certificate_save(store, &record, 1, 1, NULL, &err), RC_OK);
	for (size_t i = 0; i < 12 + 4 + 5 + 1; i++) {
		const void *member = i < 12 ? (void *)times[i] : i < 16 ? (void *)counts[i - 12] : i < 21 ? texts[i - 16] : NULL;
		const char *stored = member ? (const char *)&back + ((const char *)member - (const char *)&record) : NULL;

		if (i < 12)
			*times[i] = 77;
		else if (i < 16)
			*counts[i - 12] = 7;
		else if (i < 21)
			strcpy(texts[i - 16], "new");
		else
			info->is_replaced = true;
		assert_int_equal(store_certificate_save(store, &record, 1, 1, NULL, &err), RC_OK);
		assert_int_equal(store_certificate_load(store, "alone", &back, &err), RC_OK);
		if (stored && memcmp(stored, member, i < 12 ? sizeof(int64_t) : sizeof(unsigned)) != 0)
			fail_msg("member %zu is not stored when it changes alone", i);
	}
	assert_true(back.renewal_info.is_replaced);
	assert_false(back.is_forced);
	record.is_forced = true;
	assert_int_equal(store_certificate_save(store, &record, 1, 1, NULL, &err), RC_OK);
	assert_int_equal(store_certificate_load(store, "alone", &back, &err), RC_OK);
	assert_true(back.is_forced);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_there_at_first_and_reading_makes_nothing),
		cmocka_unit_test(a_record_comes_back_as_it_was),
		cmocka_unit_test(the_database_is_ours_alone),
		cmocka_unit_test(how_it_was_issued_and_what_its_authority_suggests_comes_back),
		cmocka_unit_test(what_became_of_it_in_service_comes_back),
		cmocka_unit_test(a_file_that_cannot_be_opened_is_told_with_the_reason),
		cmocka_unit_test(a_log_that_could_not_be_opened_for_writing_is_opened_anew),
		cmocka_unit_test(the_superseded_key_is_retired_in_the_same_step),
		cmocka_unit_test(an_account_is_kept_with_its_key),
		cmocka_unit_test(the_directory_of_an_authority_is_kept_as_it_came),
		cmocka_unit_test(the_journal_is_newest_first),
		cmocka_unit_test(a_database_of_an_earlier_version_is_brought_up_to_date),
		cmocka_unit_test(an_open_order_of_the_version_before_goes_on),
		cmocka_unit_test(each_member_that_changes_alone_is_stored),
	};

	return cmocka_run_group_tests(tests, state_fixture_start, state_fixture_stop);
}
