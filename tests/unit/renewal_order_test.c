/* renewal_order_test.c -- an order belongs to the authority at whose server its URL lies, and to none whose name begins like it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "renewal_steps.h"

static bool is_of(const char *url, char *directory)
{
	const struct config_authority authority = { .directory = directory };
	struct order order = { .phase = ORDER_START };

	snprintf(order.url, sizeof(order.url), "%s", url);
	return renewal_is_order_of(&order, &authority);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_is_of_the_server_that_made_it),
		cmocka_unit_test(a_server_that_is_called_alike_is_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
