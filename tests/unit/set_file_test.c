/* set_file_test.c -- the kinds of published file: their words, which are written unasked, what brings what, and modes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "set_file.h"

static void each_word_is_understood_and_no_other(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SET_FILE_COUNT; i++)
		assert_int_equal(set_file_parse(set_file_word((enum set_file)i)), i);
	assert_int_equal(set_file_parse("privkey.pem"), SET_FILE_COUNT);
	assert_string_equal(set_file_name(SET_FILE_FULLCHAIN), "fullchain.pem");
	assert_string_equal(set_file_name(SET_FILE_COUNT), "");
}

/* hwacme(1), "FILES": servers rely on these names. */
static void what_is_promised_on_disk_is_written_unasked(void **state)
{
	const unsigned promised = SET_FILE_BIT(SET_FILE_FULLCHAIN) | SET_FILE_BIT(SET_FILE_CHAIN) | SET_FILE_BIT(SET_FILE_CERT) |
				  SET_FILE_BIT(SET_FILE_KEY_PEM) | SET_FILE_BIT(SET_FILE_KEY_URI) | SET_FILE_BIT(SET_FILE_NGINX) |
				  SET_FILE_BIT(SET_FILE_HAPROXY);

	(void)state;
	assert_int_equal(set_file_defaults(), promised);
	assert_int_equal(set_files_default().formats, promised);
	assert_int_equal(set_file_complete(promised), promised);
}

static void a_file_brings_those_that_it_names_and_always_the_certificate(void **state)
{
	(void)state;
	assert_int_equal(set_file_complete(SET_FILE_BIT(SET_FILE_HAPROXY)),
			 SET_FILE_BIT(SET_FILE_HAPROXY) | SET_FILE_BIT(SET_FILE_CERT));
	assert_int_equal(set_file_complete(SET_FILE_BIT(SET_FILE_APACHE)),
			 SET_FILE_BIT(SET_FILE_APACHE) | SET_FILE_BIT(SET_FILE_CERT) | SET_FILE_BIT(SET_FILE_FULLCHAIN) |
				 SET_FILE_BIT(SET_FILE_KEY_PEM));
}

static void references_are_not_for_everyone_unless_the_operator_says_so(void **state)
{
	struct set_files files = set_files_default();

	(void)state;
	assert_int_equal(set_file_mode(&files, SET_FILE_HAPROXY), 0640);
	assert_int_equal(set_file_mode(&files, SET_FILE_KEY_URI), 0640);
	assert_int_equal(set_file_mode(&files, SET_FILE_FULLCHAIN), 0644);
	files.mode = 0600;
	assert_int_equal(set_file_mode(&files, SET_FILE_FULLCHAIN), 0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_word_is_understood_and_no_other),
		cmocka_unit_test(what_is_promised_on_disk_is_written_unasked),
		cmocka_unit_test(a_file_brings_those_that_it_names_and_always_the_certificate),
		cmocka_unit_test(references_are_not_for_everyone_unless_the_operator_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
