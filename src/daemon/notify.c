/* notify.c -- one datagram to $NOTIFY_SOCKET; libsystemd would bring its decompressors for it (see listen.c). */
#include "notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"

#define STATUS_MAX 256

void notify_send(const char *state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;

	if (len < 2 || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* the abstract namespace, unix(7) */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
	close(fd);
}

void notify_status(const char *text)
{
	char state[STATUS_MAX];

	snprintf(state, sizeof(state), "STATUS=%s", text);
	notify_send(state);
}

void notify_reloading(void)
{
	char state[64];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_monotonic_ms() * 1000);
	notify_send(state);
}

int64_t notify_watchdog_ms(void)
{
	const char *every = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	/* Inherited from somebody else's service. */
	if (!every || (pid && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	long long usec = strtoll(every, NULL, 10);

	return usec > 0 ? usec / 2000 + 1 : 0; /* never of no time at all */
}
