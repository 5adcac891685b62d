/* err_test.c -- an error reads as a sentence, outermost context first, and never outgrows its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "err.h"

static void the_place_that_notices_says_why_and_callers_add_context(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(err_set_raw(&err, RC_RETRY, ERR_TSS, 0x921, "the TPM is busy"), RC_RETRY);
	assert_int_equal(err_wrap(&err, RC_RETRY, "sign with key \"%s\"", "amf-7"), RC_RETRY);
	assert_int_equal(err_wrap(&err, RC_RETRY, "renew amf"), RC_RETRY);
	assert_string_equal(err.text, "renew amf: sign with key \"amf-7\": the TPM is busy");
	assert_int_equal(err.code, 0x921);
	assert_int_equal(err.origin, ERR_TSS);
	assert_int_equal(err.rc, RC_RETRY);
}

static void nobody_needs_to_listen(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, RC_INPUT, "x"), RC_INPUT);
	assert_int_equal(err_set_raw(NULL, RC_DENIED, ERR_CURL, 60, "x"), RC_DENIED);
	assert_int_equal(err_wrap(NULL, RC_BUG, "x"), RC_BUG);
}

static void a_long_text_is_cut_and_ended(void **state)
{
	struct err err = { 0 };
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(err_set(&err, RC_BUG, "%s", text), RC_BUG);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_int_equal(err_wrap(&err, RC_BUG, "context"), RC_BUG);
	assert_int_equal(strncmp(err.text, "context: x", 10), 0);
	assert_true(strlen(err.text) < sizeof(err.text));
}

static void what_a_peer_says_begins_no_line(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(err_set(&err, RC_PROTOCOL, "%s", "a\nb\x1b[2Jc\x7f\t\xc3\xa4"), RC_PROTOCOL);
	assert_string_equal(err.text, "a?b?[2Jc??\xc3\xa4");
	assert_int_equal(err_wrap(&err, RC_PROTOCOL, "%s", "\r"), RC_PROTOCOL);
	assert_string_equal(err.text, "?: a?b?[2Jc??\xc3\xa4");
	/* A text that was cut off in the middle of a character, and a control character in two bytes. */
	(void)err_set(&err, RC_PROTOCOL, "%s", "caf\xc3");
	assert_string_equal(err.text, "caf?");
	(void)err_set(&err, RC_PROTOCOL, "%s", "\xc2\x9b 2J");
	assert_string_equal(err.text, "?? 2J");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_place_that_notices_says_why_and_callers_add_context),
		cmocka_unit_test(nobody_needs_to_listen),
		cmocka_unit_test(a_long_text_is_cut_and_ended),
		cmocka_unit_test(what_a_peer_says_begins_no_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
