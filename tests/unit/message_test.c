/* message_test.c -- what RFC 8555 allows is understood, and what it does not is refused with the member named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "message.h"

static char NAME[] = "dns:a.example";
static char *NAMES[] = { NAME };

#define ORDER_HEAD \
	"{\"status\":\"ready\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"}],\"finalize\":\"https://ca/f\""

static enum rc parse(const char *json, struct message_order *order, struct err *err)
{
	return message_order_parse(span_text(json), NAMES, 1, order, err);
}

/* TR 33.776 and peers' bug reports: on the pre-authorised path the list may be missing, null or empty. */
static void missing_null_and_empty_authorizations_are_normal(void **state)
{
	static const char *const orders[] = { ORDER_HEAD "}", ORDER_HEAD ",\"authorizations\":null}",
					      ORDER_HEAD ",\"authorizations\":[]}" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		AUTO(message_order) struct message_order order = { 0 };
		struct err err = { 0 };

		if (parse(orders[i], &order, &err) != RC_OK)
			fail_msg("%s", err.text);
		assert_int_equal(order.status, ORDER_IS_READY);
		assert_int_equal(order.authorization_count, 0);
		assert_string_equal(order.finalize_url, "https://ca/f");
	}
}

static void an_order_keeps_urls_and_expiry(void **state)
{
	AUTO(message_order) struct message_order order = { 0 };

	(void)state;
	assert_int_equal(parse(ORDER_HEAD
			       ",\"expires\":\"1970-01-01T00:01:00Z\",\"authorizations\":[\"https://ca/1\",\"https://ca/2\"],"
			       "\"certificate\":\"https://ca/c\",\"unknown\":{}}",
			       &order, NULL),
			 RC_OK);
	assert_int_equal(order.expires_at, 60);
	assert_int_equal(order.authorization_count, 2);
	assert_string_equal(order.authorizations[1], "https://ca/2");
	assert_string_equal(order.certificate_url, "https://ca/c");
}

/* What is listed twice is one thing to prove: nobody answers it twice, or waits for it twice. */
static void an_authorization_that_is_listed_twice_is_one(void **state)
{
	AUTO(message_order) struct message_order order = { 0 };

	(void)state;
	assert_int_equal(parse(ORDER_HEAD ",\"authorizations\":[\"https://ca/1\",\"https://ca/2\",\"https://ca/1\",\"https://ca/"
					  "2\",\"https://ca/3\"]}",
			       &order, NULL),
			 RC_OK);
	assert_int_equal(order.authorization_count, 3);
	assert_string_equal(order.authorizations[0], "https://ca/1");
	assert_string_equal(order.authorizations[1], "https://ca/2");
	assert_string_equal(order.authorizations[2], "https://ca/3");
}

/* RFC 8555, 7.1.3: a pending order has `expires`; a server that has left the zero of Go there has said nothing, and no more than that. */
static void a_time_that_was_never_set_is_not_said(void **state)
{
	AUTO(message_order) struct message_order order = { 0 };
	struct message_authorization authorization;

	(void)state;
	assert_int_equal(parse(ORDER_HEAD ",\"expires\":\"0001-01-01T00:00:00Z\"}", &order, NULL), RC_OK);
	assert_int_equal(order.expires_at, 0);
	assert_int_equal(message_authorization_parse(span_text("{\"status\":\"valid\",\"expires\":\"0001-01-01T00:00:00Z\","
							       "\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\"},"
							       "\"challenges\":[]}"),
						     &authorization, NULL),
			 RC_OK);
	assert_int_equal(authorization.expires_at, 0);
	assert_int_equal(parse(ORDER_HEAD ",\"expires\":\"0001-01-01T00:00:01Z\"}", &order, NULL), RC_PROTOCOL);
}

/* RFC 8555, 9.7.7: there is no identifier type for a URI; it is in the CSR alone. */
static void a_uri_is_no_identifier(void **state)
{
	static char name[] = "dns:a.example", uri[] = "uri:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b";
	static char *names[] = { uri, name };
	AUTO(message_order) struct message_order order = { 0 };
	AUTO(buf) struct buf json = BUF_MAX(MESSAGE_PAYLOAD_MAX);

	(void)state;
	assert_int_equal(message_new_order_print(names, 2, NULL, NULL, &json, NULL), RC_OK);
	assert_string_equal(buf_text(&json), "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"}]}");
	assert_int_equal(message_order_parse(span_text(ORDER_HEAD "}"), names, 2, &order, NULL), RC_OK);
}

