/* renewal_info_test.c -- a certificate is named as RFC 9773 says, and only a window that is one is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "certificate_id.h"
#include "renewal_info.h"

AUTO_DEFINE(x509, X509 *, X509_free);

#define NOW INT64_C(1795000000)

/* RFC 9773, 4.1: the example of the text. */
static const uint8_t AUTHORITY_KEY[] = { 0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3,
					 0x7b, 0x84, 0x7b, 0xa0, 0xae, 0x2c, 0xde, 0x01, 0xc8, 0xd4 };
static const uint8_t SERIAL[] = { 0x00, 0x87, 0x65, 0x43, 0x21 };
#define CERT_ID "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"

static void the_example_of_rfc_9773_has_its_identifier(void **state)
{
	char id[RENEWAL_INFO_ID_MAX];

	(void)state;
	assert_int_equal(renewal_info_id(SPAN(AUTHORITY_KEY), SPAN(SERIAL), id, NULL), RC_OK);
	assert_string_equal(id, CERT_ID);
}

/* A certificate with this serial number; with an authorityKeyIdentifier when `key` is given. */
static X509 *make(const char *serial, const uint8_t *key)
{
	X509 *leaf = X509_new();
	EVP_PKEY *pair = EVP_EC_gen("P-256");
	BIGNUM *number = NULL;

	assert_true(BN_hex2bn(&number, serial) > 0);
	BN_to_ASN1_INTEGER(number, X509_get_serialNumber(leaf));
	X509_gmtime_adj(X509_getm_notBefore(leaf), 0);
	X509_gmtime_adj(X509_getm_notAfter(leaf), 60);
	X509_set_pubkey(leaf, pair);
	if (key) {
		AUTHORITY_KEYID *extension = AUTHORITY_KEYID_new();

		extension->keyid = ASN1_OCTET_STRING_new();
		ASN1_OCTET_STRING_set(extension->keyid, key, sizeof(AUTHORITY_KEY));
		X509_add1_ext_i2d(leaf, NID_authority_key_identifier, extension, 0, 0);
		AUTHORITY_KEYID_free(extension);
	}
	assert_true(X509_sign(leaf, pair, EVP_sha256()) > 0);
	BN_free(number);
	EVP_PKEY_free(pair);
	return leaf;
}

static enum rc id_of(const X509 *leaf, char ret_id[RENEWAL_INFO_ID_MAX])
{
	AUTO(buf) struct buf key = BUF_MAX(512);
	AUTO(buf) struct buf serial = BUF_MAX(512);
	enum rc rc = certificate_id(leaf, &key, &serial, NULL);

	return rc == RC_OK ? renewal_info_id(buf_span(&key), buf_span(&serial), ret_id, NULL) : rc;
}

/* The content octets of DER: a leading 00 where the first bit is set, and none where it is not. */
static void a_serial_number_keeps_its_leading_zero_octet(void **state)
{
	static const struct {
		const char *serial, *id;
	} cases[] = { { "87654321", CERT_ID },
		      { "17654321", "aYhba4dGQEHhs3uEe6CuLN4ByNQ.F2VDIQ" },
		      { "00", "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AA" } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(x509) X509 *leaf = make(cases[i].serial, AUTHORITY_KEY);
		char id[RENEWAL_INFO_ID_MAX];

		assert_int_equal(id_of(leaf, id), RC_OK);
		assert_string_equal(id, cases[i].id);
	}
}

