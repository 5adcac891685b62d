/* notify_test.c -- what the service manager hears: each message a datagram, by path or abstract name; none where there is no manager. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "notify.h"

static char dir[] = "/tmp/hwa-notify-XXXXXX";

static int start(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	return rmdir(dir);
}

/* Binds to the name as sd_notify(3) writes it. */
static int manager(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(name);

	memcpy(address.sun_path, name, len);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void hears(int fd, const char *wanted)
{
	char text[256] = "";
	ssize_t len = recv(fd, text, sizeof(text) - 1, 0);

	assert_true(len > 0);
	assert_non_null(strstr(text, wanted));
}

static void a_manager_hears_each_message(void **state)
{
	char names[2][64];

	(void)state;
	snprintf(names[0], sizeof(names[0]), "%s/socket", dir);
	snprintf(names[1], sizeof(names[1]), "@hwacme-notify-test-%ld", (long)getpid());
	for (int i = 0; i < 2; i++) {
		int fd = manager(names[i]);

		notify_send("READY=1");
		hears(fd, "READY=1");
		notify_status("at work");
		hears(fd, "STATUS=at work");
		notify_reloading();
		hears(fd, "RELOADING=1\nMONOTONIC_USEC=");
		close(fd);
	}
	unlink(names[0]);
}

static void without_a_manager_nothing_happens(void **state)
{
	static const char *const names[] = { "", "/", "relative", "/nobody/listens/here" };
	char endless[200];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify_send("READY=1");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		notify_send("READY=1");
	}
	memset(endless, 'a', sizeof(endless) - 1);
	endless[0] = '/';
	endless[sizeof(endless) - 1] = '\0';
	setenv("NOTIFY_SOCKET", endless, 1);
	notify_send("READY=1");
}

static void a_manager_that_waits_says_how_long(void **state)
{
	char pid[24];

	(void)state;
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_in_range(notify_watchdog_ms(), 14000, 15001);
	setenv("WATCHDOG_USEC", "soon", 1);
	assert_int_equal(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_in_range(notify_watchdog_ms(), 14000, 15001);
	setenv("WATCHDOG_PID", "1", 1); /* of whoever started us */
	assert_int_equal(notify_watchdog_ms(), 0);
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_manager_hears_each_message),
		cmocka_unit_test(without_a_manager_nothing_happens),
		cmocka_unit_test(a_manager_that_waits_says_how_long),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
