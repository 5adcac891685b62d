/* archive_planted_test.c -- what somebody planted in the archive's way is refused, named and left; modes hold under any umask. */
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

#include "archive.h"

#define STRANGER 4711 /* no user of this machine */

static char dir[] = "/tmp/hwa-planted-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void shell(const char *command)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "cd %s && %s", dir, command);
	assert_int_equal(system(whole), 0);
}

static int start(void **state)
{
	(void)state;
	return mkdtemp(dir) && mkdir(path_of("elsewhere"), 0755) == 0 ? 0 : -1;
}

static int stop(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static enum rc renew(unsigned generation, const struct set_files *files, struct err *err)
{
	const struct archive_set set = { .fullchain = span_text("full"),
					 .chain = span_text("chain"),
					 .leaf = span_text("leaf"),
					 .key_pem = span_text("reference"),
					 .key_uri = span_text("pkcs11:token=t"),
					 .files = files };
	enum rc rc = archive_stage(dir, "amf", generation, &set, err);

	return rc == RC_OK ? archive_switch(dir, "amf", generation, err) : rc;
}

static mode_t mode_of(const char *name)
{
	struct stat status;

	assert_int_equal(lstat(path_of(name), &status), 0);
	return status.st_mode & 07777;
}

/* Where a renewal writes or reads, and whether its own leavings there are of that type: those are cleared away. */
static const struct {
	const char *path;
	mode_t ours;
} PLACES[] = {
	{ "archive", S_IFDIR },       { "archive/amf", S_IFDIR }, { "archive/amf/.staging", S_IFDIR },
	{ "archive/amf/2", S_IFDIR }, { "live", S_IFDIR },        { "live/.amf.new", S_IFLNK },
	{ "live/amf", S_IFLNK },
};

/* Sets aside what is there, plants something there with `how`, and expects a renewal to refuse it by name and change nothing. */
static void expect_refused(const char *place, const char *how)
{
	struct err err = { 0 };

	assert_int_equal(setenv("PLACE", place, 1), 0);
	shell("cp -a archive live elsewhere && { [ ! -e $PLACE -a ! -L $PLACE ] || mv $PLACE aside; }");
	shell(how);
	enum rc rc = renew(2, NULL, &err);
	if (rc != RC_RESOURCE || err.rc != RC_RESOURCE || !strstr(err.text, path_of(place)))
		fail_msg("%s, planted with \"%s\": %d, %s", place, how, (int)rc, err.text);
	/* What was planted is still there, and nothing was written where it leads to. */
	shell("[ -e $PLACE -o -L $PLACE ] && rm -rf $PLACE && [ -z \"$(ls elsewhere/planted 2>/dev/null)\" ]");
	shell("rm -rf archive live aside elsewhere/planted && mv elsewhere/archive elsewhere/live .");
}

static void a_link_in_any_place_is_refused(void **state)
{
	(void)state;
	assert_int_equal(renew(1, NULL, NULL), RC_OK);
	for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]); i++)
		if (PLACES[i].ours != S_IFLNK)
			expect_refused(PLACES[i].path, "mkdir elsewhere/planted && ln -s $PWD/elsewhere/planted $PLACE");
	/* live/amf is a link: it is to be ours, into the archive. */
	expect_refused("live/amf", "mkdir elsewhere/planted && ln -s ../elsewhere/planted $PLACE");
	expect_refused("live/amf", "ln -s ../archive/amf/1/../1 $PLACE");
}

static void a_file_or_a_pipe_in_any_place_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]); i++) {
		expect_refused(PLACES[i].path, "touch $PLACE");
		expect_refused(PLACES[i].path, "mkfifo $PLACE");
		if (PLACES[i].ours == S_IFLNK)
			expect_refused(PLACES[i].path, "mkdir $PLACE");
	}
}

static void a_directory_that_others_may_write_in_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]); i++)
		if (PLACES[i].ours == S_IFDIR)
			expect_refused(PLACES[i].path, "mkdir -m 0777 $PLACE");
}

static void what_belongs_to_another_user_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0) /* only root can put it there */
		return;
	for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]); i++) {
		if (PLACES[i].ours == S_IFDIR)
			expect_refused(PLACES[i].path, "mkdir $PLACE && chown 4711 $PLACE");
		else
			expect_refused(PLACES[i].path, "ln -s ../archive/amf/1 $PLACE && chown -h 4711 $PLACE");
	}
}

