/* nf_profile_test.c -- NFTypes are canonical DER, and RFC 9310's own certificate passes where a lesser one does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "nf_profile.h"

static char AMF[] = "AMF", SMF[] = "SMF", EIR[] = "5G_EIR", MB_SMF[] = "MB_SMF", LOWER[] = "amf";
static char *ONE[] = { AMF };
static X509 *leaf;

static int start(void **state)
{
	FILE *file = fopen(TESTS_DIR "/golden/nf_profile/rfc9310.pem", "r");

	(void)state;
	leaf = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
	return !file || fclose(file) != 0 || !leaf ? -1 : 0;
}

static int stop(void **state)
{
	(void)state;
	X509_free(leaf);
	return 0;
}

/* What RFC 9310's own certificate (appendix B) was asked to say. */
static struct csr_request example(void)
{
	return (struct csr_request){ .parts = CONFIG_ASK_ALL & ~CONFIG_ASK_BIT(ASK_URI),
				     .country = "US",
				     .organization = "5gc.mnc400.mcc311.3gppnetwork.org",
				     .client = true,
				     .nf_types = ONE,
				     .nf_type_count = 1 };
}

static void expect_types(char *const *types, unsigned count, const char *hex)
{
	AUTO(buf) struct buf der = BUF_MAX(NF_PROFILE_TYPES_MAX);
	AUTO(buf) struct buf text = BUF_MAX(2 * NF_PROFILE_TYPES_MAX + 1);

	assert_int_equal(nf_profile_types_print(types, count, &der, NULL), RC_OK);
	for (size_t i = 0; i < der.len; i++)
		assert_int_equal(buf_print(&text, NULL, "%02x", der.at[i]), RC_OK);
	assert_string_equal(buf_text(&text), hex);
}

/* The first is RFC 9310's, the others were made by `openssl asn1parse -genconf`, a SEQUENCE of IA5STRING. */
static void types_are_sorted_unique_der(void **state)
{
	char *mixed[] = { MB_SMF, AMF, EIR, AMF }, *two[] = { SMF, AMF }, *cases[] = { LOWER, AMF };

	(void)state;
	expect_types(ONE, 1, "30051603414d46");
	expect_types(mixed, 4, "3015160635475f4549521603414d4616064d425f534d46");
	expect_types(two, 2, "300a1603414d461603534d46");
	/* RFC 9310, 3: by the ASCII values, capitals first; two spellings are two types. */
	expect_types(cases, 2, "300a1603414d461603616d66");
	assert_int_equal(nf_profile_types_print(NULL, 0, NULL, NULL), RC_INPUT);
}

/* Lengths above 127 and 255 octets are encoded in two and three. */
static void a_long_list_has_a_long_length(void **state)
{
	static char texts[100][33];
	char *types[100];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		memset(texts[i], 'A', 32);
		snprintf(texts[i], sizeof(texts[i]), "%02u%s", i, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
		types[i] = texts[i];
	}
	for (unsigned count = 1; count <= 100; count++) {
		AUTO(buf) struct buf der = BUF_MAX(NF_PROFILE_TYPES_MAX);
		size_t content = 34 * (size_t)count, header = content < 128 ? 2 : content < 256 ? 3 : 4;

		assert_int_equal(nf_profile_types_print(types, count, &der, NULL), RC_OK);
		assert_int_equal(der.len, header + content);
		assert_int_equal(der.at[header], 0x16);
		assert_int_equal(der.at[header + 1], 32);
	}
}

