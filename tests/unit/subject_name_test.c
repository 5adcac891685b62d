/* subject_name_test.c -- names of the configuration, as they stand in subjectAltName, octet by octet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "subject_name.h"

static void expect(const char *name, const void *der, size_t len)
{
	GENERAL_NAME *general = NULL;
	unsigned char *found = NULL;
	struct err err = { 0 };

	if (subject_name_make(name, &general, &err) != RC_OK)
		fail_msg("%s", err.text);
	int found_len = i2d_GENERAL_NAME(general, &found);
	assert_int_equal(found_len, len);
	assert_memory_equal(found, der, len);
	assert_true(subject_name_is(general, name));
	OPENSSL_free(found);
	GENERAL_NAME_free(general);
}

/* RFC 5280, 4.2.1.6: dNSName [2], uniformResourceIdentifier [6], iPAddress [7] of 4 or 16 octets. */
static void each_kind_has_its_form(void **state)
{
	(void)state;
	expect("dns:*.a", "\x82\x03*.a", 5);
	expect("ip:192.0.2.1", "\x87\x04\xc0\x00\x02\x01", 6);
	expect("ip:2001:db8::1", "\x87\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 18);
	/* TS 33.310, 6.1.3c */
	expect("nf-instance:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", "\x86\x2durn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", 47);
	expect("uri:urn:a:b", "\x86\x07urn:a:b", 9);
}

static void what_has_no_form_is_refused(void **state)
{
	static const char *const bad[] = { "", "amf.example", "dns:", "dns:a b", "ip:amf", "nf-instance:1", "uri:x" };
	GENERAL_NAME *general = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(subject_name_make(bad[i], &general, NULL), RC_INPUT);
	assert_null(general);
}

/* RFC 5280, 7.2 and 7.4 */
static void names_are_compared_by_their_kind(void **state)
{
	GENERAL_NAME *host = NULL, *address = NULL, *uri = NULL;
	char text[IDENTIFIER_NAME_MAX], small[8];

	(void)state;
	assert_int_equal(subject_name_make("dns:AMF.example", &host, NULL), RC_OK);
	assert_int_equal(subject_name_make("ip:2001:db8::1", &address, NULL), RC_OK);
	assert_int_equal(subject_name_make("uri:urn:uuid:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b", &uri, NULL), RC_OK);
	assert_true(subject_name_is(host, "dns:amf.example"));
	assert_false(subject_name_is(host, "dns:smf.example"));
	assert_false(subject_name_is(host, "uri:amf.example"));
	assert_true(subject_name_is(address, "ip:2001:0db8:0::1"));
	assert_false(subject_name_is(address, "ip:2001:db8::2"));
	assert_true(subject_name_is(uri, "nf-instance:4ace9d34-2c69-4f99-92d5-a73a3fe8e23b"));
	assert_false(subject_name_is(uri, "uri:urn:uuid:4ACE9D34-2C69-4F99-92D5-A73A3FE8E23B"));
	assert_true(subject_name_print(address, text, sizeof(text)));
	assert_string_equal(text, "ip:2001:db8::1");
	assert_true(subject_name_print(host, text, sizeof(text)));
	assert_string_equal(text, "dns:AMF.example");
	assert_true(subject_name_print(host, small, sizeof(small)));
	assert_memory_equal("dns:AMF.example", small, sizeof(small) - 1);
	GENERAL_NAME_free(host);
	GENERAL_NAME_free(address);
	GENERAL_NAME_free(uri);
}

/* A name with a NUL in it is not the name before the NUL. */
static void an_embedded_nul_hides_nothing(void **state)
{
	static const unsigned char der[] = "\x82\x10"
					   "amf.example\0.org";
	const unsigned char *at = der;
	GENERAL_NAME *general = d2i_GENERAL_NAME(NULL, &at, sizeof(der) - 1);

	(void)state;
	assert_non_null(general);
	assert_false(subject_name_is(general, "dns:amf.example"));
	GENERAL_NAME_free(general);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_has_its_form),
		cmocka_unit_test(what_has_no_form_is_refused),
		cmocka_unit_test(names_are_compared_by_their_kind),
		cmocka_unit_test(an_embedded_nul_hides_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
