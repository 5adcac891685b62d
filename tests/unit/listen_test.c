/* listen_test.c -- sockets of our own, and sockets that a service manager hands over by sd_listen_fds(3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "err.h"
#include "free_port.h"
#include "listen.h"

static int port_of(int fd)
{
	struct sockaddr_in address = { 0 };
	socklen_t len = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &len) == 0 ? ntohs(address.sin_port) : -1;
}

static void an_address_is_bound_and_not_inherited(void **state)
{
	char text[32];
	int port = free_port(), fd = -1;

	(void)state;
	snprintf(text, sizeof(text), "127.0.0.1:%d", port);
	assert_int_equal(listen_open("http-01", text, &fd, NULL), RC_OK);
	assert_int_equal(port_of(fd), port);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	struct err err = { 0 };
	int other = -1;
	assert_int_equal(listen_open("http-01", text, &other, &err), RC_RETRY);
	assert_non_null(strstr(err.text, text));
	close(fd);
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = { "80",           "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999",
					   "localhost:80", "::1:80",    "[x]:80",      ":80" };
	int fd = -1;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(listen_open("http-01", bad[i], &fd, NULL), RC_INPUT);
	assert_int_equal(fd, -1);
}

static void the_error_says_what_to_do(void **state)
{
	char text[32];
	struct err err = { 0 };
	int fd = -1, other = -1;

	(void)state;
	snprintf(text, sizeof(text), "127.0.0.1:%d", free_port());
	assert_int_equal(listen_open("metrics", text, &fd, NULL), RC_OK);
	assert_int_equal(listen_open("metrics", text, &other, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "in use; free the port, or write another one in metrics: { listen: }"));
	close(fd);
	/* An address for documents is nobody's. */
	assert_int_equal(listen_open("metrics", "192.0.2.1:9642", &fd, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "write an address of this machine in metrics: { listen: }"));
}

static bool has_no_six;

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);

int __wrap_socket(int domain, int type, int protocol)
{
	if (domain == AF_INET6 && has_no_six) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return __real_socket(domain, type, protocol);
}

/* A kernel without IPv6: no port is taken, and to free one is of no use. */
static void where_there_is_no_ipv6_another_address_is_advised(void **state)
{
	struct err err = { 0 };
	int fd = -1;

	(void)state;
	has_no_six = true;
	assert_int_equal(listen_open("http-01", "[::]:80", &fd, &err), RC_RETRY);
	assert_non_null(
		strstr(err.text, "; there is no IPv6 here: write an IPv4 address (0.0.0.0:PORT) in http-01: { listen: }"));
	assert_int_equal(listen_open("metrics", "[::1]:9642", &fd, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "write an IPv4 address"));
	has_no_six = false;
	/* It has IPv6, and not this address; or IPv6 is switched off, and no address of it is there. */
	assert_int_equal(listen_open("metrics", "[2001:db8::1]:9642", &fd, &err), RC_RETRY);
	assert_non_null(strstr(err.text, "write an address of this machine in metrics: { listen: }"));
}

/* Between a look and what it is for another may come: so nothing is kept, and nobody who listens meanwhile is disturbed. */
static void an_address_is_tried_and_left(void **state)
{
	char text[32];
	struct err err = { 0 };
	int fd = -1;

	(void)state;
	snprintf(text, sizeof(text), "127.0.0.1:%u", free_port());
	assert_int_equal(listen_try("http-01", text, &err), RC_OK);
	assert_int_equal(listen_open("http-01", text, &fd, &err), RC_OK);
	assert_int_equal(listen_try("http-01", text, &err), RC_RETRY);
	assert_int_equal(err.code, EADDRINUSE);
	close(fd);
	/* Only who is handed a socket can try it. */
	assert_int_equal(listen_try("http-01", "systemd:http-01", &err), RC_OK);
}

