/*
 * log.h -- diagnostics on stderr, one line an event, key=value.
 *
 * Only src/cli and src/daemon log above debug; a library returns an error.
 */
#ifndef HWA_LOG_H
#define HWA_LOG_H

#include <stdbool.h>

#include "err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level); /* default LOG_INFO */
bool log_is_shown(enum log_level level);
void log_event(enum log_level level, const char *fmt, ...) HWA_PRINTF(2);
/* An error at the edge: "error: TEXT (origin=... code=...)". */
void log_failure(const char *name, const struct err *err);

#endif /* HWA_LOG_H */
