/* pin_test.c -- a PIN is read whole or not at all, from where it was said to be, and never shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pin.h"

static char dir[] = "/tmp/hwa-pin-XXXXXX";
static char path[64];

static int start(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/hsm", dir);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void put(const void *bytes, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void expect_pin(const struct config_secret *secret, const char *wanted)
{
	struct pin *pin = NULL;
	struct err err = { 0 };

	assert_int_equal(pin_read(secret, "PIN", &pin, &err), RC_OK);
	assert_int_equal(pin_len(pin), strlen(wanted));
	assert_memory_equal(pin_bytes(pin), wanted, strlen(wanted));
	pin_free(pin);
}

static void expect_refusal(const struct config_secret *secret, const char *named, const char *hidden)
{
	struct pin *const untouched = (struct pin *)(void *)dir, *pin = untouched;
	struct err err = { 0 };

	assert_int_equal(pin_read(secret, "PIN", &pin, &err), RC_INPUT);
	assert_ptr_equal(pin, untouched);
	assert_non_null(strstr(err.text, named));
	if (hidden)
		assert_null(strstr(err.text, hidden));
}

static void one_trailing_newline_is_not_part_of_it(void **state)
{
	const struct config_secret secret = { SECRET_FILE, path };

	(void)state;
	put("1234", 4);
	expect_pin(&secret, "1234");
	put("1234\n", 5);
	expect_pin(&secret, "1234");
	put("12 34\n\n", 7);
	expect_pin(&secret, "12 34\n");
}

/* Sent as it is, it would be refused, and a token counts that. */
static void a_line_end_of_another_system_is_told_and_not_sent(void **state)
{
	const struct config_secret secret = { SECRET_FILE, path };

	(void)state;
	put("1234\r\n", 6);
	expect_refusal(&secret, path, "1234");
	put("12\r34\n", 6);
	expect_pin(&secret, "12\r34");
}

static void the_longest_is_taken_and_a_longer_one_is_not_cut(void **state)
{
	const struct config_secret secret = { SECRET_FILE, path };
	char bytes[5000];

	(void)state;
	memset(bytes, '7', sizeof(bytes));
	bytes[PIN_MAX] = '\0';
	put(bytes, PIN_MAX);
	expect_pin(&secret, bytes);
	bytes[PIN_MAX] = '\n';
	put(bytes, PIN_MAX + 1);
	bytes[PIN_MAX] = '\0';
	expect_pin(&secret, bytes);
	bytes[PIN_MAX] = '7';
	put(bytes, PIN_MAX + 1);
	expect_refusal(&secret, path, "7777");
	put(bytes, sizeof(bytes));
	expect_refusal(&secret, path, "7777");
}

static void an_empty_or_missing_file_is_named(void **state)
{
	const struct config_secret secret = { SECRET_FILE, path };

	(void)state;
	put("", 0);
	expect_refusal(&secret, path, NULL);
	put("\n", 1);
	expect_refusal(&secret, path, NULL);
	unlink(path);
	expect_refusal(&secret, path, NULL);
}

static void a_fifo_or_directory_does_not_stop_us(void **state)
{
	const struct config_secret fifo = { SECRET_FILE, path }, directory = { SECRET_FILE, dir };

	(void)state;
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refusal(&fifo, path, NULL);
	unlink(path);
	expect_refusal(&directory, dir, NULL);
}

