/* archive_test.c -- a set goes live whole, by one rename. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"

static char dir[] = "/tmp/hwa-archive-XXXXXX";

static void text_of(const char *path, char text[256])
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	FILE *file = fopen(full, "r");
	assert_non_null(file);
	text[fread(text, 1, 255, file)] = '\0';
	fclose(file);
}

static struct archive_set set_of(const char *leaf)
{
	return (struct archive_set){ .fullchain = span_text("full"),
				     .chain = span_text("chain"),
				     .leaf = span_text(leaf),
				     .key_pem = span_text("reference"),
				     .key_uri = span_text("pkcs11:token=t?pin-source=/p") };
}

static void a_staged_set_is_not_live_before_the_switch(void **state)
{
	struct archive_set first = set_of("one"), second = set_of("two");
	unsigned live = 9;
	char text[256];

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(archive_live(dir, "amf", &live, NULL), RC_OK);
	assert_int_equal(live, 0);
	assert_int_equal(archive_stage(dir, "amf", 1, &first, NULL), RC_OK);
	assert_int_equal(archive_live(dir, "amf", &live, NULL), RC_OK);
	assert_int_equal(live, 0);
	assert_int_equal(archive_switch(dir, "amf", 1, NULL), RC_OK);
	assert_int_equal(archive_switch(dir, "amf", 1, NULL), RC_OK);
	text_of("live/amf/cert.pem", text);
	assert_string_equal(text, "one");
	assert_int_equal(archive_stage(dir, "amf", 2, &second, NULL), RC_OK);
	text_of("live/amf/cert.pem", text);
	assert_string_equal(text, "one");
	assert_int_equal(archive_switch(dir, "amf", 2, NULL), RC_OK);
	text_of("live/amf/cert.pem", text);
	assert_string_equal(text, "two");
	text_of("archive/amf/1/cert.pem", text);
	assert_string_equal(text, "one");
	assert_int_equal(archive_live(dir, "amf", &live, NULL), RC_OK);
	assert_int_equal(live, 2);
}

static void an_abandoned_stage_is_replaced(void **state)
{
	struct archive_set old = set_of("old"), fresh = set_of("new");
	unsigned highest = 0;
	char text[256];

	(void)state;
	assert_int_equal(archive_stage(dir, "smf", 1, &old, NULL), RC_OK);
	assert_int_equal(archive_stage(dir, "smf", 1, &fresh, NULL), RC_OK);
	text_of("archive/smf/1/cert.pem", text);
	assert_string_equal(text, "new");
	assert_int_equal(archive_highest(dir, "smf", &highest, NULL), RC_OK);
	assert_int_equal(highest, 1);
}

static void the_key_reference_is_not_for_everyone_and_nginx_gets_its_lines(void **state)
{
	struct stat status;
	char path[256], text[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/archive/amf/2/key.pem", dir);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	text_of("live/amf/nginx.conf", text);
	assert_non_null(strstr(text, "ssl_certificate "));
}

static void a_state_directory_that_is_not_there_is_an_error_that_names_it(void **state)
{
	struct archive_set set = set_of("x");
	struct err err = { 0 };
	char command[64];

	(void)state;
	assert_int_equal(archive_stage("/nowhere/state", "amf", 1, &set, &err), RC_RESOURCE);
	assert_non_null(strstr(err.text, "/nowhere/state"));
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_staged_set_is_not_live_before_the_switch),
		cmocka_unit_test(an_abandoned_stage_is_replaced),
		cmocka_unit_test(the_key_reference_is_not_for_everyone_and_nginx_gets_its_lines),
		cmocka_unit_test(a_state_directory_that_is_not_there_is_an_error_that_names_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
