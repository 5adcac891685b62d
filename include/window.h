/*
 * window.h -- maintenance windows: hours of the week, by the clock on a wall somewhere, in which a server may be touched.
 *
 * "Sat-Sun 01:00-05:00 Europe/Paris"; days "Mon", "Mon-Fri", "Mon,Wed,Sat-Sun" or "daily"; an end that is not after the
 * begin is on the next day; UTC when no zone is named.  Zones are those of the system's database (tzdata).
 */
#ifndef HWA_WINDOW_H
#define HWA_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "scope.h"

struct zone; /* offsets from UTC through the years; never changes once opened */

struct window {
	unsigned days;          /* bit 0 Monday ... bit 6 Sunday: on which it opens */
	unsigned opens, closes; /* minutes after midnight; closes <= opens: on the next day */
	struct zone *zone;
};

/* NULL, or what is wrong with the text and what to write instead. */
const char *window_parse(const char *text, struct window *ret_window);
void window_clear(struct window *window);

/* The first moment from `at` on that is inside one of them, and when that one closes; false: there are none. */
bool window_next(const struct window *windows, unsigned count, int64_t at, int64_t *ret_opens, int64_t *ret_closes);
/* The last of them that has closed by `at`; false: there is none in two weeks. */
bool window_last(const struct window *windows, unsigned count, int64_t at, int64_t *ret_opens, int64_t *ret_closes);

#endif /* HWA_WINDOW_H */
