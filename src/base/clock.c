/* clock.c -- asks the system for the time, waits, and reads and writes the forms of time that ACME uses. */
#include "clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t clock_now(void)
{
	return (int64_t)time(NULL);
}

int64_t clock_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The wall clock to the millisecond, so that "not before 12:00:03" is over at 12:00:03.000. */
static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool clock_wait_until(int64_t at, int64_t max_ms)
{
	int64_t wait = at > INT64_MAX / 1000 ? max_ms : at * 1000 - now_ms();
	int64_t end = clock_monotonic_ms() + (wait < max_ms ? wait : max_ms);
	int64_t left;

	while ((left = end - clock_monotonic_ms()) > 0)
		if (poll(NULL, 0, left > 60000 ? 60000 : (int)left) < 0 && errno == EINTR)
			return false;
	return true;
}

const char *clock_print(int64_t at, char text[CLOCK_TEXT_MAX])
{
	time_t seconds = (time_t)at;
	struct tm fields;

	if (at == 0 || !gmtime_r(&seconds, &fields) || !strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &fields))
		snprintf(text, CLOCK_TEXT_MAX, "never");
	return text;
}

enum rc clock_parse_rfc3339(const char *text, int64_t *ret_at, struct err *err)
{
	struct tm fields = { 0 };
	int year, month, day, hour, minute, second, used = 0, off_hour = 0, off_minute = 0;

	if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second, &used) != 6 ||
	    used != 19)
		return err_set(err, RC_PROTOCOL, "not an RFC 3339 time");
	const char *rest = text + used;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (strcmp(rest, "Z") != 0 && strcmp(rest, "z") != 0) {
		if ((*rest != '+' && *rest != '-') || sscanf(rest + 1, "%2d:%2d%n", &off_hour, &off_minute, &used) != 2 ||
		    used != 5 || rest[6])
			return err_set(err, RC_PROTOCOL, "not an RFC 3339 time: no offset");
	}
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
	    second < 0 || second > 60 || off_hour < 0 || off_hour > 23 || off_minute < 0 || off_minute > 59)
		return err_set(err, RC_PROTOCOL, "not an RFC 3339 time: a field is out of range");
	fields.tm_year = year - 1900;
	fields.tm_mon = month - 1;
	fields.tm_mday = day;
	fields.tm_hour = hour;
	fields.tm_min = minute;
	fields.tm_sec = second;
	int64_t offset = off_hour * 3600 + off_minute * 60;
	*ret_at = (int64_t)timegm(&fields) - (*rest == '-' ? -offset : offset);
	return RC_OK;
}

static int64_t clamp_retry(int64_t at, int64_t now)
{
	if (at < now)
		return now;
	return at - now > CLOCK_RETRY_MAX ? now + CLOCK_RETRY_MAX : at;
}

enum rc clock_parse_retry_after(const char *text, int64_t now, int64_t *ret_at, struct err *err)
{
	size_t digits = strspn(text, "0123456789");
	struct tm fields = { 0 };

	if (digits && !text[digits]) {
		/* More digits than a day has seconds can only be clamped anyway. */
		int64_t seconds = digits > 9 ? CLOCK_RETRY_MAX : strtoll(text, NULL, 10);
		/* `now` was rounded down: without a second more we would come back up to a second early. */
		*ret_at = clamp_retry(now + seconds + (seconds > 0), now);
		return RC_OK;
	}
	/* RFC 9110, 5.6.7: IMF-fixdate; the obsolete forms are not worth a parser. */
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &fields);
	if (!end || *end)
		return err_set(err, RC_PROTOCOL, "Retry-After is neither seconds nor an HTTP date");
	*ret_at = clamp_retry((int64_t)timegm(&fields), now);
	return RC_OK;
}

const char *clock_print_duration(int64_t seconds, char text[CLOCK_TEXT_MAX])
{
	long long whole = seconds < 0 ? 0 : (long long)seconds;

	if (whole >= 86400)
		snprintf(text, CLOCK_TEXT_MAX, "%lldd %lldh", whole / 86400, whole % 86400 / 3600);
	else if (whole >= 3600)
		snprintf(text, CLOCK_TEXT_MAX, "%lldh %lldm", whole / 3600, whole % 3600 / 60);
	else if (whole >= 60)
		snprintf(text, CLOCK_TEXT_MAX, "%lldm %llds", whole / 60, whole % 60);
	else
		snprintf(text, CLOCK_TEXT_MAX, "%llds", whole);
	return text;
}
