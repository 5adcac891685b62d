/* driver_test.c -- a CA that calls an order valid before it says where its certificate is, and one that stumbles over itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "driver.h"
#include "soft_token.h"

#define CA    "https://ca.example/"
#define BEGAN INT64_C(1800000000)

static struct {
	struct http http;
	unsigned bare;     /* answers that say "valid", and not where the certificate is; the first is that to the CSR */
	long nonce_status; /* of newNonce, without a nonce, once there is an order; 0: each answer has one */
	unsigned orders, csrs, looks;
	/* The requests at `slip_at`, after so many that go well, are answered with this. */
	const char *slip_at;
	unsigned slips_after, slips;
	struct http_response slip;
	bool wants_challenge;
	unsigned solves, announced;
	unsigned taken;  /* orders that are another certificate's, too, which has sent its CSR ... */
	bool takes_both; /* ... and yet ours is not refused */
	bool is_over;    /* ... and has had its certificate before we ask */
} ca;

static enum rc print_order(struct buf *body, const char *status, struct err *err)
{
	bool is_bare = strcmp(status, "valid") == 0 && ca.bare && ca.bare--;

	return buf_print(
		body, err,
		"{\"status\": \"%s\", \"identifiers\": [{\"type\": \"dns\", \"value\": \"a.example\"}], \"finalize\": \"" CA
		"finalize\", \"authorizations\": [\"" CA "authorization\"]%s}",
		status, strcmp(status, "valid") == 0 && !is_bare ? ", \"certificate\": \"" CA "certificate\"" : "");
}

/* Pending until it was looked at once after it was told of the answer. */
static enum rc print_authorization(struct buf *body, struct err *err)
{
	bool is_valid = ca.announced && ca.solves++ > 1;

	return buf_print(body, err,
			 "{\"status\": \"%s\", \"identifier\": {\"type\": \"dns\", \"value\": \"a.example\"}, \"challenges\": "
			 "[{\"type\": \"dns-persist-01\", \"url\": \"" CA "challenge\", \"status\": \"pending\", "
			 "\"issuer-domain-names\": [\"ca.example\"]}]}",
			 is_valid ? "valid" : "pending");
}

static bool is_slip(const char *path)
{
	if (!ca.slip_at || strcmp(path, ca.slip_at) != 0)
		return false;
	if (ca.slips_after) {
		ca.slips_after--;
		return false;
	}
	return ca.slips && ca.slips--;
}

static enum rc print_slip(struct http_response *response, struct err *err)
{
	response->status = ca.slip.status;
	response->retry_at = ca.slip.retry_at;
	return buf_print(&response->body, err, "{\"type\": \"urn:ietf:params:acme:error:serverInternal\", \"detail\": \"ouch\"}");
}

static enum rc print_not_ready(struct http_response *response, struct err *err)
{
	response->status = 403;
	return buf_print(&response->body, err, "{\"type\": \"urn:ietf:params:acme:error:orderNotReady\"}");
}

static enum rc ca_send(struct http *http, const struct http_request *request, struct http_response *ret_response, struct err *err)
{
	struct http_response response = { .status = 200, .body = BUF_MAX(HTTP_BODY_MAX) };
	enum rc rc = RC_OK;

	(void)http;
	if (!ca.nonce_status || (!ca.orders && strcmp(request->url, CA "new") != 0))
		strcpy(response.nonce, "abc");
	if (strcmp(request->url, CA "nonce") == 0 && ca.orders && ca.nonce_status) {
		response.status = ca.nonce_status;
		if (ca.nonce_status == 302)
			return err_set_raw(err, RC_PROTOCOL, ERR_HTTP, 302, "a redirect");
	} else if (is_slip(request->url + strlen(CA))) {
		rc = print_slip(&response, err);
	} else if (strcmp(request->url, CA "dir") == 0) {
		rc = buf_print(&response.body, err,
			       "{\"newNonce\": \"" CA "nonce\", \"newAccount\": \"" CA "account\", \"newOrder\": \"" CA "new\"}");
	} else if (strcmp(request->url, CA "new") == 0) {
		ca.orders++;
		strcpy(response.location, CA "order");
		rc = print_order(&response.body,
				 ca.is_over && ca.orders <= ca.taken ? "valid"
				 : ca.wants_challenge                ? "pending"
								     : "ready",
				 err);
	} else if (strcmp(request->url, CA "authorization") == 0) {
		rc = print_authorization(&response.body, err);
	} else if (strcmp(request->url, CA "challenge") == 0) {
		ca.announced++;
		rc = buf_print(&response.body, err, "{}");
	} else if (strcmp(request->url, CA "finalize") == 0) {
		ca.csrs++;
		if (ca.orders <= ca.taken && !ca.takes_both)
			rc = print_not_ready(&response, err);
		else
			rc = print_order(&response.body, "valid", err);
	} else if (strcmp(request->url, CA "order") == 0) {
		ca.looks++;
		rc = print_order(&response.body,
				 ca.csrs                               ? "valid"
				 : ca.wants_challenge && !ca.announced ? "pending"
								       : "ready",
				 err);
	} else if (strcmp(request->url, CA "certificate") == 0) {
		strcpy(response.content_type, "application/pem-certificate-chain");
		rc = buf_print(&response.body, err, "chain");
	}
	*ret_response = response;
	return rc;
}

