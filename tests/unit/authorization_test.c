/* authorization_test.c -- what is made of an authorisation that stays pending although its challenge failed, once or for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authorization.h"
#include "challenge_fixture.h"
#include "clock.h"
#include "soft_token.h"

#define CA   "https://ca.example/"
#define DAYS INT64_C(86400)

static int64_t began; /* when the program began: hooks are asked by the real clock whether a record can be seen */

/* A CA of one authorisation, which is what the test says. */
static struct {
	struct http http;
	const char *challenges; /* JSON */
	unsigned announced;     /* POSTs to a challenge */
} ca;

static enum rc ca_send(struct http *http, const struct http_request *request, struct http_response *ret_response, struct err *err)
{
	struct http_response response = { .status = 200, .body = BUF_MAX(HTTP_BODY_MAX) };
	const char *directory =
		"{\"newNonce\": \"" CA "nonce\", \"newAccount\": \"" CA "account\", \"newOrder\": \"" CA "order\"}";
	enum rc rc = RC_OK;

	(void)http;
	strcpy(response.nonce, "abc");
	if (strcmp(request->url, CA "dir") == 0)
		rc = buf_print(&response.body, err, "%s", directory);
	else if (strcmp(request->url, CA "authz") == 0)
		rc = buf_print(&response.body, err,
			       "{\"status\": \"pending\", \"identifier\": {\"type\": \"dns\", \"value\": \"a.example\"}, "
			       "\"challenges\": [%s]}",
			       ca.challenges);
	else if (strncmp(request->url, CA "challenge", strlen(CA "challenge")) == 0)
		ca.announced++;
	*ret_response = response;
	return rc;
}

static const struct http_ops CA_OPS = { .send = ca_send };

/* What works at one authorisation. */
struct fixture {
	struct token_key *key;
	struct client *client;
	struct fixture_desk notes;
	struct challenge_desk desk;
	struct config_challenge challenges[2];
	struct config_certificate certificate;
	struct authorizations *authorizations;
	struct authorizations_state state;
	struct err err;
};

static struct fixture *fixture_new(const char *challenges)
{
	static char hook[] = "/hook", *run[] = { hook }, urls[1][HTTP_URL_MAX] = { CA "authz" };
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct message_order order = { .authorization_count = 1, .authorizations = urls };

	assert_non_null(fixture);
	ca.http.ops = &CA_OPS;
	ca.challenges = challenges;
	ca.announced = 0;
	fixture->key = soft_token_key(KEY_EC_P256);
	assert_int_equal(client_new(&ca.http, fixture->key, CA "dir", &fixture->client, NULL), RC_OK);
	client_set_account(fixture->client, CA "account/1");
	fixture->desk = fixture_desk_make(&fixture->notes);
	fixture->challenges[0] = (struct config_challenge){ .type = CHALLENGE_DNS_ACCOUNT_01, .run = run, .run_count = 1 };
	fixture->challenges[1] = (struct config_challenge){ .type = CHALLENGE_DNS_01, .run = run, .run_count = 1 };
	fixture->certificate.challenges = fixture->challenges;
	fixture->certificate.challenge_count = 2;
	fixture->err.rc = authorizations_begin(fixture->client, &fixture->certificate, &fixture->desk, &order, began,
					       &fixture->authorizations, &fixture->state, &fixture->err);
	return fixture;
}

static void fixture_free(struct fixture *fixture)
{
	authorizations_free(fixture->authorizations);
	client_free(fixture->client);
	token_key_free(fixture->key);
	free(fixture);
}

static enum rc look(struct fixture *fixture, int64_t now)
{
	fixture->state = (struct authorizations_state){ 0 };
	return authorizations_look(fixture->authorizations, now, &fixture->state, &fixture->err);
}

#define CHALLENGE(name, status, more) \
	"{\"type\": \"" name "\", \"url\": \"" CA "challenge/" name "\", \"token\": \"abc\", \"status\": \"" status "\"" more "}"
#define NO_ROUTE ", \"error\": {\"type\": \"urn:ietf:params:acme:error:connection\", \"detail\": \"no route\"}"

