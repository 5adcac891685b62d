/* clock.h -- the one place that asks what time it is; decisions are told it. */
#ifndef HWA_CLOCK_H
#define HWA_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define CLOCK_TEXT_MAX 32 /* "2026-11-24T12:00:00Z" and its NUL */

int64_t clock_now(void); /* unix seconds */
/* The same to the millisecond, so that "not before 12:00:03" is over at 12:00:03.000. */
int64_t clock_now_ms(void);
int64_t clock_monotonic_ms(void);

/* Waits until `at` (unix seconds) or for `max_ms`, whichever is first; false when a signal ended it. */
bool clock_wait_until(int64_t at, int64_t max_ms);

/* "2026-11-24T12:00:00Z"; "never" for 0. */
const char *clock_print(int64_t at, char text[CLOCK_TEXT_MAX]);

/* RFC 3339 date-time with any offset and fraction, as RFC 8555 uses it. */
enum rc clock_parse_rfc3339(const char *text, int64_t *ret_at, struct err *err) HWA_CHECKED;

/*
 * Retry-After, RFC 9110, 10.2.3: an HTTP-date or delta-seconds, never early: whole seconds are rounded up.
 * Clamped to [now, now + CLOCK_RETRY_MAX].
 */
#define CLOCK_RETRY_MAX (INT64_C(86400))
enum rc clock_parse_retry_after(const char *text, int64_t now, int64_t *ret_at, struct err *err) HWA_CHECKED;

/* A span of time for people: "1m 30s", "14d 3h". */
const char *clock_print_duration(int64_t seconds, char text[CLOCK_TEXT_MAX]);

#endif /* HWA_CLOCK_H */
