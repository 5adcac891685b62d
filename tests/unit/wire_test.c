/* wire_test.c -- what is put into a message comes out of it; what is too long, cut, left over or late is an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "wire.h"

static struct wire wire;

static void numbers_bytes_and_texts_come_back(void **state)
{
	char text[8];

	(void)state;
	wire_clear(&wire);
	wire_put_number(&wire, 0xab, 1);
	wire_put_number(&wire, UINT64_C(0x1122334455667788), 8);
	wire_put_text(&wire, "seven");
	wire_put_bytes(&wire, span_of("\0\1", 2));
	assert_int_equal(wire.bytes[1], 0x88); /* least significant first, on every machine */
	assert_int_equal(wire_get_number(&wire, 1), 0xab);
	assert_true(wire_get_number(&wire, 8) == UINT64_C(0x1122334455667788));
	wire_get_text(&wire, text, sizeof(text));
	assert_string_equal(text, "seven");
	assert_false(wire_is_whole(&wire));
	assert_true(span_equal(wire_get_bytes(&wire, 2), span_of("\0\1", 2)));
	assert_true(wire_is_whole(&wire));
}

static void what_is_not_there_or_too_long_makes_it_bad(void **state)
{
	char text[4];

	(void)state;
	wire_clear(&wire);
	assert_int_equal(wire_get_number(&wire, 4), 0);
	assert_true(wire.bad);
	wire_clear(&wire);
	wire_put_text(&wire, "four");
	wire_get_text(&wire, text, sizeof(text)); /* no room for its end */
	assert_true(wire.bad);
	assert_string_equal(text, "");
	wire_clear(&wire);
	wire_put_bytes(&wire, span_of("a\0b", 3));
	wire_get_text(&wire, text, sizeof(text));
	assert_true(wire.bad);
	wire_clear(&wire);
	wire_put_number(&wire, UINT32_MAX, 4); /* a length that leads far outside */
	assert_int_equal(wire_get_bytes(&wire, SIZE_MAX).len, 0);
	assert_true(wire.bad);
}

static void a_message_that_does_not_fit_is_not_sent(void **state)
{
	static uint8_t much[WIRE_MESSAGE_MAX];
	struct err err = { 0 };

	(void)state;
	wire_clear(&wire);
	wire_put_bytes(&wire, SPAN(much));
	assert_int_equal(wire_send(&wire, -1, &err), RC_BUG);
}

static void an_error_comes_back_with_its_numbers(void **state)
{
	struct err sent = { .rc = RC_DENIED, .origin = ERR_PKCS11, .code = -5, .retry_at = 7, .text = "why" }, got = { 0 };

	(void)state;
	wire_clear(&wire);
	wire_put_err(&wire, RC_DENIED, &sent);
	assert_int_equal(wire_get_err(&wire, &got), RC_DENIED);
	assert_int_equal(got.origin, ERR_PKCS11);
	assert_true(got.code == -5 && got.retry_at == 7);
	assert_string_equal(got.text, "why");
	assert_true(wire_is_whole(&wire));
	wire_clear(&wire);
	wire_put_number(&wire, 99, 1);
	assert_int_equal(wire_get_err(&wire, &got), RC_PROTOCOL);
}

static void silence_ends_with_the_deadline_and_a_closed_peer_at_once(void **state)
{
	struct err err = { 0 };
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(wire_socket(pair[0], NULL), RC_OK);
	int64_t since = clock_monotonic_ms();
	assert_int_equal(wire_receive(&wire, pair[0], since + 300, &err), RC_RETRY);
	assert_true(clock_monotonic_ms() - since >= 300);
	close(pair[1]);
	assert_int_equal(wire_receive(&wire, pair[0], clock_monotonic_ms() + 60000, &err), RC_ABSENT);
	wire_clear(&wire);
	wire_put_number(&wire, 1, 1);
	assert_int_equal(wire_send(&wire, pair[0], &err), RC_RETRY);
	close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_bytes_and_texts_come_back),
		cmocka_unit_test(what_is_not_there_or_too_long_makes_it_bad),
		cmocka_unit_test(a_message_that_does_not_fit_is_not_sent),
		cmocka_unit_test(an_error_comes_back_with_its_numbers),
		cmocka_unit_test(silence_ends_with_the_deadline_and_a_closed_peer_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
