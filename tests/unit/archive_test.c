/* archive_test.c -- a set goes live whole, by one rename. */
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
#include <time.h>
#include <unistd.h>

#include "archive.h"
#include "clock.h"

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
	text_of("live/amf/haproxy.pem", text);
	assert_string_equal(text, "fullreference");
	text_of("live/amf/nginx.conf", text);
	assert_non_null(strstr(text, "ssl_certificate "));
}

static const char *pruned = "upf";

static bool is_there(unsigned generation)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/archive/%s/%u", dir, pruned, generation);
	return access(full, F_OK) == 0;
}

/* As if it had been made so many seconds before now. */
static void age(unsigned generation, int64_t now, int64_t seconds)
{
	char full[256];
	const time_t then = (time_t)(now - seconds);
	struct timespec times[2] = { { .tv_sec = then }, { .tv_sec = then } };

	snprintf(full, sizeof(full), "%s/archive/%s/%u", dir, pruned, generation);
	assert_int_equal(utimensat(AT_FDCWD, full, times, 0), 0);
}

static void superseded_generations_go_when_they_are_old_and_the_live_one_never(void **state)
{
	struct archive_set set = set_of("x");
	int64_t next = 9, now = clock_now();
	struct archive_prune terms = { .keep = 2, .until = 6, .age = 100, .now = now };

	(void)state;
	/* 5 is live; 6 is staged; 4 became a predecessor 50 seconds ago, when 5 was made. */
	for (unsigned i = 1; i <= 6; i++) {
		assert_int_equal(archive_stage(dir, "upf", i, &set, NULL), RC_OK);
		age(i, now, i < 5 ? 1000 - 100 * i : 50);
	}
	assert_int_equal(archive_switch(dir, "upf", 5, NULL), RC_OK);
	/* What is to be revoked is not touched. */
	terms.until = 2;
	assert_int_equal(archive_prune(dir, "upf", &terms, &next, NULL), RC_OK);
	assert_true(!is_there(1) && is_there(2) && next == 0);
	terms.until = 6;
	assert_int_equal(archive_prune(dir, "upf", &terms, &next, NULL), RC_OK);
	assert_true(!is_there(2) && !is_there(3) && is_there(4) && is_there(5) && is_there(6));
	assert_int_equal(next, 0);
	terms.keep = 1;
	assert_int_equal(archive_prune(dir, "upf", &terms, &next, NULL), RC_OK);
	assert_true(is_there(4));
	assert_int_equal(next, now + 50);
	terms.now = next;
	assert_int_equal(archive_prune(dir, "upf", &terms, &next, NULL), RC_OK);
	assert_true(!is_there(4) && is_there(5) && is_there(6));
	assert_int_equal(next, 0);
}

/* By a clock that was ahead by more than anything is kept for; by less, it waits for so much longer. */
static void a_generation_from_a_time_to_come_keeps_nothing(void **state)
{
	struct archive_set set = set_of("x");
	int64_t next = 9, now = clock_now();
	struct archive_prune terms = { .keep = 1, .until = 3, .age = 100, .now = now };

	(void)state;
	pruned = "pcf";
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(archive_stage(dir, pruned, i, &set, NULL), RC_OK);
	age(2, now, -5000);
	age(3, now, -50);
	assert_int_equal(archive_switch(dir, pruned, 3, NULL), RC_OK);
	assert_int_equal(archive_prune(dir, pruned, &terms, &next, NULL), RC_OK);
	assert_true(!is_there(1) && is_there(2) && is_there(3));
	assert_int_equal(next, now + 150);
	terms.now = next;
	assert_int_equal(archive_prune(dir, pruned, &terms, &next, NULL), RC_OK);
	assert_true(!is_there(2) && is_there(3));
	pruned = "upf";
}

