/* origin_test.c -- a server is its host and its port, however both are written, and no other that is called alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "origin.h"

struct pair {
	const char *url, *directory;
};

static void expect(const struct pair *pairs, size_t count, bool is_same)
{
	for (size_t i = 0; i < count; i++)
		if (origin_is_same(pairs[i].url, pairs[i].directory) != is_same ||
		    origin_is_same(pairs[i].directory, pairs[i].url) != is_same)
			fail_msg("%s and %s", pairs[i].url, pairs[i].directory);
}

/* RFC 9110, 4.2.3, and the empty port of RFC 3986, 3.2.3 */
static void the_default_port_may_be_written_or_not(void **state)
{
	static const struct pair same[] = {
		{ "https://ca.example/order/7", "https://ca.example/directory" },
		{ "https://ca.example/order/7", "https://ca.example:443/directory" },
		{ "https://ca.example?order=7", "https://ca.example:443" },
		{ "https://ca.example:/order/7", "https://ca.example:443/directory" },
		{ "https://ca.example:0443/order/7", "https://ca.example/directory" },
		{ "https://ca.example:14000/order/7", "https://ca.example:14000/directory" },
		{ "HTTPS://CA.Example/order/7", "https://ca.example:443/directory" },
		{ "https://[2001:db8::1]/order/7", "https://[2001:DB8::1]:443/directory" },
		{ "https://192.0.2.1#7", "https://192.0.2.1:443/directory" },
	};

	(void)state;
	expect(same, sizeof(same) / sizeof(same[0]), true);
}

static void another_host_or_port_is_another_server(void **state)
{
	static const struct pair others[] = {
		{ "https://ca.example:4430/order/7", "https://ca.example:443/directory" },
		{ "https://ca.example:4430/order/7", "https://ca.example/directory" },
		{ "https://ca.example:14000/order/7", "https://ca.example/directory" },
		{ "https://ca.example:14000/order/7", "https://ca.example:140/directory" },
		{ "https://ca.example:44/order/7", "https://ca.example/directory" },
		{ "https://ca.example:80/order/7", "https://ca.example/directory" },
		{ "http://ca.example/order/7", "https://ca.example/directory" },
		{ "http://ca.example:443/order/7", "https://ca.example:443/directory" },
		{ "https://ca.example.org/order/7", "https://ca.example/directory" },
		{ "https://ca.exampl/order/7", "https://ca.example/directory" },
		{ "https://other.example/order/7", "https://ca.example/directory" },
		{ "https://[2001:db8::2]/order/7", "https://[2001:db8::1]/directory" },
		{ "", "https://ca.example/directory" },
		{ "/order/7", "https://ca.example/directory" },
		{ "//ca.example/order/7", "https://ca.example/directory" },
	};

	(void)state;
	expect(others, sizeof(others) / sizeof(others[0]), false);
}

static void what_only_looks_like_the_server_is_refused(void **state)
{
	static const struct pair tricks[] = {
		{ "https://ca.example@other.example/order/7", "https://ca.example/directory" },
		{ "https://ca.example:443@other.example/order/7", "https://ca.example:443/directory" },
		{ "https://someone@ca.example/order/7", "https://ca.example/directory" },
		{ "https://ca.example:443\\@other.example/order/7", "https://ca.example/directory" },
		{ "https://ca.example\\.other.example/order/7", "https://ca.example/directory" },
		{ "https://ca.example:443.other.example/order/7", "https://ca.example/directory" },
		{ "https://ca.example:443:443/order/7", "https://ca.example/directory" },
		{ "https://ca.example:+443/order/7", "https://ca.example/directory" },
		{ "https://ca.example: 443/order/7", "https://ca.example/directory" },
		{ "https://ca.example:65979/order/7", "https://ca.example/directory" },
		{ "https://ca.example:4294967739/order/7", "https://ca.example/directory" },
		{ "https://ca.example%2f/order/7", "https://ca.example/directory" },
		{ "https://[2001:db8::1].other.example/order/7", "https://[2001:db8::1]/directory" },
		{ "https://[2001:db8::1]443/order/7", "https://[2001:db8::1]/directory" },
		{ "https://[2001:db8::1/order/7", "https://[2001:db8::1]/directory" },
		{ "https:///order/7", "https:///directory" },
		{ "https://:443/order/7", "https://:443/directory" },
	};

	(void)state;
	expect(tricks, sizeof(tricks) / sizeof(tricks[0]), false);
}

/* None of these belongs in a URL; on a terminal they would do more than be read. */
static void a_url_that_cannot_be_printed_is_refused(void **state)
{
	static const char *const urls[] = {
		"https://ca.example/\x1b[31m",
		("https://ca.example/\xc2\x9b"
		 "31m"),
		"https://ca.example/order\n",
		"https://ca.example/caf\xe9",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		if (origin_is_same(urls[i], "https://ca.example/directory"))
			fail_msg("number %zu passes", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_default_port_may_be_written_or_not),
		cmocka_unit_test(another_host_or_port_is_another_server),
		cmocka_unit_test(what_only_looks_like_the_server_is_refused),
		cmocka_unit_test(a_url_that_cannot_be_printed_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
