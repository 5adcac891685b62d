/* response_header_test.c -- where an answer says that something is, also when it says it by a path alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "response_header.h"

/* RFC 9110, 10.2.2: a Location is a reference, which may be relative to what was asked for. */
static void a_location_is_relative_to_what_was_asked_for(void **state)
{
	static const struct {
		const char *asked, *said, *whole;
	} cases[] = {
		{ "https://ra.example:8443/acme/order?x=1", "/acme/order/7", "https://ra.example:8443/acme/order/7" },
		{ "https://[2001:db8::1]:8443/acme", "/acme/order/7", "https://[2001:db8::1]:8443/acme/order/7" },
		{ "https://ra.example", "/o", "https://ra.example/o" },
		{ "https://ra.example/acme", "//other.example/o", "https://other.example/o" },
		{ "https://ra.example/acme", "https://other.example/o", "https://other.example/o" },
		{ "https://ra.example/acme", "", "" },
		{ "https://ra.example/acme/new", "order/7", "https://ra.example/acme/order/7" },
		{ "https://ra.example/acme/new?a=/b", "order/7", "https://ra.example/acme/order/7" },
		{ "https://ra.example", "order/7", "https://ra.example/order/7" },
		{ "https://ra.example/acme/new?a", "?7", "https://ra.example/acme/new?7" },
		{ "https://ra.example?a", "?7", "https://ra.example/?7" },
		{ "https://ra.example/acme/new", "mailto:noc@example.org", "mailto:noc@example.org" },
		{ "https://ra.example/acme/new", "7/a:b", "https://ra.example/acme/7/a:b" },
	};
	struct http_response response = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(response.location, sizeof(response.location), "%s", cases[i].said);
		response_header_resolve(cases[i].asked, &response);
		assert_string_equal(response.location, cases[i].whole);
	}
	memset(response.location, 'o', sizeof(response.location) - 1);
	response.location[0] = '/';
	response_header_resolve("https://ra.example/acme", &response);
	assert_string_equal(response.location, ""); /* it would be another when cut */
}

/* RFC 3986, 4.2, 5.2.2, 5.2.3 and 5.2.4, by the examples of the same document: all that has no scheme and is not empty. */
static void references_are_resolved_as_their_standard_shows(void **state)
{
	static const char *const cases[][2] = {
		{ "g", "b/c/g" },
		{ "./g", "b/c/g" },
		{ "g/", "b/c/g/" },
		{ "/g", "g" },
		{ "?y", "b/c/d;p?y" },
		{ "g?y", "b/c/g?y" },
		{ "#s", "b/c/d;p?q#s" },
		{ "g#s", "b/c/g#s" },
		{ "g?y#s", "b/c/g?y#s" },
		{ ";x", "b/c/;x" },
		{ "g;x", "b/c/g;x" },
		{ "g;x?y#s", "b/c/g;x?y#s" },
		{ ".", "b/c/" },
		{ "./", "b/c/" },
		{ "..", "b/" },
		{ "../", "b/" },
		{ "../g", "b/g" },
		{ "../..", "" },
		{ "../../", "" },
		{ "../../g", "g" },
		{ "../../../g", "g" },
		{ "../../../../g", "g" },
		{ "/./g", "g" },
		{ "/../g", "g" },
		{ "g.", "b/c/g." },
		{ ".g", "b/c/.g" },
		{ "g..", "b/c/g.." },
		{ "..g", "b/c/..g" },
		{ "./../g", "b/g" },
		{ "./g/.", "b/c/g/" },
		{ "g/./h", "b/c/g/h" },
		{ "g/../h", "b/c/h" },
		{ "g;x=1/./y", "b/c/g;x=1/y" },
		{ "g;x=1/../y", "b/c/y" },
		{ "g?y/./x", "b/c/g?y/./x" },
		{ "g?y/../x", "b/c/g?y/../x" },
		{ "g#s/./x", "b/c/g#s/./x" },
		{ "g#s/../x", "b/c/g#s/../x" },
	};
	struct http_response response = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(response.location, sizeof(response.location), "%s", cases[i][0]);
		response_header_resolve("https://a/b/c/d;p?q", &response);
		assert_int_equal(strncmp(response.location, "https://a/", 10), 0);
		assert_string_equal(response.location + 10, cases[i][1]);
	}
}

/* RFC 8288, 3.1: so is the target of a link, by which a CA names its alternate chains (RFC 8555, 7.4.2). */
static void links_are_relative_to_what_was_asked_for(void **state)
{
	static const char line[] = "Link: </acme/cert/7/1>;rel=\"alternate\", <//other.example/2>;rel=alternate, "
				   "<https://ra.example/3>;rel=alternate, <7/4>;rel=alternate";
	static const char *const wholes[] = { "https://ra.example:8443/acme/cert/7/1", "https://other.example/2",
					      "https://ra.example/3", "https://ra.example:8443/acme/cert/7/4" };
	static struct http_response response;
	static char too_long[HTTP_URL_MAX + 64];

	(void)state;
	response_header_take(line, sizeof(line) - 1, &response);
	snprintf(too_long, sizeof(too_long), "Link: </%0*d>;rel=alternate", (int)HTTP_URL_MAX - 8, 0);
	response_header_take(too_long, strlen(too_long), &response);
	response_header_take("Link: </last>;rel=up", strlen("Link: </last>;rel=up"), &response);
	response_header_resolve("https://ra.example:8443/acme/cert/7", &response);
	assert_int_equal(response.link_count, 5);
	for (unsigned i = 0; i < 4; i++)
		assert_string_equal(response.links[i].url, wholes[i]);
	assert_string_equal(response.links[4].url, "https://ra.example:8443/last");
	assert_string_equal(response.links[4].rel, "up");
}

static int64_t retry_of(const char *const lines[2])
{
	static struct http_response response;

	response.retry_at = 0;
	for (unsigned i = 0; i < 2; i++)
		response_header_take(lines[i], strlen(lines[i]), &response);
	return response.retry_at;
}

/* Whichever the gateway has put first: neither is asked too early. */
static void of_two_that_say_when_to_come_again_the_later_is_obeyed(void **state)
{
	static const char *const pairs[][2] = { { "Retry-After: 7200", "Retry-After: 60" },
						{ "retry-after: 60\r\n", "Retry-After: 7200" },
						{ "Retry-After: 7200", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT" },
						{ "Retry-After: 7200", "Retry-After: soon" } };
	static const char *const none[] = { "Retry-After: soon", "Retry-After:" };

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_true(retry_of(pairs[i]) >= clock_now() + 7199);
	assert_int_equal(retry_of(none), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_location_is_relative_to_what_was_asked_for),
		cmocka_unit_test(references_are_resolved_as_their_standard_shows),
		cmocka_unit_test(links_are_relative_to_what_was_asked_for),
		cmocka_unit_test(of_two_that_say_when_to_come_again_the_later_is_obeyed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
