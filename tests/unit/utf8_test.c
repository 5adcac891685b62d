/* utf8_test.c -- characters pass; controls and what is no UTF-8 do not, wherever in its forms it is broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "utf8.h"

static void characters_pass_at_their_length(void **state)
{
	(void)state;
	assert_int_equal(utf8_printable("a"), 1);
	assert_int_equal(utf8_printable(" "), 1);
	assert_int_equal(utf8_printable("~"), 1);
	assert_int_equal(utf8_printable("\u00a0"), 2);
	assert_int_equal(utf8_printable("\u07ff"), 2);
	assert_int_equal(utf8_printable("\u0800"), 3);
	assert_int_equal(utf8_printable("\xed\x9f\xbf"), 3);
	assert_int_equal(utf8_printable("\ue000"), 3);
	assert_int_equal(utf8_printable("\uffff"), 3);
	assert_int_equal(utf8_printable("\U00010000"), 4);
	assert_int_equal(utf8_printable("\U0010ffff"), 4);
}

static void controls_do_not(void **state)
{
	(void)state;
	for (char control = 1; control < ' '; control++)
		assert_int_equal(utf8_printable((char[]){ control, 'a', '\0' }), 0);
	assert_int_equal(utf8_printable(""), 0);
	assert_int_equal(utf8_printable("\x7f"), 0);
	/* U+009B begins a command to a terminal. */
	assert_int_equal(utf8_printable("\xc2\x9b"), 0);
}

/* RFC 3629, 4: lone and missing bytes, overlong forms, surrogates, numbers above U+10FFFF. */
static void what_is_no_utf8_does_not(void **state)
{
	static const char *const BROKEN[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80",
		"\xff",
		"\xc3",
		"\xe2\x82",
		"\xf0\x9f\x98",
		"\xe2\x82q",
		"\xc3q",
		"\xe2q\xac",
		"\xf0\x9f\x98\xc0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(BROKEN) / sizeof(BROKEN[0]); i++)
		if (utf8_printable(BROKEN[i]) != 0)
			fail_msg("number %zu passes", i);
}

static void what_cannot_be_shown_becomes_a_mark(void **state)
{
	char text[] = "caf\xc3\xa9 \x1b[31m \xc2\x9b"
		      "31m \xe2\x82";

	(void)state;
	utf8_tame(text, '?');
	assert_string_equal(text, "caf\xc3\xa9 ?[31m ??31m ??");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(characters_pass_at_their_length),
		cmocka_unit_test(controls_do_not),
		cmocka_unit_test(what_is_no_utf8_does_not),
		cmocka_unit_test(what_cannot_be_shown_becomes_a_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
