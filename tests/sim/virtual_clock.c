/* virtual_clock.c -- three numbers, and the three functions of clock.h that ask the system. */
#include "virtual_clock.h"

#include "clock.h"

static int64_t true_ms, up_ms, wrong_s;

void virtual_clock_start(int64_t up)
{
	true_ms = VIRTUAL_START * 1000;
	up_ms = up;
	wrong_s = 0;
}

void virtual_clock_pass(int64_t ms)
{
	true_ms += ms;
	up_ms += ms;
}

void virtual_clock_sleep(int64_t ms)
{
	true_ms += ms;
}

void virtual_clock_off(int64_t ms)
{
	true_ms += ms;
	up_ms = 0;
}

int64_t virtual_clock_true_ms(void)
{
	return true_ms;
}

int64_t virtual_clock_true(void)
{
	return true_ms / 1000;
}

void virtual_clock_set_wrong(int64_t seconds)
{
	wrong_s = seconds;
}

int64_t virtual_clock_wrong(void)
{
	return wrong_s;
}

int64_t clock_now(void)
{
	return true_ms / 1000 + wrong_s;
}

int64_t clock_now_ms(void)
{
	return true_ms + wrong_s * 1000;
}

int64_t clock_monotonic_ms(void)
{
	return up_ms;
}

bool clock_wait_until(int64_t at, int64_t max_ms)
{
	int64_t wait = at > INT64_MAX / 1000 ? max_ms : (at - wrong_s) * 1000 - true_ms;

	if (wait > max_ms)
		wait = max_ms;
	if (wait > 0)
		virtual_clock_pass(wait);
	return true;
}
