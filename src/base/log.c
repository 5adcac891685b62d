/* log.c -- writes one line an event to stderr, in one call, so that lines of several processes do not mix. */
#include "log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "clock.h"
#include "progress.h"
#include "utf8.h"

#define MESSAGE_MAX 1536                    /* bytes; the longest error and what stands before it */
#define LINE_MAX    (MESSAGE_MAX * 6 + 512) /* a byte of it is six at the most, as \u001f, beside names and numbers */

static enum log_level threshold = LOG_INFO;
static enum log_format format = LOG_TEXT;
static bool is_terminal, is_journal;

/* The last is the priority of syslog(3). */
static const struct {
	const char *name;
	char priority;
} LEVELS[] = { [LOG_ERROR] = { "error", '3' },
	       [LOG_WARN] = { "warning", '4' },
	       [LOG_INFO] = { "info", '6' },
	       [LOG_DEBUG] = { "debug", '7' } };
static const char *const ORIGIN_NAMES[] = { "hwacme", "errno", "openssl", "curl", "tss", "pkcs11", "http", "acme", "keyd" };

struct line {
	char text[LINE_MAX];
	size_t used;
};

void log_open(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat status;

	is_terminal = isatty(STDERR_FILENO) != 0;
	/* The variable is inherited by those whose stderr is another one: the numbers tell. */
	is_journal = stream && sscanf(stream, "%" SCNuMAX ":%" SCNuMAX, &device, &inode) == 2 &&
		     fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

void log_set_level(enum log_level level)
{
	threshold = level;
}

void log_set_format(enum log_format wanted)
{
	format = wanted;
}

bool log_is_shown(enum log_level level)
{
	return level <= threshold;
}

/* Our own words. */
static void line_add(struct line *line, const char *fmt, ...) HWA_PRINTF(2);

static void line_add(struct line *line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(line->text + line->used, sizeof(line->text) - line->used, fmt, args);
	va_end(args);
	if (len > 0)
		line->used += (size_t)len < sizeof(line->text) - line->used ? (size_t)len : sizeof(line->text) - line->used - 1;
}

/* Words of anybody: nothing in them ends the line or moves a cursor. */
static void line_add_tamed(struct line *line, const char *text)
{
	for (size_t len; *text; text += len ? len : 1) {
		len = utf8_printable(text);
		line_add(line, "%.*s", len ? (int)len : 1, len ? text : "?");
	}
}

/* RFC 8259, 7 and 8.1. */
static void line_add_string(struct line *line, const char *text)
{
	line_add(line, "\"");
	for (size_t len; *text; text += len ? len : 1) {
		len = utf8_printable(text);
		if (len)
			line_add(line, "%s%.*s", *text == '"' || *text == '\\' ? "\\" : "", (int)len, text);
		else
			line_add(line, "\\u%04x", (unsigned char)*text < ' ' ? (unsigned)*text : 0xfffdu);
	}
	line_add(line, "\"");
}

static void print_json(struct line *line, enum log_level level, const char *certificate, const char *message,
		       const struct err *err)
{
	int64_t now = clock_now_ms();
	char text[CLOCK_TEXT_MAX];

	clock_print(now / 1000, text);
	text[strcspn(text, "Z")] = '\0';
	line_add(line, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\"", text, (int)(now % 1000), LEVELS[level].name);
	if (certificate) {
		line_add(line, ",\"certificate\":");
		line_add_string(line, certificate);
	}
	line_add(line, ",\"message\":");
	line_add_string(line, message);
	if (err && err->origin != ERR_SELF)
		line_add(line, ",\"origin\":\"%s\",\"code\":%lld", ORIGIN_NAMES[err->origin], (long long)err->code);
	line_add(line, "}\n");
}

/* As the manuals have them: what tokens and OpenSSL answer in hex, an errno or a status of HTTP in decimal. */
static void line_add_code(struct line *line, const struct err *err)
{
	if (err->origin == ERR_TSS || err->origin == ERR_PKCS11 || err->origin == ERR_OPENSSL)
		line_add(line, " (%s 0x%llx)", ORIGIN_NAMES[err->origin], (unsigned long long)err->code);
	else if (err->origin != ERR_SELF)
		line_add(line, " (%s %lld)", ORIGIN_NAMES[err->origin], (long long)err->code);
}

static void print_text(struct line *line, enum log_level level, const char *certificate, const char *message,
		       const struct err *err)
{
	/* journald shows the program and knows the level. */
	if (!is_journal)
		line_add(line, "hwacme: %s: ", LEVELS[level].name);
	if (certificate)
		line_add(line, "%s: ", certificate);
	line_add_tamed(line, message);
	if (err && err->code)
		line_add_code(line, err);
	line_add(line, "\n");
}

static void print(enum log_level level, const char *certificate, const char *message, const struct err *err)
{
	struct line line = { .used = 0 };

	if (is_journal)
		line_add(&line, "<%c>", LEVELS[level].priority);
	if (format == LOG_JSON && !is_terminal)
		print_json(&line, level, certificate, message, err);
	else
		print_text(&line, level, certificate, message, err);
	progress_pause();
	/* Where nobody reads, nobody can be told. */
	(void)!span_write(STDERR_FILENO, span_of(line.text, line.used));
	progress_go_on(certificate, message);
}

__attribute__((format(printf, 3, 0))) static void print_formatted(enum log_level level, const char *certificate, const char *fmt,
								  va_list args)
{
	char message[MESSAGE_MAX];

	if (level > threshold)
		return;
	vsnprintf(message, sizeof(message), fmt, args);
	print(level, certificate, message, NULL);
}

void log_event(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_formatted(level, NULL, fmt, args);
	va_end(args);
}

void log_certificate(enum log_level level, const char *name, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_formatted(level, name, fmt, args);
	va_end(args);
}

void log_failure(const char *what, const struct err *err)
{
	char message[MESSAGE_MAX];

	snprintf(message, sizeof(message), "%s: %s", what, err->text);
	print(LOG_ERROR, NULL, message, err);
}

void log_certificate_failure(const char *name, const struct err *err)
{
	print(LOG_ERROR, name, err->text, err);
}
