/* clock.c -- asks the system for the time, and waits; simulations have a clock of their own in its place. */
#include "clock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <time.h>

static_assert(sizeof(time_t) == sizeof(int64_t), "certificates are valid until 9999");

int64_t clock_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* time(2) is a tick behind: a certificate that is issued when a second begins would not be valid yet. */
int64_t clock_now(void)
{
	return clock_now_ms() / 1000;
}

bool clock_wait_until(int64_t at, int64_t max_ms)
{
	int64_t wait = at > INT64_MAX / 1000 ? max_ms : at * 1000 - clock_now_ms();
	int64_t end = clock_monotonic_ms() + (wait < max_ms ? wait : max_ms);
	int64_t left;

	while ((left = end - clock_monotonic_ms()) > 0)
		if (poll(NULL, 0, left > 60000 ? 60000 : (int)left) < 0 && errno == EINTR)
			return false;
	return true;
}