static const struct http_ops CA_OPS = { .send = ca_send };

static enum rc save(void *ctx, const struct order *order, const char *event, struct err *err)
{
	(void)ctx;
	(void)order;
	(void)event;
	(void)err;
	return RC_OK;
}

static enum rc csr(void *ctx, struct buf *ret_der, struct err *err)
{
	(void)ctx;
	return buf_print(ret_der, err, "csr");
}

static enum rc accept_chain(void *ctx, struct span pem, enum chain_refusal *ret_refusal, struct err *err)
{
	(void)ctx;
	assert_true(span_equal(pem, span_text("chain")));
	if (ca.orders > ca.taken)
		return RC_OK;
	*ret_refusal = CHAIN_IS_ANOTHERS;
	return err_set(err, RC_PROTOCOL, "for another key");
}

static void ca_begin(unsigned bare, long nonce_status)
{
	memset(&ca, 0, sizeof(ca));
	ca.http.ops = &CA_OPS;
	ca.bare = bare;
	ca.nonce_status = nonce_status;
}

/* To its end, whatever waits there are; the seconds that it took. */
static enum rc run(struct order *order, int64_t *ret_took, struct err *err)
{
	static char name[] = "dns:a.example", *names[] = { name };
	struct config_challenge challenge = { .type = CHALLENGE_DNS_PERSIST_01 };
	const struct config_certificate certificate = {
		.names = names, .name_count = 1, .challenges = &challenge, .challenge_count = 1
	};
	const struct driver_hooks hooks = { .save = save, .csr = csr, .accept = accept_chain };
	struct token_key *key = soft_token_key(KEY_EC_P256);
	AUTO(client) struct client *client = NULL;
	AUTO(driver) struct driver *driver = NULL;
	int64_t now = BEGAN;

	*order = (struct order){ .phase = ORDER_START };
	assert_int_equal(client_new(&ca.http, key, CA "dir", &client, NULL), RC_OK);
	client_set_account(client, CA "account/1");
	enum rc rc = driver_new(client, &certificate, &(struct driver_terms){ 0 }, order, &hooks, &driver, err);
	while (rc == RC_OK && order->phase != ORDER_DONE && now < BEGAN + 86400) {
		struct driver_wait wait;

		rc = driver_step(driver, now, &wait, err);
		now = wait.until > now ? wait.until : now;
	}
	*ret_took = now - BEGAN;
	driver_free(TAKE(driver));
	client_free(TAKE(client));
	token_key_free(key);
	return rc;
}

/* RFC 8555, 7.1.6: the order is valid when the certificate is issued; where that is may follow a moment later. */
static void a_valid_order_without_its_certificate_is_looked_at_again(void **state)
{
	struct order order;
	struct err err = { 0 };
	int64_t took;

	(void)state;
	for (unsigned bare = 0; bare < 6; bare++) {
		ca_begin(bare, 0);
		if (run(&order, &took, &err) != RC_OK)
			fail_msg("%u: %s", bare, err.text);
		assert_int_equal(order.phase, ORDER_DONE);
		assert_int_equal(ca.orders, 1);
		assert_int_equal(ca.csrs, 1);
		assert_int_equal(ca.looks, bare);
	}
}

static void but_not_without_end(void **state)
{
	struct order order;
	struct err err = { 0 };
	int64_t took;

	(void)state;
	ca_begin(1000, 0);
	assert_int_equal(run(&order, &took, &err), RC_PROTOCOL);
	assert_non_null(strstr(err.text, "\"certificate\""));
	assert_int_equal(order.phase, ORDER_FAILED);
	assert_true(ca.looks > 6 && ca.looks < 20);
	assert_true(took >= 9 && took < 60);
}

/* RFC 8555, 7.2: a proxy, or a server that was deployed just now, says nothing of an order when it is asked for a nonce. */
static void an_order_outlives_a_nonce_that_is_not_given(void **state)
{
	static const long statuses[] = { 200, 302, 403, 404, 410, 503 };

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct order order;
		struct err err = { 0 };
		int64_t took;

		ca_begin(0, statuses[i]);
		assert_int_equal(run(&order, &took, &err), RC_RETRY);
		assert_non_null(strstr(err.text, "newNonce"));
		assert_int_equal(order.phase, ORDER_POLL);
		assert_string_equal(order.url, CA "order");
	}
}

static enum rc run_with_slips(const char *at, unsigned after, unsigned slips, struct http_response slip, struct order *order,
			      struct err *err)
{
	int64_t took;

