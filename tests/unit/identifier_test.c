/* identifier_test.c -- names are taken apart, refused when they could not stand in a certificate, and have one text each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "challenge_type.h"
#include "identifier.h"

static const char *fault(const char *name)
{
	struct identifier identifier;

	if (!identifier_parse(name, &identifier))
		fail_msg("%s was not taken apart", name);
	return identifier_fault(&identifier);
}

static void expect_text(const char *name, const char *wanted)
{
	struct identifier identifier;
	char value[IDENTIFIER_VALUE_MAX];

	assert_true(identifier_parse(name, &identifier));
	if (identifier_fault(&identifier))
		fail_msg("%s: %s", name, identifier_fault(&identifier));
	identifier_canonical(&identifier, value);
	assert_string_equal(value, wanted);
}

static void kinds_are_told_by_their_prefix(void **state)
{
	struct identifier identifier;

	(void)state;
	assert_true(identifier_parse("nf-instance:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", &identifier));
	assert_int_equal(identifier.kind, IDENTIFIER_NF_INSTANCE);
	/* TS 33.310, Annex J: the type in ACME. */
	assert_string_equal(identifier_type(identifier.kind), "NfInstanceId");
	assert_int_equal(identifier_kind_of("NfInstanceId"), IDENTIFIER_NF_INSTANCE);
	assert_true(identifier_parse("uri:urn:uuid:x", &identifier));
	assert_null(identifier_type(identifier.kind));
	assert_string_equal(identifier.value, "urn:uuid:x");
	assert_false(identifier_parse("amf.example", &identifier));
	assert_false(identifier_parse("dns:", &identifier));
	assert_false(identifier_parse("DNS:amf.example", &identifier));
	assert_int_equal(identifier_kind_of("uri"), IDENTIFIER_KIND_COUNT);
	assert_int_equal(identifier_kind_of("TNAuthList"), IDENTIFIER_KIND_COUNT);
}

static void names_that_could_stand_in_a_certificate_have_no_fault(void **state)
{
	static const char *const good[] = {
		"dns:amf.5gc.mnc001.mcc001.3gppnetwork.org",
		"dns:xn--bcher-kva.example",
		"dns:localhost",
		"dns:*.example.org",
		"ip:192.0.2.1",
		"ip:2001:db8::1",
		"nf-instance:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b",
		"nf-instance:4ACE9D34-2C69-4F99-B2D5-A73A3FE8E23B",
		"uri:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (fault(good[i]))
			fail_msg("%s: %s", good[i], fault(good[i]));
}

static void others_are_refused_with_a_reason(void **state)
{
	static const char *const bad[] = {
		"dns:a..b",
		"dns:a.b.",
		"dns:-a.b",
		"dns:a-.b",
		"dns:a_b.c",
		"dns:a b",
		"dns:*",
		"dns:*example.org",
		"dns:*.*.example",
		"dns:a.*.example",
		"dns:192.0.2.1",
		"ip:amf.example",
		"ip:192.0.2",
		"ip:192.0.2.1:80",
		"ip:[2001:db8::1]",
		"ip:fe80::1%eth0",
		"ip:192.0.2.01",
		/* RFC 9562, 5.4: not version 4; RFC 9562, 4.1: not the variant; and not a UUID */
		"nf-instance:4ace9d34-2c69-1f99-92d5-a73a3fe8e23b",
		"nf-instance:4ace9d34-2c69-4f99-c2d5-a73a3fe8e23b",
		"nf-instance:4ace9d342c694f9992d5a73a3fe8e23b",
		"nf-instance:4ace9d34-2c69-4f99-92d5-a73a3fe8e23g",
		"nf-instance:{4ace9d34-2c69-4f99-92d5-a73a3fe8e23}",
		"uri:nothing",
		"uri::x",
		"uri:urn:",
		"uri:urn:a b",
		"uri:urn:\"",
	};
	char longest[300] = "dns:";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!fault(bad[i]))
			fail_msg("%s was taken", bad[i]);
	for (int i = 0; i < 64; i++)
		strcat(longest, "a");
	assert_non_null(strstr(fault(longest), "63"));
	strcpy(longest, "dns:");
	for (int i = 0; i < 127; i++)
		strcat(longest, "a.");
	strcat(longest, "a");
	assert_non_null(strstr(fault(longest), "253"));
}

