/* metrics_host_test.c -- addresses, localhost and the host's own name are ours; a name that somebody else can register is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "free_port.h"
#include "listen.h"
#include "metrics_host.h"

/* RFC 9110, 7.2: with a port or without, an address of IPv6 in brackets. */
static void our_own_names_are_ours(void **state)
{
	static const char *const hosts[] = { "127.0.0.1",      "127.0.0.1:9642", "192.0.2.7:9642",   "[::1]:9642",
					     "[2001:db8::7]",  "localhost",      "LocalHost:9642",   "amf1",
					     "amf1.example:1", "AMF1:9642",      "amf1.example:9642" };

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (!metrics_host_is_ours(hosts[i], "amf1.example"))
			fail_msg("%s is not ours", hosts[i]);
	assert_true(metrics_host_is_ours(NULL, "amf1.example"));
}

static void names_of_others_are_not(void **state)
{
	static const char *const hosts[] = { "",
					     "evil.example",
					     "evil.example:9642",
					     "localhost.evil.example",
					     "127.0.0.1.evil.example",
					     "amf1.evil.example",
					     "amf1.example.evil.example",
					     "amf",
					     "evil.example@127.0.0.1",
					     "127.0.0.1:9642:evil.example",
					     "127.0.0.1:evil.example",
					     "[::1",
					     "[::1]evil.example",
					     "[evil.example]",
					     ":9642" };
	char long_one[400];

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (metrics_host_is_ours(hosts[i], "amf1.example"))
			fail_msg("%s is ours", hosts[i]);
	/* RFC 1035, 2.3.4: longer than any name. */
	memset(long_one, 'a', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = '\0';
	assert_false(metrics_host_is_ours(long_one, long_one));
	assert_false(metrics_host_is_ours(":1", ""));
}

static bool is_loopback(const char *host)
{
	char address[64];
	int fd = -1;

	snprintf(address, sizeof(address), "%s:%d", host, free_port());
	assert_int_equal(listen_open("metrics", address, &fd, NULL), 0);
	bool is = metrics_host_is_loopback(fd);
	close(fd);
	return is;
}

static void a_socket_says_who_can_reach_it(void **state)
{
	(void)state;
	assert_true(is_loopback("127.0.0.1"));
	assert_true(is_loopback("127.1.2.3"));
	assert_false(is_loopback("0.0.0.0"));
	assert_false(metrics_host_is_loopback(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_names_are_ours),
		cmocka_unit_test(names_of_others_are_not),
		cmocka_unit_test(a_socket_says_who_can_reach_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
