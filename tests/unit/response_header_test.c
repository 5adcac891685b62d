/* response_header_test.c -- where an answer says that something is, also when it says it by a path alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

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
		/* Nobody sends them, and they are what they were: no https URL. */
		{ "https://ra.example/acme/new", "order/7", "order/7" },
		{ "https://ra.example/acme/new", "?7", "?7" },
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_location_is_relative_to_what_was_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
