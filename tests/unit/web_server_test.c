/* web_server_test.c -- connections that hold their places without asking for anything keep nobody out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "free_port.h"
#include "listen.h"
#include "web_server.h"

#define PLACES 8

static struct web_server *server;
static int port;

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_len, void **state)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(4, ctx, MHD_RESPMEM_PERSISTENT);

	(void)url;
	(void)method;
	(void)version;
	(void)upload;
	*upload_len = 0;
	*state = ctx;
	enum MHD_Result queued = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return queued;
}

static int start(void **state)
{
	static char body[] = "here";
	char address[32];
	int fd = -1;

	(void)state;
	port = free_port();
	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	if (listen_open("test", address, &fd, NULL) != RC_OK)
		return -1;
	return web_server_start(fd, PLACES, on_request, body, &server, NULL) == RC_OK ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	web_server_stop(server);
	return 0;
}

static int connect_patiently(int seconds)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = seconds };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Within less time than the server's own idle timeout. */
static void is_answered(int fd)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
	char answer[512] = "";

	assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
	assert_true(recv(fd, answer, sizeof(answer) - 1, 0) > 0);
	assert_non_null(strstr(answer, " 200 "));
}

static void those_who_only_hold_their_places_keep_nobody_out(void **state)
{
	int idle[3 * PLACES];

	(void)state;
	for (int i = 0; i < 3 * PLACES; i++) {
		idle[i] = connect_patiently(5);
		/* A request that never ends. */
		assert_int_equal(send(idle[i], "G", 1, MSG_NOSIGNAL), 1);
	}
	for (int i = 0; i < 3; i++) {
		int fd = connect_patiently(5);

		is_answered(fd);
		close(fd);
	}
	/* Whoever came first is gone; the last is there still. */
	char byte;
	assert_true(recv(idle[0], &byte, 1, 0) <= 0);
	assert_int_equal(recv(idle[3 * PLACES - 1], &byte, 1, MSG_DONTWAIT), -1);
	for (int i = 0; i < 3 * PLACES; i++)
		close(idle[i]);
}

static void a_place_that_was_left_is_taken_again(void **state)
{
	(void)state;
	for (int i = 0; i < 5 * PLACES; i++) {
		int fd = connect_patiently(5);

		is_answered(fd);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_who_only_hold_their_places_keep_nobody_out),
		cmocka_unit_test(a_place_that_was_left_is_taken_again),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