static void a_try_that_failed_is_asked_for_again_ever_less_often_and_not_for_ever(void **state)
{
	struct fixture *fixture = fixture_new(CHALLENGE("dns-01", "pending", ""));
	int64_t now = began;
	unsigned looks = 0;

	(void)state;
	assert_int_equal(fixture->err.rc, RC_OK);
	assert_int_equal(ca.announced, 1);
	assert_int_equal(look(fixture, now), RC_OK);
	assert_int_equal(ca.announced, 1);
	assert_int_equal(fixture->notes.notes, 0);

	ca.challenges = CHALLENGE("dns-01", "pending", NO_ROUTE);
	assert_int_equal(look(fixture, now), RC_OK);
	assert_int_equal(fixture->state.waiting, 1);
	assert_int_equal(fixture->state.retry_at, now + 5);
	assert_int_equal(fixture->notes.notes, 1);
	assert_string_equal(fixture->notes.note, "the CA has not validated a.example by dns-01 yet: connection: no route");
	assert_int_equal(look(fixture, now + 4), RC_OK);
	assert_int_equal(ca.announced, 1);
	assert_int_equal(look(fixture, now + 5), RC_OK);
	assert_int_equal(ca.announced, 2);
	while (look(fixture, now) == RC_OK && looks++ < 100)
		now = fixture->state.retry_at > now ? fixture->state.retry_at : now + 1;
	assert_int_equal(ca.announced, 7);
	assert_in_range(now - began, 300, 330);
	assert_int_equal(fixture->err.rc, RC_DENIED);
	assert_string_equal(fixture->err.text, "the CA did not accept the dns-01 challenge for a.example: connection: no route");
	fixture_free(fixture);
}

static void a_clock_that_was_set_back_puts_off_no_try(void **state)
{
	struct fixture *fixture = fixture_new(CHALLENGE("dns-01", "pending", NO_ROUTE));

	(void)state;
	assert_int_equal(look(fixture, began), RC_OK);
	assert_int_equal(look(fixture, began - 10 * DAYS), RC_OK);
	assert_int_equal(fixture->state.retry_at, began - 10 * DAYS + 5);
	fixture_free(fixture);
}

static void a_ca_that_tries_again_by_itself_is_not_asked_to(void **state)
{
	struct fixture *fixture = fixture_new(CHALLENGE("dns-01", "pending", ""));

	(void)state;
	ca.challenges = CHALLENGE("dns-01", "processing", NO_ROUTE);
	for (int64_t now = began; now < began + DAYS; now += 3600)
		assert_int_equal(look(fixture, now), RC_OK);
	assert_int_equal(ca.announced, 1);
	assert_int_equal(fixture->notes.notes, 1);
	fixture_free(fixture);
}

static void a_challenge_that_is_given_up_is_the_end_although_the_authorisation_stays_pending(void **state)
{
	struct fixture *fixture = fixture_new(CHALLENGE("dns-01", "pending", ""));

	(void)state;
	ca.challenges = CHALLENGE("dns-01", "invalid", NO_ROUTE);
	assert_int_equal(look(fixture, began), RC_DENIED);
	assert_string_equal(fixture->err.text, "the CA did not accept the dns-01 challenge for a.example: connection: no route");
	fixture_free(fixture);
}

static void another_challenge_takes_the_place_of_one_that_is_lost(void **state)
{
	struct fixture *fixture =
		fixture_new(CHALLENGE("dns-account-01", "invalid", NO_ROUTE) ", " CHALLENGE("dns-01", "pending", ""));

	(void)state;
	assert_int_equal(fixture->err.rc, RC_OK);
	assert_int_equal(ca.announced, 1);
	assert_string_equal(fixture->notes.calls[0].record, "_acme-challenge.a.example");
	fixture_free(fixture);

	fixture = fixture_new(CHALLENGE("dns-01", "invalid", NO_ROUTE));
	assert_int_equal(fixture->err.rc, RC_DENIED);
	assert_int_equal(ca.announced, 0);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_try_that_failed_is_asked_for_again_ever_less_often_and_not_for_ever),
		cmocka_unit_test(a_clock_that_was_set_back_puts_off_no_try),
		cmocka_unit_test(a_ca_that_tries_again_by_itself_is_not_asked_to),
		cmocka_unit_test(a_challenge_that_is_given_up_is_the_end_although_the_authorisation_stays_pending),
		cmocka_unit_test(another_challenge_takes_the_place_of_one_that_is_lost),
	};

	began = clock_now() + 60;
	return cmocka_run_group_tests(tests, soft_token_start, soft_token_stop);
}
