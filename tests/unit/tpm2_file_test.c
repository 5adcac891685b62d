/* tpm2_file_test.c -- small files are there whole or not at all, whoever writes beside, and however a writer ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tpm2_file.h"

static char dir[] = "/tmp/hwa-file-XXXXXX", keys_dir[64];

static int start(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(keys_dir, sizeof(keys_dir), "%s/keys", dir);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	return rmdir(keys_dir) == 0 && rmdir(dir) == 0 ? 0 : -1;
}

/* As on NFS: a rename is a rename, whatever else is asked of it is not to be had. */
static bool is_nfs;

int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
	if (!is_nfs || !flags)
		return (int)syscall(SYS_renameat2, from, old, to, new, flags);
	errno = EINVAL;
	return -1;
}

static const char *path_of(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", keys_dir, name);
	return path;
}

static void a_file_is_written_once_for_its_owner_only(void **state)
{
	AUTO(buf) struct buf content = BUF_MAX(64);
	struct stat status;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(tpm2_file_read(keys_dir, "a.pem", &content, &err), RC_ABSENT);
	assert_int_equal(tpm2_file_write(keys_dir, "a.pem", span_text("first"), &err), RC_OK);
	assert_int_equal(stat(path_of("a.pem"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(tpm2_file_write(keys_dir, "a.pem", span_text("second"), &err), RC_INPUT);
	assert_int_equal(tpm2_file_read(keys_dir, "a.pem", &content, &err), RC_OK);
	assert_string_equal(buf_text(&content), "first");
	assert_int_equal(tpm2_file_erase(keys_dir, "a.pem", &err), RC_OK);
	assert_int_equal(tpm2_file_erase(keys_dir, "a.pem", &err), RC_OK);
}

static void where_no_rename_spares_another_file_it_is_the_same(void **state)
{
	is_nfs = true;
	a_file_is_written_once_for_its_owner_only(state);
	is_nfs = false;
	assert_int_equal(access(path_of(".a.pem.new"), F_OK), -1);
}

static void what_a_killed_writer_left_beside_is_in_nobodys_way(void **state)
{
	struct err err = { 0 };
	FILE *left = fopen(path_of(".a.pem.new"), "w");

	(void)state;
	assert_non_null(left);
	fclose(left);
	assert_int_equal(tpm2_file_write(keys_dir, "a.pem", span_text("whole"), &err), RC_OK);
	assert_int_not_equal(access(path_of(".a.pem.new"), F_OK), 0);
	assert_int_equal(tpm2_file_erase(keys_dir, "a.pem", &err), RC_OK);
}

static void a_link_is_not_followed(void **state)
{
	AUTO(buf) struct buf content = BUF_MAX(64);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(symlink("/etc/hostname", path_of("a.pem")), 0);
	assert_int_not_equal(tpm2_file_read(keys_dir, "a.pem", &content, &err), RC_OK);
	assert_int_equal(tpm2_file_write(keys_dir, "a.pem", span_text("x"), &err), RC_INPUT);
	assert_int_equal(unlink(path_of("a.pem")), 0);
}

/* `rc` is a refusal that names the file or directory and what is wrong with it. */
static void expect_refused(enum rc rc, const struct err *err, const char *path, const char *what)
{
	assert_int_equal(rc, RC_RESOURCE);
	if (!strstr(err->text, path) || !strstr(err->text, what))
		fail_msg("no \"%s\" and \"%s\" in: %s", path, what, err->text);
}

static void what_is_planted_for_a_file_is_refused_and_left(void **state)
{
	AUTO(buf) struct buf content = BUF_MAX(64);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(symlink("../target", path_of(".a.pem.new")), 0);
	expect_refused(tpm2_file_write(keys_dir, "a.pem", span_text("x"), &err), &err, path_of(".a.pem.new"), "a symbolic link");
	assert_int_equal(unlink(path_of(".a.pem.new")), 0);
	assert_int_not_equal(access(path_of("../target"), F_OK), 0);
	assert_int_equal(mkdir(path_of(".a.pem.new"), 0700), 0);
	expect_refused(tpm2_file_write(keys_dir, "a.pem", span_text("x"), &err), &err, path_of(".a.pem.new"), "a directory");
	assert_int_equal(rmdir(path_of(".a.pem.new")), 0);
	assert_int_equal(mkfifo(path_of("a.pem"), 0600), 0); /* and nobody writes into it */
	expect_refused(tpm2_file_read(keys_dir, "a.pem", &content, &err), &err, path_of("a.pem"), "a pipe");
	assert_int_equal(tpm2_file_write(keys_dir, "a.pem", span_text("x"), &err), RC_INPUT);
	assert_int_equal(unlink(path_of("a.pem")), 0);
	if (geteuid() == 0) {
		assert_int_equal(tpm2_file_write(keys_dir, "a.pem", span_text("x"), &err), RC_OK);
		assert_int_equal(chown(path_of("a.pem"), 4711, (gid_t)-1), 0);
		expect_refused(tpm2_file_read(keys_dir, "a.pem", &content, &err), &err, path_of("a.pem"),
			       "of another user (4711)");
		assert_int_equal(unlink(path_of("a.pem")), 0);
	}
}

static void what_is_planted_for_the_directory_is_refused(void **state)
{
	AUTO(buf) struct buf content = BUF_MAX(64);
	struct err err = { 0 };
	char aside[80];

	(void)state;
	assert_int_equal(chmod(keys_dir, 0770), 0);
	expect_refused(tpm2_file_write(keys_dir, "a.pem", span_text("x"), &err), &err, keys_dir, "others may write");
	assert_int_equal(chmod(keys_dir, 0700), 0);
	snprintf(aside, sizeof(aside), "%s/aside", dir);
	assert_int_equal(rename(keys_dir, aside), 0);
	assert_int_equal(symlink("aside", keys_dir), 0);
	expect_refused(tpm2_file_write(keys_dir, "a.pem", span_text("x"), &err), &err, keys_dir, "a symbolic link");
	expect_refused(tpm2_file_read(keys_dir, "a.pem", &content, &err), &err, keys_dir, "a symbolic link");
	expect_refused(tpm2_file_erase(keys_dir, "a.pem", &err), &err, keys_dir, "a symbolic link");
	assert_int_equal(unlink(keys_dir), 0);
	assert_int_equal(rmdir(aside), 0);
}

static void modes_hold_under_any_umask(void **state)
{
	static const mode_t umasks[] = { 0, 022, 0777 };

	(void)state;
	for (size_t i = 0; i < sizeof(umasks) / sizeof(umasks[0]); i++) {
		struct stat status;
		mode_t before = umask(umasks[i]);
		enum rc rc = tpm2_file_write(keys_dir, "a.pem", span_text("x"), NULL);

		umask(before);
		assert_int_equal(rc, RC_OK);
		assert_int_equal(stat(keys_dir, &status), 0);
		assert_int_equal(status.st_mode & 07777, 0700);
		assert_int_equal(stat(path_of("a.pem"), &status), 0);
		assert_int_equal(status.st_mode & 07777, 0600);
		assert_int_equal(tpm2_file_erase(keys_dir, "a.pem", NULL), RC_OK);
		assert_int_equal(rmdir(keys_dir), 0);
	}
}

static void a_file_that_is_too_long_is_refused(void **state)
{
	AUTO(buf) struct buf content = BUF_MAX(4);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(tpm2_file_write(keys_dir, "a.pem", span_text("12345"), &err), RC_OK);
	assert_int_not_equal(tpm2_file_read(keys_dir, "a.pem", &content, &err), RC_OK);
	assert_int_equal(tpm2_file_erase(keys_dir, "a.pem", &err), RC_OK);
}

/* Each knows after its own write, by its answer, whether it was first; and what is there is one of them, whole. */
static void of_many_writers_at_once_one_is_first(void **state)
{
	enum { WRITERS = 8, ROUNDS = 20 };
	struct err err = { 0 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		AUTO(buf) struct buf content = BUF_MAX(4096);
		pid_t writers[WRITERS];
		int first = 0;

		for (int i = 0; i < WRITERS; i++) {
			writers[i] = fork();
			if (writers[i] == 0) {
				char text[2001];

				memset(text, 'a' + i, 2000);
				_exit((int)tpm2_file_write(keys_dir, "race", span_of(text, 2000), NULL));
			}
		}
		for (int i = 0; i < WRITERS; i++) {
			int status = -1;

			assert_int_equal(waitpid(writers[i], &status, 0), writers[i]);
			assert_true(WIFEXITED(status));
			assert_true(WEXITSTATUS(status) == RC_OK || WEXITSTATUS(status) == RC_INPUT);
			first += WEXITSTATUS(status) == RC_OK;
		}
		assert_int_equal(first, 1);
		assert_int_equal(tpm2_file_read(keys_dir, "race", &content, &err), RC_OK);
		assert_int_equal(content.len, 2000);
		for (size_t i = 1; i < content.len; i++)
			assert_int_equal(content.at[i], content.at[0]);
		assert_int_equal(tpm2_file_erase(keys_dir, "race", &err), RC_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_written_once_for_its_owner_only),
		cmocka_unit_test(where_no_rename_spares_another_file_it_is_the_same),
		cmocka_unit_test(what_a_killed_writer_left_beside_is_in_nobodys_way),
		cmocka_unit_test(a_link_is_not_followed),
		cmocka_unit_test(what_is_planted_for_a_file_is_refused_and_left),
		cmocka_unit_test(what_is_planted_for_the_directory_is_refused),
		cmocka_unit_test(modes_hold_under_any_umask),
		cmocka_unit_test(a_file_that_is_too_long_is_refused),
		cmocka_unit_test(of_many_writers_at_once_one_is_first),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
