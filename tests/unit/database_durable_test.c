/* database_durable_test.c -- saves share a sync, none returns before it, and a sync that failed is not believed when it is repeated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "database.h"

#define WORKERS     8
#define DEADLINE_MS 20000

static char dir[] = "/tmp/hwa-durable-XXXXXX", state_dir[64];
static struct store *store;
static atomic_uint syncs, failing; /* of the log: seen; still to fail */
static atomic_bool is_first_slow, is_disk_bad;

static uint64_t committed(void)
{
	STORE_HELD(store);
	return store->durable.committed;
}

/* The disk, also SQLite's. */
static int sync_or_not(int fd, long call)
{
	if (is_disk_bad) {
		errno = EIO;
		return -1;
	}
	if (!store || fd != store->durable.log_fd)
		return (int)syscall(call, fd);
	unsigned number = ++syncs;
	for (int64_t end = clock_monotonic_ms() + DEADLINE_MS;
	     is_first_slow && number == 1 && committed() < WORKERS && clock_monotonic_ms() < end;)
		usleep(1000);
	if (failing) {
		failing--;
		errno = EIO;
		return -1;
	}
	return (int)syscall(call, fd);
}

int fdatasync(int fd)
{
	return sync_or_not(fd, SYS_fdatasync);
}

int fsync(int fd)
{
	return sync_or_not(fd, SYS_fsync);
}

static int begin(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/hwa-durable-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	if (store_open(state_dir, &store, NULL) != RC_OK)
		return -1;
	store->durable.committed = store->durable.reached = 0;
	syncs = failing = 0;
	is_first_slow = is_disk_bad = false;
	return 0;
}

static int end(void **state)
{
	char command[64];

	(void)state;
	store_close(store);
	store = NULL;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static enum rc save(const char *name, struct err *err)
{
	struct store_certificate record = { .state = CERT_ORDERED };

	snprintf(record.name, sizeof(record.name), "%s", name);
	return store_certificate_save(store, &record, 1, 0, "saved", err);
}

static long log_size(void)
{
	struct stat status;

	return fstat(store->durable.log_fd, &status) == 0 ? (long)status.st_size : -1;
}

static void a_save_is_synced_once_before_it_returns(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(save("amf", NULL), RC_OK);
		assert_int_equal(syncs, i);
		assert_int_equal(store->durable.reached, store->durable.committed);
	}
}

static void *save_one(void *name)
{
	return (void *)(intptr_t)save(name, NULL);
}

static void saves_during_a_sync_share_the_next(void **state)
{
	static char names[WORKERS][8];
	pthread_t workers[WORKERS];
	void *failed;

	(void)state;
	is_first_slow = true;
	for (int i = 0; i < WORKERS; i++) {
		snprintf(names[i], sizeof(names[i]), "nf%d", i);
		assert_int_equal(pthread_create(&workers[i], NULL, save_one, names[i]), 0);
	}
	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(pthread_join(workers[i], &failed), 0);
		assert_null(failed);
	}
	/* The first syncs its own at least; all that were committed while it did are the second's. */
	assert_in_range(syncs, 1, 2);
	assert_int_equal(store->durable.reached, WORKERS);
}

static bool change_nothing(void *ctx, struct store_availability *availability)
{
	(void)ctx;
	(void)availability;
	return false;
}

static void what_wrote_nothing_waits_for_nobody_elses_sync(void **state)
{
	static char name[] = "amf";
	pthread_t worker;
	void *failed;

	(void)state;
	is_first_slow = true;
	assert_int_equal(pthread_create(&worker, NULL, save_one, name), 0);
	for (int64_t end = clock_monotonic_ms() + DEADLINE_MS; !syncs && clock_monotonic_ms() < end;)
		usleep(1000);
	assert_int_equal(store_availability_change(store, "ca", change_nothing, NULL, NULL), RC_OK);
	assert_int_equal(store->durable.reached, 0);
	is_first_slow = false;
	assert_int_equal(pthread_join(worker, &failed), 0);
	assert_null(failed);
	assert_int_equal(syncs, 1);
}

static void after_a_failed_sync_what_was_committed_is_in_the_database_itself(void **state)
{
	(void)state;
	failing = 1;
	assert_int_equal(save("amf", NULL), RC_OK);
	assert_int_equal(log_size(), 0); /* carried over: nothing hangs on the log's pages */
	assert_int_equal(save("smf", NULL), RC_OK);
	assert_int_equal(syncs, 2);
}

static void a_bad_disk_fails_the_save_and_the_next_good_one_carries_both(void **state)
{
	struct store_certificate record;
	struct err err = { 0 };

	(void)state;
	is_disk_bad = true;
	assert_int_not_equal(save("amf", &err), RC_OK);
	assert_non_null(strstr(err.text, "hwacme.db"));
	is_disk_bad = false;
	assert_int_equal(save("smf", NULL), RC_OK);
	assert_int_equal(syncs, 0); /* the log's sync is not believed before */
	assert_int_equal(log_size(), 0);
	assert_int_equal(store_certificate_load(store, "smf", &record, NULL), RC_OK);
}

static void what_reads_waits_for_no_disk(void **state)
{
	struct store *reader = NULL;
	struct store_certificate record;

	(void)state;
	assert_int_equal(save("amf", NULL), RC_OK);
	unsigned before = syncs;
	assert_int_equal(store_open_readonly(state_dir, &reader, NULL), RC_OK);
	assert_int_equal(store_certificate_load(reader, "amf", &record, NULL), RC_OK);
	assert_int_equal(database_durable(reader, RC_OK, NULL), RC_OK);
	store_close(reader);
	assert_int_equal(database_durable(store, RC_OK, NULL), RC_OK); /* nothing new: no sync */
	assert_int_equal(syncs, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_save_is_synced_once_before_it_returns, begin, end),
		cmocka_unit_test_setup_teardown(saves_during_a_sync_share_the_next, begin, end),
		cmocka_unit_test_setup_teardown(what_wrote_nothing_waits_for_nobody_elses_sync, begin, end),
		cmocka_unit_test_setup_teardown(after_a_failed_sync_what_was_committed_is_in_the_database_itself, begin, end),
		cmocka_unit_test_setup_teardown(a_bad_disk_fails_the_save_and_the_next_good_one_carries_both, begin, end),
		cmocka_unit_test_setup_teardown(what_reads_waits_for_no_disk, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
