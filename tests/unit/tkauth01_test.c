/* tkauth01_test.c -- where a token comes from, how long it is kept, and that only allowed hosts are asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "authority_token.h"
#include "challenge_fixture.h"
#include "codec.h"

/* Each test has an NF of its own: tokens are kept in the process. */
#define FIRST  "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"
#define SECOND "9bb3d2b6-45b3-4b5a-8a1e-0d4f4c1b1a55"
#define THIRD  "0d1b0fcd-9a39-4f0b-8f2e-5f2f5f0a8b11"
#define FOURTH "7c1de1f5-3d62-4a8b-a3a1-25d8d2b1f6aa"

static void token_make(const char *instance, int64_t expires_at, const char *before, const char *after, char *ret, size_t room)
{
	AUTO(buf) struct buf token = BUF_MAX(2048);
	char body[512], fingerprint[128];

	assert_int_equal(authority_fingerprint(FIXTURE_THUMBPRINT, fingerprint, NULL), RC_OK);
	snprintf(body, sizeof(body),
		 "{\"exp\":%lld,\"jti\":\"1\",\"atc\":{\"tktype\":\"NfInstanceId\",\"tkvalue\":\"%s\",\"fingerprint\":\"%s\"}}",
		 (long long)expires_at, instance, fingerprint);
	assert_int_equal(codec_base64url(span_text("{\"alg\":\"ES256\"}"), &token, NULL), RC_OK);
	assert_int_equal(buf_append(&token, span_text("."), NULL), RC_OK);
	assert_int_equal(codec_base64url(span_text(body), &token, NULL), RC_OK);
	snprintf(ret, room, "%s%s.c2ln%s", before, buf_text(&token), after);
}

static struct challenge_request request_for(const struct config_challenge *config, const struct challenge_desk *desk,
					    const char *instance)
{
	struct challenge_request request = fixture_request(config, desk, IDENTIFIER_NF_INSTANCE, instance);

	request.tkauth_type = "atc";
	return request;
}

static enum rc once(const struct challenge_request *request, bool accepted, struct buf *ret_response, struct err *err)
{
	const struct challenge_ops *ops = challenge_get(CHALLENGE_TKAUTH_01);
	struct challenge_answer *answer = NULL;
	enum rc rc = ops->begin(request, &answer, err);

	if (rc != RC_OK)
		return rc;
	rc = ret_response ? ops->response(answer, ret_response, err) : RC_OK;
	ops->end(answer, accepted);
	return rc;
}

static void a_command_is_told_what_for_and_its_token_is_the_response(void **state)
{
	char token[2048], wanted[2100];
	AUTO(buf) struct buf response = BUF_MAX(4096);
	struct fixture_desk calls = { .output = token };
	struct challenge_desk desk = fixture_desk_make(&calls);
	struct config_challenge config = { .type = CHALLENGE_TKAUTH_01, .run_count = 1 };
	struct challenge_request request = request_for(&config, &desk, FIRST);

	(void)state;
	token_make(FIRST, request.now + 3600, "", "\n", token, sizeof(token));
	assert_int_equal(once(&request, true, &response, NULL), RC_OK);
	/* RFC 9448, 4 */
	snprintf(wanted, sizeof(wanted), "{\"tkauth\":\"%.*s\"}", (int)strlen(token) - 1, token);
	assert_string_equal(buf_text(&response), wanted);
	assert_int_equal(calls.calls[0].verb, CHALLENGE_VERB_TOKEN);
	assert_string_equal(calls.calls[0].domain, FIRST);
	assert_memory_equal(calls.calls[0].value, "SHA256 37:36:", 13);

	/* RFC 9447, 3.3: reused until it expires; not beyond. */
	assert_int_equal(once(&request, true, NULL, NULL), RC_OK);
	assert_int_equal(calls.call_count, 1);
	request.now += 3590;
	assert_int_equal(once(&request, true, NULL, NULL), RC_INPUT);
	assert_int_equal(calls.call_count, 2);
	/* Another account's key: another token, and this one is not for it. */
	request.now -= 3590;
	request.thumbprint = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	assert_int_equal(once(&request, true, NULL, NULL), RC_INPUT);
	assert_int_equal(calls.call_count, 3);
}

static void a_token_that_was_refused_is_forgotten(void **state)
{
	char token[2048];
	struct fixture_desk calls = { .output = token };
	struct challenge_desk desk = fixture_desk_make(&calls);
	struct config_challenge config = { .type = CHALLENGE_TKAUTH_01, .run_count = 1 };
	struct challenge_request request = request_for(&config, &desk, SECOND);

	(void)state;
	token_make(SECOND, request.now + 3600, "", "", token, sizeof(token));
	assert_int_equal(once(&request, false, NULL, NULL), RC_OK);
	assert_int_equal(once(&request, true, NULL, NULL), RC_OK);
	assert_int_equal(calls.call_count, 2);
}

