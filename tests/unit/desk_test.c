/* desk_test.c -- a command whose turn has not come waits for it, and not for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "desk.h"
#include "state_fixture.h"

static void *let_go_soon(void *store)
{
	clock_wait_until(INT64_MAX, 1500);
	store_unlock(store);
	return NULL;
}

static void who_waits_works_when_the_other_has_let_go(void **state)
{
	AUTO(store) struct store *daemon = open_it();
	AUTO(store) struct store *command = open_it();
	struct err err = { 0 };
	pthread_t other;

	(void)state;
	assert_int_equal(store_lock(daemon, &err), RC_OK);
	assert_int_equal(pthread_create(&other, NULL, let_go_soon, daemon), 0);
	assert_int_equal(desk_lock(command, 60000, &err), RC_OK);
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_int_equal(store_lock(daemon, &err), RC_RETRY);
}

static void who_waits_in_vain_is_told_for_whom_and_what_to_do(void **state)
{
	AUTO(store) struct store *daemon = open_it();
	AUTO(store) struct store *command = open_it();
	struct err err = { 0 };
	char process[64];

	(void)state;
	assert_int_equal(store_lock(daemon, &err), RC_OK);
	assert_int_equal(desk_lock(command, 500, &err), RC_RETRY);
	snprintf(process, sizeof(process), "another hwacme (process %ld) is renewing in this state directory", (long)getpid());
	assert_non_null(strstr(err.text, process));
	assert_non_null(strstr(err.text, "`hwacme status` shows what is under way: try again later"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_works_when_the_other_has_let_go),
		cmocka_unit_test(who_waits_in_vain_is_told_for_whom_and_what_to_do),
	};

	return cmocka_run_group_tests(tests, state_fixture_start, state_fixture_stop);
}
