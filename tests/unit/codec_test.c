/* codec_test.c -- base64url and hex are exact: what is not in the alphabet is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec.h"

/* RFC 4648, 5 */
static void base64url_of_rfc_4648_without_padding(void **state)
{
	static const char *const pairs[][2] = {
		{ "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" }, { "foobar", "Zm9vYmFy" }, { "\xfb\xff", "-_8" }
	};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		AUTO(buf) struct buf text = BUF_MAX(64);
		AUTO(buf) struct buf plain = BUF_MAX(64);

		assert_int_equal(codec_base64url(span_text(pairs[i][0]), &text, NULL), RC_OK);
		assert_string_equal(buf_text(&text), pairs[i][1]);
		assert_int_equal(codec_base64url_decode(pairs[i][1], &plain, NULL), RC_OK);
		assert_string_equal(buf_text(&plain), pairs[i][0]);
	}
}

/* RFC 8555, 6.1: trailing '=' is malformed too. */
static void padding_other_alphabets_and_loose_bits_are_refused(void **state)
{
	static const char *const wrong[] = { "Zg==", "Zm+v", "Zm/v", "Zh", "Z", "Zm9v\n", "Zm 9v" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		AUTO(buf) struct buf plain = BUF_MAX(64);

		assert_int_equal(codec_base64url_decode(wrong[i], &plain, NULL), RC_PROTOCOL);
		assert_int_equal(plain.len, 0);
	}
}

static void a_token_is_one_or_more_letters_of_the_alphabet(void **state)
{
	(void)state;
	assert_true(codec_is_base64url("abc-_019AZ"));
	assert_false(codec_is_base64url(""));
	assert_false(codec_is_base64url("../etc"));
	assert_false(codec_is_base64url("a=b"));
}

static void hex_goes_both_ways(void **state)
{
	AUTO(buf) struct buf text = BUF_MAX(64);
	AUTO(buf) struct buf plain = BUF_MAX(64);
	static const uint8_t octets[] = { 0x00, 0xab, 0xff };

	(void)state;
	assert_int_equal(codec_hex(SPAN(octets), &text, NULL), RC_OK);
	assert_string_equal(buf_text(&text), "00abff");
	assert_int_equal(codec_hex_decode("00aBFf", &plain, NULL), RC_OK);
	assert_true(span_equal(buf_span(&plain), SPAN(octets)));
	assert_int_not_equal(codec_hex_decode("0", &plain, NULL), RC_OK);
	assert_int_not_equal(codec_hex_decode("0g", &plain, NULL), RC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64url_of_rfc_4648_without_padding),
		cmocka_unit_test(padding_other_alphabets_and_loose_bits_are_refused),
		cmocka_unit_test(a_token_is_one_or_more_letters_of_the_alphabet),
		cmocka_unit_test(hex_goes_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