/* RFC 5280, 4.1.2.2: 20 octets and no more; a length that would not fit in one byte is nobody's serial number. */
static void a_serial_number_has_an_end(void **state)
{
	char longest[41], giant[257], id[RENEWAL_INFO_ID_MAX];
	AUTO(buf) struct buf key = BUF_MAX(512);
	AUTO(buf) struct buf serial = BUF_MAX(512);

	(void)state;
	snprintf(giant, sizeof(giant), "%0256d", 1);
	giant[0] = '7';
	AUTO(x509) X509 *bad = make(giant, AUTHORITY_KEY);
	assert_int_equal(certificate_id(bad, &key, &serial, NULL), RC_PROTOCOL);
	assert_int_equal(serial.len, 0);
	snprintf(longest, sizeof(longest), "%040d", 1);
	longest[0] = '7';
	AUTO(x509) X509 *good = make(longest, AUTHORITY_KEY);
	assert_int_equal(id_of(good, id), RC_OK);
	assert_string_equal(id, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.cAAAAAAAAAAAAAAAAAAAAAAAAAE");
}

static void a_certificate_that_does_not_name_its_issuers_key_has_none(void **state)
{
	AUTO(x509) X509 *leaf = make("01", NULL);
	char id[RENEWAL_INFO_ID_MAX] = "untouched";

	(void)state;
	assert_int_equal(id_of(leaf, id), RC_ABSENT);
	assert_string_equal(id, "untouched");
}

#define WINDOW(start, end) "\"suggestedWindow\":{\"start\":\"" start "\",\"end\":\"" end "\"}"

static void a_window_and_its_explanation_are_read(void **state)
{
	struct renewal_info info = { .explanation = "an old one" };

	(void)state;
	assert_int_equal(
		renewal_info_parse(
			span_text("{" WINDOW(
				"1970-01-01T00:01:00Z",
				"1970-01-01T01:01:00.5+00:30") ",\"explanationURL\":\"https://ca.example/why\",\"more\":1}"),
			&info, NULL),
		RC_OK);
	assert_int_equal(info.start, 60);
	assert_int_equal(info.end, 31 * 60);
	assert_string_equal(info.explanation, "https://ca.example/why");
	assert_int_equal(
		renewal_info_parse(span_text("{" WINDOW("1970-01-01T00:01:00Z", "1970-01-01T00:01:01Z") "}"), &info, NULL),
		RC_OK);
	assert_string_equal(info.explanation, "");
}

/* RFC 9773, 4.2: end equal to or before start MUST be treated as no answer at all. */
static void what_is_no_window_is_no_answer(void **state)
{
	static const char *const wrong[] = {
		"{" WINDOW("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z") "}",
		"{" WINDOW("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z") "}",
		"{" WINDOW("2026-01-01T00:00:00Z", "soon") "}",
		"{\"suggestedWindow\":{\"start\":\"2026-01-01T00:00:00Z\"}}",
		"{\"suggestedWindow\":[]}",
		"{\"suggestedWindow\":{\"start\":1,\"end\":2}}",
		"{}",
		"[]",
		"",
		"<html>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct renewal_info info = { .start = 1, .end = 2 };

		if (renewal_info_parse(span_text(wrong[i]), &info, NULL) != RC_PROTOCOL)
			fail_msg("taken: %s", wrong[i]);
		assert_int_equal(info.start, 1);
		assert_int_equal(info.end, 2);
	}
}

/* It is printed on terminals. */
static void an_explanation_that_is_no_web_address_is_not_shown(void **state)
{
	static const char *const odd[] = { "javascript:alert(1)", "https://ca/\\u001b[2J", "https://ca/a b", "ftp://ca/" };

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		AUTO(buf) struct buf json = BUF_MAX(1024);
		struct renewal_info info = { 0 };

		assert_int_equal(buf_print(&json, NULL, "{%s,\"explanationURL\":\"%s\"}",
					   WINDOW("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), odd[i]),
				 RC_OK);
		assert_int_equal(renewal_info_parse(buf_span(&json), &info, NULL), RC_OK);
		assert_string_equal(info.explanation, "");
	}
}

static void a_time_is_drawn_from_the_whole_window_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(renewal_info_draw(100, 110, 0), 100);
	assert_int_equal(renewal_info_draw(100, 110, 9), 109);
	assert_int_equal(renewal_info_draw(100, 110, 10), 100);
	assert_int_equal(renewal_info_draw(100, 101, UINT64_MAX), 100);
	for (uint64_t random = UINT64_MAX; random > UINT64_MAX - 1000; random--) {
		int64_t at = renewal_info_draw(100, 110, random);
		assert_true(at >= 100 && at < 110);
	}
}

/* RFC 9773, 4.3.2: limits MUST be set; a minute and a day are its examples. */
static void the_next_look_is_held_between_a_minute_and_a_day(void **state)
{
	(void)state;
	assert_int_equal(renewal_info_check_at(0, NOW), NOW + 6 * 3600);
	assert_int_equal(renewal_info_check_at(NOW, NOW), NOW + 60);
	assert_int_equal(renewal_info_check_at(NOW - 1000, NOW), NOW + 60);
	assert_int_equal(renewal_info_check_at(NOW + 61, NOW), NOW + 61);
	assert_int_equal(renewal_info_check_at(NOW + 7 * 86400, NOW), NOW + 86400);
	assert_int_equal(renewal_info_check_at(INT64_MAX, NOW), NOW + 86400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_rfc_9773_has_its_identifier),
		cmocka_unit_test(a_serial_number_keeps_its_leading_zero_octet),
		cmocka_unit_test(a_serial_number_has_an_end),
		cmocka_unit_test(a_certificate_that_does_not_name_its_issuers_key_has_none),
		cmocka_unit_test(a_window_and_its_explanation_are_read),
		cmocka_unit_test(what_is_no_window_is_no_answer),
		cmocka_unit_test(an_explanation_that_is_no_web_address_is_not_shown),
		cmocka_unit_test(a_time_is_drawn_from_the_whole_window_and_nothing_else),
		cmocka_unit_test(the_next_look_is_held_between_a_minute_and_a_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
