/* authority_token_test.c -- what is sent to a CA is a JWT for this NF and this account, good for a while, and not for a CA. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "authority_token.h"
#include "challenge_fixture.h"
#include "codec.h"

#define UUID "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"
#define NOW  INT64_C(1790000000)

static struct authority_claims claims = { .type = "NfInstanceId", .value = UUID };

static int start(void **state)
{
	(void)state;
	return authority_fingerprint(FIXTURE_THUMBPRINT, claims.fingerprint, NULL) == RC_OK ? 0 : -1;
}

/* HEADER.BODY.c2ln */
static void jwt(const char *header, const char *body, struct buf *token)
{
	assert_int_equal(codec_base64url(span_text(header), token, NULL), RC_OK);
	assert_int_equal(buf_append(token, span_text("."), NULL), RC_OK);
	assert_int_equal(codec_base64url(span_text(body), token, NULL), RC_OK);
	assert_int_equal(buf_append(token, span_text(".c2ln"), NULL), RC_OK);
}

#define HEADER "{\"typ\":\"JWT\",\"alg\":\"ES256\"}"

/* `form` with @E for the expiry and @F for the fingerprint. */
static void body_fill(const char *form, int64_t expires_at, char *ret, size_t room)
{
	size_t used = 0;

	for (; *form && used + 1 < room; form++) {
		if (*form != '@') {
			ret[used++] = *form;
			continue;
		}
		used += (size_t)(*++form == 'E' ? snprintf(ret + used, room - used, "%lld", (long long)expires_at)
						: snprintf(ret + used, room - used, "%s", claims.fingerprint));
	}
	ret[used] = '\0';
}

static enum rc check_body(const char *header, const char *form, int64_t expires_at, struct err *err)
{
	AUTO(buf) struct buf token = BUF_MAX(4096);
	char body[1024];
	int64_t expires = 0;

	body_fill(form, expires_at, body, sizeof(body));
	jwt(header, body, &token);
	enum rc rc = authority_token_check(buf_text(&token), &claims, NOW, &expires, err);
	if (rc == RC_OK)
		assert_int_equal(expires, expires_at);
	return rc;
}

/* RFC 9448, 5.4 */
static void the_fingerprint_is_in_upper_case_hex_with_colons(void **state)
{
	char text[128];

	(void)state;
	assert_string_equal(claims.fingerprint,
			    "SHA256 37:36:CB:B1:78:7C:B8:30:9C:77:EE:8C:37:05:C5:E1:6F:FB:9E:85:97:15:90:1F:1E:"
			    "4C:59:B1:11:82:F5:7B");
	assert_int_equal(authority_fingerprint("c2hvcnQ", text, NULL), RC_BUG);
}

static void a_token_for_us_is_taken(void **state)
{
	struct err err = { 0 };

	(void)state;
	if (check_body(HEADER,
		       "{\"iss\":\"x\",\"exp\":@E,\"jti\":\"1\",\"atc\":{\"tktype\":\"NfInstanceId\",\"tkvalue\":\"" UUID
		       "\",\"fingerprint\":\"@F\"}}",
		       NOW + 3600, &err) != RC_OK)
		fail_msg("%s", err.text);
	/* TS 29.571, 5.3.2: a receiver minds no case; RFC 9447, 4: "ca" may say no in words. */
	assert_int_equal(check_body(HEADER,
				    "{\"exp\":@E,\"jti\":\"1\",\"atc\":{\"tktype\":\"NfInstanceId\",\"tkvalue\":"
				    "\"4ACE9D34-2C69-4F99-92D5-A73A3FE8E23B\",\"ca\":false,\"fingerprint\":\"@F\"}}",
				    NOW + 3600, NULL),
			 RC_OK);
}

