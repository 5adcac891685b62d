/* dns01_test.c -- records are named and valued as the clauses say, hooks are told to clean up whatever happens, nobody sleeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "challenge_fixture.h"
#include "clock.h"

static void the_record_is_below_the_name_and_its_value_a_hash(void **state)
{
	struct fixture_desk calls = { 0 };
	struct challenge_desk desk = fixture_desk_make(&calls);
	struct config_challenge config = { .type = CHALLENGE_DNS_01 };
	struct challenge_request request = fixture_request(&config, &desk, IDENTIFIER_DNS, "Amf.example");
	const struct challenge_ops *ops = challenge_get(CHALLENGE_DNS_01);
	struct challenge_answer *answer = NULL;
	int64_t not_before = -1;

	(void)state;
	assert_int_equal(ops->begin(&request, &answer, NULL), RC_OK);
	assert_int_equal(calls.calls[0].verb, CHALLENGE_VERB_PRESENT);
	assert_string_equal(calls.calls[0].domain, "amf.example");
	assert_string_equal(calls.calls[0].record, "_acme-challenge.amf.example");
	/* RFC 8555, 8.4: base64url(SHA-256(key authorisation)), computed elsewhere. */
	assert_string_equal(calls.calls[0].value, "ZTRx1Ckl1-tM05o5zaizTTA0yUy5AGereMgSNWC6Ll8");
	assert_int_equal(ops->ready(answer, clock_now(), &not_before, NULL), RC_OK);
	assert_int_equal(not_before, 0);
	assert_int_equal(calls.calls[1].verb, CHALLENGE_VERB_READY);
	ops->end(answer, true);
	assert_int_equal(calls.call_count, 3);
	assert_int_equal(calls.calls[2].verb, CHALLENGE_VERB_CLEANUP);
	assert_string_equal(calls.calls[2].value, calls.calls[0].value);
	assert_int_equal(calls.notes, 0);
}

/* draft-ietf-acme-dns-account-label, 3.2: its own example; base32 of RFC 4648, 6 in lower case. */
static void an_account_has_a_label_of_its_own(void **state)
{
	struct fixture_desk calls = { 0 };
	struct challenge_desk desk = fixture_desk_make(&calls);
	struct config_challenge config = { .type = CHALLENGE_DNS_ACCOUNT_01 };
	struct challenge_request request = fixture_request(&config, &desk, IDENTIFIER_DNS, "example.org");
	struct challenge_answer *answer = NULL;

	(void)state;
	assert_int_equal(challenge_get(CHALLENGE_DNS_ACCOUNT_01)->begin(&request, &answer, NULL), RC_OK);
	assert_string_equal(calls.calls[0].record, "_ujmmovf2vn55tgye._acme-challenge.example.org");
	challenge_get(CHALLENGE_DNS_ACCOUNT_01)->end(answer, false);
}

static void a_hook_that_fails_is_told_to_clean_up_and_its_words_are_kept(void **state)
{
	struct fixture_desk calls = { .rc = { [CHALLENGE_VERB_PRESENT] = RC_RETRY, [CHALLENGE_VERB_CLEANUP] = RC_RETRY } };
	struct challenge_desk desk = fixture_desk_make(&calls);
	struct config_challenge config = { .type = CHALLENGE_DNS_01 };
	struct challenge_request request = fixture_request(&config, &desk, IDENTIFIER_DNS, "amf.example");
	struct challenge_answer *answer = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(challenge_get(CHALLENGE_DNS_01)->begin(&request, &answer, &err), RC_RETRY);
	assert_null(answer);
	assert_string_equal(err.text, "dns-01: hook present for amf.example: the hook's last words");
	assert_int_equal(calls.calls[1].verb, CHALLENGE_VERB_CLEANUP);
	/* That cleaning up failed too stops nothing, but is not kept quiet. */
	assert_int_equal(calls.notes, 1);
	assert_non_null(strstr(calls.note, "hook cleanup for amf.example"));
}

/* RFC 8555, 8.2: not announced before it can be seen; and nobody sleeps meanwhile. */
static void propagation_and_a_hook_that_says_not_yet_are_waits(void **state)
{
	struct fixture_desk calls = { .rc = { [CHALLENGE_VERB_READY] = RC_ABSENT } };
	struct challenge_desk desk = fixture_desk_make(&calls);
	struct config_challenge config = { .type = CHALLENGE_DNS_01, .propagation = 100 };
	struct challenge_request request = fixture_request(&config, &desk, IDENTIFIER_DNS, "amf.example");
	const struct challenge_ops *ops = challenge_get(CHALLENGE_DNS_01);
	struct challenge_answer *answer = NULL;
	int64_t not_before = 0, now = clock_now();
	struct err err = { 0 };

	(void)state;
	assert_int_equal(ops->begin(&request, &answer, NULL), RC_OK);
	assert_int_equal(ops->ready(answer, now, &not_before, NULL), RC_OK);
	assert_in_range(not_before, now + 100, now + 105);
	assert_int_equal(calls.call_count, 1);
	now = not_before;
	assert_int_equal(ops->ready(answer, now, &not_before, NULL), RC_OK);
	assert_int_equal(calls.call_count, 2);
	assert_in_range(not_before, now + 1, now + 10);
	assert_int_equal(ops->ready(answer, now + 86400, &not_before, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "not yet"));
	calls.rc[CHALLENGE_VERB_READY] = RC_RETRY;
	assert_int_equal(ops->ready(answer, now, &not_before, &err), RC_RETRY);
	calls.rc[CHALLENGE_VERB_READY] = RC_OK;
	assert_int_equal(ops->ready(answer, now, &not_before, NULL), RC_OK);
	assert_int_equal(not_before, 0);
	ops->end(answer, true);
}

static void a_name_that_is_none_reaches_no_hook(void **state)
{
	static const char *const bad[] = { "a b.example", "$(id).example", "a;b", "*.example", "", "a..b", "192.0.2.1" };
	struct fixture_desk calls = { 0 };
	struct challenge_desk desk = fixture_desk_make(&calls);
	struct config_challenge config = { .type = CHALLENGE_DNS_01 };
	struct challenge_answer *answer = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct challenge_request request = fixture_request(&config, &desk, IDENTIFIER_DNS, bad[i]);

		if (bad[i][0] == '*')
			continue; /* the base stands in an authorisation; see challenge_hook_test.c */
		assert_int_equal(challenge_get(CHALLENGE_DNS_01)->begin(&request, &answer, NULL), RC_PROTOCOL);
	}
	assert_int_equal(calls.call_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_record_is_below_the_name_and_its_value_a_hash),
		cmocka_unit_test(an_account_has_a_label_of_its_own),
		cmocka_unit_test(a_hook_that_fails_is_told_to_clean_up_and_its_words_are_kept),
		cmocka_unit_test(propagation_and_a_hook_that_says_not_yet_are_waits),
		cmocka_unit_test(a_name_that_is_none_reaches_no_hook),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
