/* link_test.c -- Link headers are read in the forms that servers and proxies give them, and bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "link.h"

/* RFC 8288, 3 and 3.3: links with commas between, relations with spaces between; of several rel the first counts. */
static void one_header_may_have_several_links(void **state)
{
	static struct http_response response;

	(void)state;
	response.link_count = 0;
	link_parse("<https://ca/1>;rel=\"index\", <https://ca/a,b;c>; title=\"x, \\\"rel=no\\\"\"; REL=alternate "
		   ",<https://ca/2>;rel=\"up "
		   "alternate\";rel=first",
		   &response);
	link_parse("<https://ca/3>;rel=alternate", &response);
	assert_int_equal(response.link_count, 5);
	assert_string_equal(response.links[0].rel, "index");
	assert_string_equal(response.links[1].url, "https://ca/a,b;c");
	assert_string_equal(response.links[1].rel, "alternate");
	assert_string_equal(response.links[2].rel, "up");
	assert_string_equal(response.links[3].rel, "alternate");
	assert_string_equal(response.links[3].url, "https://ca/2");
	assert_string_equal(response.links[4].url, "https://ca/3");
}

static void what_is_no_link_adds_nothing(void **state)
{
	static const char *const values[] = { "",
					      ",",
					      "https://ca/1;rel=up",
					      "<https://ca/1;rel=up",
					      "<https://ca/1>",
					      "<>;rel=up",
					      "<https://ca/1>;rel",
					      "<https://ca/1>;rel=",
					      "<https://ca/1>;rel=\"\"",
					      "<http://ca/1>;rel=up",
					      "<mailto:noc@ca>;rel=up",
					      "<https://ca/1>;rel=\"\\",
					      ";;;",
					      "<https://ca/1>;rel=a23456789012345678901234567890123" };

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		static struct http_response response;

		response.link_count = 0;
		link_parse(values[i], &response);
		if (response.link_count)
			fail_msg("%s: %s %s", values[i], response.links[0].rel, response.links[0].url);
	}
}

/* RFC 8288, 3.1 */
static void what_a_relative_one_is_relative_to_is_another_matter(void **state)
{
	static const char *const targets[] = { "/acme/1", "//ca/1", "1", "../1", "?1", "1/a:b" };

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		static struct http_response response;
		char value[64];

		response.link_count = 0;
		snprintf(value, sizeof(value), "<%s>;rel=up", targets[i]);
		link_parse(value, &response);
		assert_int_equal(response.link_count, 1);
		assert_string_equal(response.links[0].url, targets[i]);
	}
}

static void neither_their_number_nor_their_length_has_no_end(void **state)
{
	static struct http_response response;
	static char value[2 * HTTP_URL_MAX];

	(void)state;
	response.link_count = 0;
	for (int i = 0; i < 3 * HTTP_LINKS_MAX; i++)
		link_parse("<https://ca/1>;rel=up, <https://ca/2>;rel=up", &response);
	assert_int_equal(response.link_count, HTTP_LINKS_MAX);
	for (unsigned len = HTTP_URL_MAX - 1; len <= HTTP_URL_MAX; len++) {
		response.link_count = 0;
		snprintf(value, sizeof(value), "<https://%0*d>;rel=up", (int)len - 8, 0);
		link_parse(value, &response);
		assert_int_equal(response.link_count, len < HTTP_URL_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_header_may_have_several_links),
		cmocka_unit_test(what_is_no_link_adds_nothing),
		cmocka_unit_test(what_a_relative_one_is_relative_to_is_another_matter),
		cmocka_unit_test(neither_their_number_nor_their_length_has_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
