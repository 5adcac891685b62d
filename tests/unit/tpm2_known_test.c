/* tpm2_known_test.c -- the name of a parent is written down once, and every other name is another TPM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tpm2.h"

static char dir[] = "/tmp/hwa-known-XXXXXX", keys_dir[64], file[128];
static struct tpm2_token token = { .base.name = "tpm", .keys_dir = keys_dir };

static int start(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(keys_dir, sizeof(keys_dir), "%s/keys", dir);
	snprintf(file, sizeof(file), "%s/.known-tpm-40000001", keys_dir);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(keys_dir) == 0 && rmdir(dir) == 0 ? 0 : -1;
}

static int forget(void **state)
{
	(void)state;
	unlink(file);
	token.is_newly_known = false;
	return 0;
}

static TPM2B_NAME name_of(int seed)
{
	TPM2B_NAME name = { .size = 34, .name = { 0x00, 0x0b } };

	memset(name.name + 2, seed, 32);
	return name;
}

static void the_first_name_is_written_down_and_known_again(void **state)
{
	TPM2B_NAME name = name_of(1);
	struct err err = { 0 };
	struct stat status;

	(void)state;
	assert_int_equal(tpm2_known_check(&token, TSS2_PARENT_OWNER, &name, &err), RC_OK);
	assert_true(token.is_newly_known);
	assert_int_equal(err.text[0], '\0');
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(status.st_size, 69);
	token.is_newly_known = false;
	assert_int_equal(tpm2_known_check(&token, TSS2_PARENT_OWNER, &name, &err), RC_OK);
	assert_false(token.is_newly_known);
}

static void another_name_is_denied_with_both_and_what_to_do(void **state)
{
	TPM2B_NAME name = name_of(1), other = name_of(2);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(tpm2_known_check(&token, TSS2_PARENT_OWNER, &name, &err), RC_OK);
	assert_int_equal(tpm2_known_check(&token, TSS2_PARENT_OWNER, &other, &err), RC_DENIED);
	assert_non_null(strstr(err.text, "000b0101"));
	assert_non_null(strstr(err.text, "000b0202"));
	assert_non_null(strstr(err.text, file));
	assert_non_null(strstr(err.text, "between this machine and its TPM"));
	/* A refusal changes nothing: the first one is still the one. */
	assert_int_equal(tpm2_known_check(&token, TSS2_PARENT_OWNER, &name, &err), RC_OK);
}

static void a_missing_parent_is_absent_or_another_tpm(void **state)
{
	TPM2B_NAME name = name_of(1);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(tpm2_known_missing(&token, TSS2_PARENT_OWNER, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "0x40000001"));
	assert_int_equal(tpm2_known_check(&token, TSS2_PARENT_OWNER, &name, &err), RC_OK);
	assert_int_equal(tpm2_known_missing(&token, TSS2_PARENT_OWNER, &err), RC_DENIED);
	assert_non_null(strstr(err.text, "enrol anew"));
}

static void a_damaged_record_is_not_taken_for_the_name(void **state)
{
	TPM2B_NAME name = name_of(1);
	struct err err = { 0 };

	(void)state;
	for (int len = 0; len < 200; len += 33) {
		FILE *out = fopen(file, "w");
		assert_non_null(out);
		for (int i = 0; i < len; i++)
			fputc('0', out);
		fclose(out);
		assert_int_not_equal(tpm2_known_check(&token, TSS2_PARENT_OWNER, &name, &err), RC_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(the_first_name_is_written_down_and_known_again, forget),
		cmocka_unit_test_teardown(another_name_is_denied_with_both_and_what_to_do, forget),
		cmocka_unit_test_teardown(a_missing_parent_is_absent_or_another_tpm, forget),
		cmocka_unit_test_teardown(a_damaged_record_is_not_taken_for_the_name, forget),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
