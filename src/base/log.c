/* log.c -- writes one line an event to stderr. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

static enum log_level threshold = LOG_INFO;

static const char *const LEVEL_NAMES[] = { "error", "warning", "info", "debug" };
static const char *const ORIGIN_NAMES[] = { "hwacme", "errno", "openssl", "curl", "tss", "pkcs11", "http", "acme", "keyd" };

void log_set_level(enum log_level level)
{
	threshold = level;
}

bool log_is_shown(enum log_level level)
{
	return level <= threshold;
}

void log_event(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list args;

	if (level > threshold)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	fprintf(stderr, "hwacme: %s: %s\n", LEVEL_NAMES[level], line);
}

void log_failure(const char *name, const struct err *err)
{
	if (err->origin == ERR_SELF)
		log_event(LOG_ERROR, "%s: %s", name, err->text);
	else
		log_event(LOG_ERROR, "%s: %s (%s 0x%llx)", name, err->text, ORIGIN_NAMES[err->origin],
			  (unsigned long long)err->code);
}
