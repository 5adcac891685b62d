/* clock_text.c -- reads and writes the forms of time that ACME uses, and those for people. */
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

const char *clock_print(int64_t at, char text[CLOCK_TEXT_MAX])
{
	time_t seconds = (time_t)at;
	struct tm fields;

	if (at == 0 || !gmtime_r(&seconds, &fields) || !strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &fields))
		snprintf(text, CLOCK_TEXT_MAX, "never");
	return text;
}

/* One number of a date or time, and what it may be. */
struct field {
	int value, least, most;
};

static bool are_in_range(const struct field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fields[i].value < fields[i].least || fields[i].value > fields[i].most)
			return false;
	return true;
}

/* "Z", or "+01:30" in seconds. */
static bool offset_parse(const char *text, int64_t *ret_seconds)
{
	struct field fields[] = { { 0, 0, 23 }, { 0, 0, 59 } };
	int used = 0;

	*ret_seconds = 0;
	if (strcasecmp(text, "Z") == 0)
		return true;
	if ((*text != '+' && *text != '-') || sscanf(text + 1, "%2d:%2d%n", &fields[0].value, &fields[1].value, &used) != 2 ||
	    used != 5 || text[6] || !are_in_range(fields, 2))
		return false;
	*ret_seconds = (fields[0].value * 3600 + fields[1].value * 60) * (*text == '-' ? -1 : 1);
	return true;
}

enum rc clock_parse_rfc3339(const char *text, int64_t *ret_at, struct err *err)
{
	struct field fields[] = { { 0, 1970, 9999 }, { 0, 1, 12 }, { 0, 1, 31 }, { 0, 0, 23 }, { 0, 0, 59 }, { 0, 0, 60 } };
	int used = 0;
	int64_t offset;

	if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &fields[0].value, &fields[1].value, &fields[2].value,
		   &fields[3].value, &fields[4].value, &fields[5].value, &used) != 6 ||
	    used != 19)
		return err_set(err, RC_PROTOCOL, "not an RFC 3339 time");
	const char *rest = text + used;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (!offset_parse(rest, &offset))
		return err_set(err, RC_PROTOCOL, "not an RFC 3339 time: no offset");
	if (!are_in_range(fields, sizeof(fields) / sizeof(fields[0])))
		return err_set(err, RC_PROTOCOL, "not an RFC 3339 time: a field is out of range");
	struct tm moment = { .tm_year = fields[0].value - 1900,
			     .tm_mon = fields[1].value - 1,
			     .tm_mday = fields[2].value,
			     .tm_hour = fields[3].value,
			     .tm_min = fields[4].value,
			     .tm_sec = fields[5].value };
	*ret_at = (int64_t)timegm(&moment) - offset;
	return RC_OK;
}

static int64_t clamp_retry(int64_t at, int64_t now)
{
	if (at < now)
		return now;
	return at - now > CLOCK_RETRY_MAX ? now + CLOCK_RETRY_MAX : at;
}

/* RFC 9110, 5.6.7: nobody is to write the last two, and everybody has to read them. */
static bool http_date_parse(const char *text, struct tm *ret_fields)
{
	static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y" };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm fields = { 0 };
		const char *end = strptime(text, forms[i], &fields);

		if (end && !*end) {
			*ret_fields = fields;
			return true;
		}
	}
	return false;
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
	if (!http_date_parse(text, &fields))
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
