/*
 * status_page.h -- the page for people: every certificate with a bar of its life, what comes next and why; how tokens and authorities are.
 *
 * Pure printing: facts in, HTML out.  No scripts; nothing is fetched but the two files below, from where the page came
 * from (STATUS_PAGE_POLICY says so to the browser).  What a CA, a hook or the address line said is text and cannot become
 * anything else.  However many certificates there are, a page has STATUS_PAGE_ROWS at the most and ends below STATUS_PAGE_MAX.
 */
#ifndef HWA_STATUS_PAGE_H
#define HWA_STATUS_PAGE_H

#include "availability.h"
#include "bytes.h"
#include "config.h"
#include "metrics.h"
#include "plan.h"
#include "store.h"

#define STATUS_PAGE_ROWS    50 /* certificates */
#define STATUS_PAGE_TOKENS  50
#define STATUS_PAGE_CAS     50 /* authorities */
#define STATUS_PAGE_NAMES   20 /* of a certificate */
#define STATUS_PAGE_JOURNAL 6  /* lines of a certificate */
#define STATUS_PAGE_FIND    64 /* bytes of what is searched for, and its NUL */
#define STATUS_PAGE_DAYS    30 /* that the load is drawn of */
#define STATUS_PAGE_MAX     (4u * 1024u * 1024u)

/* Content-Security-Policy of the page, and what it names: style.css and icon.svg beside it. */
#define STATUS_PAGE_POLICY \
	"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
extern const char status_style[], status_icon[];

struct status_page {
	const char *host, *version;
	int64_t now;
	unsigned certificates, attention; /* of all */
	const char *next_name;            /* whose renewal comes first of those that wait; NULL: none waits */
	int64_t next_at;
	unsigned load[STATUS_PAGE_DAYS]; /* renewals on each day (UTC), from today on */
	const char *find;                /* only those whose name has this in it; "": all */
	unsigned found;                  /* so many are listed, on all pages together */
	unsigned number, pages;          /* which page this is, from 1, and how many there are */
};

struct status_page_token {
	const struct config_token *token;
	struct metrics_token health;
};

struct status_page_authority {
	const struct config_authority *authority;
	struct availability_view view;
};

struct status_page_certificate {
	const struct config_certificate *certificate;
	const struct store_certificate *record; /* NULL: the store has none */
	struct plan plan;
	bool needs_attention;
	const char *live_error;                   /* what is wrong with live/NAME, and what to do; "" or NULL: nothing */
	const struct store_retired *overdue;      /* a key of it that should be gone; NULL: none */
	const struct store_journal_line *journal; /* newest first */
	unsigned journal_count;
};

/* In this order: the beginning, each token, what stands between, each authority, the middle, each certificate, the end. */
enum rc status_page_begin(const struct status_page *page, struct buf *html, struct err *err) HWA_CHECKED;
enum rc status_page_token(const struct status_page_token *token, struct buf *html, struct err *err) HWA_CHECKED;
enum rc status_page_between(struct buf *html, struct err *err) HWA_CHECKED;
enum rc status_page_authority(const struct status_page *page, const struct status_page_authority *authority, struct buf *html,
			      struct err *err) HWA_CHECKED;
enum rc status_page_middle(const struct status_page *page, struct buf *html, struct err *err) HWA_CHECKED;
enum rc status_page_certificate(const struct status_page *page, const struct status_page_certificate *certificate,
				struct buf *html, struct err *err) HWA_CHECKED;
enum rc status_page_end(const struct status_page *page, struct buf *html, struct err *err) HWA_CHECKED;

#endif /* HWA_STATUS_PAGE_H */
