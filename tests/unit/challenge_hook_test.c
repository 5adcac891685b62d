/* challenge_hook_test.c -- what a hook finds in its environment was checked, and how it ended is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "challenge_hook.h"

static char shell[] = "/bin/sh", option[] = "-c", script[400], zero[] = "hook";
static char *run[] = { shell, option, script, zero };
static struct config_certificate certificate = { .name = (char[]){ "amf" } };
static struct config_challenge challenge = { .type = CHALLENGE_DNS_01, .run = run, .run_count = 4, .timeout = 20 };

static const struct challenge_call CALL = { CHALLENGE_VERB_PRESENT, "amf.example", "_acme-challenge.amf.example", "Ab-_9" };

static enum rc hook(const char *text, const struct challenge_call *call, struct buf *output, struct err *err)
{
	snprintf(script, sizeof(script), "%s", text);
	return challenge_hook_run(&certificate, &challenge, call, output, err);
}

static void a_hook_is_told_verb_name_record_and_value(void **state)
{
	struct err err = { 0 };

	(void)state;
	if (hook("test \"$1 $HWACME_NAME $HWACME_DOMAIN $HWACME_RECORD $HWACME_VALUE\" = 'present amf amf.example "
		 "_acme-challenge.amf.example Ab-_9'",
		 &CALL, NULL, &err) != RC_OK)
		fail_msg("%s", err.text);
}

static void not_yet_is_an_exit_status_of_ready_alone(void **state)
{
	struct challenge_call ready = CALL;

	(void)state;
	ready.verb = CHALLENGE_VERB_READY;
	assert_int_equal(hook("exit 75", &ready, NULL, NULL), RC_ABSENT);
	assert_int_equal(hook("exit 1", &ready, NULL, NULL), RC_RETRY);
	assert_int_equal(hook("exit 75", &CALL, NULL, NULL), RC_RETRY);
	assert_int_equal(hook("kill -9 $$", &ready, NULL, NULL), RC_RETRY);
}

static void a_failure_has_the_hooks_last_words(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(hook("echo the zone is; echo frozen >&2; exit 3", &CALL, NULL, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "exited with 3"));
	assert_non_null(strstr(err.text, "frozen"));
}

/* A token is a secret: what is on standard output is kept apart from what is told. */
static void a_command_prints_a_token_and_its_words_elsewhere(void **state)
{
	struct challenge_call token = { CHALLENGE_VERB_TOKEN, "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", "", "SHA256 0A:FF" };
	AUTO(buf) struct buf output = BUF_MAX(64);
	struct err err = { 0 };

	(void)state;
	if (hook("test $# = 0 && echo \"$HWACME_TKTYPE $HWACME_TKVALUE\" && echo words >&2 && test \"$HWACME_FINGERPRINT\" = "
		 "'SHA256 0A:FF'",
		 &token, &output, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_string_equal(buf_text(&output), "NfInstanceId 4ace9d34-2c69-4f99-92d5-a73a3fe8e23b\n");
	assert_int_equal(hook("echo s3cret; echo words >&2; exit 1", &token, &output, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "words"));
	assert_null(strstr(err.text, "s3cret"));
	buf_clear(&output);
	assert_int_equal(hook("head -c 4096 /dev/zero | tr '\\0' x", &token, &output, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "more than 64 bytes"));
}

/* The spawner believes nothing of a request: it came from the process that talks to the network. */
static void what_could_mean_more_than_a_name_reaches_no_program(void **state)
{
	static const struct challenge_call bad[] = {
		{ CHALLENGE_VERB_PRESENT, "amf.example\nX=1", "_acme-challenge.amf.example\nX=1", "Ab" },
		{ CHALLENGE_VERB_PRESENT, "$(id).example", "_acme-challenge.$(id).example", "Ab" },
		{ CHALLENGE_VERB_PRESENT, "*.example", "_acme-challenge.*.example", "Ab" },
		{ CHALLENGE_VERB_PRESENT, "amf.example", "_acme-challenge.other.example", "Ab" },
		{ CHALLENGE_VERB_PRESENT, "amf.example", "amf.example", "Ab" },
		{ CHALLENGE_VERB_PRESENT, "amf.example", "www.amf.example", "Ab" },
		{ CHALLENGE_VERB_PRESENT, "amf.example", "_a;b.amf.example", "Ab" },
		{ CHALLENGE_VERB_PRESENT, "amf.example", "_acme-challenge.amf.example", "" },
		{ CHALLENGE_VERB_PRESENT, "amf.example", "_acme-challenge.amf.example", "a b" },
		{ CHALLENGE_VERB_PRESENT, "amf.example", "_acme-challenge.amf.example", "a\"b" },
		{ CHALLENGE_VERB_TOKEN, "amf.example", "", "SHA256 AA" },
		{ CHALLENGE_VERB_TOKEN, "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", "_x", "SHA256 AA" },
		{ CHALLENGE_VERB_TOKEN, "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", "", "MD5 AA" },
		{ CHALLENGE_VERB_COUNT, "amf.example", "_acme-challenge.amf.example", "Ab" },
	};
	struct challenge_call endless = CALL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (hook("exit 0", &bad[i], NULL, NULL) == RC_OK)
			fail_msg("call %zu was run", i);
	memset(endless.domain, 'a', sizeof(endless.domain));
	assert_int_equal(challenge_call_check(&endless, NULL), RC_BUG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hook_is_told_verb_name_record_and_value),
		cmocka_unit_test(not_yet_is_an_exit_status_of_ready_alone),
		cmocka_unit_test(a_failure_has_the_hooks_last_words),
		cmocka_unit_test(a_command_prints_a_token_and_its_words_elsewhere),
		cmocka_unit_test(what_could_mean_more_than_a_name_reaches_no_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
