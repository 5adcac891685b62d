/* store_planted_test.c -- what somebody planted where the database, what SQLite keeps beside it, or a lock is to be: refused, named, left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store.h"

#define PATIENCE 30 /* seconds until a pipe that is waited for ends the test */

static char state_dir[] = "/tmp/hwa-planted-XXXXXX";

static const struct {
	const char *how, *what;
} PLANTS[] = {
	{ "ln -s victim $PLACE", "a symbolic link" },
	{ "ln -s nowhere $PLACE", "a symbolic link" },
	{ "mkfifo $PLACE", "a pipe" },
	{ "mkdir $PLACE", "a directory" },
	{ "ln victim $PLACE", "hard link" },
};

static void shell(const char *command)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "cd %s && %s", state_dir, command);
	assert_int_equal(system(whole), 0);
}

static int start(void **state)
{
	(void)state;
	alarm(PATIENCE);
	return mkdtemp(state_dir) ? 0 : -1;
}

static int stop(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", state_dir);
	return system(command);
}

typedef enum rc use_fn(struct err *err);

static enum rc use_store(struct err *err)
{
	struct store *store = NULL;
	enum rc rc = store_open(state_dir, &store, err);

	store_close(store);
	return rc;
}

static enum rc read_store(struct err *err)
{
	struct store *store = NULL;
	enum rc rc = store_open_readonly(state_dir, &store, err);

	store_close(store);
	return rc;
}

static enum rc lock_store(struct err *err)
{
	struct store *store = NULL;
	enum rc rc = store_open(state_dir, &store, err);

	if (rc == RC_OK)
		rc = store_lock(store, err);
	store_close(store);
	return rc;
}

static enum rc lock_for_the_daemon(struct err *err)
{
	struct store *store = NULL;
	enum rc rc = store_open(state_dir, &store, err);

	if (rc == RC_OK)
		rc = store_lock_daemon(store, err);
	store_close(store);
	return rc;
}

static enum rc mark(struct err *err)
{
	int fd = -1;
	enum rc rc = store_mark_daemon(state_dir, &fd, err);

	if (rc == RC_OK)
		close(fd);
	return rc;
}

static void expect_refused(use_fn *use, const char *place)
{
	for (size_t i = 0; i < sizeof(PLANTS) / sizeof(PLANTS[0]); i++) {
		struct err err = { 0 };

		assert_int_equal(setenv("PLACE", place, 1), 0);
		shell("echo precious >victim && chmod 640 victim && { [ ! -e $PLACE ] || mv $PLACE aside; }");
		shell(PLANTS[i].how);
		enum rc rc = use(&err);
		if (rc != RC_RESOURCE || !strstr(err.text, place) || !strstr(err.text, PLANTS[i].what))
			fail_msg("%s, planted with \"%s\": %d, %s", place, PLANTS[i].how, (int)rc, err.text);
		shell("[ -e $PLACE -o -L $PLACE ] && [ ! -e nowhere ] && [ \"$(cat victim)\" = precious ] && "
		      "[ \"$(stat -c %a victim)\" = 640 ]");
		shell("rm -rf $PLACE && { [ ! -e aside ] || mv aside $PLACE; }");
	}
}

static void nothing_is_opened_that_is_not_ours_alone(void **state)
{
	static const char *const places[] = { "hwacme.db", "hwacme.db-journal", "hwacme.db-wal", "hwacme.db-shm" };

	(void)state;
	assert_int_equal(use_store(NULL), RC_OK);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		expect_refused(use_store, places[i]);
		/* access() does not see what lies behind a link that leads nowhere: that is no database. */
		if (i > 0)
			expect_refused(read_store, places[i]);
	}
	assert_int_equal(use_store(NULL), RC_OK);
}

static void no_lock_is_taken_on_it(void **state)
{
	(void)state;
	assert_int_equal(lock_store(NULL), RC_OK);
	expect_refused(lock_store, "lock");
	assert_int_equal(lock_for_the_daemon(NULL), RC_OK);
	expect_refused(lock_for_the_daemon, "lock-daemon");
	expect_refused(lock_for_the_daemon, "lock-wanted");
	assert_int_equal(mark(NULL), RC_OK);
	expect_refused(mark, "lock-run");
}

/* STATE is the operator's own path, on another disk say: DynamicUser= of systemd makes a link of it, and /var may be one. */
static void the_state_directory_may_lie_behind_links(void **state)
{
	static const char *const below[] = { "behind/link", "above/real" };

	(void)state;
	shell("mkdir -p behind/real && ln -s real behind/link && ln -s behind above && rm -rf hwacme.db*");
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		struct store *store = NULL, *reader = NULL;
		struct err err = { 0 };
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", state_dir, below[i]);
		if (store_open(path, &store, &err) != RC_OK || store_open_readonly(path, &reader, &err) != RC_OK ||
		    store_lock(store, &err) != RC_OK)
			fail_msg("%s: %s", path, err.text);
		store_close(reader);
		store_close(store);
	}
	shell("test -f behind/real/hwacme.db && mv behind/real/hwacme.db victim && ln -s ../../victim behind/real/hwacme.db");
	struct store *store = NULL;
	struct err err = { 0 };
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", state_dir, below[0]);
	assert_int_equal(store_open(path, &store, &err), RC_RESOURCE);
	assert_non_null(strstr(err.text, "a symbolic link"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_opened_that_is_not_ours_alone),
		cmocka_unit_test(no_lock_is_taken_on_it),
		cmocka_unit_test(the_state_directory_may_lie_behind_links),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