static void tokens_with_a_defect_are_refused_in_words(void **state)
{
#define ATC(type, value, rest) "\"atc\":{\"tktype\":\"" type "\",\"tkvalue\":\"" value "\",\"fingerprint\":\"" rest
#define GOOD                   ATC("NfInstanceId", UUID, "@F\"}")
	static const struct {
		const char *header, *form;
		int64_t expires_at;
		const char *words;
	} cases[] = {
		{ HEADER, "{\"exp\":@E,\"jti\":\"1\"," GOOD "}", NOW + 59, "has expired" },
		{ HEADER, "{\"exp\":@E,\"jti\":\"1\"," GOOD "}", -1, "no \"exp\"" },
		{ HEADER, "{\"exp\":\"@E\",\"jti\":\"1\"," GOOD "}", NOW + 3600, "no \"exp\"" },
		{ HEADER, "{\"exp\":@E," GOOD "}", NOW + 3600, "no \"jti\"" },
		{ HEADER, "{\"exp\":@E,\"jti\":\"\"," GOOD "}", NOW + 3600, "no \"jti\"" },
		{ HEADER, "{\"exp\":@E,\"jti\":\"1\",\"nbf\":1900000000," GOOD "}", NOW + 3600, "not valid yet" },
		{ HEADER, "{\"exp\":@E,\"jti\":\"1\"," ATC("TNAuthList", UUID, "@F\"}") "}", NOW + 3600, "TNAuthList" },
		{ HEADER, "{\"exp\":@E,\"jti\":\"1\"," ATC("NfInstanceId", "another", "@F\"}") "}", NOW + 3600, "another" },
		{ HEADER, "{\"exp\":@E,\"jti\":\"1\"," ATC("NfInstanceId", UUID, "SHA256 00\"},\"x\":\"@F\"") "}", NOW + 3600,
		  "another ACME account" },
		{ HEADER, "{\"exp\":@E,\"jti\":\"1\"," ATC("NfInstanceId", UUID, "@F\",\"ca\":true}") "}", NOW + 3600,
		  "allows a CA" },
		{ HEADER, "{\"exp\":@E,\"jti\":\"1\"," ATC("NfInstanceId", UUID, "@F\",\"ca\":\"no\"}") "}", NOW + 3600,
		  "allows a CA" },
		{ HEADER, "{\"exp\":@E,\"jti\":\"1\",\"atc\":\"@F\"}", NOW + 3600, "tktype" },
		{ HEADER, "{\"exp\":@E,\"exp\":1,\"jti\":\"1\"," GOOD "}", NOW + 3600, "not a JSON object" },
		{ HEADER, "[@E,\"@F\"]", NOW + 3600, "not a JSON object" },
		{ "{\"alg\":\"none\"}", "{\"exp\":@E,\"jti\":\"1\"," GOOD "}", NOW + 3600, "not signed" },
		{ "{\"typ\":\"JWT\"}", "{\"exp\":@E,\"jti\":\"1\"," GOOD "}", NOW + 3600, "not signed" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };

		assert_int_equal(check_body(cases[i].header, cases[i].form, cases[i].expires_at, &err), RC_INPUT);
		if (!strstr(err.text, cases[i].words))
			fail_msg("no \"%s\" in: %s", cases[i].words, err.text);
	}
}

/* RFC 7519, 7.2 */
static void what_is_no_jwt_is_refused_and_not_repeated(void **state)
{
	static const char *const bad[] = { "", "secret-secret", "a.b", "a.b.", "a.b.c.d", "!.b.c", "..", "e30.e30.===" };
	int64_t expires = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = { 0 };

		assert_int_equal(authority_token_check(bad[i], &claims, NOW, &expires, &err), RC_INPUT);
		assert_null(strstr(err.text, "secret-secret"));
	}
}

/* RFC 9447, 5.1 and RFC 9448, 5.5 */
static void the_request_has_the_claims_and_the_answer_a_token(void **state)
{
	AUTO(buf) struct buf json = BUF_MAX(1024);
	AUTO(buf) struct buf token = BUF_MAX(64);

	(void)state;
	assert_int_equal(authority_request_print(&claims, &json, NULL), RC_OK);
	assert_non_null(strstr(buf_text(&json),
			       "{\"atc\":{\"tktype\":\"NfInstanceId\",\"tkvalue\":\"" UUID "\",\"fingerprint\":\"SHA256 "));
	assert_int_equal(authority_answer_parse(span_text("{\"token\":\"a.b.c\",\"more\":1}"), &token, NULL), RC_OK);
	assert_string_equal(buf_text(&token), "a.b.c");
	buf_clear(&token);
	assert_int_equal(authority_answer_parse(span_text("{}"), &token, NULL), RC_RETRY);
	assert_int_equal(authority_answer_parse(span_text("a.b.c"), &token, NULL), RC_RETRY);
	assert_int_equal(authority_answer_parse(span_of(NULL, 0), &token, NULL), RC_RETRY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fingerprint_is_in_upper_case_hex_with_colons),
		cmocka_unit_test(a_token_for_us_is_taken),
		cmocka_unit_test(tokens_with_a_defect_are_refused_in_words),
		cmocka_unit_test(what_is_no_jwt_is_refused_and_not_repeated),
		cmocka_unit_test(the_request_has_the_claims_and_the_answer_a_token),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
