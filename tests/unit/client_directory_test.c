/* client_directory_test.c -- a directory whose URLs lie at another server is refused, with what to write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "client.h"

static enum rc ca_send(struct http *http, const struct http_request *request, struct http_response *ret_response, struct err *err)
{
	static const char directory[] =
		"{\"newNonce\": \"https://ra.example:8443/nonce\", \"newAccount\": \"https://ra.example/account\", "
		"\"newOrder\": \"https://ra.example/order\"}";

	(void)http;
	(void)request;
	*ret_response = (struct http_response){ .status = 200, .body = BUF_MAX(HTTP_BODY_MAX) };
	return buf_append(&ret_response->body, span_text(directory), err);
}

static const struct http_ops CA_OPS = { .send = ca_send };

static void urls_at_another_server_are_refused_with_what_to_write(void **state)
{
	static struct http http = { .ops = &CA_OPS };
	AUTO(client) struct client *client = NULL;
	struct err err = { 0 };
	const char *url;

	(void)state;
	assert_int_equal(client_new(&http, NULL, "https://ra.example/dir", &client, NULL), RC_OK);
	assert_int_equal(client_url(client, CLIENT_NEW_ORDER, &url, &err), RC_PROTOCOL);
	assert_string_equal(err.text,
			    "directory https://ra.example/dir: the server names a URL that is not its own: "
			    "https://ra.example:8443/nonce; where that is the same server, write its host and port after "
			    "directory:");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_at_another_server_are_refused_with_what_to_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
