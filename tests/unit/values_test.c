/* values_test.c -- texts of options are understood or refused, never guessed at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "values.h"

static void durations_have_one_unit(void **state)
{
	int64_t seconds = -1;

	(void)state;
	assert_true(value_duration("90s", &seconds) && seconds == 90);
	assert_true(value_duration("10m", &seconds) && seconds == 600);
	assert_true(value_duration("336h", &seconds) && seconds == 1209600);
	assert_true(value_duration("14d", &seconds) && seconds == 1209600);
	assert_true(value_duration("0s", &seconds) && seconds == 0);
}

static void weeks_and_everything_else_are_no_durations(void **state)
{
	static const char *const wrong[] = { "",      "2w",  "14",  "d",           "-1d",        "1.5h",
					     "1h30m", " 1h", "1h ", "9999999999s", "999999999d", "1H" };
	int64_t seconds = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(value_duration(wrong[i], &seconds));
	assert_int_equal(seconds, 42);
}

static void counts_have_two_ends(void **state)
{
	unsigned count = 9;

	(void)state;
	assert_true(value_count("1", 1, 64, &count) && count == 1);
	assert_true(value_count("64", 1, 64, &count) && count == 64);
	assert_false(value_count("0", 1, 64, &count));
	assert_false(value_count("65", 1, 64, &count));
	assert_false(value_count("2s", 1, 64, &count));
	assert_false(value_count("-2", 1, 64, &count));
	assert_false(value_count("", 1, 64, &count));
	assert_int_equal(count, 64);
}

static void percentages_end_at_a_hundred(void **state)
{
	unsigned percent = 7;

	(void)state;
	assert_true(value_percent("66%", &percent) && percent == 66);
	assert_true(value_percent("100%", &percent) && percent == 100);
	assert_false(value_percent("101%", &percent));
	assert_false(value_percent("66", &percent));
	assert_false(value_percent("66%%", &percent));
	assert_false(value_percent("%", &percent));
}

static void only_true_and_false_are_flags(void **state)
{
	bool flag = false;

	(void)state;
	assert_true(value_flag("true", &flag) && flag);
	assert_true(value_flag("false", &flag) && !flag);
	assert_false(value_flag("yes", &flag));
	assert_false(value_flag("on", &flag));
	assert_false(value_flag("True", &flag));
}

static void a_mode_lets_its_owner_read_and_nobody_else_write(void **state)
{
	static const char *const wrong[] = { "", "640", "00640", "0x1a", "0840", "0660", "0646", "0755", "0040", "4640", "-640" };
	mode_t mode = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(value_mode(wrong[i], &mode));
	assert_int_equal(mode, 1);
	assert_true(value_mode("0640", &mode) && mode == 0640);
	assert_true(value_mode("0400", &mode) && mode == 0400);
}

static void a_name_is_a_safe_file_name(void **state)
{
	char longest[65];

	(void)state;
	memset(longest, 'a', 63);
	longest[63] = '\0';
	assert_true(value_name("amf-1.example_2"));
	assert_true(value_name(longest));
	longest[63] = 'a';
	longest[64] = '\0';
	assert_false(value_name(longest));
	assert_false(value_name(""));
	assert_false(value_name(".."));
	assert_false(value_name("-rf"));
	assert_false(value_name("a/b"));
	assert_false(value_name("a b"));
}

static void an_address_to_listen_on_has_a_port(void **state)
{
	(void)state;
	assert_true(value_listen("0.0.0.0:80"));
	assert_true(value_listen("[::]:80"));
	assert_true(value_listen("127.0.0.1:65535"));
	assert_false(value_listen("0.0.0.0"));
	assert_false(value_listen("0.0.0.0:0"));
	assert_false(value_listen("0.0.0.0:65536"));
	assert_false(value_listen("::1:80"));
	assert_false(value_listen("localhost:80"));
	assert_false(value_listen("0.0.0.0:80x"));
}

static void sockets_of_systemd_are_named_or_the_only_one(void **state)
{
	(void)state;
	assert_true(value_systemd_socket("systemd"));
	assert_true(value_systemd_socket("systemd:acme-http"));
	assert_false(value_systemd_socket("systemd:"));
	assert_false(value_systemd_socket("systemd:a:b"));
	assert_false(value_systemd_socket("systemdx"));
	assert_false(value_systemd_socket("0.0.0.0:80"));
}

static void a_persistent_handle_is_eight_digits_from_0x81(void **state)
{
	uint32_t handle = 0;

	(void)state;
	assert_true(value_persistent_handle("0x81000001", &handle) && handle == 0x81000001u);
	assert_true(value_persistent_handle("0x81FFfFff", &handle) && handle == 0x81ffffffu);
	assert_false(value_persistent_handle("0x80000001", &handle));
	assert_false(value_persistent_handle("0x8100001", &handle));
	assert_false(value_persistent_handle("0x810000010", &handle));
	assert_false(value_persistent_handle("0x8100000g", &handle));
	assert_false(value_persistent_handle("81000001", &handle));
}

static void registers_are_a_bank_and_numbers_each_once(void **state)
{
	static const char *const wrong[] = { "",           "sha256",     "sha256:",   "sha256:24",        "sha256:0,",
					     "sha256:0,0", "sha256:0;1", "sha25:0",   "sha2567:0",        "sha1:0",
					     "sha256:-1",  "sha256: 0",  "sha256:0 ", "sha256:0+sha384:0" };
	struct config_pcrs pcrs = { 0 };

	(void)state;
	assert_true(value_pcrs("sha256:0,7", &pcrs) && pcrs.mask == 0x81);
	assert_string_equal(pcrs.bank, "sha256");
	assert_true(value_pcrs("sha384:23", &pcrs) && pcrs.mask == 1u << 23);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(value_pcrs(wrong[i], &pcrs));
	assert_int_equal(pcrs.mask, 1u << 23);
}

static void what_is_connected_to_has_a_host_and_a_port(void **state)
{
	static const char *const good[] = { "amf.example:443", "localhost:1", "127.0.0.1:65535", "[::1]:443", "a_b-c.d:8443" };
	static const char *const bad[] = { "amf.example", "amf.example:", ":443",   "amf.example:0", "a:65536", "::1:443",
					   "a/b:443",     "a@b:443",      "a..b:1", ".a:1",          "a b:1",   "https://a:443" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(value_endpoint(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(value_endpoint(bad[i]));
	assert_true(value_host("amf.example"));
	assert_false(value_host("") || value_host("amf.example.") || value_host("a:1"));
}

/* RFC 9310, 3. */
static void an_nf_type_is_1_to_32_visible_characters(void **state)
{
	(void)state;
	assert_true(value_nf_type("A") && value_nf_type("5G_EIR") && value_nf_type("A2345678901234567890123456789012"));
	assert_false(value_nf_type("") || value_nf_type("A23456789012345678901234567890123") || value_nf_type("A F") ||
		     value_nf_type("A\x7f") || value_nf_type("A\t") || value_nf_type("\xc3\x84MF"));
}

