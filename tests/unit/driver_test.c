/* driver_test.c -- a CA that calls an order valid before it says where its certificate is. */
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
} ca;

static enum rc print_order(struct buf *body, const char *status, struct err *err)
{
	bool is_bare = strcmp(status, "valid") == 0 && ca.bare && ca.bare--;

	return buf_print(
		body, err,
		"{\"status\": \"%s\", \"identifiers\": [{\"type\": \"dns\", \"value\": \"a.example\"}], \"finalize\": \"" CA
		"finalize\"%s}",
		status, strcmp(status, "valid") == 0 && !is_bare ? ", \"certificate\": \"" CA "certificate\"" : "");
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
	} else if (strcmp(request->url, CA "dir") == 0) {
		rc = buf_print(&response.body, err,
			       "{\"newNonce\": \"" CA "nonce\", \"newAccount\": \"" CA "account\", \"newOrder\": \"" CA "new\"}");
	} else if (strcmp(request->url, CA "new") == 0) {
		ca.orders++;
		strcpy(response.location, CA "order");
		rc = print_order(&response.body, "ready", err);
	} else if (strcmp(request->url, CA "finalize") == 0) {
		ca.csrs++;
		rc = print_order(&response.body, "valid", err);
	} else if (strcmp(request->url, CA "order") == 0) {
		ca.looks++;
		rc = print_order(&response.body, "valid", err);
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

static enum rc accept_chain(void *ctx, struct span pem, bool *ret_is_elsewhere, struct err *err)
{
	(void)ctx;
	(void)ret_is_elsewhere;
	(void)err;
	assert_true(span_equal(pem, span_text("chain")));
	return RC_OK;
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
	const struct config_certificate certificate = { .names = names, .name_count = 1 };
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_valid_order_without_its_certificate_is_looked_at_again),
		cmocka_unit_test(but_not_without_end),
		cmocka_unit_test(an_order_outlives_a_nonce_that_is_not_given),
	};

	return cmocka_run_group_tests(tests, soft_token_start, soft_token_stop);
}
