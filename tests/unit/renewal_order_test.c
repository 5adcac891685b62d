/* renewal_order_test.c -- an order belongs to the authority at whose server its URL lies, and to none whose name begins like it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "renewal_steps.h"

static char NAME[] = "ra", ITS_OWN[] = "short", OF_ALL[] = "nf-tls";
static struct config_authority authority = { .name = NAME };
static const struct config config = { .authorities = &authority, .authority_count = 1 };
static const struct renewal_desk desk = { .config = &config };
static struct config_certificate certificate = { .authority = NAME };

static bool is_of(const char *url, char *directory)
{
	const struct renewal renewal = { .desk = &desk, .certificate = &certificate };
	struct order order = { .phase = ORDER_START };

	authority.directory = directory;
	snprintf(order.url, sizeof(order.url), "%s", url);
	return renewal_is_order_of(&renewal, &order, NAME);
}

static void an_order_is_of_the_server_that_made_it(void **state)
{
	static char ra[] = "https://ra.example:140/acme/directory", bare[] = "https://ra.example?tenant=1";

	(void)state;
	assert_true(is_of("https://ra.example:140/acme/order/7", ra));
	assert_true(is_of("https://RA.example:140/order/7", ra));
	assert_true(is_of("https://ra.example:140", ra));
	assert_true(is_of("https://ra.example/order/7", bare));
	assert_true(is_of("https://ra.example?order=7", bare));
	assert_true(is_of("https://ra.example:443/order/7", bare));
	assert_false(is_of("https://other.example:140/acme/order/7", ra));
	assert_false(is_of("https://ra.example/acme/order/7", ra));
	assert_false(is_of("", ra));
}

static void a_server_that_is_called_alike_is_another(void **state)
{
	static char ra[] = "https://ra:140/acme/directory", bare[] = "https://ra";

	(void)state;
	assert_false(is_of("https://ra:14000/acme/order/7", ra));
	assert_false(is_of("https://ra.example/order/7", bare));
	assert_false(is_of("https://ra:14000/order/7", bare));
	assert_false(is_of("https://ra@other.example/order/7", bare));
}

/* Made by this profile, it can go on when the certificate and its authority have those in the configuration. */
static bool goes_on(const char *profile, char *its_own, char *of_all)
{
	static char ra[] = "https://ra.example/directory";
	const struct renewal renewal = { .desk = &desk, .certificate = &certificate };
	struct order order = { .phase = ORDER_POLL, .url = "https://ra.example/order/7", .is_profile_known = profile != NULL };

	authority.directory = ra;
	authority.profile = of_all;
	certificate.profile = its_own;
	snprintf(order.profile, sizeof(order.profile), "%s", profile ? profile : "");
	bool does = renewal_is_order_of(&renewal, &order, NAME);
	authority.profile = certificate.profile = NULL;
	return does;
}

static void an_order_by_another_profile_does_not_go_on(void **state)
{
	(void)state;
	assert_true(goes_on("", NULL, NULL));
	assert_true(goes_on("nf-tls", NULL, OF_ALL));
	assert_true(goes_on("short", ITS_OWN, OF_ALL));
	assert_false(goes_on("nf-tls", ITS_OWN, OF_ALL));
	assert_false(goes_on("", NULL, OF_ALL));
	assert_false(goes_on("nf-tls", NULL, NULL));
	/* An older hwacme did not say. */
	assert_true(goes_on(NULL, ITS_OWN, NULL));
	assert_true(goes_on(NULL, NULL, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_is_of_the_server_that_made_it),
		cmocka_unit_test(a_server_that_is_called_alike_is_another),
		cmocka_unit_test(an_order_by_another_profile_does_not_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
