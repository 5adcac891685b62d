/* store_shared_test.c -- one state and several processes: locks, what others write or remove, and what a killed one left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "database.h"
#include "state_fixture.h"

/* A daemon's, as it were. */
static void *save_over_and_over(void *ctx)
{
	AUTO(store) struct store *store = open_it();
	struct store_certificate record = { .name = "ausf", .state = CERT_IN_SERVICE };
	atomic_bool *is_over = ctx;

	for (unsigned i = 1; i <= 100; i++) {
		record.generation = i;
		record.renewal_info.at = record.service.deployed_at = i;
		if (store_certificate_save(store, &record, 1, 1, NULL, NULL) != RC_OK)
			break;
	}
	*is_over = true;
	return NULL;
}

static void a_record_is_read_as_it_is_at_one_moment(void **state)
{
	AUTO(store) struct store *store = open_it();
	struct store_certificate back = { .generation = 0 };
	atomic_bool is_over = false;
	pthread_t writer;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, save_over_and_over, &is_over), 0);
	while (!is_over) {
		enum rc rc = store_certificate_load(store, "ausf", &back, NULL);

		assert_true(rc == RC_OK || rc == RC_ABSENT);
		if (rc == RC_OK)
			assert_true(back.renewal_info.at == back.generation && back.service.deployed_at == back.generation);
	}
	pthread_join(writer, NULL);
	assert_int_equal(store_certificate_load(store, "ausf", &back, NULL), RC_OK);
	assert_int_equal(back.generation, 100);
}

static void two_do_not_work_at_once(void **state)
{
	AUTO(store) struct store *one = open_it();
	AUTO(store) struct store *two = open_it();
	struct err err = { 0 };

	(void)state;
	assert_int_equal(store_lock(one, &err), RC_OK);
	assert_int_equal(store_lock(two, &err), RC_RETRY);
	store_close(one);
	one = NULL;
	assert_int_equal(store_lock(two, &err), RC_OK);
}

static void a_lock_is_given_back_and_the_daemons_is_another(void **state)
{
	struct store *daemon = open_it(), *command = open_it();
	struct err err = { 0 };

	(void)state;
	assert_int_equal(store_lock_daemon(daemon, &err), RC_OK);
	assert_int_equal(store_lock_daemon(command, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "renewal daemon"));
	assert_int_equal(store_lock(command, &err), RC_OK);
	assert_int_equal(store_lock(daemon, &err), RC_RETRY);
	store_unlock(command);
	assert_int_equal(store_lock(daemon, &err), RC_OK);
	assert_int_equal(store_lock(command, &err), RC_RETRY);
	store_unlock(daemon);
	assert_int_equal(store_lock(command, &err), RC_OK);
	store_close(command);
	store_close(daemon);
}

static void who_waits_for_the_lock_is_seen_until_it_has_it(void **state)
{
	struct store *daemon = open_it(), *command = open_it(), *gone = open_it();

	(void)state;
	assert_false(store_lock_is_wanted(daemon));
	assert_int_equal(store_lock_daemon(daemon, NULL), RC_OK);
	assert_int_equal(store_lock(daemon, NULL), RC_OK);
	assert_false(store_lock_is_wanted(daemon));
	store_lock_want(command);
	store_lock_want(gone);
	assert_true(store_lock_is_wanted(daemon));
	store_close(gone);
	assert_true(store_lock_is_wanted(daemon));
	assert_int_equal(store_lock(command, NULL), RC_RETRY);
	store_unlock(daemon);
	assert_int_equal(store_lock(command, NULL), RC_OK);
	assert_false(store_lock_is_wanted(daemon));
	store_close(command);
	store_close(daemon);
}

static void what_others_wrote_is_noticed_once_and_not_what_we_did(void **state)
{
	struct store *daemon = open_it(), *command = open_it();
	struct store_certificate record = { .name = "noticed", .state = CERT_NEW };

	(void)state;
	(void)store_changed_elsewhere(daemon);
	assert_false(store_changed_elsewhere(daemon));
	assert_int_equal(store_certificate_save(daemon, &record, 1, 1, NULL, NULL), RC_OK);
	assert_false(store_changed_elsewhere(daemon));
	/* What is there already is not written again. */
	assert_int_equal(store_certificate_save(command, &record, 2, 2, NULL, NULL), RC_OK);
	assert_false(store_changed_elsewhere(daemon));
	record.attempts = 1;
	assert_int_equal(store_certificate_save(command, &record, 2, 2, NULL, NULL), RC_OK);
	assert_true(store_changed_elsewhere(daemon));
	assert_false(store_changed_elsewhere(daemon));
	store_close(command);
	store_close(daemon);
}

