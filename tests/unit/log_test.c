/* log_test.c -- one line an event on standard error, for people or as JSON, whatever was said; priorities where journald reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

#define HEARD_MAX 16384

/* What `say` writes to standard error; where it `is_journal`, the environment says so. */
static void heard_by(bool is_journal, void (*say)(void), char text[HEARD_MAX])
{
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);
	struct stat status;
	char stream[64];

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &status), 0);
	/* The variable of a process whose stderr is another one is no journal. */
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino + !is_journal);
	setenv("JOURNAL_STREAM", stream, 1);
	dup2(fileno(file), STDERR_FILENO);
	log_open();
	say();
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(file);
	text[fread(text, 1, HEARD_MAX - 1, file)] = '\0';
	fclose(file);
	unsetenv("JOURNAL_STREAM");
	log_open();
}

static void heard(void (*say)(void), char text[HEARD_MAX])
{
	heard_by(false, say, text);
}

static void say_levels(void)
{
	log_set_level(LOG_WARN);
	log_event(LOG_INFO, "quiet");
	log_certificate(LOG_INFO, "amf", "quiet");
	log_event(LOG_WARN, "loud %d", 1);
	log_set_level(LOG_INFO);
}

static void say_failure(void)
{
	struct err err = { 0 };

	(void)err_set_raw(&err, RC_RETRY, ERR_TSS, 0x921, "the TPM is busy");
	log_failure("keyd", &err);
	log_certificate_failure("amf", &err);
}

static void say_hostile(void)
{
	log_event(LOG_INFO, "the CA said %s", "\"no\"\n{\"level\":\"info\"}\r\x1b[2J \\ \xc2\x9b \xff \xe2\x82 caf\xc3\xa9 \x7f");
}

static void say_much(void)
{
	char much[4096];

	memset(much, 1, sizeof(much) - 1);
	much[sizeof(much) - 1] = '\0';
	log_certificate(LOG_INFO, "amf", "%s", much);
}

static json_t *line_json(const char *text)
{
	json_error_t error;
	json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!line)
		fail_msg("%s in: %s", error.text, text);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	return line;
}

static void nothing_below_the_level_is_said(void **state)
{
	char text[HEARD_MAX];

	(void)state;
	heard(say_levels, text);
	assert_string_equal(text, "hwacme: warning: loud 1\n");
}

static void a_failure_is_one_line_with_its_number(void **state)
{
	char text[HEARD_MAX];

	(void)state;
	heard(say_failure, text);
	assert_string_equal(text, "hwacme: error: keyd: the TPM is busy (tss 0x921)\n"
				  "hwacme: error: amf: the TPM is busy (tss 0x921)\n");
}

static void say_numbers(void)
{
	struct err err = { 0 };

	(void)err_set_raw(&err, RC_DENIED, ERR_HTTP, 403, "no");
	log_failure("ra", &err);
	(void)err_set_raw(&err, RC_ABSENT, ERR_ACME, 0, "not offered");
	log_failure("ra", &err);
}

/* Each as its manual has it; none where there is none. */
static void a_number_reads_as_in_its_manual(void **state)
{
	char text[HEARD_MAX];

	(void)state;
	heard(say_numbers, text);
	assert_string_equal(text, "hwacme: error: ra: no (http 403)\n"
				  "hwacme: error: ra: not offered\n");
}

static void what_a_peer_said_makes_no_line_of_its_own(void **state)
{
	char text[HEARD_MAX];

	(void)state;
	heard(say_hostile, text);
	assert_string_equal(text, "hwacme: info: the CA said \"no\"?{\"level\":\"info\"}??[2J \\ ?? ? ?? caf\xc3\xa9 ?\n");
}

static void json_says_the_same_in_members(void **state)
{
	char text[HEARD_MAX];
	int64_t at;

	(void)state;
	log_set_format(LOG_JSON);
	heard(say_failure, text);
	char *second = strchr(text, '\n') + 1;
	json_t *certificate = line_json(second);
	*second = '\0';
	json_t *other = line_json(text);
	assert_string_equal(json_string_value(json_object_get(other, "message")), "keyd: the TPM is busy");
	assert_null(json_object_get(other, "certificate"));
	assert_string_equal(json_string_value(json_object_get(certificate, "certificate")), "amf");
	assert_string_equal(json_string_value(json_object_get(certificate, "message")), "the TPM is busy");
	assert_string_equal(json_string_value(json_object_get(certificate, "level")), "error");
	assert_string_equal(json_string_value(json_object_get(certificate, "origin")), "tss");
	assert_int_equal(json_integer_value(json_object_get(certificate, "code")), 0x921);
	assert_int_equal(clock_parse_rfc3339(json_string_value(json_object_get(certificate, "time")), &at, NULL), RC_OK);
	assert_true(at <= clock_now() && at >= clock_now() - 60);
	json_decref(certificate);
	json_decref(other);
}

/* RFC 8259, 7 and 8.1: quotes, backslashes and controls are escaped, and all of it is UTF-8. */
static void json_is_valid_whatever_was_said(void **state)
{
	char text[HEARD_MAX];

	(void)state;
	log_set_format(LOG_JSON);
	heard(say_hostile, text);
	json_t *line = line_json(text);
	assert_string_equal(
		json_string_value(json_object_get(line, "message")),
		"the CA said \"no\"\n{\"level\":\"info\"}\r\x1b[2J \\ \ufffd\ufffd \ufffd \ufffd\ufffd caf\xc3\xa9 \ufffd");
	json_decref(line);
	/* Cut off, but not in the middle of its form. */
	heard(say_much, text);
	line = line_json(text);
	assert_true(json_string_length(json_object_get(line, "message")) > 1000);
	json_decref(line);
	log_set_format(LOG_TEXT);
	heard(say_much, text);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void journald_is_told_the_priority(void **state)
{
	char text[HEARD_MAX];

	(void)state;
	heard_by(true, say_levels, text);
	assert_string_equal(text, "<4>loud 1\n");
	log_set_format(LOG_JSON);
	heard_by(true, say_levels, text);
	assert_memory_equal(text, "<4>{", 4);
	json_decref(line_json(text + 3));
}

static int plain(void **state)
{
	(void)state;
	log_set_format(LOG_TEXT);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nothing_below_the_level_is_said, plain),
		cmocka_unit_test_teardown(a_failure_is_one_line_with_its_number, plain),
		cmocka_unit_test_teardown(a_number_reads_as_in_its_manual, plain),
		cmocka_unit_test_teardown(what_a_peer_said_makes_no_line_of_its_own, plain),
		cmocka_unit_test_teardown(json_says_the_same_in_members, plain),
		cmocka_unit_test_teardown(json_is_valid_whatever_was_said, plain),
		cmocka_unit_test_teardown(journald_is_told_the_priority, plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