static void what_is_not_ours_in_the_archive_stays(void **state)
{
	struct archive_prune terms = { .keep = 1, .until = 9, .age = 0, .now = clock_now() + 1000 };
	struct archive_set set = set_of("x");
	char command[300];
	int64_t next = 0;

	(void)state;
	/* A link in the place of a generation, a name that only looks like a number, and a folder of the administrator's. */
	snprintf(command, sizeof(command),
		 "cd %s/archive/upf && mkdir elsewhere 07 4 4/mine && touch elsewhere/kept && ln -s elsewhere 3", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(archive_stage(dir, "upf", 8, &set, NULL), RC_OK);
	assert_int_equal(archive_switch(dir, "upf", 8, NULL), RC_OK);
	assert_int_equal(archive_prune(dir, "upf", &terms, &next, NULL), RC_RESOURCE);
	snprintf(command, sizeof(command), "cd %s/archive/upf && test -e elsewhere/kept -a -L 3 -a -d 07 -a -d 4/mine", dir);
	assert_int_equal(system(command), 0);
}

static enum rc check(unsigned generation, struct err *err)
{
	AUTO(archive_view) struct archive_view *view = NULL;

	assert_int_equal(archive_view_new(dir, &view, NULL), RC_OK);
	enum rc rc = archive_check(view, "upf", generation, err);
	/* The second time nothing has to be opened. */
	assert_int_equal(archive_check(view, "upf", generation, NULL), rc);
	return rc;
}

static void expect_damaged(unsigned generation, const char *command, const char *what)
{
	struct err err = { 0 };
	char whole[300];

	snprintf(whole, sizeof(whole), "cd %s && %s", dir, command);
	assert_int_equal(system(whole), 0);
	assert_int_equal(check(generation, &err), RC_RESOURCE);
	if (!strstr(err.text, what))
		fail_msg("after \"%s\" no \"%s\": %s", command, what, err.text);
}

/* Each with what to do. */
static void what_became_of_the_live_set_is_told(void **state)
{
	char link[300];

	(void)state;
	assert_int_equal(check(8, NULL), RC_OK);
	snprintf(link, sizeof(link), "`ln -sfT ../archive/upf/8 %s/live/upf`", dir);
	expect_damaged(8, "mkdir -p archive/upf/7 && ln -sfT ../archive/upf/7 live/upf", link);
	/* One that came after all that the records know is not given up for an older one, whose key may be erased. */
	expect_damaged(8, "mkdir archive/upf/9 && ln -sfT ../archive/upf/9 live/upf", "; `hwacme renew --force upf`");
	expect_damaged(8, "rmdir archive/upf/9 && ln -sfT /etc live/upf", link);
	expect_damaged(8, "rm live/upf", "live/upf is gone; `hwacme renew upf`");
	expect_damaged(8, "ln -s ../archive/upf/8 live/upf && mv archive/upf/8/cert.pem .", "`hwacme renew --force upf`");
	expect_damaged(8, "mv archive/upf/8 aside", "`hwacme renew --force upf`");
	expect_damaged(8, "mv archive aside2", "`hwacme renew --force upf`");
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(
		system("mv aside2 archive && mv aside archive/upf/8 && mv cert.pem archive/upf/8 && rmdir archive/upf/7"), 0);
	assert_int_equal(check(8, NULL), RC_OK);
}

/* A directory with a number that none of ours will have: the next generation is counted from those that are. */
static void a_number_beyond_ours_is_stepped_over(void **state)
{
	char command[300];
	unsigned highest = 0;

	(void)state;
	snprintf(command, sizeof(command), "cd %s/archive/upf && mkdir 4294967295 99999999999", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(archive_highest(dir, "upf", &highest, NULL), RC_OK);
	assert_int_equal(highest, 8);
	snprintf(command, sizeof(command), "cd %s/archive/upf && rmdir 4294967295 99999999999", dir);
	assert_int_equal(system(command), 0);
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
		cmocka_unit_test(superseded_generations_go_when_they_are_old_and_the_live_one_never),
		cmocka_unit_test(a_generation_from_a_time_to_come_keeps_nothing),
		cmocka_unit_test(what_is_not_ours_in_the_archive_stays),
		cmocka_unit_test(what_became_of_the_live_set_is_told),
		cmocka_unit_test(a_number_beyond_ours_is_stepped_over),
		cmocka_unit_test(a_state_directory_that_is_not_there_is_an_error_that_names_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
