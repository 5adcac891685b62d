/* message_authorization_test.c -- authorizations of every kind of identifier, and what the challenge types say of themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "challenge.h"
#include "message.h"

static void parse(const char *json, struct message_authorization *authorization)
{
	struct err err = { 0 };

	if (message_authorization_parse(span_text(json), authorization, &err) != RC_OK)
		fail_msg("%s", err.text);
}

/* RFC 8555, 7.1.4 */
static void a_wildcard_is_its_base_and_a_flag(void **state)
{
	AUTO(message_authorization) struct message_authorization authorization = { 0 };

	(void)state;
	parse("{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\"},\"wildcard\":true,"
	      "\"challenges\":[]}",
	      &authorization);
	assert_true(authorization.is_wildcard);
	assert_string_equal(authorization.identifier_type, "dns");
	assert_string_equal(authorization.identifier, "a.example");
	assert_int_equal(message_authorization_parse(span_text("{\"status\":\"pending\",\"identifier\":{\"value\":\"a\"}}"),
						     &authorization, NULL),
			 RC_PROTOCOL);
}

/* RFC 9447, 3; TS 33.310, annex J */
static void tkauth_has_a_type_and_a_hint(void **state)
{
	AUTO(message_authorization) struct message_authorization authorization = { 0 };

	(void)state;
	parse("{\"status\":\"pending\",\"identifier\":{\"type\":\"NfInstanceId\",\"value\":\"4ace\"},\"challenges\":["
	      "{\"type\":\"tkauth-01\",\"tkauth-type\":\"atc\",\"token-authority\":\"https://oam/\",\"url\":\"https://ca/1\","
	      "\"token\":\"abc\"},{\"type\":\"unheard-of\",\"url\":\"https://ca/2\"}]}",
	      &authorization);
	assert_int_equal(authorization.challenge_count, 2);
	assert_string_equal(authorization.challenges[0].tkauth_type, "atc");
	assert_string_equal(authorization.challenges[0].token_authority, "https://oam/");
	assert_string_equal(authorization.challenges[1].tkauth_type, "");
}

/* RFC 8555, 8: other documents define other challenges; what is in those that are not ours is not for us to judge. */
static void a_challenge_of_another_kind_spoils_no_authorization(void **state)
{
	AUTO(message_authorization) struct message_authorization authorization = { 0 };

	(void)state;
	parse("{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\"},\"challenges\":["
	      "{\"type\":\"a-challenge-that-has-a-very-long-name-01\",\"token\":{\"not\":\"a string\"},\"status\":\"pending\"},"
	      "{\"type\":\"http-01\",\"url\":\"https://ca/1\",\"token\":\"abc\"}]}",
	      &authorization);
	assert_int_equal(authorization.challenge_count, 2);
	assert_string_equal(authorization.challenges[0].type, "a-challenge-that-has-a-very-lon");
	assert_string_equal(authorization.challenges[0].url, "");
	assert_string_equal(authorization.challenges[1].type, "http-01");
	assert_int_equal(
		message_authorization_parse(span_text("{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":"
						      "\"a\"},\"challenges\":[{\"type\":\"http-01\"}]}"),
					    &authorization, NULL),
		RC_PROTOCOL);
}

/* draft-ietf-acme-dns-persist, 3.1; a list that is none matters only to who takes the challenge up. */
static void issuer_names_are_bounded_and_names(void **state)
{
	static const struct {
		const char *list;
		unsigned count;
	} cases[] = {
		{ "[\"Ca.example\",\"b.example\"]", 2 },
		{ "[]", 0 },
		{ "{}", 0 },
		{ "[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]", 10 },
		{ "[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]", CHALLENGE_ISSUERS_MAX + 1 },
		{ "[\"a b\"]", CHALLENGE_ISSUERS_MAX + 1 },
		{ "[\"*.a\"]", CHALLENGE_ISSUERS_MAX + 1 },
		{ "[\"a\",7]", CHALLENGE_ISSUERS_MAX + 1 },
	};
	char json[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(message_authorization) struct message_authorization authorization = { 0 };

		snprintf(json, sizeof(json),
			 "{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\"},\"challenges\":["
			 "{\"type\":\"dns-persist-01\",\"url\":\"https://ca/1\",\"issuer-domain-names\":%s}]}",
			 cases[i].list);
		parse(json, &authorization);
		assert_int_equal(authorization.challenges[0].issuer_count, cases[i].count);
		if (i == 0)
			assert_string_equal(authorization.challenges[0].issuers[0], "ca.example");
	}
}

/* RFC 8555, 7.1.3; RFC 8738, 3 */
static void an_order_has_the_identifiers_among_the_names(void **state)
{
	char *names[] = { (char[]){ "dns:a.example" }, (char[]){ "ip:2001:db8::1" },
			  (char[]){ "nf-instance:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b" }, (char[]){ "uri:urn:x:y" } };
	AUTO(message_order) struct message_order order = { 0 };
	AUTO(buf) struct buf json = BUF_MAX(1024);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(message_new_order_print(names, 4, NULL, NULL, &json, NULL), RC_OK);
	assert_string_equal(buf_text(&json), "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"},"
					     "{\"type\":\"ip\",\"value\":\"2001:db8::1\"},"
					     "{\"type\":\"NfInstanceId\",\"value\":\"4ace9d34-2c69-4f99-92d5-a73a3fe8e23b\"}]}");
	static const char head[] = "{\"status\":\"ready\",\"finalize\":\"https://ca/f\",\"identifiers\":["
				   "{\"type\":\"NfInstanceId\",\"value\":\"4ACE9D34-2C69-4F99-92D5-A73A3FE8E23B\"},"
				   "{\"type\":\"dns\",\"value\":\"a.example\"},";
	char text[512];
	snprintf(text, sizeof(text), "%s{\"type\":\"ip\",\"value\":\"2001:DB8:0::1\"}]}", head);
	if (message_order_parse(span_text(text), names, 4, &order, &err) != RC_OK)
		fail_msg("%s", err.text);
	/* The value of one kind is not another kind's. */
	snprintf(text, sizeof(text), "%s{\"type\":\"dns\",\"value\":\"2001:db8::1\"}]}", head);
	assert_int_equal(message_order_parse(span_text(text), names, 4, &order, NULL), RC_ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wildcard_is_its_base_and_a_flag),
		cmocka_unit_test(tkauth_has_a_type_and_a_hint),
		cmocka_unit_test(a_challenge_of_another_kind_spoils_no_authorization),
		cmocka_unit_test(issuer_names_are_bounded_and_names),
		cmocka_unit_test(an_order_has_the_identifiers_among_the_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
