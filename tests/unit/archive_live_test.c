/* archive_live_test.c -- what live/ leads to is shown, and what is none of ours, or gone, is stepped over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive.h"

static char dir[] = "/tmp/hwa-archive-live-XXXXXX";

static void run(const char *command)
{
	char whole[400];

	snprintf(whole, sizeof(whole), "cd %s && %s", dir, command);
	assert_int_equal(system(whole), 0);
}

static void stage(const char *name, unsigned generation, const char *leaf)
{
	const struct archive_set set = { .fullchain = span_text("full"),
					 .chain = span_text("chain"),
					 .leaf = span_text(leaf),
					 .key_pem = span_text("reference"),
					 .key_uri = span_text("pkcs11:token=t?pin-source=/p") };

	assert_int_equal(archive_stage(dir, name, generation, &set, NULL), RC_OK);
}

/* As "NAME=CONTENT ", in any order. */
static enum rc collect(void *ctx, const char *name, struct span certificate, struct err *err)
{
	char *text = ctx;

	(void)err;
	snprintf(text + strlen(text), 200 - strlen(text), "%s=%.*s ", name, (int)certificate.len, (const char *)certificate.at);
	return RC_OK;
}

static enum rc refuse(void *ctx, const char *name, struct span certificate, struct err *err)
{
	(void)name;
	(void)certificate;
	++*(int *)ctx;
	return err_set(err, RC_INPUT, "not that one");
}

static void a_state_without_sets_has_nothing_live(void **state)
{
	char seen[200] = "";

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(archive_each_live(dir, collect, seen, NULL), RC_OK);
	stage("amf", 1, "staged");
	assert_int_equal(archive_each_live(dir, collect, seen, NULL), RC_OK);
	assert_string_equal(seen, "");
}

static void each_live_set_shows_its_certificate(void **state)
{
	char seen[200] = "";
	int calls = 0;

	(void)state;
	stage("amf", 2, "two");
	stage("smf", 1, "one");
	assert_int_equal(archive_switch(dir, "amf", 2, NULL), RC_OK);
	assert_int_equal(archive_switch(dir, "smf", 1, NULL), RC_OK);
	assert_int_equal(archive_each_live(dir, collect, seen, NULL), RC_OK);
	assert_true(strcmp(seen, "amf=two smf=one ") == 0 || strcmp(seen, "smf=one amf=two ") == 0);
	assert_int_equal(archive_each_live(dir, refuse, &calls, NULL), RC_INPUT);
	assert_int_equal(calls, 1);
}

static void what_is_none_of_ours_or_gone_is_stepped_over(void **state)
{
	char seen[200] = "";

	(void)state;
	run("mv archive/smf/1 aside && touch live/README && mkdir live/folder && ln -s /nowhere live/.beside");
	assert_int_equal(archive_each_live(dir, collect, seen, NULL), RC_OK);
	assert_string_equal(seen, "amf=two ");
	run("mv aside archive/smf/1");
}

static void what_cannot_be_told_is_an_error(void **state)
{
	char seen[200] = "";
	struct err err = { 0 };

	(void)state;
	run("ln -sfT /etc live/smf");
	assert_int_equal(archive_each_live(dir, collect, seen, &err), RC_RESOURCE);
	assert_non_null(strstr(err.text, "live/smf"));
	run("ln -sfT ../archive/smf/1 live/smf && rm archive/smf/1/cert.pem && mkdir archive/smf/1/cert.pem");
	assert_int_equal(archive_each_live(dir, collect, seen, &err), RC_RESOURCE);
	run("rm -r live && touch live");
	assert_int_equal(archive_each_live(dir, collect, seen, &err), RC_RESOURCE);
	run("rm -r $PWD");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_without_sets_has_nothing_live),
		cmocka_unit_test(each_live_set_shows_its_certificate),
		cmocka_unit_test(what_is_none_of_ours_or_gone_is_stepped_over),
		cmocka_unit_test(what_cannot_be_told_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
