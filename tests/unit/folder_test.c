/* folder_test.c -- what somebody planted in our way is refused and named, and modes are exact under any umask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"

#define AS_IT_COMES .owner = (uid_t)-1, .group = (gid_t)-1
#define STRANGER    4711 /* no user of this machine */

static char top[] = "/tmp/hwa-folder-XXXXXX";
static int top_fd;

static const char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return path;
}

static int start(void **state)
{
	(void)state;
	return mkdtemp(top) && folder_open_top(top, 0, &top_fd, NULL) == RC_OK ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	close(top_fd);
	return rmdir(top);
}

static mode_t mode_of(const char *name)
{
	struct stat status;

	assert_int_equal(lstat(path_of(name), &status), 0);
	return status.st_mode & 07777;
}

static void expect_refused(enum rc rc, const struct err *err, const char *name, const char *what)
{
	assert_int_equal(rc, RC_RESOURCE);
	assert_int_equal(err->rc, RC_RESOURCE);
	if (!strstr(err->text, path_of(name)) || !strstr(err->text, what))
		fail_msg("no \"%s\" and \"%s\" in: %s", path_of(name), what, err->text);
}

static void a_directory_is_made_with_exactly_its_mode_under_any_umask(void **state)
{
	static const mode_t umasks[] = { 0, 022, 077, 0777 };

	(void)state;
	for (size_t i = 0; i < sizeof(umasks) / sizeof(umasks[0]); i++) {
		struct err err = { 0 };
		mode_t before = umask(umasks[i]);
		int fd = -1;
		enum rc rc = folder_open(top_fd, "made", path_of("made"), 0755, &fd, &err);
		enum rc file = rc == RC_OK ? folder_write(fd, path_of("made"), &(struct folder_file){ "f", 0640, AS_IT_COMES },
							  span_text("x"), &err)
					   : rc;

		umask(before);
		assert_int_equal(rc, RC_OK);
		assert_int_equal(file, RC_OK);
		assert_string_equal(err.text, "");
		assert_int_equal(mode_of("made"), 0755);
		assert_int_equal(mode_of("made/f"), 0640);
		close(fd);
		assert_int_equal(folder_remove(top_fd, top, "made", &err), RC_OK);
		assert_int_equal(folder_remove(top_fd, top, "made", &err), RC_OK);
		assert_string_equal(err.text, "");
	}
}

static void a_directory_that_has_to_be_new_is_new_and_has_its_mode(void **state)
{
	struct err err = { 0 };
	mode_t before = umask(0777);
	int fd = -1, again = -7;

	(void)state;
	enum rc rc = folder_make(top_fd, "new", path_of("new"), 0755, &fd, &err);
	umask(before);
	assert_int_equal(rc, RC_OK);
	assert_int_equal(mode_of("new"), 0755);
	close(fd);
	assert_int_equal(folder_make(top_fd, "new", path_of("new"), 0755, &again, &err), RC_RESOURCE);
	assert_int_equal(again, -7);
	assert_int_equal(folder_remove(top_fd, top, "new", &err), RC_OK);
}

static void a_directory_that_is_not_there_and_not_to_be_made_is_absent(void **state)
{
	struct err err = { 0 };
	int fd = -7;

	(void)state;
	assert_int_equal(folder_open(top_fd, "none", path_of("none"), 0, &fd, &err), RC_ABSENT);
	assert_int_equal(folder_open_path(path_of("none/at"), 0700, &fd, &err), RC_ABSENT);
	assert_int_equal(folder_open_top(path_of("none"), 0, &fd, &err), RC_ABSENT);
	assert_int_equal(fd, -7);
}