/* RFC 8738, 3; RFC 1123, 2.1; RFC 5952, 4: the shortest form, lower case, the longest run of zeros as "::". */
static void each_identifier_has_one_text(void **state)
{
	(void)state;
	expect_text("dns:AMF.Example", "amf.example");
	expect_text("dns:*.Example", "*.example");
	expect_text("ip:192.0.2.1", "192.0.2.1");
	expect_text("ip:2001:0DB8:0:0:0:0:0:1", "2001:db8::1");
	expect_text("ip:2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1");
	expect_text("ip:2001:0:0:1:0:0:0:1", "2001:0:0:1::1");
	expect_text("ip:2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
	/* TS 29.571, 5.3.2: sent in lower case. */
	expect_text("nf-instance:4ACE9D34-2C69-4F99-92D5-A73A3FE8E23B", "4ace9d34-2c69-4f99-92d5-a73a3fe8e23b");
	/* RFC 8141, 3.1: urn:uuid: tells no case apart; RFC 9562, 4: written in lower case. */
	expect_text("uri:URN:UUID:4ACE9D34-2C69-4F99-92D5-A73A3FE8E23B", "urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b");
	expect_text("uri:https://a.example/Path", "https://a.example/Path");
}

static void what_a_server_writes_is_recognised(void **state)
{
	struct identifier identifier;

	(void)state;
	assert_true(identifier_parse("ip:2001:db8::1", &identifier));
	assert_true(identifier_equal(&identifier, "ip", "2001:DB8:0::1"));
	assert_false(identifier_equal(&identifier, "ip", "2001:db8::2"));
	assert_false(identifier_equal(&identifier, "dns", "2001:db8::1"));
	assert_false(identifier_equal(&identifier, "ip", "nonsense"));
	assert_true(identifier_parse("dns:amf.example", &identifier));
	assert_true(identifier_equal(&identifier, "dns", "AMF.example"));
	assert_false(identifier_equal(&identifier, "ip", "amf.example"));
	assert_false(identifier_equal(&identifier, "TNAuthList", "amf.example"));
}

static void addresses_have_four_or_sixteen_octets(void **state)
{
	uint8_t octets[16];

	(void)state;
	assert_int_equal(identifier_ip_octets("192.0.2.1", octets), 4);
	assert_int_equal(octets[0], 192);
	assert_int_equal(identifier_ip_octets("2001:db8::1", octets), 16);
	assert_int_equal(octets[15], 1);
	assert_int_equal(identifier_ip_octets("amf.example", octets), 0);
}

static void each_challenge_proves_what_its_clause_says(void **state)
{
	(void)state;
	/* RFC 8555, 7.1.4 and 8.4: a wildcard by the DNS alone. */
	assert_false(challenge_type_proves(CHALLENGE_HTTP_01, IDENTIFIER_DNS, true));
	assert_true(challenge_type_proves(CHALLENGE_HTTP_01, IDENTIFIER_DNS, false));
	assert_true(challenge_type_proves(CHALLENGE_DNS_01, IDENTIFIER_DNS, true));
	/* RFC 8738, 7: dns-01 MUST NOT be used for an address. */
	assert_false(challenge_type_proves(CHALLENGE_DNS_01, IDENTIFIER_IP, false));
	assert_true(challenge_type_proves(CHALLENGE_TLS_ALPN_01, IDENTIFIER_IP, false));
	assert_true(challenge_type_proves(CHALLENGE_TKAUTH_01, IDENTIFIER_NF_INSTANCE, false));
	assert_false(challenge_type_proves(CHALLENGE_TKAUTH_01, IDENTIFIER_DNS, false));
	assert_false(challenge_type_proves(CHALLENGE_TYPE_COUNT, IDENTIFIER_DNS, false));
	assert_false(challenge_type_proves(CHALLENGE_HTTP_01, IDENTIFIER_KIND_COUNT, false));
	assert_false(challenge_type_has_token(CHALLENGE_DNS_PERSIST_01));
	assert_int_equal(challenge_type_parse("dns-account-01"), CHALLENGE_DNS_ACCOUNT_01);
	assert_int_equal(challenge_type_parse("dns-99"), CHALLENGE_TYPE_COUNT);
	assert_string_equal(challenge_type_name(CHALLENGE_TKAUTH_01), "tkauth-01");
}

static const char *uri_fault(const char *value)
{
	return identifier_fault(&(struct identifier){ .kind = IDENTIFIER_URI, .value = value });
}

/* RFC 5280, 4.2.1.6: not relative, with a scheme (RFC 3986, 3.1) and something after it. */
static void a_uri_is_whole_and_has_no_odd_characters(void **state)
{
	static const char *const good[] = { "urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", "https://a.example/%20?b#c",
					    "a+b.c-d:x" };
	static const char *const bad[] = { "",      "amf",   ":x",   "urn:",   "1a:b",      "a b:c",
					   "a:b c", "a:<b>", "a:\"", "a:\x7f", "a:\xc3\xa4" };
	char longest[257] = "a:";

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(uri_fault(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(uri_fault(bad[i]));
	memset(longest + 2, 'b', 253);
	assert_null(uri_fault(longest));
	longest[255] = 'b';
	assert_non_null(uri_fault(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_uri_is_whole_and_has_no_odd_characters),
		cmocka_unit_test(kinds_are_told_by_their_prefix),
		cmocka_unit_test(names_that_could_stand_in_a_certificate_have_no_fault),
		cmocka_unit_test(others_are_refused_with_a_reason),
		cmocka_unit_test(each_identifier_has_one_text),
		cmocka_unit_test(what_a_server_writes_is_recognised),
		cmocka_unit_test(addresses_have_four_or_sixteen_octets),
		cmocka_unit_test(each_challenge_proves_what_its_clause_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
