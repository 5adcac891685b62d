/* html.c -- escapes, and the forms of numbers and times that people read. */
#include "html.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "utf8.h"

#define PIECE_MAX 1024 /* of our own markup at once */

static void append(struct html *html, const char *text, size_t len)
{
	if (html->rc == RC_OK)
		html->rc = buf_append(html->to, span_of(text, len), html->err);
}

void html_put(struct html *html, const char *fmt, ...)
{
	char piece[PIECE_MAX];
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(piece, sizeof(piece), fmt, args);
	va_end(args);
	if (html->rc == RC_OK && (len < 0 || (size_t)len >= sizeof(piece)))
		html->rc = err_set(html->err, RC_BUG, "a piece of the page is too long");
	append(html, piece, (size_t)len);
}

/* HTML, 13.1.2.3 and 13.3: these five cannot begin or end anything then. */
static const char *entity(char letter)
{
	switch (letter) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\'': return "&#39;";
	default: return NULL;
	}
}

void html_text(struct html *html, const char *text)
{
	while (*text && html->rc == RC_OK) {
		size_t plain = 0, len;

		while ((len = utf8_printable(text + plain)) && !entity(text[plain]))
			plain += len;
		append(html, text, plain);
		text += plain;
		if (!*text)
			break;
		const char *instead = entity(*text) ? entity(*text) : "\xef\xbf\xbd"; /* U+FFFD */
		append(html, instead, strlen(instead));
		text++;
	}
}

void html_query(struct html *html, const char *text)
{
	for (; *text; text++)
		html_put(html, "%%%02X", (unsigned)(unsigned char)*text);
}

void html_count(struct html *html, uint64_t number)
{
	if (number >= 1000) {
		html_count(html, number / 1000);
		html_put(html, ",%03u", (unsigned)(number % 1000));
	} else {
		html_put(html, "%u", (unsigned)number);
	}
}

static void moment(struct html *html, int64_t at, bool is_whole)
{
	static const char *const MONTHS[] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
	};
	char text[CLOCK_TEXT_MAX];
	time_t seconds = (time_t)at;
	struct tm fields;

	if (!at || !gmtime_r(&seconds, &fields)) {
		html_put(html, "never");
		return;
	}
	html_put(html, "<time datetime=\"%s\">%d&nbsp;%s&nbsp;%d", clock_print(at, text), fields.tm_mday, MONTHS[fields.tm_mon],
		 fields.tm_year + 1900);
	if (is_whole)
		html_put(html, ", %02d:%02d&nbsp;UTC", fields.tm_hour, fields.tm_min);
	html_put(html, "</time>");
}

void html_time(struct html *html, int64_t at)
{
	moment(html, at, true);
}

void html_day(struct html *html, int64_t at)
{
	moment(html, at, false);
}

void html_span(struct html *html, int64_t seconds)
{
	static const struct {
		const char *name;
		int64_t seconds;
	} UNITS[] = { { "day", 86400 }, { "hour", 3600 }, { "minute", 60 } };

	for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++) {
		int64_t whole = seconds / UNITS[i].seconds;

		/* "30 hours" says more than "1 day". */
		if (whole >= 2 || (whole == 1 && seconds % UNITS[i].seconds == 0)) {
			html_put(html, "%lld&nbsp;%s%s", (long long)whole, UNITS[i].name, whole == 1 ? "" : "s");
			return;
		}
	}
	html_put(html, "%lld&nbsp;second%s", (long long)(seconds > 0 ? seconds : 0), seconds == 1 ? "" : "s");
}
