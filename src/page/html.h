/* html.h -- writes HTML into a buffer: our own markup, and the text of others, which stays text. */
#ifndef HWA_HTML_H
#define HWA_HTML_H

#include "bytes.h"

/* The first failure is kept, and nothing is written after it. */
struct html {
	struct buf *to;
	enum rc rc;
	struct err *err;
};

void html_put(struct html *html, const char *fmt, ...) HWA_PRINTF(2); /* markup; no word of anybody else goes in here */
void html_text(struct html *html, const char *text);                  /* in an element, or in an attribute between quotes */
void html_query(struct html *html, const char *text);                 /* a value in the query of an address */
void html_count(struct html *html, uint64_t number);                  /* "100,000" */
void html_time(struct html *html, int64_t at);                        /* "11 Dec 2026, 03:10 UTC" */
void html_day(struct html *html, int64_t at);                         /* "11 Dec 2026" */
void html_span(struct html *html, int64_t seconds);                   /* "12 days" */

#endif /* HWA_HTML_H */