/* Each kind of thing that is no directory of ours. */
static void what_is_in_the_place_of_a_directory_is_refused_and_left(void **state)
{
	struct err err = { 0 };
	struct stat status;
	int fd = -7;

	(void)state;
	assert_int_equal(mkdir(path_of("elsewhere"), 0755), 0);
	assert_int_equal(symlinkat("elsewhere", top_fd, "it"), 0);
	expect_refused(folder_open(top_fd, "it", path_of("it"), 0755, &fd, &err), &err, "it", "a symbolic link");
	expect_refused(folder_remove(top_fd, top, "it", &err), &err, "it", "a symbolic link");
	assert_int_equal(unlinkat(top_fd, "it", 0), 0);
	assert_int_equal(mkfifo(path_of("it"), 0600), 0);
	expect_refused(folder_open(top_fd, "it", path_of("it"), 0755, &fd, &err), &err, "it", "a pipe");
	assert_int_equal(unlinkat(top_fd, "it", 0), 0);
	close(openat(top_fd, "it", O_CREAT | O_WRONLY, 0600));
	expect_refused(folder_open_path(path_of("it"), 0755, &fd, &err), &err, "it", "a file");
	assert_int_equal(unlinkat(top_fd, "it", 0), 0);
	assert_int_equal(fd, -7);
	assert_int_equal(stat(path_of("elsewhere"), &status), 0);
	assert_int_equal(rmdir(path_of("elsewhere")), 0);
}

static void a_directory_that_others_may_write_in_is_refused(void **state)
{
	static const mode_t modes[] = { 0775, 0757, 01777 };
	struct err err = { 0 };
	int fd = -7;

	(void)state;
	assert_int_equal(mkdir(path_of("it"), 0755), 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(path_of("it"), modes[i]), 0);
		expect_refused(folder_open(top_fd, "it", path_of("it"), 0755, &fd, &err), &err, "it", "others may write");
	}
	assert_int_equal(chmod(path_of("it"), 0777), 0);
	expect_refused(folder_open_top(path_of("it"), 0755, &fd, &err), &err, "it", "everybody may write");
	assert_int_equal(rmdir(path_of("it")), 0);
}

/* Only root can put something of another user there; who is not root finds that the rest of the tests says it too. */
static void what_belongs_to_another_user_is_refused(void **state)
{
	AUTO(buf) struct buf content = BUF_MAX(16);
	struct err err = { 0 };
	int fd = -7;

	(void)state;
	if (geteuid() != 0)
		return;
	assert_int_equal(mkdir(path_of("it"), 0755), 0);
	assert_int_equal(chown(path_of("it"), STRANGER, 0), 0);
	expect_refused(folder_open(top_fd, "it", path_of("it"), 0755, &fd, &err), &err, "it", "of another user (4711)");
	expect_refused(folder_remove(top_fd, top, "it", &err), &err, "it", "of another user");
	assert_int_equal(rmdir(path_of("it")), 0);
	assert_int_equal(folder_write(top_fd, top, &(struct folder_file){ "it", 0600, STRANGER, STRANGER }, span_text("x"), &err),
			 RC_OK);
	expect_refused(folder_read(top_fd, top, "it", &content, &err), &err, "it", "of another user");
	expect_refused(folder_clear(top_fd, top, "it", S_IFREG, &err), &err, "it", "of another user");
	/* Unless the whole directory is that user's: root does for the user of the daemon what the daemon does itself. */
	assert_int_equal(chown(top, STRANGER, (gid_t)-1), 0);
	assert_int_equal(folder_read(top_fd, top, "it", &content, &err), RC_OK);
	assert_int_equal(folder_clear(top_fd, top, "it", S_IFREG, &err), RC_OK);
	assert_int_equal(chown(top, 0, (gid_t)-1), 0);
}