	ca_begin(0, 0);
	ca.wants_challenge = true;
	ca.slip_at = at;
	ca.slips_after = after;
	ca.slips = slips;
	ca.slip = slip;
	enum rc rc = run(order, &took, err);
	if (rc == RC_OK)
		assert_int_equal(order->phase, ORDER_DONE);
	return rc;
}

/* RFC 8555, 7.1.6 and 7.4: what came of a request the order tells, and to read it changes nothing. */
static void one_slip_of_the_ca_is_no_failure(void **state)
{
	static const char *const places[] = { "authorization", "finalize", "order", "certificate" };
	const struct http_response slip = { .status = 500 };
	struct order order;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (run_with_slips(places[i], 0, 1, slip, &order, &err) != RC_OK)
			fail_msg("%s: %s", places[i], err.text);
		assert_int_equal(ca.orders, 1);
		assert_int_equal(ca.csrs, 1);
		assert_int_equal(ca.announced, 1);
	}
	/* While the CA looks at the answer, that stays where it is. */
	for (unsigned after = 1; after < 3; after++) {
		if (run_with_slips("authorization", after, 1, slip, &order, &err) != RC_OK)
			fail_msg("after %u: %s", after, err.text);
		assert_int_equal(ca.announced, 1);
		assert_int_equal(ca.looks, 0);
	}
}

static void but_two_are(void **state)
{
	static const char *const places[] = { "authorization", "finalize", "certificate" };
	struct order order;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		assert_int_equal(run_with_slips(places[i], 0, 2, (struct http_response){ .status = 500 }, &order, &err),
				 RC_RETRY);
		assert_string_equal(order.url, CA "order");
		assert_int_equal(ca.slips, 0);
	}
}

/* An order that may have been made cannot be asked about; when to come again, and that it is overloaded, is the CA's own word. */
static void what_is_no_slip_is_not_asked_again(void **state)
{
	static const struct {
		const char *at;
		struct http_response answer;
	} cases[] = { { "new", { .status = 500 } },
		      { "finalize", { .status = 503 } },
		      { "authorization", { .status = 503 } },
		      { "finalize", { .status = 500, .retry_at = BEGAN + 30 } },
		      { "authorization", { .status = 500, .retry_at = BEGAN + 30 } } };
	struct order order;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(run_with_slips(cases[i].at, 0, 2, cases[i].answer, &order, &err), RC_RETRY);
		assert_int_equal(ca.slips, 1);
		assert_int_equal(err.retry_at, cases[i].answer.retry_at);
	}
}

/* RFC 8555, 7.4: of two certificates with the same names that were given one order, the first CSR has it. */
static void an_order_that_is_another_s_too_is_followed_by_one_more(void **state)
{
	struct order order;
	struct err err = { 0 };
	int64_t took;

	(void)state;
	ca_begin(0, 0);
	ca.taken = 1;
	if (run(&order, &took, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(order.phase, ORDER_DONE);
	assert_int_equal(ca.orders, 2);
	assert_int_equal(ca.csrs, 2);
	assert_true(took < 30);
}

static void so_is_one_that_was_over_before_we_asked(void **state)
{
	struct order order;
	struct err err = { 0 };
	int64_t took;

	(void)state;
	for (unsigned taken = 1; taken < 3; taken++) {
		ca_begin(0, 0);
		ca.taken = taken;
		ca.is_over = true;
		assert_int_equal(run(&order, &took, &err), taken == 1 ? RC_OK : RC_PROTOCOL);
		assert_int_equal(order.phase, taken == 1 ? ORDER_DONE : ORDER_FAILED);
		assert_int_equal(ca.orders, 2);
		assert_int_equal(ca.csrs, taken == 1 ? 1 : 0);
	}
}

/* Nor is what a CA has made of our own CSR. */
static void but_not_by_ever_more(void **state)
{
	struct order order;
	struct err err = { 0 };
	int64_t took;

	(void)state;
	for (unsigned both = 0; both < 2; both++) {
		ca_begin(0, 0);
		ca.taken = 1000;
		ca.takes_both = both;
		assert_int_equal(run(&order, &took, &err), RC_PROTOCOL);
		assert_string_equal(err.text, "for another key");
		assert_int_equal(order.phase, ORDER_FAILED);
		assert_int_equal(ca.orders, both ? 1 : 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_valid_order_without_its_certificate_is_looked_at_again),
		cmocka_unit_test(but_not_without_end),
		cmocka_unit_test(an_order_outlives_a_nonce_that_is_not_given),
		cmocka_unit_test(one_slip_of_the_ca_is_no_failure),
		cmocka_unit_test(but_two_are),
		cmocka_unit_test(what_is_no_slip_is_not_asked_again),
		cmocka_unit_test(an_order_that_is_another_s_too_is_followed_by_one_more),
		cmocka_unit_test(so_is_one_that_was_over_before_we_asked),
		cmocka_unit_test(but_not_by_ever_more),
	};

	return cmocka_run_group_tests(tests, soft_token_start, soft_token_stop);
}
