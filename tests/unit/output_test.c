/* output_test.c -- a member of a document is there whatever stands in it, and whose failure it was decides the exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "output.h"

static void expect(const char *text, const char *wanted)
{
	AUTO(json) json_t *string = output_text(text);

	assert_non_null(string);
	if (wanted)
		assert_string_equal(json_string_value(string), wanted);
	else
		assert_true(json_is_null(string));
}

static void a_text_is_there_although_it_is_no_utf8(void **state)
{
	(void)state;
	expect("", NULL);
	expect(NULL, NULL);
	expect("caf\xc3\xa9", "caf\xc3\xa9");
	expect("the CA said caf\xc3", "the CA said caf\xef\xbf\xbd");
	expect("\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd");
}

static void a_string_is_never_null(void **state)
{
	AUTO(json) json_t *empty = output_string("");
	AUTO(json) json_t *latin = output_string("caf\xe9");

	(void)state;
	assert_string_equal(json_string_value(empty), "");
	assert_string_equal(json_string_value(latin), "caf\xef\xbf\xbd");
}

/* Whoever reads the rows would take what is missing for what is not there. */
static void a_row_that_could_not_be_made_is_told(void **state)
{
	AUTO(json) json_t *rows = json_array();
	FILE *file = tmpfile();
	char text[256];
	int kept = dup(STDERR_FILENO);

	(void)state;
	output_row(rows, json_pack("{s:s}", "label", "cafe"));
	assert_true(output_is_whole());
	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	output_row(rows, json_pack("{s:s}", "label", "caf\xe9"));
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	assert_int_equal(json_array_size(rows), 1);
	assert_string_equal(text, "hwacme: error: one row of the result could not be written as JSON\n");
	assert_false(output_is_whole());
}

static void a_time_is_text_or_null(void **state)
{
	AUTO(json) json_t *never = output_time(0);
	AUTO(json) json_t *once = output_time(1795880829);

	(void)state;
	assert_true(json_is_null(never));
	assert_string_equal(json_string_value(once), "2026-11-28T15:47:09Z");
}

static void the_first_failure_decides_the_exit_status(void **state)
{
	(void)state;
	assert_int_equal(exit_first(EXIT_DONE, EXIT_TOKEN), EXIT_TOKEN);
	assert_int_equal(exit_first(EXIT_AUTHORITY, EXIT_TOKEN), EXIT_AUTHORITY);
	assert_int_equal(exit_of_blame(BLAME_TOKEN), EXIT_TOKEN);
	assert_int_equal(exit_of_blame(BLAME_AUTHORITY), EXIT_AUTHORITY);
	assert_int_equal(exit_of_blame(BLAME_CONFIG), EXIT_USAGE);
	assert_int_equal(exit_of_blame(BLAME_LOCAL), EXIT_FAILED);
}

/* What is said of a wrong name where so many certificates are configured. */
static void told(unsigned count, char *text, size_t room)
{
	char name[] = "amf", *words[] = { "anf" };
	struct config_certificate *certificates = calloc(count, sizeof(*certificates));
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);

	assert_non_null(certificates);
	for (unsigned i = 0; i < count; i++)
		certificates[i].name = name;
	struct config asked = { .path = name, .certificates = certificates, .certificate_count = count };
	asked.by_name = calloc(count, sizeof(struct config_certificate *));
	assert_non_null(asked.by_name);
	for (unsigned i = 0; i < count; i++)
		asked.by_name[i] = &certificates[i];
	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	assert_false(command_names_known(&(struct command_line){ .words = words, .word_count = 1 }, &asked));
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(file);
	text[fread(text, 1, room - 1, file)] = '\0';
	fclose(file);
	free(asked.by_name);
	free(certificates);
}

static void a_wrong_name_is_answered_by_a_line_and_not_by_all_names(void **state)
{
	char text[4096];

	(void)state;
	told(2, text, sizeof(text));
	assert_string_equal(text, "hwacme: no certificate \"anf\" in amf; it has: amf amf\n");
	told(100000, text, sizeof(text));
	assert_true(strlen(text) < 200);
	assert_non_null(strstr(text, " and 99980 others\n"));
}

/* Whoever reads JSON is told on stdout why there is nothing else, and people on stderr. */
static void a_failure_is_a_document_too(void **state)
{
	static const struct {
		const char *words[4];
		const char *error;
	} CASES[] = { { { "frob" }, "no command \"frob\"; hwacme --help lists them" },
		      { { "-c", "/nonexistent", "status" }, "configuration: /nonexistent: No such file or directory; name the" },
		      { { "token" }, "usage: hwacme token list" },
		      { { "run" }, "run takes no --json" },
		      { { NULL }, "which command?" } };

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		char text[4096] = "";
		int ends[2], status = 0, quiet = open("/dev/null", O_WRONLY);

		assert_int_equal(pipe(ends), 0);
		fflush(stdout);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			char *argv[8] = { "hwacme", "--json" };
			int argc = 2;

			for (const char *const *word = CASES[i].words; *word; word++)
				argv[argc++] = (char *)(uintptr_t)*word;
			dup2(ends[1], STDOUT_FILENO);
			dup2(quiet, STDERR_FILENO);
			status = cli_main(argc, argv);
			fflush(stdout);
			_exit(status);
		}
		close(ends[1]);
		close(quiet);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
		close(ends[0]);
		AUTO(json) json_t *document = json_loads(text, 0, NULL);
		assert_non_null(document);
		if (strncmp(json_string_value(json_object_get(document, "error")), CASES[i].error, strlen(CASES[i].error)) != 0)
			fail_msg("%s", text);
		assert_int_equal(json_integer_value(json_object_get(document, "exit_status")), EXIT_USAGE);
		assert_int_equal(WEXITSTATUS(status), EXIT_USAGE);
	}
}

static void a_result_that_cannot_be_written_is_no_success(void **state)
{
	static const char *const words[] = { "--help", "version" };

	(void)state;
	fflush(stdout);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char name[] = "hwacme", word[16];
		char *arguments[] = { name, word, NULL };
		int status = -1;
		pid_t pid = fork();

		snprintf(word, sizeof(word), "%s", words[i]);
		if (pid == 0)
			_exit(freopen("/dev/full", "w", stdout) ? cli_main(2, arguments) : EXIT_USAGE);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), EXIT_FAILED);
	}
}

static void what_goes_on_is_not_called_a_renewal_to_come(void **state)
{
	struct plan plan = { .what = PLAN_WAIT, .when = 1795000060, .why = "two thirds" };
	char text[256];

	(void)state;
	output_plan(&plan, 1795000000, text, sizeof(text));
	assert_string_equal(text, "next renewal 2026-11-18T11:07:40Z (in 1m 0s): two thirds");
	plan.is_begun = true;
	output_plan(&plan, 1795000000, text, sizeof(text));
	assert_string_equal(text, "goes on 2026-11-18T11:07:40Z (in 1m 0s): two thirds");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_there_although_it_is_no_utf8),
		cmocka_unit_test(a_string_is_never_null),
		cmocka_unit_test(a_row_that_could_not_be_made_is_told),
		cmocka_unit_test(a_time_is_text_or_null),
		cmocka_unit_test(the_first_failure_decides_the_exit_status),
		cmocka_unit_test(a_failure_is_a_document_too),
		cmocka_unit_test(a_result_that_cannot_be_written_is_no_success),
		cmocka_unit_test(a_wrong_name_is_answered_by_a_line_and_not_by_all_names),
		cmocka_unit_test(what_goes_on_is_not_called_a_renewal_to_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
