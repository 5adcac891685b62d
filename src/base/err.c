/* err.c -- fills and wraps errors; needs no memory, so that it can report that there is none. */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

/* What a peer said may be in it: nothing that begins a line of its own or moves a terminal's cursor, and no half of a character,
 * which would be no JSON. */
static void tame(char *text)
{
	utf8_tame(text, '?');
}

__attribute__((format(printf, 5, 0))) static void err_vset(struct err *err, enum rc rc, enum err_origin origin, int64_t code,
							   const char *fmt, va_list args)
{
	if (!err)
		return;
	err->rc = rc;
	err->origin = origin;
	err->code = code;
	err->retry_at = 0;
	err->problem = 0;
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	tame(err->text);
}

enum rc err_set(struct err *err, enum rc rc, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	err_vset(err, rc, ERR_SELF, 0, fmt, args);
	va_end(args);
	return rc;
}

enum rc err_set_raw(struct err *err, enum rc rc, enum err_origin origin, int64_t code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	err_vset(err, rc, origin, code, fmt, args);
	va_end(args);
	return rc;
}

enum rc err_wrap(struct err *err, enum rc rc, const char *fmt, ...)
{
	va_list args;
	char cause[sizeof(err->text)];
	int len;

	if (!err)
		return rc;
	memcpy(cause, err->text, sizeof(cause));
	cause[sizeof(cause) - 1] = '\0';
	va_start(args, fmt);
	len = vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	if (len < 0)
		len = 0;
	if ((size_t)len < sizeof(err->text))
		snprintf(err->text + len, sizeof(err->text) - (size_t)len, ": %s", cause);
	tame(err->text);
	return err->rc;
}

int err_is_token(const struct err *err)
{
	return err->origin == ERR_PKCS11 || err->origin == ERR_TSS || err->origin == ERR_KEYD;
}