static void a_file_is_new_or_not_written(void **state)
{
	const struct folder_file file = { "it", 0644, AS_IT_COMES };
	AUTO(buf) struct buf content = BUF_MAX(16);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(symlinkat("target", top_fd, "it"), 0);
	expect_refused(folder_write(top_fd, top, &file, span_text("x"), &err), &err, "it", "a symbolic link");
	assert_int_not_equal(access(path_of("target"), F_OK), 0);
	expect_refused(folder_clear(top_fd, top, "it", S_IFREG, &err), &err, "it", "a symbolic link");
	assert_int_equal(folder_clear(top_fd, top, "it", S_IFLNK, &err), RC_OK);
	assert_int_equal(folder_write(top_fd, top, &file, span_text("first"), &err), RC_OK);
	expect_refused(folder_write(top_fd, top, &file, span_text("second"), &err), &err, "it", "a file");
	assert_int_equal(folder_read(top_fd, top, "it", &content, &err), RC_OK);
	assert_string_equal(buf_text(&content), "first");
	assert_int_equal(folder_clear(top_fd, top, "it", S_IFREG, &err), RC_OK);
	assert_int_equal(folder_clear(top_fd, top, "it", S_IFREG, &err), RC_OK);
	assert_int_equal(folder_read(top_fd, top, "it", &content, &err), RC_ABSENT);
}

static void reading_waits_for_nobody_and_ends(void **state)
{
	AUTO(buf) struct buf content = BUF_MAX(4);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(mkfifo(path_of("it"), 0600), 0);
	expect_refused(folder_read(top_fd, top, "it", &content, &err), &err, "it", "a pipe");
	assert_int_equal(unlinkat(top_fd, "it", 0), 0);
	assert_int_equal(symlinkat("/etc/hostname", top_fd, "it"), 0);
	expect_refused(folder_read(top_fd, top, "it", &content, &err), &err, "it", "a symbolic link");
	assert_int_equal(unlinkat(top_fd, "it", 0), 0);
	assert_int_equal(folder_write(top_fd, top, &(struct folder_file){ "it", 0600, AS_IT_COMES }, span_text("12345"), &err),
			 RC_OK);
	assert_int_equal(folder_read(top_fd, top, "it", &content, &err), RC_PROTOCOL);
	assert_int_equal(unlinkat(top_fd, "it", 0), 0);
}

/* What was planted under the name "it" is refused as `what`, and "other", where it may lead, is not touched. */
static void expect_no_file(const char *what)
{
	struct err err = { 0 };
	int fd = -1;

	expect_refused(folder_open_file(top_fd, top, "it", &fd, &err), &err, "it", what);
	err = (struct err){ 0 };
	expect_refused(folder_look_file(top_fd, top, "it", &err), &err, "it", what);
	assert_int_equal(fd, -1);
	assert_int_equal(mode_of("other"), 0640);
	assert_int_equal(unlinkat(top_fd, "it", strstr(what, "directory") ? AT_REMOVEDIR : 0), 0);
}

static void a_file_to_write_in_is_ours_alone(void **state)
{
	struct err err = { 0 };
	int fd = -1;

	(void)state;
	assert_int_equal(folder_write(top_fd, top, &(struct folder_file){ "other", 0640, AS_IT_COMES }, span_text("x"), &err),
			 RC_OK);
	assert_int_equal(mkfifo(path_of("it"), 0600), 0);
	expect_no_file("a pipe");
	assert_int_equal(symlinkat("other", top_fd, "it"), 0);
	expect_no_file("a symbolic link");
	assert_int_equal(symlinkat("nowhere", top_fd, "it"), 0);
	expect_no_file("a symbolic link");
	assert_int_equal(mkdirat(top_fd, "it", 0700), 0);
	expect_no_file("a directory");
	assert_int_equal(linkat(top_fd, "other", top_fd, "it", 0), 0);
	expect_no_file("hard link");
	if (geteuid() == 0) {
		assert_int_equal(
			folder_write(top_fd, top, &(struct folder_file){ "it", 0600, STRANGER, STRANGER }, span_text(""), &err),
			RC_OK);
		expect_no_file("another user");
	}
	assert_int_equal(unlinkat(top_fd, "other", 0), 0);
	assert_int_equal(folder_look_file(top_fd, top, "it", &err), RC_OK);
	for (int i = 0; i < 2; i++) { /* made, then found */
		mode_t before = umask(0777);
		enum rc rc = folder_open_file(top_fd, top, "it", &fd, &err);

		umask(before);
		assert_int_equal(rc, RC_OK);
		assert_int_equal(mode_of("it"), 0600);
		assert_int_equal(write(fd, "x", 1), 1);
		close(fd);
	}
	assert_int_equal(folder_look_file(top_fd, top, "it", &err), RC_OK);
	assert_int_equal(unlinkat(top_fd, "it", 0), 0);
}

