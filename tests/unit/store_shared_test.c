/* store_shared_test.c -- one state and several processes: what others write meanwhile, and what a killed one left. */
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
		cmocka_unit_test(what_others_wrote_is_noticed_once_and_not_what_we_did),
		cmocka_unit_test(what_is_listed_is_of_one_moment),
		cmocka_unit_test(what_a_killed_process_left_half_written_can_be_read_at_once),
	};

	return cmocka_run_group_tests(tests, state_fixture_start, state_fixture_stop);
}
