/*
 * log.h -- diagnostics on stderr, one line an event: for people, or one JSON object.
 *
 * Only src/cli and the four folders below it log above debug; a library returns an error.  Whatever a peer said in it, a line is one line.
 * What journald reads gets its priorities (sd-daemon(3)); a terminal gets text, whatever the format is.
 */
#ifndef HWA_LOG_H
#define HWA_LOG_H

#include <stdbool.h>

#include "err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

/* Once, at the start: is stderr a terminal, or journald's (JOURNAL_STREAM, systemd.exec(5))? */
void log_open(void);
void log_set_level(enum log_level level);    /* default LOG_INFO */
void log_set_format(enum log_format format); /* default LOG_TEXT */
bool log_is_shown(enum log_level level);

void log_event(enum log_level level, const char *fmt, ...) HWA_PRINTF(2);
/* Of one certificate: "info: NAME: text"; in JSON the name is a member of its own. */
void log_certificate(enum log_level level, const char *name, const char *fmt, ...) HWA_PRINTF(3);

/* An error at the edge: "error: WHAT: TEXT (tss 0x921)"; in JSON the foreign number is "origin" and "code". */
void log_failure(const char *what, const struct err *err);
void log_certificate_failure(const char *name, const struct err *err);

#endif /* HWA_LOG_H */