static void expect_owner(const char *name, uid_t owner, gid_t group)
{
	struct stat status;

	assert_int_equal(lstat(path_of(name), &status), 0);
	assert_int_equal(status.st_uid, owner);
	assert_int_equal(status.st_gid, group);
}

/* So that a daemon with a user of its own can go on where a command of root's left off. */
static void what_root_makes_in_the_directory_of_another_user_is_that_users(void **state)
{
	struct err err = { 0 };
	int user = -1, fd = -1;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(folder_make(top_fd, "user", path_of("user"), 0755, &user, &err), RC_OK);
	expect_owner("user", 0, getegid());
	assert_int_equal(fchown(user, STRANGER, STRANGER + 1), 0);
	assert_int_equal(folder_make(user, "new", path_of("user/new"), 0755, &fd, &err), RC_OK);
	expect_owner("user/new", STRANGER, STRANGER + 1);
	assert_int_equal(
		folder_write(fd, path_of("user/new"), &(struct folder_file){ "file", 0640, AS_IT_COMES }, span_text("x"), &err),
		RC_OK);
	expect_owner("user/new/file", STRANGER, STRANGER + 1);
	assert_int_equal(mode_of("user/new/file"), 0640);
	assert_int_equal(folder_write(fd, path_of("user/new"), &(struct folder_file){ "given", 0640, (uid_t)-1, 4713 },
				      span_text("x"), &err),
			 RC_OK);
	expect_owner("user/new/given", STRANGER, 4713);
	close(fd);
	assert_int_equal(folder_open(user, "made", path_of("user/made"), 0700, &fd, &err), RC_OK);
	expect_owner("user/made", STRANGER, STRANGER + 1);
	close(fd);
	assert_int_equal(folder_open_file(user, path_of("user"), "lock", &fd, &err), RC_OK);
	expect_owner("user/lock", STRANGER, STRANGER + 1);
	assert_int_equal(mode_of("user/lock"), 0600);
	close(fd);
	assert_int_equal(folder_remove(user, path_of("user"), "new", &err), RC_OK);
	assert_int_equal(folder_remove(user, path_of("user"), "made", &err), RC_OK);
	assert_int_equal(fchown(user, 0, 0), 0);
	assert_int_equal(unlinkat(user, "lock", 0), 0);
	close(user);
	assert_int_equal(rmdir(path_of("user")), 0);
}

static void a_directory_with_a_directory_in_it_is_not_removed(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(mkdir(path_of("it"), 0755), 0);
	assert_int_equal(mkdir(path_of("it/.hidden"), 0755), 0);
	expect_refused(folder_remove(top_fd, top, "it", &err), &err, "it/.hidden", "is in the way: it is a directory");
	assert_int_equal(rmdir(path_of("it/.hidden")), 0);
	assert_int_equal(folder_remove(top_fd, top, "it", &err), RC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_that_has_to_be_new_is_new_and_has_its_mode),
		cmocka_unit_test(a_directory_is_made_with_exactly_its_mode_under_any_umask),
		cmocka_unit_test(a_directory_that_is_not_there_and_not_to_be_made_is_absent),
		cmocka_unit_test(what_is_in_the_place_of_a_directory_is_refused_and_left),
		cmocka_unit_test(a_directory_that_others_may_write_in_is_refused),
		cmocka_unit_test(what_belongs_to_another_user_is_refused),
		cmocka_unit_test(a_file_is_new_or_not_written),
		cmocka_unit_test(reading_waits_for_nobody_and_ends),
		cmocka_unit_test(a_file_to_write_in_is_ours_alone),
		cmocka_unit_test(what_root_makes_in_the_directory_of_another_user_is_that_users),
		cmocka_unit_test(a_directory_with_a_directory_in_it_is_not_removed),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