/* A CA names a Token Authority; it is asked when its host is allowed, and nobody else ever is. */
static void a_hint_is_taken_from_allowed_hosts_alone(void **state)
{
	static const struct {
		const char *hint, *asked; /* NULL: refused */
	} cases[] = {
		{ "https://oam.example/t", "https://oam.example/t" },
		{ "https://OAM.example:8443/t", "https://OAM.example:8443/t" },
		{ "https://[2001:db8::1]:8443/t", "https://[2001:db8::1]:8443/t" },
		{ "https://evil.example/t", NULL },
		{ "https://oam.example.evil.example/t", NULL },
		{ "https://oam.example@evil.example/t", NULL },
		{ "https://oam.example:443@evil.example/t", NULL },
		{ "https://evil.example\\@oam.example/t", NULL },
		{ "https://evil.example/oam.example", NULL },
		{ "https://evil.example#oam.example", NULL },
		{ "https://evil.example?@oam.example", NULL },
		{ "https://[2001:db8::1", NULL },
		{ "http://oam.example/t", NULL },
		{ "oam.example", NULL },
		{ "", NULL },
	};
	char *allow[] = { (char[]){ "oam.example" }, (char[]){ "2001:db8::1" } };
	struct config_challenge config = { .type = CHALLENGE_TKAUTH_01, .allow = allow, .allow_count = 2 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture_desk calls = { 0 };
		struct challenge_desk desk = fixture_desk_make(&calls);
		struct challenge_request request = request_for(&config, &desk, THIRD);
		struct err err = { 0 };

		request.token_authority = cases[i].hint;
		assert_int_equal(once(&request, true, NULL, &err), cases[i].asked ? RC_RETRY : RC_INPUT);
		assert_int_equal(calls.posts, cases[i].asked != NULL);
		if (cases[i].asked)
			assert_string_equal(calls.url, cases[i].asked);
		else
			assert_non_null(strstr(err.text, "allow:"));
	}
	/* The configured one is there for hints that are not allowed. */
	config.authority = (char[]){ "https://own.example/t" };
	struct fixture_desk calls = { 0 };
	struct challenge_desk desk = fixture_desk_make(&calls);
	struct challenge_request request = request_for(&config, &desk, THIRD);
	request.token_authority = "https://evil.example/t";
	assert_int_equal(once(&request, true, NULL, NULL), RC_RETRY);
	assert_string_equal(calls.url, "https://own.example/t");
}

static void the_token_authority_answers_with_a_token(void **state)
{
	char answer[2200], token[2048];
	struct fixture_desk calls = { .answer = answer };
	struct challenge_desk desk = fixture_desk_make(&calls);
	struct config_challenge config = { .type = CHALLENGE_TKAUTH_01, .authority = (char[]){ "https://own.example/t" } };
	struct challenge_request request = request_for(&config, &desk, FOURTH);

	(void)state;
	token_make(FOURTH, request.now + 3600, "", "", token, sizeof(token));
	snprintf(answer, sizeof(answer), "{\"token\":\"%s\"}", token);
	assert_int_equal(once(&request, true, NULL, NULL), RC_OK);
	assert_non_null(strstr(calls.body, "\"tkvalue\":\"" FOURTH "\""));
	assert_int_equal(once(&request, true, NULL, NULL), RC_OK);
	assert_int_equal(calls.posts, 1);
}

static void a_file_has_the_token(void **state)
{
	static const char instance[] = "1f0f2a70-1c9f-4a3b-b8f7-6a1a2e1c9d00";
	char path[] = "/tmp/hwa-token-XXXXXX", token[2048];
	struct config_challenge config = { .type = CHALLENGE_TKAUTH_01, .token_file = path };
	struct challenge_request request = request_for(&config, NULL, instance);
	struct err err = { 0 };
	int fd = mkstemp(path);

	(void)state;
	token_make(instance, request.now + 3600, "", " \r\n", token, sizeof(token));
	assert_int_equal(write(fd, token, strlen(token)), (int)strlen(token));
	close(fd);
	if (once(&request, false, NULL, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(once(&request, true, NULL, &err), RC_INPUT);
	assert_non_null(strstr(err.text, path));
	config.token_file = (char[]){ "/dev/zero" };
	assert_int_equal(once(&request, true, NULL, &err), RC_INPUT);
}

static void another_type_of_token_is_not_understood(void **state)
{
	struct config_challenge config = { .type = CHALLENGE_TKAUTH_01, .run_count = 1 };
	struct challenge_request request = request_for(&config, NULL, FIRST);
	struct err err = { 0 };

	(void)state;
	request.tkauth_type = "other";
	assert_int_equal(once(&request, true, NULL, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "\"other\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_told_what_for_and_its_token_is_the_response),
		cmocka_unit_test(a_token_that_was_refused_is_forgotten),
		cmocka_unit_test(a_hint_is_taken_from_allowed_hosts_alone),
		cmocka_unit_test(the_token_authority_answers_with_a_token),
		cmocka_unit_test(a_file_has_the_token),
		cmocka_unit_test(another_type_of_token_is_not_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
