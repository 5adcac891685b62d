/* problem_test.c -- every problem type leads where the table says, and an unknown one is refused by its status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "clock.h"
#include "problem.h"

#define NOW INT64_C(1795521600)

/*
 * RFC 8555, 6.7 (24 types); RFC 9773; acme-profiles; RFC 8739, 5.2; RFC 9115, 6.4; RFC 9799, 7.2; acme-device-attest;
 * Boulder's conflict.
 */
static const char *const TYPES[] = {
	"accountDoesNotExist",
	"alreadyRevoked",
	"badCSR",
	"badNonce",
	"badPublicKey",
	"badRevocationReason",
	"badSignatureAlgorithm",
	"caa",
	"compound",
	"connection",
	"dns",
	"externalAccountRequired",
	"incorrectResponse",
	"invalidContact",
	"malformed",
	"orderNotReady",
	"rateLimited",
	"rejectedIdentifier",
	"serverInternal",
	"tls",
	"unauthorized",
	"unsupportedContact",
	"unsupportedIdentifier",
	"userActionRequired",
	"alreadyReplaced",
	"invalidProfile",
	"autoRenewalCanceled",
	"autoRenewalExpired",
	"autoRenewalCancellationInvalid",
	"autoRenewalRevocationNotSupported",
	"unknownDelegation",
	"onionCAARequired",
	"badAttestationStatement",
	"conflict",
};

static enum rc fail_with(const char *type, long status, struct err *err)
{
	struct message_problem problem = { .detail = "why" };

	strcpy(problem.type, type);
	return problem_fail(err, &problem, status, 77);
}

static void every_registered_type_is_in_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
		struct err err = { 0 };
		enum problem which = problem_parse(TYPES[i]);

		assert_int_not_equal(which, PROBLEM_UNKNOWN);
		assert_string_equal(problem_type(which), TYPES[i]);
		assert_int_not_equal(fail_with(TYPES[i], 400, &err), RC_OK);
		assert_int_equal(err.problem, which);
		assert_int_equal(err.retry_at, 77);
		assert_non_null(strstr(err.text, TYPES[i]));
	}
	assert_int_equal(sizeof(TYPES) / sizeof(TYPES[0]), PROBLEM_UNKNOWN - PROBLEM_NONE - 1);
}

static void what_passes_keeps_the_order_and_what_does_not_ends_it(void **state)
{
	static const struct {
		const char *type;
		long status;
		enum rc rc;
		bool keeps;
	} cases[] = {
		{ "serverInternal", 500, RC_RETRY, true },       { "orderNotReady", 403, RC_RETRY, true },
		{ "rateLimited", 429, RC_DENIED, true },         { "unauthorized", 403, RC_DENIED, false },
		{ "rejectedIdentifier", 400, RC_DENIED, false }, { "accountDoesNotExist", 400, RC_DENIED, true },
		{ "malformed", 404, RC_ABSENT, false },          { "serverInternal", 410, RC_ABSENT, false },
		{ "invalidContact", 400, RC_INPUT, true },       { "invalidProfile", 400, RC_INPUT, false },
		{ "ourOwnInvention", 400, RC_DENIED, false },    { "ourOwnInvention", 503, RC_RETRY, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };

		assert_int_equal(fail_with(cases[i].type, cases[i].status, &err), cases[i].rc);
		assert_int_equal(problem_keeps_order(&err), cases[i].keeps);
	}
}

static void an_answer_without_a_problem_is_judged_by_its_status(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(problem_fail(&err, NULL, 502, 0), RC_RETRY);
	assert_non_null(strstr(err.text, "502"));
	assert_true(problem_keeps_order(&err));
	assert_int_equal(problem_fail(&err, NULL, 404, 0), RC_ABSENT);
	assert_false(problem_keeps_order(&err));
	/* What stands before the CA did not wait for the request, is not ready for it, or has had too many (RFC 9110, 15.5.9; RFC 8470, 5.2;
	 * RFC 6585, 4): none of these is a no. */
	assert_int_equal(problem_fail(&err, NULL, 429, 0), RC_RETRY);
	assert_int_equal(problem_fail(&err, NULL, 408, 0), RC_RETRY);
	assert_true(problem_keeps_order(&err));
	assert_int_equal(problem_fail(&err, NULL, 425, 0), RC_RETRY);
	assert_true(problem_keeps_order(&err));
	assert_int_equal(problem_fail(&err, NULL, 403, 0), RC_DENIED);
}

/* RFC 7807, 3.1 and 4.2: without a type, or by the one that says nothing, the status is the type; what is wrong stands in the words all the same. */
static void a_problem_without_a_type_is_judged_by_its_status_and_told(void **state)
{
	struct message_problem problem;
	struct err err = { 0 };

	(void)state;
	assert_true(message_problem_parse(span_text("{\"status\": 403, \"detail\": \"this client is blocked\"}"), &problem));
	assert_int_equal(problem_fail(&err, &problem, 403, 0), RC_DENIED);
	assert_string_equal(err.text, "HTTP status 403: this client is blocked");
	assert_int_equal(err.origin, ERR_HTTP);
	assert_int_equal(err.problem, PROBLEM_UNKNOWN);
	assert_true(message_problem_parse(span_text("{\"type\": \"about:blank\", \"title\": \"Bad Gateway\"}"), &problem));
	assert_int_equal(problem_fail(&err, &problem, 502, 0), RC_RETRY);
	assert_string_equal(err.text, "HTTP status 502: Bad Gateway");
	assert_false(message_problem_parse(span_text("{\"status\": \"pending\"}"), &problem));
}

/* A day is as much of Retry-After as is believed: the words are to promise no more. */
static void a_rate_limit_says_how_long_it_is_obeyed(void **state)
{
	struct message_problem problem = { .type = "rateLimited", .detail = "too many certificates" };
	struct err err = { 0 };
	int64_t at = 0;

	(void)state;
	assert_int_equal(clock_parse_retry_after("172800", NOW, &at, NULL), RC_OK);
	assert_int_equal(at, NOW + 86400);
	assert_int_equal(problem_fail(&err, &problem, 429, at), RC_DENIED);
	assert_int_equal(err.retry_at, NOW + 86400);
	assert_non_null(strstr(err.text, "before the time it gave, or for a day where that is longer"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_registered_type_is_in_the_table),
		cmocka_unit_test(what_passes_keeps_the_order_and_what_does_not_ends_it),
		cmocka_unit_test(an_answer_without_a_problem_is_judged_by_its_status),
		cmocka_unit_test(a_problem_without_a_type_is_judged_by_its_status_and_told),
		cmocka_unit_test(a_rate_limit_says_how_long_it_is_obeyed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