static void what_is_listed_is_of_one_moment(void **state)
{
	struct store *daemon = open_it(), *lister = NULL;
	struct store_certificate record = { .name = "viewed", .state = CERT_NEW }, seen;

	(void)state;
	assert_int_equal(store_certificate_save(daemon, &record, 1, 1, NULL, NULL), RC_OK);
	assert_int_equal(store_open_readonly(state_dir, &lister, NULL), RC_OK);
	assert_int_equal(store_view_begin(lister, NULL), RC_OK);
	assert_int_equal(store_certificate_load(lister, "viewed", &seen, NULL), RC_OK);
	record.attempts = 7;
	assert_int_equal(store_certificate_save(daemon, &record, 1, 1, NULL, NULL), RC_OK);
	assert_int_equal(store_certificate_load(lister, "viewed", &seen, NULL), RC_OK);
	assert_int_equal(seen.attempts, 0);
	store_view_end(lister);
	assert_int_equal(store_certificate_load(lister, "viewed", &seen, NULL), RC_OK);
	assert_int_equal(seen.attempts, 7);
	store_close(lister);
	store_close(daemon);
}

/* What is written to a file that has no name any more is read by nobody, and a lock on one keeps nobody out. */
static void a_database_or_lock_that_was_removed_is_noticed(void **state)
{
	struct store *store = open_it();
	struct err err = { 0 };
	char path[sizeof(store->path)];

	(void)state;
	static const char *const locks[] = { "lock-daemon", "lock" };
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(store_lock_daemon(store, &err), RC_OK);
		assert_int_equal(store_in_place(store, &err), RC_OK);
		snprintf(path, sizeof(path), "%s/%s", store->state_dir, locks[i]);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(store_in_place(store, &err), RC_RESOURCE);
		snprintf(path, sizeof(path), "/%s was removed or replaced", locks[i]);
		assert_non_null(strstr(err.text, path));
		store_close(store);
		store = open_it();
	}
	assert_int_equal(store_lock_daemon(store, &err), RC_OK);
	assert_int_equal(store_in_place(store, &err), RC_OK);
	snprintf(path, sizeof(path), "%s.aside", store->path);
	assert_int_equal(rename(store->path, path), 0);
	assert_int_equal(store_in_place(store, &err), RC_RESOURCE);
	struct store *other = open_it();
	assert_int_equal(store_in_place(store, &err), RC_RESOURCE);
	assert_non_null(strstr(err.text, "hwacme.db was removed or replaced"));
	assert_int_equal(store_in_place(other, &err), RC_OK);
	store_close(other);
	assert_int_equal(rename(path, store->path), 0);
	assert_int_equal(store_in_place(store, &err), RC_OK);
	store_close(store);
}

/* So much is written in one transaction that it is on disk in part; and then the process is killed. */
static void killed_in_a_transaction(void)
{
	struct store *store = open_it();

	sqlite3_exec(store->db,
		     "PRAGMA cache_size = 1; BEGIN IMMEDIATE; UPDATE certificate SET serial = 'half written';"
		     "WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < 1000)"
		     " INSERT INTO journal (certificate, at, text) SELECT 'halved', n, hex(randomblob(200)) FROM more",
		     NULL, NULL, NULL);
	raise(SIGKILL);
}

static void what_a_killed_process_left_half_written_can_be_read_at_once(void **state)
{
	struct store *store = open_it();
	struct store_certificate record = { .name = "halved", .state = CERT_NEW, .serial = "whole" };
	struct err err = { 0 };
	int status;

	(void)state;
	assert_int_equal(store_certificate_save(store, &record, 1, 1, NULL, NULL), RC_OK);
	store_close(store);
	pid_t child = fork();
	if (child == 0)
		killed_in_a_transaction();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	/* `status` after a power cut, before anything was renewed. */
	if (store_open_readonly(state_dir, &store, &err) != RC_OK ||
	    store_certificate_load(store, "halved", &record, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_string_equal(record.serial, "whole");
	assert_int_not_equal(store_certificate_save(store, &record, 1, 1, NULL, NULL), RC_OK);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_read_as_it_is_at_one_moment),
		cmocka_unit_test(two_do_not_work_at_once),
		cmocka_unit_test(a_lock_is_given_back_and_the_daemons_is_another),
		cmocka_unit_test(who_waits_for_the_lock_is_seen_until_it_has_it),
		cmocka_unit_test(what_others_wrote_is_noticed_once_and_not_what_we_did),
		cmocka_unit_test(what_is_listed_is_of_one_moment),
		cmocka_unit_test(a_database_or_lock_that_was_removed_is_noticed),
		cmocka_unit_test(what_a_killed_process_left_half_written_can_be_read_at_once),
	};

	return cmocka_run_group_tests(tests, state_fixture_start, state_fixture_stop);
}
