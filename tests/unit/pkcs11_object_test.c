/* pkcs11_object_test.c -- what a token calls itself and its objects can be shown, whatever bytes others have put there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "pkcs11.h"

static void shown(const char *field, const char *wanted)
{
	char text[16];

	pkcs11_text((const CK_UTF8CHAR *)field, strlen(field), text, sizeof(text));
	assert_string_equal(text, wanted);
}

static void padding_is_no_part_of_it(void **state)
{
	static const CK_UTF8CHAR nuls[8] = "amf";
	char text[16];

	(void)state;
	shown("amf     ", "amf");
	shown("        ", "");
	shown("a m f", "a m f");
	pkcs11_text(nuls, sizeof(nuls), text, sizeof(text));
	assert_string_equal(text, "amf");
}

/* PKCS#11 wants UTF-8; who made a key with a tool of Latin-1 did not. */
static void each_byte_that_is_no_printable_character_is_a_mark(void **state)
{
	(void)state;
	shown("caf\xc3\xa9", "caf\xc3\xa9");
	shown("caf\xe9", "caf?");
	shown("\xe9t\xe9", "?t?");
	shown("a\x1b[2J\x7f\n", "a?[2J??");
	shown("a\xc2\x9b"
	      "31m",
	      "a??31m");
}

static void what_is_cut_ends_in_no_half_of_a_character(void **state)
{
	(void)state;
	shown("fourteen bytes\xc3\xa9", "fourteen bytes?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(padding_is_no_part_of_it),
		cmocka_unit_test(each_byte_that_is_no_printable_character_is_a_mark),
		cmocka_unit_test(what_is_cut_ends_in_no_half_of_a_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
