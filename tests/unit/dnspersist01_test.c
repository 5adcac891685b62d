/* dnspersist01_test.c -- the operator's record is told to the letter, and a challenge that names no CA, or too many, is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "challenge_fixture.h"
#include "dnspersist01.h"

static const char *const ISSUERS[] = { "authority.example", "ca.example.net", "x", "x", "x", "x", "x", "x", "x", "x" };

static enum rc begin(const char *issuer, unsigned count, bool wildcard, char *advice, struct err *err)
{
	struct config_challenge config = { .type = CHALLENGE_DNS_PERSIST_01, .issuer = (char *)(uintptr_t)issuer };
	struct challenge_request request = fixture_request(&config, NULL, IDENTIFIER_DNS, "example.com");
	const struct challenge_ops *ops = challenge_get(CHALLENGE_DNS_PERSIST_01);
	struct challenge_answer *answer = NULL;

	request.issuers = ISSUERS;
	request.issuer_count = count;
	request.is_wildcard = wildcard;
	enum rc rc = ops->begin(&request, &answer, err);
	if (rc == RC_OK) {
		ops->advice(answer, advice, 512);
		ops->end(answer, false);
	}
	return rc;
}

/* draft-ietf-acme-dns-persist, 4 */
static void the_record_names_the_ca_and_the_account(void **state)
{
	char advice[512];

	(void)state;
	assert_int_equal(begin(NULL, 2, false, advice, NULL), RC_OK);
	assert_string_equal(advice, "place this record: _validation-persist.example.com. IN TXT \"authority.example; "
				    "accounturi=" FIXTURE_ACCOUNT "\"");
	assert_int_equal(begin("ca.example.net", 2, true, advice, NULL), RC_OK);
	assert_non_null(strstr(advice, "\"ca.example.net; accounturi=" FIXTURE_ACCOUNT "; policy=wildcard\""));
}

/* draft-ietf-acme-dns-persist, 3.1: "Clients MUST consider a challenge malformed" */
static void a_list_that_is_empty_or_too_long_is_refused(void **state)
{
	char advice[512];

	(void)state;
	assert_int_equal(begin(NULL, 0, false, advice, NULL), RC_PROTOCOL);
	assert_int_equal(begin(NULL, 10, false, advice, NULL), RC_OK);
	assert_int_equal(begin(NULL, 11, false, advice, NULL), RC_PROTOCOL);
}

static void another_issuer_than_the_configured_one_is_told(void **state)
{
	struct err err = { 0 };
	char advice[512];

	(void)state;
	assert_int_equal(begin("other.example", 2, false, advice, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "other.example"));
	assert_non_null(strstr(err.text, "authority.example"));
}

/* RFC 1035, 3.3: strings of at most 255 characters. */
static void a_long_record_is_split(void **state)
{
	char url[400] = "https://ca.example/", record[1024];

	(void)state;
	memset(url + strlen(url), 'a', 300);
	dnspersist01_record("example.com", false, "ca.example", url, record, sizeof(record));
	const char *first = strchr(record, '"') + 1, *end = strchr(first, '"');
	assert_int_equal(end - first, 255);
	assert_memory_equal(end, "\" \"", 3);
	assert_int_equal(record[strlen(record) - 1], '"');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_record_names_the_ca_and_the_account),
		cmocka_unit_test(a_list_that_is_empty_or_too_long_is_refused),
		cmocka_unit_test(another_issuer_than_the_configured_one_is_told),
		cmocka_unit_test(a_long_record_is_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
