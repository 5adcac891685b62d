/* window.c -- reads maintenance windows, and finds the next one; a week is counted on the wall, not in seconds. */
#include "window.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "zone.h"

#define DAY       INT64_C(86400)
#define DAY_NAMES 7
#define DAYS_SEEN \
	17 /* yesterday, whose window may reach into today; two weeks, because one night in spring may have no such hour */

static const char *const NAMES[DAY_NAMES] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

/* Three letters of the text; -1: no day. */
static int day_parse(const char **text)
{
	for (int day = 0; day < DAY_NAMES; day++) {
		if (strncasecmp(*text, NAMES[day], 3) == 0) {
			*text += 3;
			return day;
		}
	}
	return -1;
}

static bool days_parse(const char **text, unsigned *ret_days)
{
	if (strncasecmp(*text, "daily", 5) == 0) {
		*text += 5;
		*ret_days = (1u << DAY_NAMES) - 1;
		return **text == ' ';
	}
	for (;;) {
		int first = day_parse(text), last = first;

		if (first >= 0 && **text == '-') {
			(*text)++;
			last = day_parse(text);
		}
		if (first < 0 || last < 0)
			return false;
		/* "Sat-Mon" goes over the end of the week. */
		for (int day = first;; day = (day + 1) % DAY_NAMES) {
			*ret_days |= 1u << day;
			if (day == last)
				break;
		}
		if (**text != ',')
			return **text == ' ';
		(*text)++;
	}
}

static bool minutes_parse(const char **text, unsigned *ret_minutes)
{
	unsigned hour = 0, minute = 0;
	int used = 0;

	if (sscanf(*text, "%2u:%2u%n", &hour, &minute, &used) != 2 || used != 5 || (*text)[0] == '+' || (*text)[3] == '+')
		return false;
	*text += used;
	*ret_minutes = hour * 60 + minute;
	return minute < 60 && *ret_minutes <= 24 * 60;
}

const char *window_parse(const char *text, struct window *ret_window)
{
	struct window window = { 0 };
	const char *form =
		"write days, hours and a time zone, such as \"Sat-Sun 01:00-05:00 Europe/Paris\" or \"daily 22:00-04:00\"";

	if (!days_parse(&text, &window.days))
		return form;
	text++;
	if (!minutes_parse(&text, &window.opens) || *text++ != '-' || !minutes_parse(&text, &window.closes) ||
	    (*text != '\0' && *text != ' '))
		return form;
	if (window.opens == window.closes || window.opens == 24 * 60)
		return "it is never open; a whole day is 00:00-24:00";
	while (*text == ' ')
		text++;
	window.zone = zone_open(*text ? text : "UTC");
	if (!window.zone)
		return "there is no such time zone here; write one of the system's (tzdata), such as Europe/Paris, or UTC";
	*ret_window = window;
	return NULL;
}

void window_clear(struct window *window)
{
	zone_close(window->zone);
	*window = (struct window){ 0 };
}

/* 1970-01-01 was a Thursday. */
static bool opens_on(const struct window *window, int64_t day)
{
	int64_t weekday = ((day + 3) % DAY_NAMES + DAY_NAMES) % DAY_NAMES;

	return window->days >> weekday & 1;
}

/* Does it open on that day, and when?  An hour that is left out in spring may leave nothing of it. */
static bool opening_of(const struct window *window, int64_t day, int64_t *ret_opens, int64_t *ret_closes)
{
	int64_t next = window->closes <= window->opens ? DAY : 0;

	*ret_opens = zone_utc(window->zone, day * DAY + window->opens * INT64_C(60));
	*ret_closes = zone_utc(window->zone, day * DAY + next + window->closes * INT64_C(60));
	return opens_on(window, day) && *ret_closes > *ret_opens;
}

static bool one_next(const struct window *window, int64_t at, int64_t *ret_opens, int64_t *ret_closes)
{
	int64_t today = zone_local(window->zone, at) / DAY;

	for (int64_t day = today - 1; day < today - 1 + DAYS_SEEN; day++) {
		int64_t opens, closes;

		if (!opening_of(window, day, &opens, &closes) || closes <= at)
			continue;
		*ret_opens = opens > at ? opens : at;
		*ret_closes = closes;
		return true;
	}
	return false;
}

static bool one_last(const struct window *window, int64_t at, int64_t *ret_opens, int64_t *ret_closes)
{
	int64_t today = zone_local(window->zone, at) / DAY;

	for (int64_t day = today; day > today - DAYS_SEEN; day--)
		if (opening_of(window, day, ret_opens, ret_closes) && *ret_closes <= at)
			return true;
	return false;
}

bool window_next(const struct window *windows, unsigned count, int64_t at, int64_t *ret_opens, int64_t *ret_closes)
{
	bool found = false;

	for (unsigned i = 0; i < count; i++) {
		int64_t opens, closes;

		if (!one_next(&windows[i], at, &opens, &closes))
			continue;
		if (!found || opens < *ret_opens || (opens == *ret_opens && closes > *ret_closes)) {
			*ret_opens = opens;
			*ret_closes = closes;
		}
		found = true;
	}
	return found;
}

bool window_last(const struct window *windows, unsigned count, int64_t at, int64_t *ret_opens, int64_t *ret_closes)
{
	bool found = false;

	for (unsigned i = 0; i < count; i++) {
		int64_t opens, closes;

		if (!one_last(&windows[i], at, &opens, &closes) || (found && closes <= *ret_closes))
			continue;
		*ret_opens = opens;
		*ret_closes = closes;
		found = true;
	}
	return found;
}
