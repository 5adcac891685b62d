/* instance_test.c -- the number that tells our keys from those of others stays when the database is lost. */
#include "state_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void run(const char *command)
{
	char whole[400];

	snprintf(whole, sizeof(whole), "cd %s && %s", state_dir, command);
	assert_int_equal(system(whole), 0);
}

static uint32_t number_of(void)
{
	AUTO(store) struct store *store = open_it();
	uint32_t number = 0;

	assert_int_equal(store_instance(store, &number, NULL), RC_OK);
	assert_int_not_equal(number, 0);
	return number;
}

static void expect_kept(uint32_t number)
{
	char command[80];

	snprintf(command, sizeof(command), "echo %08x | cmp - instance && test $(stat -c %%a instance) = 600", (unsigned)number);
	run(command);
}

static void a_new_database_takes_the_number_of_the_lost_one(void **state)
{
	uint32_t number = number_of();

	(void)state;
	expect_kept(number);
	assert_int_equal(number_of(), number);
	run("rm hwacme.db*");
	assert_int_equal(number_of(), number);
	expect_kept(number);
}

static void the_number_of_one_with_records_counts(void **state)
{
	struct store_certificate record = { .name = "amf", .generation = 1, .live_key = key_of(1) };
	uint32_t number = number_of();

	(void)state;
	{
		AUTO(store) struct store *store = open_it();

		assert_int_equal(store_certificate_save(store, &record, 1, 1, NULL, NULL), RC_OK);
	}
	run("echo 0badcafe > instance");
	assert_int_equal(number_of(), number);
	expect_kept(number);
}

static void what_is_no_number_is_written_anew(void **state)
{
	static const char *const damages[] = { ": > instance",
					       "printf 0badcaf > instance",
					       "printf '0badcafe\n\n' > instance",
					       "printf '0BADCAFE\n' > instance",
					       "echo 00000000 > instance",
					       "rm instance" };
	uint32_t number = number_of();

	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		run(damages[i]);
		assert_int_equal(number_of(), number);
		expect_kept(number);
	}
}

/* The store is of use all the same; and nobody's file is written to. */
static void a_number_that_cannot_be_kept_is_none(void **state)
{
	uint32_t number = number_of();

	(void)state;
	run("echo theirs > elsewhere && ln -sf elsewhere instance");
	assert_int_equal(number_of(), number);
	run("test $(cat elsewhere) = theirs && rm instance elsewhere && mkdir instance");
	assert_int_equal(number_of(), number);
	run("rmdir instance");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_database_takes_the_number_of_the_lost_one),
		cmocka_unit_test(the_number_of_one_with_records_counts),
		cmocka_unit_test(what_is_no_number_is_written_anew),
		cmocka_unit_test(a_number_that_cannot_be_kept_is_none),
	};
	return cmocka_run_group_tests(tests, state_fixture_start, state_fixture_stop);
}
