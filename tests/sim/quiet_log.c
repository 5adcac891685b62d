/* quiet_log.c -- in place of src/base/log.c: nothing, or with SIM_LOG set each line with the world's time in front. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "virtual_clock.h"

void log_open(void)
{
}

void log_set_format(enum log_format format)
{
	(void)format;
}

void log_set_level(enum log_level level)
{
	(void)level;
}

bool log_is_shown(enum log_level level)
{
	return level < LOG_DEBUG && getenv("SIM_LOG");
}

void log_event(enum log_level level, const char *fmt, ...)
{
	char at[CLOCK_TEXT_MAX];
	va_list args;

	if (!log_is_shown(level))
		return;
	fprintf(stderr, "%s ", clock_print(virtual_clock_true(), at));
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

void log_certificate(enum log_level level, const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_event(level, "%s: %s", name, text);
}

void log_certificate_failure(const char *name, const struct err *err)
{
	log_failure(name, err);
}

void log_failure(const char *name, const struct err *err)
{
	log_event(LOG_ERROR, "error: %s: %s", name, err->text);
}