static void the_certificate_of_rfc_9310_is_what_was_asked_for(void **state)
{
	struct csr_request asked = example();
	struct err err = { 0 };
	unsigned missing = 0;

	(void)state;
	if (nf_profile_judge(leaf, &asked, 0, &missing, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(missing, 0);
}

/* Its extensions, octet for octet, as RFC 9310 prints them. */
static void extensions_are_those_of_rfc_9310(void **state)
{
	static const int nids[] = { NID_key_usage, NID_ext_key_usage };
	struct csr_request asked = example();
	STACK_OF(X509_EXTENSION) *made = NULL;

	(void)state;
	assert_int_equal(nf_profile_add_extensions(&asked, &made, NULL), RC_OK);
	assert_int_equal(sk_X509_EXTENSION_num(made), 3);
	for (int i = 0; i < 3; i++) {
		X509_EXTENSION *own = sk_X509_EXTENSION_value(made, i);
		int at = i < 2 ? X509_get_ext_by_NID(leaf, nids[i], -1)
			       : X509_get_ext_by_OBJ(leaf, X509_EXTENSION_get_object(own), -1);
		unsigned char *left = NULL, *right = NULL;
		int len = i2d_X509_EXTENSION(own, &left), other = i2d_X509_EXTENSION(X509_get_ext(leaf, at), &right);

		assert_int_equal(len, other);
		assert_memory_equal(left, right, (size_t)len);
		OPENSSL_free(left);
		OPENSSL_free(right);
	}
	sk_X509_EXTENSION_pop_free(made, X509_EXTENSION_free);
}

static void a_subject_has_country_and_organization_and_no_common_name(void **state)
{
	struct csr_request asked = example();
	X509_NAME *subject = X509_NAME_new();

	(void)state;
	assert_int_equal(nf_profile_add_subject(&asked, subject, NULL), RC_OK);
	/* X509_NAME_cmp() makes no difference between the string types. */
	assert_int_equal(X509_NAME_cmp(subject, X509_get_subject_name(leaf)), 0);
	X509_NAME_free(subject);
	subject = X509_NAME_new();
	asked.parts &= ~CONFIG_ASK_BIT(ASK_SUBJECT);
	assert_int_equal(nf_profile_add_subject(&asked, subject, NULL), RC_OK);
	assert_int_equal(X509_NAME_entry_count(subject), 0);
	X509_NAME_free(subject);
}

/* One part is not as asked: refused by its name, unless that part may be missing. */
static void expect_lacking(const struct csr_request *asked, enum config_ask part, const char *words)
{
	struct err err = { 0 };
	unsigned missing = 0;

	assert_int_equal(nf_profile_judge(leaf, asked, CONFIG_ASK_ALL & ~CONFIG_ASK_BIT(part), &missing, &err), RC_PROTOCOL);
	if (!strstr(err.text, words) || !strstr(err.text, config_ask_name(part)))
		fail_msg("no \"%s\" and \"%s\" in: %s", words, config_ask_name(part), err.text);
	missing = 0;
	assert_int_equal(nf_profile_judge(leaf, asked, CONFIG_ASK_BIT(part), &missing, NULL), RC_OK);
	assert_int_equal(missing, CONFIG_ASK_BIT(part));
}

static void each_part_that_is_missing_is_named_and_can_be_accepted(void **state)
{
	char *two[] = { AMF, SMF };
	struct csr_request asked = example();

	(void)state;
	asked.server = true;
	expect_lacking(&asked, ASK_EXTENDED_KEY_USAGE, "serverAuth");
	asked = example();
	asked.nf_types = two;
	asked.nf_type_count = 2;
	expect_lacking(&asked, ASK_NF_TYPES, "nfTypes");
	asked = example();
	asked.country = "DE";
	expect_lacking(&asked, ASK_SUBJECT, "C=DE");
	asked = example();
	asked.organization = "other";
	expect_lacking(&asked, ASK_SUBJECT, "O=other");
	/* What is not asked for is not looked for. */
	unsigned missing = 0;
	asked.parts = 0;
	assert_int_equal(nf_profile_judge(leaf, &asked, 0, &missing, NULL), RC_OK);
}

static X509 *with_types(int critical, bool twice)
{
	static const unsigned char value[] = { 0x30, 0x05, 0x16, 0x03, 'A', 'M', 'F' };
	X509 *other = X509_new();
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.5.5.7.1.34", 1);

	assert_int_equal(X509_set_version(other, X509_VERSION_3), 1);
	assert_int_equal(ASN1_OCTET_STRING_set(octets, value, sizeof(value)), 1);
	for (int i = 0; i <= twice; i++) {
		X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, oid, critical, octets);

		assert_int_equal(X509_add_ext(other, extension, -1), 1);
		X509_EXTENSION_free(extension);
	}
	ASN1_OBJECT_free(oid);
	ASN1_OCTET_STRING_free(octets);
	return other;
}

/* RFC 9310, 3: MUST NOT be critical. */
static void critical_and_repeated_types_are_refused(void **state)
{
	struct csr_request asked = example();

	(void)state;
	asked.parts = CONFIG_ASK_BIT(ASK_NF_TYPES);
	for (int i = 0; i < 3; i++) {
		X509 *other = with_types(i == 1, i == 2);
		unsigned missing = 0;
		struct err err = { 0 };

		assert_int_equal(nf_profile_judge(other, &asked, 0, &missing, &err), i ? RC_PROTOCOL : RC_OK);
		assert_true(i != 1 || strstr(err.text, "critical"));
		X509_free(other);
	}
}

static void no_key_usage_is_not_every_key_usage(void **state)
{
	struct csr_request asked = example();
	X509 *bare = with_types(0, false);
	unsigned missing = 0;

	(void)state;
	asked.parts = CONFIG_ASK_BIT(ASK_KEY_USAGE);
	assert_int_equal(nf_profile_judge(bare, &asked, 0, &missing, NULL), RC_PROTOCOL);
	asked.parts = CONFIG_ASK_BIT(ASK_EXTENDED_KEY_USAGE);
	assert_int_equal(nf_profile_judge(bare, &asked, 0, &missing, NULL), RC_PROTOCOL);
	X509_free(bare);
}

/* TS 33.310, 6.1.3c: three years, one of which may be a leap year, and no day more. */
static void more_than_three_years_are_remarked(void **state)
{
	X509 *copy = X509_dup(leaf);
	char text[256];

	(void)state;
	ASN1_TIME_set_string_X509(X509_getm_notBefore(copy), "20260101000000Z");
	ASN1_TIME_set_string_X509(X509_getm_notAfter(copy), "20290101000000Z");
	nf_profile_remark(copy, text, sizeof(text));
	assert_null(strstr(text, "3 years"));
	ASN1_TIME_set_string_X509(X509_getm_notAfter(copy), "20290102000000Z");
	nf_profile_remark(copy, text, sizeof(text));
	assert_non_null(strstr(text, "valid for more than 3 years"));
	X509_free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_are_sorted_unique_der),
		cmocka_unit_test(a_long_list_has_a_long_length),
		cmocka_unit_test(the_certificate_of_rfc_9310_is_what_was_asked_for),
		cmocka_unit_test(extensions_are_those_of_rfc_9310),
		cmocka_unit_test(a_subject_has_country_and_organization_and_no_common_name),
		cmocka_unit_test(each_part_that_is_missing_is_named_and_can_be_accepted),
		cmocka_unit_test(critical_and_repeated_types_are_refused),
		cmocka_unit_test(no_key_usage_is_not_every_key_usage),
		cmocka_unit_test(more_than_three_years_are_remarked),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