static void odd_orders_are_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"null",
		"[]",
		"{}",
		"{\"status\":1}",
		ORDER_HEAD ",\"authorizations\":{}}",
		ORDER_HEAD ",\"authorizations\":[1]}",
		ORDER_HEAD ",\"authorizations\":[\"http://ca/1\"]}",
		ORDER_HEAD ",\"expires\":\"soon\"}",
		ORDER_HEAD ",\"certificate\":7}",
		"{\"status\":\"odd\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"}],\"finalize\":\"https://ca/f\"}",
		"{\"status\":\"ready\",\"identifiers\":7,\"finalize\":\"https://ca/f\"}",
		ORDER_HEAD,
		ORDER_HEAD "}{}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		AUTO(message_order) struct message_order order = { 0 };
		struct err err = { 0 };

		if (parse(wrong[i], &order, &err) != RC_PROTOCOL)
			fail_msg("taken: %s", wrong[i]);
		assert_true(err.text[0] != '\0');
	}
}

static void an_order_for_other_names_is_told_from_one_that_is_odd(void **state)
{
	static const char *const others[] = {
		"{\"status\":\"ready\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"b.example\"}],\"finalize\":\"https://ca/"
		"f\"}",
		"{\"status\":\"ready\",\"identifiers\":[],\"finalize\":\"https://ca/f\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		AUTO(message_order) struct message_order order = { 0 };
		struct err err = { 0 };

		assert_int_equal(parse(others[i], &order, &err), RC_ABSENT);
		assert_non_null(strstr(err.text, "ordered"));
	}
}

static void an_order_that_has_one_name_twice_lacks_another(void **state)
{
	static char first[] = "dns:a.example", second[] = "dns:b.example";
	char *names[] = { first, second };
	AUTO(message_order) struct message_order order = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(
		message_order_parse(span_text("{\"status\":\"ready\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"},"
					      "{\"type\":\"dns\",\"value\":\"a.example\"}],\"finalize\":\"https://ca/f\"}"),
				    names, 2, &order, &err),
		RC_ABSENT);
	assert_non_null(strstr(err.text, "dns:b.example"));
}

/* RFC 8555, 7.1.1 */
static void a_directory_needs_three_https_urls(void **state)
{
	struct message_directory directory;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(message_directory_parse(
				 span_text("{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\","
					   "\"newOrder\":\"https://ca/o\",\"meta\":{\"termsOfService\":\"https://ca/t\"}}"),
				 &directory, &err),
			 RC_OK);
	assert_string_equal(directory.new_order, "https://ca/o");
	assert_string_equal(directory.terms_of_service, "https://ca/t");
	assert_int_equal(message_directory_parse(span_text("{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\"}"),
						 &directory, &err),
			 RC_PROTOCOL);
	assert_non_null(strstr(err.text, "newOrder"));
	assert_int_equal(message_directory_parse(span_text("{\"newNonce\":\"http://ca/n\",\"newAccount\":\"https://ca/a\","
							   "\"newOrder\":\"https://ca/o\"}"),
						 &directory, &err),
			 RC_PROTOCOL);
}

/* RFC 3986, 2.  A directory is kept for a day: one with a URL that cannot be asked for would be in the way for as long. */
static void a_url_has_no_blanks_and_control_characters(void **state)
{
	static const char *const odd[] = { "https://ca/new order", " https://ca/o", "https://ca/o\\n", "https://ca/\\u007f" };
	struct message_directory directory;
	struct message_order order;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		char text[512];
		struct err err = { 0 };

		snprintf(text, sizeof(text),
			 "{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\",\"newOrder\":\"%s\"}", odd[i]);
		assert_int_equal(message_directory_parse(span_text(text), &directory, &err), RC_PROTOCOL);
		assert_string_equal(err.text, "\"newOrder\" is not an https:// URL");
		snprintf(text, sizeof(text), ORDER_HEAD ",\"authorizations\":[\"%s\"]}", odd[i]);
		assert_int_equal(parse(text, &order, &err), RC_PROTOCOL);
	}
}

