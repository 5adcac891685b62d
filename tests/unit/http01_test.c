/* http01_test.c -- the built-in listener answers the one path it has a token for, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "challenge.h"

/* Free a moment ago, and not handed out again at once. */
static int free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static size_t keep(char *data, size_t size, size_t count, void *text)
{
	strncat(text, data, size * count < 200 ? size * count : 200);
	return size * count;
}

/* The status; 0: no answer. */
static long get(int port, const char *path, const char *method, char body[256])
{
	CURL *curl = curl_easy_init();
	char url[256];
	long status = 0;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
	body[0] = '\0';
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
	if (curl_easy_perform(curl) == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	return status;
}

static void the_answer_is_there_until_it_is_taken_away(void **state)
{
	const struct challenge_ops *ops = challenge_get("http-01");
	struct challenge_answer *one = NULL, *two = NULL;
	char listen[32], body[256];
	int port = free_port();

	(void)state;
	snprintf(listen, sizeof(listen), "127.0.0.1:%d", port);
	struct config_certificate certificate = { .http01_listen = listen };
	assert_non_null(ops);
	assert_true(ops->offered(&certificate));
	assert_int_equal(ops->begin(&certificate, "a.example", "tok1", "tok1.thumb", &one, NULL), RC_OK);
	assert_int_equal(ops->begin(&certificate, "b.example", "tok2", "tok2.thumb", &two, NULL), RC_OK);
	assert_int_equal(get(port, "/.well-known/acme-challenge/tok1", "GET", body), 200);
	assert_string_equal(body, "tok1.thumb");
	assert_int_equal(get(port, "/.well-known/acme-challenge/tok2", "GET", body), 200);
	assert_string_equal(body, "tok2.thumb");
	assert_int_equal(get(port, "/.well-known/acme-challenge/tok3", "GET", body), 404);
	assert_int_equal(get(port, "/.well-known/acme-challenge/../tok1", "GET", body), 404);
	assert_int_equal(get(port, "/", "GET", body), 404);
	assert_int_not_equal(get(port, "/.well-known/acme-challenge/tok1", "DELETE", body), 200);
	ops->end(one);
	assert_int_equal(get(port, "/.well-known/acme-challenge/tok1", "GET", body), 404);
	ops->end(two);
	assert_int_equal(get(port, "/.well-known/acme-challenge/tok2", "GET", body), 0);
}

static void an_address_that_is_taken_is_named(void **state)
{
	const struct challenge_ops *ops = challenge_get("http-01");
	char listen[] = "192.0.2.1:80";
	struct config_certificate certificate = { .http01_listen = listen };
	struct challenge_answer *answer = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_not_equal(ops->begin(&certificate, "a.example", "tok", "tok.thumb", &answer, &err), RC_OK);
	assert_null(answer);
	assert_non_null(strstr(err.text, listen));
}

static void an_unknown_type_is_nobody(void **state)
{
	struct config_certificate none = { 0 };

	(void)state;
	assert_null(challenge_get("dns-99"));
	assert_false(challenge_get("http-01")->offered(&none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_is_there_until_it_is_taken_away),
		cmocka_unit_test(an_address_that_is_taken_is_named),
		cmocka_unit_test(an_unknown_type_is_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