static void who_keeps_whom_from_listening(void **state)
{
	static const struct {
		const char *one, *other;
		bool overlaps;
	} pairs[] = {
		{ "127.0.0.1:80", "127.0.0.1:80", true },
		{ "127.0.0.1:80", "127.0.0.1:81", false },
		{ "127.0.0.1:80", "127.0.0.2:80", false },
		{ "0.0.0.0:80", "127.0.0.1:80", true },
		{ "0.0.0.0:80", "127.0.0.1:81", false },
		{ "0.0.0.0:80", "[::1]:80", false },
		{ "[::]:80", "127.0.0.1:80", true },
		{ "[::]:80", "[2001:db8::1]:80", true },
		{ "[::]:80", "0.0.0.0:80", true },
		{ "[::1]:80", "[2001:db8::1]:80", false },
		{ "[::1]:80", "[0:0::1]:80", true },
		{ "[::ffff:127.0.0.1]:80", "127.0.0.1:80", true },
		{ "", "127.0.0.1:80", false },
		{ "systemd:http-01", "systemd:http-01", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		assert_int_equal(listen_overlaps(pairs[i].one, pairs[i].other), pairs[i].overlaps);
		assert_int_equal(listen_overlaps(pairs[i].other, pairs[i].one), pairs[i].overlaps);
	}
}

static void without_a_service_manager_the_error_says_so(void **state)
{
	struct err err = { 0 };
	int fd = -1;

	(void)state;
	unsetenv("LISTEN_PID");
	assert_int_equal(listen_open("http-01", "systemd", &fd, &err), RC_INPUT);
	assert_non_null(strstr(err.text, "systemd.socket"));
	/* Handed to another process: our parent, say. */
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "1", 1);
	assert_int_equal(listen_open("http-01", "systemd", &fd, NULL), RC_INPUT);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
}

/* To the child itself nothing was handed; its parent keeps what it has. */
static bool forgotten_by_a_child(void)
{
	unsigned count = listen_handed();
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		unsigned ours = listen_handed();

		listen_forget(count);
		_exit(ours == 0 && fcntl(3, F_GETFD) < 0 && fcntl(5, F_GETFD) < 0 && !getenv("LISTEN_FDS") ? 0 : 1);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 && fcntl(3, F_GETFD) >= 0 && listen_handed() == count;
}

/* In a child, whose descriptors from 3 on are what the service manager made them; 0: all was well. */
static int handed(void)
{
	char text[32], names[] = "web:acme-tls:not-listening";
	int first = -1, second = -1, got = -1, plain = socket(AF_INET, SOCK_STREAM, 0), ports[2] = { free_port(), free_port() };

	snprintf(text, sizeof(text), "127.0.0.1:%d", ports[0]);
	if (listen_open("http-01", text, &first, NULL) != RC_OK)
		return 1;
	snprintf(text, sizeof(text), "127.0.0.1:%d", ports[1]);
	if (listen_open("http-01", text, &second, NULL) != RC_OK)
		return 2;
	int kept[3] = { fcntl(first, F_DUPFD, 100), fcntl(second, F_DUPFD, 100), fcntl(plain, F_DUPFD, 100) };
	for (int i = 0; i < 3; i++)
		if (dup2(kept[i], 3 + i) < 0)
			return 3;
	snprintf(text, sizeof(text), "%ld", (long)getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", "3", 1);
	setenv("LISTEN_FDNAMES", names, 1);
	if (listen_open("tls-alpn-01", "systemd:acme-tls", &got, NULL) != RC_OK || port_of(got) != ports[1] || got == 4)
		return 4;
	/* The one handed over stays open for the next answer. */
	close(got);
	if (listen_open("tls-alpn-01", "systemd:acme-tls", &got, NULL) != RC_OK || port_of(got) != ports[1])
		return 5;
	struct err err = { 0 };
	if (listen_open("http-01", "systemd", &got, &err) != RC_INPUT || !strstr(err.text, names))
		return 6;
	if (listen_open("http-01", "systemd:other", &got, &err) != RC_INPUT || !strstr(err.text, names))
		return 7;
	if (listen_open("http-01", "systemd:acme", &got, NULL) != RC_INPUT ||
	    listen_open("http-01", "systemd:not-listening", &got, &err) != RC_INPUT || !strstr(err.text, "ListenStream"))
		return 8;
	return forgotten_by_a_child() ? 0 : 9;
}

static void sockets_handed_over_are_found_by_name(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(handed());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_bound_and_not_inherited),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(an_address_is_tried_and_left),
		cmocka_unit_test(the_error_says_what_to_do),
		cmocka_unit_test(where_there_is_no_ipv6_another_address_is_advised),
		cmocka_unit_test(who_keeps_whom_from_listening),
		cmocka_unit_test(without_a_service_manager_the_error_says_so),
		cmocka_unit_test(sockets_handed_over_are_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