/* draft-ietf-acme-profiles, 3, and RFC 9773, 4.1 */
static void a_directory_tells_of_profiles_and_renewal_information(void **state)
{
	struct message_directory directory;

	(void)state;
	assert_int_equal(message_directory_parse(
				 span_text("{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\",\"newOrder\":"
					   "\"https://ca/o\",\"renewalInfo\":\"https://ca/r\",\"meta\":{\"profiles\":{"
					   "\"short\":\"https://ca/short\",\"nf-tls\":\"for NFs\",\"a-name-that-is-longer-than-"
					   "the-sixty-three-characters-which-a-name-may-have\":\"\"}}}"),
				 &directory, NULL),
			 RC_OK);
	assert_string_equal(directory.renewal_info, "https://ca/r");
	assert_int_equal(directory.profile_count, 2);
	assert_string_equal(directory.profiles[0], "short");
	assert_string_equal(directory.profiles[1], "nf-tls");
	assert_int_equal(
		message_directory_parse(span_text("{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\",\"newOrder\":"
						  "\"https://ca/o\",\"meta\":{\"profiles\":{\"a\\u009b31mred\":\"\"}}}"),
					&directory, NULL),
		RC_OK);
	assert_string_equal(directory.profiles[0], "a  31mred"); /* nothing that colours the terminal of whoever reads it */
}

static void an_order_says_what_it_replaces_and_its_profile_when_asked_to(void **state)
{
	AUTO(buf) struct buf plain = BUF_MAX(1024);
	AUTO(buf) struct buf full = BUF_MAX(1024);
	AUTO(message_order) struct message_order order = { 0 };

	(void)state;
	assert_int_equal(message_new_order_print(NAMES, 1, NULL, NULL, &plain, NULL), RC_OK);
	assert_string_equal(buf_text(&plain), "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"}]}");
	assert_int_equal(message_new_order_print(NAMES, 1, "a.b", "nf-tls", &full, NULL), RC_OK);
	assert_string_equal(buf_text(&full), "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"}],"
					     "\"replaces\":\"a.b\",\"profile\":\"nf-tls\"}");
	assert_int_equal(parse(ORDER_HEAD ",\"profile\":\"nf-tls\"}", &order, NULL), RC_OK);
	assert_string_equal(order.profile, "nf-tls");
}

/* RFC 8555, 7.1.4 and 8: type, url, and a token where the type has one; types nobody knows are no fault. */
static void an_authorization_tells_its_challenges(void **state)
{
	struct message_authorization authorization;

	(void)state;
	assert_int_equal(message_authorization_parse(
				 span_text("{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\"},"
					   "\"challenges\":[{\"type\":\"http-01\",\"url\":\"https://ca/"
					   "c\",\"token\":\"abc\"},{\"type\":\"odd-99\",\"url\":\"https://ca/d\"}]}"),
				 &authorization, NULL),
			 RC_OK);
	assert_int_equal(authorization.status, AUTHORIZATION_PENDING);
	assert_string_equal(authorization.challenges[0].token, "abc");
	assert_int_equal(message_authorization_parse(span_text("{\"status\":\"maybe\"}"), &authorization, NULL), RC_PROTOCOL);
}