/* What a renewal that was killed left behind is no stranger's. */
static void our_own_leavings_are_cleared_away(void **state)
{
	struct err err = { 0 };

	(void)state;
	shell("mkdir archive/amf/.staging archive/amf/2 && touch archive/amf/.staging/cert.pem archive/amf/2/key.pem && "
	      "ln -s ../archive/amf/2 live/.amf.new");
	if (renew(2, NULL, &err) != RC_OK)
		fail_msg("%s", err.text);
	shell("[ $(readlink live/amf) = ../archive/amf/2 ] && [ ! -e archive/amf/.staging ] && [ ! -L live/.amf.new ]");
}

static void modes_hold_under_any_umask(void **state)
{
	static const mode_t umasks[] = { 0, 022, 077, 0777 };

	(void)state;
	for (size_t i = 0; i < sizeof(umasks) / sizeof(umasks[0]); i++) {
		struct err err = { 0 };

		shell("rm -rf archive live");
		mode_t before = umask(umasks[i]);
		enum rc rc = renew(1, NULL, &err);

		umask(before);
		if (rc != RC_OK)
			fail_msg("umask %03o: %s", (unsigned)umasks[i], err.text);
		assert_int_equal(mode_of("archive"), 0755);
		assert_int_equal(mode_of("archive/amf"), 0755);
		assert_int_equal(mode_of("archive/amf/1"), 0755);
		assert_int_equal(mode_of("live"), 0755);
		assert_int_equal(mode_of("archive/amf/1/fullchain.pem"), 0644);
		assert_int_equal(mode_of("archive/amf/1/key.pem"), 0640);
		assert_int_equal(mode_of("archive/amf/1/haproxy.pem"), 0640);
	}
}

static void files_have_the_owner_group_and_mode_that_the_operator_wrote_and_no_more_of_them_are_there(void **state)
{
	struct set_files files = { .formats = set_file_complete(SET_FILE_BIT(SET_FILE_HAPROXY) | SET_FILE_BIT(SET_FILE_OPENSSL)),
				   .mode = 0440,
				   .owner = geteuid() == 0 ? STRANGER : (uid_t)-1,
				   .group = geteuid() == 0 ? STRANGER : getegid() };
	struct err err = { 0 };
	struct stat status;

	(void)state;
	if (renew(3, &files, &err) != RC_OK)
		fail_msg("%s", err.text);
	shell("[ \"$(ls live/amf/ | tr '\\n' ' ')\" = 'cert.pem haproxy.pem openssl.cnf ' ]");
	assert_int_equal(stat(path_of("live/amf/haproxy.pem"), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0440);
	assert_int_equal(status.st_gid, files.group);
	assert_int_equal(status.st_uid, geteuid() == 0 ? STRANGER : geteuid());
}

static void only_a_set_that_is_there_goes_live(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_not_equal(archive_switch(dir, "amf", 99, &err), RC_OK);
	assert_non_null(strstr(err.text, path_of("archive/amf/99")));
	shell("[ $(readlink live/amf) = ../archive/amf/3 ]");
}

static void a_name_that_would_lead_elsewhere_is_no_name(void **state)
{
	static const char *const names[] = { "", ".", "..", "../x", "a/b", ".staging", "-x", "a b", "a\nb", "\xc3\xa4" };
	struct archive_set set = { 0 };
	unsigned generation;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(archive_stage(dir, names[i], 1, &set, NULL), RC_BUG);
		assert_int_equal(archive_switch(dir, names[i], 1, NULL), RC_BUG);
		assert_int_equal(archive_live(dir, names[i], &generation, NULL), RC_BUG);
		assert_int_equal(archive_highest(dir, names[i], &generation, NULL), RC_BUG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_in_any_place_is_refused),
		cmocka_unit_test(a_file_or_a_pipe_in_any_place_is_refused),
		cmocka_unit_test(a_directory_that_others_may_write_in_is_refused),
		cmocka_unit_test(what_belongs_to_another_user_is_refused),
		cmocka_unit_test(our_own_leavings_are_cleared_away),
		cmocka_unit_test(modes_hold_under_any_umask),
		cmocka_unit_test(files_have_the_owner_group_and_mode_that_the_operator_wrote_and_no_more_of_them_are_there),
		cmocka_unit_test(only_a_set_that_is_there_goes_live),
		cmocka_unit_test(a_name_that_would_lead_elsewhere_is_no_name),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