/* RFC 3986, 3.2.3 and RFC 1034, 3.1: a colon may have no port behind it, and a name a dot. */
static void an_url_names_a_host_and_nothing_secret(void **state)
{
	static const char *const good[] = { "https://ra.example/dir",
					    "http://ra.example",
					    "https://ra.example:14000/acme?x=1",
					    "https://192.0.2.1/dir",
					    "https://[2001:db8::1]/dir",
					    "https://[2001:db8::1]:8443/dir",
					    "https://[fe80::1%25eth0]:8443/dir",
					    "https://RA_1.Example.:/dir/%7e",
					    "https://localhost:1" };
	static const char *const bad[] = { "https://",
					   "https:///dir",
					   "ra.example/dir",
					   "https://ra.example /dir",
					   "https://ra.example/dir ",
					   "https://ra.example/d\tir",
					   "https://ra.example/d\xc3\xa9r",
					   "https://user:secret@ra.example/dir",
					   "https://ra.example:0/dir",
					   "https://ra.example:99999/dir",
					   "https://ra.example:port/dir",
					   "https://2001:db8::1/dir",
					   "https://[2001:db8::1/dir",
					   "https://[ra.example]/dir",
					   "https://ra..example/dir" };
	char text[1100] = "https://ra.example/";

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!value_url(good[i]))
			fail_msg("%s is refused", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (value_url(bad[i]))
			fail_msg("%s is taken", bad[i]);
	memset(text + strlen(text), 'd', 1023 - strlen(text));
	assert_true(value_url(text));
	text[1023] = 'd';
	assert_false(value_url(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_have_one_unit),
		cmocka_unit_test(weeks_and_everything_else_are_no_durations),
		cmocka_unit_test(counts_have_two_ends),
		cmocka_unit_test(percentages_end_at_a_hundred),
		cmocka_unit_test(only_true_and_false_are_flags),
		cmocka_unit_test(a_mode_lets_its_owner_read_and_nobody_else_write),
		cmocka_unit_test(a_name_is_a_safe_file_name),
		cmocka_unit_test(an_address_to_listen_on_has_a_port),
		cmocka_unit_test(sockets_of_systemd_are_named_or_the_only_one),
		cmocka_unit_test(a_persistent_handle_is_eight_digits_from_0x81),
		cmocka_unit_test(registers_are_a_bank_and_numbers_each_once),
		cmocka_unit_test(what_is_connected_to_has_a_host_and_a_port),
		cmocka_unit_test(an_nf_type_is_1_to_32_visible_characters),
		cmocka_unit_test(an_url_names_a_host_and_nothing_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
