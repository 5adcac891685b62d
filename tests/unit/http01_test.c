/* http01_test.c -- the built-in listener answers the one path it has a token for, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "challenge.h"
#include "free_port.h"

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

static enum rc begin(struct config_challenge *config, const char *token, struct challenge_answer **answer, struct err *err)
{
	char key_authorization[64];
	struct challenge_request request = { .config = config, .identifier = { IDENTIFIER_DNS, "a.example" }, .token = token };

	snprintf(key_authorization, sizeof(key_authorization), "%s.thumb", token);
	request.key_authorization = key_authorization;
	return challenge_get(CHALLENGE_HTTP_01)->begin(&request, answer, err);
}

static void the_answer_is_there_until_it_is_taken_away(void **state)
{
	const struct challenge_ops *ops = challenge_get(CHALLENGE_HTTP_01);
	struct challenge_answer *one = NULL, *two = NULL;
	char listen[32], body[256];
	int port = free_port();

	(void)state;
	snprintf(listen, sizeof(listen), "127.0.0.1:%d", port);
	struct config_challenge config = { .type = CHALLENGE_HTTP_01, .listen = listen };
	assert_int_equal(begin(&config, "tok1", &one, NULL), RC_OK);
	assert_int_equal(begin(&config, "tok2", &two, NULL), RC_OK);
	assert_int_equal(get(port, "/.well-known/acme-challenge/tok1", "GET", body), 200);
	assert_string_equal(body, "tok1.thumb");
	assert_int_equal(get(port, "/.well-known/acme-challenge/tok2", "GET", body), 200);
	assert_string_equal(body, "tok2.thumb");
	assert_int_equal(get(port, "/.well-known/acme-challenge/tok3", "GET", body), 404);
	assert_int_equal(get(port, "/.well-known/acme-challenge/../tok1", "GET", body), 404);
	assert_int_equal(get(port, "/", "GET", body), 404);
	assert_int_not_equal(get(port, "/.well-known/acme-challenge/tok1", "DELETE", body), 200);
	ops->end(one, true);
	assert_int_equal(get(port, "/.well-known/acme-challenge/tok1", "GET", body), 404);
	ops->end(two, false);
	assert_int_equal(get(port, "/.well-known/acme-challenge/tok2", "GET", body), 0);
}

static void an_address_that_is_taken_is_named(void **state)
{
	struct config_challenge config = { .type = CHALLENGE_HTTP_01, .listen = (char[]){ "192.0.2.1:80" } };
	struct challenge_answer *answer = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_not_equal(begin(&config, "tok", &answer, &err), RC_OK);
	assert_null(answer);
	assert_non_null(strstr(err.text, config.listen));
}

static void a_web_servers_root_gets_a_file_and_loses_it(void **state)
{
	char root[] = "/tmp/hwa-webroot-XXXXXX", path[128], text[64] = "";
	struct challenge_answer *answer = NULL;
	struct stat status;

	(void)state;
	assert_non_null(mkdtemp(root));
	struct config_challenge config = { .type = CHALLENGE_HTTP_01, .webroot = root };
	snprintf(path, sizeof(path), "%s/.well-known/acme-challenge/tok", root);
	assert_int_equal(begin(&config, "tok", &answer, NULL), RC_OK);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	assert_int_equal(fclose(file), 0);
	/* RFC 8555, 8.3: the body is the key authorisation. */
	assert_string_equal(text, "tok.thumb");
	challenge_get(CHALLENGE_HTTP_01)->end(answer, true);
	assert_int_not_equal(stat(path, &status), 0);
	*strrchr(path, '/') = '\0';
	assert_int_equal(rmdir(path), 0);
	*strrchr(path, '/') = '\0';
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_is_there_until_it_is_taken_away),
		cmocka_unit_test(an_address_that_is_taken_is_named),
		cmocka_unit_test(a_web_servers_root_gets_a_file_and_loses_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
