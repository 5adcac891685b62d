/* http_test.c -- an exchange that cannot be trusted does not happen, and says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "http.h"

static enum rc get(const char *url, struct err *err)
{
	AUTO(http) struct http *http = NULL;
	AUTO(http_response) struct http_response response = { 0 };

	assert_int_equal(http_open(NULL, &http, NULL), RC_OK);
	return http_send(http, &(struct http_request){ .method = HTTP_GET, .url = url }, &response, err);
}

/* RFC 8555, 6.1 */
static void only_https_is_spoken(void **state)
{
	static const char *const urls[] = { "http://localhost/", "ftp://localhost/", "file:///etc/passwd", "//localhost/", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct err err = { 0 };

		assert_int_equal(get(urls[i], &err), RC_INPUT);
		assert_non_null(strstr(err.text, "https"));
	}
}

static void nobody_there_is_worth_a_retry_and_named(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(get("https://127.0.0.1:1/dir", &err), RC_RETRY);
	assert_int_equal(err.origin, ERR_CURL);
	assert_non_null(strstr(err.text, "127.0.0.1:1"));
}

static void a_trust_file_that_is_not_there_is_named(void **state)
{
	AUTO(http) struct http *http = NULL;
	AUTO(http_response) struct http_response response = { 0 };
	struct err err = { 0 };
	enum rc rc = http_open("/nowhere/roots.pem", &http, &err);

	(void)state;
	if (rc == RC_OK)
		rc = http_send(http, &(struct http_request){ .method = HTTP_GET, .url = "https://127.0.0.1:1/" }, &response,
			       &err);
	assert_int_not_equal(rc, RC_OK);
	assert_non_null(strstr(err.text, "/nowhere/roots.pem"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_https_is_spoken),
		cmocka_unit_test(nobody_there_is_worth_a_retry_and_named),
		cmocka_unit_test(a_trust_file_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