static void a_problem_is_shown_without_control_characters(void **state)
{
	struct message_problem problem;

	(void)state;
	assert_true(message_problem_parse(
		span_text("{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"slow\\u001b[31m down\"}"),
		&problem));
	assert_string_equal(problem.type, "rateLimited");
	assert_null(strchr(problem.detail, 0x1b));
	/* U+009B is CSI, as ESC [ is, where a terminal is set for 8 bits; and libraries that print JSON do not write it as an escape. */
	assert_true(message_problem_parse(
		span_text("{\"type\":\"urn:ietf:params:acme:error:\\u009b2J\",\"detail\":\"slow\\u009b31m d\\u00f6wn\"}"),
		&problem));
	assert_string_equal(problem.type, "  2J");
	assert_string_equal(problem.detail, "slow  31m d\xc3\xb6wn");
	assert_false(message_problem_parse(span_text("<html>"), &problem));
}

static void a_detail_that_is_cut_ends_in_no_half_of_a_character(void **state)
{
	char json[1100] = "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"";
	struct message_problem problem;

	(void)state;
	for (int i = 0; i < 256; i++)
		strcat(json, "\xc3\xb6");
	assert_true(message_problem_parse(span_text(strcat(json, "\"}")), &problem));
	assert_int_equal(strlen(problem.detail), sizeof(problem.detail) - 1);
	assert_string_equal(problem.detail + sizeof(problem.detail) - 4, "\xc3\xb6 ");
}

/* RFC 8555, 6.7.1 */
static void a_problem_tells_what_is_wrong_with_each_identifier(void **state)
{
	struct message_problem problem;

	(void)state;
	assert_true(message_problem_parse(
		span_text("{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"some are refused\",\"subproblems\":["
			  "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"no underscore\","
			  "\"identifier\":{\"type\":\"dns\",\"value\":\"_a.example\"}},"
			  "{\"type\":\"urn:ietf:params:acme:error:rejectedIdentifier\","
			  "\"identifier\":{\"type\":\"dns\",\"value\":\"b.example\"}},7]}"),
		&problem));
	assert_string_equal(problem.type, "malformed");
	assert_non_null(
		strstr(problem.detail, "some are refused; _a.example: malformed: no underscore; b.example: rejectedIdentifier"));
}

/* RFC 8555, 7.3.3: of the problems only userActionRequired tells of a page to read. */
static void terms_that_changed_come_with_their_page(void **state)
{
	struct message_problem problem;

	(void)state;
	assert_true(message_problem_parse(span_text("{\"type\":\"urn:ietf:params:acme:error:userActionRequired\","
						    "\"instance\":\"https://ca/agree\"}"),
					  &problem));
	assert_string_equal(problem.instance, "https://ca/agree");
	assert_true(message_problem_parse(span_text("{\"type\":\"urn:ietf:params:acme:error:malformed\","
						    "\"instance\":\"https://ca/agree\"}"),
					  &problem));
	assert_string_equal(problem.instance, "");
}

/* RFC 8555, 6.2. */
static void a_refused_algorithm_comes_with_those_the_server_takes(void **state)
{
	struct message_problem problem;
	char many[4096] = "{\"type\":\"urn:ietf:params:acme:error:badSignatureAlgorithm\",\"algorithms\":[\"\\u001bX\"";

	(void)state;
	assert_true(message_problem_parse(span_text("{\"type\":\"urn:ietf:params:acme:error:badSignatureAlgorithm\","
						    "\"detail\":\"no\",\"algorithms\":[\"ES256\",7,\"RS256\"]}"),
					  &problem));
	assert_string_equal(problem.algorithms, "ES256, RS256");
	assert_true(
		message_problem_parse(span_text("{\"type\":\"urn:ietf:params:acme:error:badSignatureAlgorithm\"}"), &problem));
	assert_string_equal(problem.algorithms, "");
	for (int i = 0; i < 100; i++)
		strcat(many, ",\"algorithm-of-many-letters\"");
	assert_true(message_problem_parse(span_text(strcat(many, "]}")), &problem));
	assert_true(strlen(problem.algorithms) > 60);
	assert_null(strchr(problem.algorithms, 0x1b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_null_and_empty_authorizations_are_normal),
		cmocka_unit_test(an_order_keeps_urls_and_expiry),
		cmocka_unit_test(an_authorization_that_is_listed_twice_is_one),
		cmocka_unit_test(a_time_that_was_never_set_is_not_said),
		cmocka_unit_test(a_uri_is_no_identifier),
		cmocka_unit_test(odd_orders_are_refused),
		cmocka_unit_test(an_order_for_other_names_is_told_from_one_that_is_odd),
		cmocka_unit_test(an_order_that_has_one_name_twice_lacks_another),
		cmocka_unit_test(a_directory_needs_three_https_urls),
		cmocka_unit_test(a_url_has_no_blanks_and_control_characters),
		cmocka_unit_test(a_directory_tells_of_profiles_and_renewal_information),
		cmocka_unit_test(an_order_says_what_it_replaces_and_its_profile_when_asked_to),
		cmocka_unit_test(an_authorization_tells_its_challenges),
		cmocka_unit_test(a_problem_is_shown_without_control_characters),
		cmocka_unit_test(a_detail_that_is_cut_ends_in_no_half_of_a_character),
		cmocka_unit_test(a_problem_tells_what_is_wrong_with_each_identifier),
		cmocka_unit_test(terms_that_changed_come_with_their_page),
		cmocka_unit_test(a_refused_algorithm_comes_with_those_the_server_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