static void a_credential_is_a_file_in_the_directory_systemd_names(void **state)
{
	char name[] = "hsm", outside[] = "../hsm", parent[] = "..";
	const struct config_secret secret = { SECRET_CREDENTIAL, name };
	char text[512];

	(void)state;
	put("4321\n", 5);
	unsetenv("CREDENTIALS_DIRECTORY");
	expect_refusal(&secret, "LoadCredential=hsm", NULL);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	expect_pin(&secret, "4321");
	/* Who corrects the file that it is made of has to start the service anew. */
	assert_string_equal(pin_where_corrected(&secret, text), "credential hsm (read when the service starts)");
	assert_string_equal(pin_where_corrected(&(const struct config_secret){ SECRET_FILE, name }, text), "file hsm");
	expect_refusal(&(const struct config_secret){ SECRET_CREDENTIAL, outside }, "plain name", NULL);
	expect_refusal(&(const struct config_secret){ SECRET_CREDENTIAL, parent }, "plain name", NULL);
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void a_variable_is_read_and_a_missing_one_is_named(void **state)
{
	char name[] = "HWACME_TEST_PIN";
	const struct config_secret secret = { SECRET_ENV, name };

	(void)state;
	unsetenv(name);
	expect_refusal(&secret, name, NULL);
	setenv(name, "9876", 1);
	expect_pin(&secret, "9876");
	unsetenv(name);
}

static void no_source_says_what_to_write(void **state)
{
	(void)state;
	expect_refusal(&(const struct config_secret){ SECRET_NONE, NULL }, "pin:", NULL);
}

/* "VmFlags: ... lo ... dd": locked, and not in a core dump (proc(5)). */
static bool page_has_flag(const void *at, const char *flag)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[512];
	bool inside = false, found = false;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from <= (uintptr_t)at && (uintptr_t)at < to;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, flag) != NULL;
	}
	fclose(maps);
	return found;
}

static void it_lies_in_memory_that_is_locked_and_not_dumped(void **state)
{
	const struct config_secret secret = { SECRET_FILE, path };
	struct pin *pin = NULL;

	(void)state;
	put("1234", 4);
	assert_int_equal(pin_read(&secret, "PIN", &pin, NULL), RC_OK);
	assert_true(page_has_flag(pin_bytes(pin), " lo"));
	assert_true(page_has_flag(pin_bytes(pin), " dd"));
	assert_true(page_has_flag(pin_bytes(pin), " wf"));
	pin_free(pin);
	pin_free(NULL);
}

/* The key of an external account binding, say: nobody looks for a mistake where he has made none. */
static void what_cannot_be_read_is_called_by_its_name(void **state)
{
	static char variable[] = "HWACME_NOT_SET", credential[] = "eab";
	static const struct {
		struct config_secret secret;
		const char *said;
	} cases[] = {
		{ { SECRET_FILE, path }, "the HMAC key cannot be read from file " },
		{ { SECRET_FILE, dir }, "the HMAC key cannot be read: file " },
		{ { SECRET_ENV, variable }, "the HMAC key cannot be read: environment variable HWACME_NOT_SET" },
		{ { SECRET_CREDENTIAL, credential }, "the HMAC key cannot be read: credential eab" },
	};

	(void)state;
	unlink(path);
	unsetenv("CREDENTIALS_DIRECTORY");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pin *pin = NULL;
		struct err err = { 0 };

		assert_int_equal(pin_read(&cases[i].secret, "HMAC key", &pin, &err), RC_INPUT);
		if (strncmp(err.text, cases[i].said, strlen(cases[i].said)) != 0)
			fail_msg("not \"%s\" but: %s", cases[i].said, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_read_is_called_by_its_name),
		cmocka_unit_test(one_trailing_newline_is_not_part_of_it),
		cmocka_unit_test(a_line_end_of_another_system_is_told_and_not_sent),
		cmocka_unit_test(the_longest_is_taken_and_a_longer_one_is_not_cut),
		cmocka_unit_test(an_empty_or_missing_file_is_named),
		cmocka_unit_test(a_fifo_or_directory_does_not_stop_us),
		cmocka_unit_test(a_credential_is_a_file_in_the_directory_systemd_names),
		cmocka_unit_test(a_variable_is_read_and_a_missing_one_is_named),
		cmocka_unit_test(no_source_says_what_to_write),
		cmocka_unit_test(it_lies_in_memory_that_is_locked_and_not_dumped),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
