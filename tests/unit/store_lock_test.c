/* store_lock_test.c -- who renews keeps others out, and notices when the files are taken from under it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "database.h"
#include "state_fixture.h"

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

static void a_daemon_is_seen_by_its_mark(void **state)
{
	int one = -1, two = -1;

	(void)state;
	assert_false(store_has_daemon(state_dir));
	assert_int_equal(store_mark_daemon(state_dir, &one, NULL), RC_OK);
	assert_int_equal(store_mark_daemon(state_dir, &two, NULL), RC_OK);
	assert_true(store_has_daemon(state_dir));
	close(one);
	assert_true(store_has_daemon(state_dir));
	close(two);
	assert_false(store_has_daemon(state_dir));
	assert_int_equal(store_mark_daemon("/nowhere/at/all", &one, NULL), RC_ABSENT);
	assert_false(store_has_daemon("/nowhere/at/all"));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_do_not_work_at_once),
		cmocka_unit_test(a_lock_is_given_back_and_the_daemons_is_another),
		cmocka_unit_test(a_daemon_is_seen_by_its_mark),
		cmocka_unit_test(who_waits_for_the_lock_is_seen_until_it_has_it),
		cmocka_unit_test(a_database_or_lock_that_was_removed_is_noticed),
	};

	return cmocka_run_group_tests(tests, state_fixture_start, state_fixture_stop);
}
