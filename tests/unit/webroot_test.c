/* webroot_test.c -- an answer is one file below a web server's root; links are not followed, and no other name is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "webroot.h"

static char root[] = "/tmp/hwa-webroot-XXXXXX", folder[96], file[128];

static int start(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	snprintf(folder, sizeof(folder), "%s/.well-known/acme-challenge", root);
	snprintf(file, sizeof(file), "%s/tok", folder);
	return 0;
}

static int stop(void **state)
{
	char command[160];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static void read_back(char text[64])
{
	int fd = open(file, O_RDONLY | O_NOFOLLOW);
	ssize_t got = fd < 0 ? -1 : read(fd, text, 63);

	assert_true(got >= 0);
	text[got] = '\0';
	close(fd);
}

static void the_file_is_for_everyone_to_read_whatever_the_umask_says(void **state)
{
	mode_t before = umask(077);
	struct stat status;
	char text[64];

	(void)state;
	assert_int_equal(webroot_put(root, "tok", "tok.thumb", NULL), RC_OK);
	umask(before);
	read_back(text);
	assert_string_equal(text, "tok.thumb");
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
	assert_int_equal(webroot_remove(root, "tok", NULL), RC_OK);
	struct err err = { 0 };
	assert_int_equal(webroot_remove(root, "tok", &err), RC_ABSENT);
	assert_int_equal(err.rc, RC_ABSENT);
}

static void what_a_killed_run_left_is_replaced(void **state)
{
	char text[64];

	(void)state;
	assert_int_equal(webroot_put(root, "tok", "a longer text of before", NULL), RC_OK);
	assert_int_equal(webroot_put(root, "tok", "new", NULL), RC_OK);
	read_back(text);
	assert_string_equal(text, "new");
	assert_int_equal(webroot_remove(root, "tok", NULL), RC_OK);
}

/* Who may write to the web server's folder must not choose what we write to. */
static void a_link_in_the_files_place_is_not_followed(void **state)
{
	char victim[96], text[64] = "";

	(void)state;
	snprintf(victim, sizeof(victim), "%s/victim", root);
	int fd = open(victim, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "untouched", 9), 9);
	close(fd);
	assert_int_equal(symlink(victim, file), 0);
	assert_int_equal(webroot_put(root, "tok", "new", NULL), RC_OK);
	read_back(text);
	assert_string_equal(text, "new");
	fd = open(victim, O_RDONLY);
	assert_int_equal(read(fd, text, 63), 9);
	close(fd);
	assert_memory_equal(text, "untouched", 9);
	assert_int_equal(webroot_remove(root, "tok", NULL), RC_OK);
}

static void a_link_in_a_folders_place_is_refused(void **state)
{
	char other[] = "/tmp/hwa-other-XXXXXX", link[160];
	struct err err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(other));
	snprintf(link, sizeof(link), "%s/.well-known", other);
	assert_int_equal(symlink(root, link), 0);
	assert_int_not_equal(webroot_put(other, "tok", "text", &err), RC_OK);
	assert_non_null(strstr(err.text, "link to one"));
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(other), 0);
}

/* RFC 8555, 8.3: the token is base64url; anything else could name another file. */
static void a_token_that_is_no_token_names_no_file(void **state)
{
	static const char *const bad[] = { "", "..", "../tok", "a/b", "a.b", "tok\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(webroot_put(root, bad[i], "text", NULL), RC_PROTOCOL);
		assert_int_equal(webroot_remove(root, bad[i], NULL), RC_PROTOCOL);
	}
}

static void a_root_that_is_not_there_is_the_configurations_mistake(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(webroot_put("/nowhere/www", "tok", "text", &err), RC_INPUT);
	assert_int_equal(err.rc, RC_INPUT); /* what decides on the order that it is for */
	assert_non_null(strstr(err.text, "/nowhere/www"));
}

/* Before anything is ordered: what is missing could be made, and is not. */
static void a_root_is_tried_without_a_trace(void **state)
{
	char other[] = "/tmp/hwa-other-XXXXXX", known[160], link[160];
	struct err err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(other));
	snprintf(known, sizeof(known), "%s/.well-known", other);
	assert_int_equal(webroot_try("/nowhere/www", &err), RC_INPUT);
	assert_non_null(strstr(err.text, "/nowhere/www: cannot be opened"));
	assert_int_equal(webroot_try(other, NULL), RC_OK);
	assert_int_not_equal(access(known, F_OK), 0);
	assert_int_equal(mkdir(known, 0755), 0);
	assert_int_equal(webroot_try(other, NULL), RC_OK);
	snprintf(link, sizeof(link), "%s/acme-challenge", known);
	assert_int_equal(symlink(root, link), 0);
	assert_int_not_equal(webroot_try(other, &err), RC_OK);
	assert_non_null(strstr(err.text, "link to one"));
	assert_int_equal(unlink(link), 0);
	assert_int_equal(chmod(known, 0555), 0);
	if (geteuid() != 0) {
		assert_int_not_equal(webroot_try(other, &err), RC_OK);
		assert_non_null(strstr(err.text, "may not be written in"));
	}
	assert_int_equal(rmdir(known), 0);
	assert_int_equal(rmdir(other), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_is_for_everyone_to_read_whatever_the_umask_says),
		cmocka_unit_test(what_a_killed_run_left_is_replaced),
		cmocka_unit_test(a_link_in_the_files_place_is_not_followed),
		cmocka_unit_test(a_link_in_a_folders_place_is_refused),
		cmocka_unit_test(a_token_that_is_no_token_names_no_file),
		cmocka_unit_test(a_root_that_is_not_there_is_the_configurations_mistake),
		cmocka_unit_test(a_root_is_tried_without_a_trace),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
