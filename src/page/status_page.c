/* status_page.c -- what stands around the certificates: the sentence at the top, the coming load, tokens and authorities, the pages. */
#include "status_page.h"

#include <string.h>

#include "html.h"
#include "status_card.h"

#define DAY            INT64_C(86400)
#define LOAD_TOP_LEAST 4 /* renewals a day that the drawing of the load has room for */

static struct html html_to(struct buf *to, struct err *err)
{
	return (struct html){ .to = to, .err = err };
}

/* The one sentence for whoever has no time. */
static void put_verdict(struct html *html, const struct status_page *page)
{
	unsigned all = page->certificates, bad = page->attention;

	html_put(html, "<h1>");
	if (bad) {
		html_put(html, "<em class=\"bad\">");
		html_count(html, bad);
		html_put(html, "</em> ");
		if (all > bad) {
			html_put(html, "of ");
			html_count(html, all);
			html_put(html, " ");
		}
		html_put(html, "certificate%s need%s attention.", all == 1 ? "" : "s", bad == 1 ? "s" : "");
	} else if (all == 1) {
		html_put(html, "The certificate is <em class=\"well\">in good order.</em>");
	} else {
		html_put(html, "All ");
		html_count(html, all);
		html_put(html, " certificates are <em class=\"well\">in good order.</em>");
	}
	html_put(html, "</h1>\n");
	if (page->next_name) {
		html_put(html, "<p class=\"lead\">The next renewal is of <b><bdi>");
		html_text(html, page->next_name);
		html_put(html, "</bdi></b>, in ");
		html_span(html, page->next_at - page->now);
		html_put(html, ".</p>\n");
	}
}

/* The day with most renewals, and how many there are on all of them. */
static unsigned load_sum(const struct status_page *page, unsigned *ret_busiest)
{
	unsigned sum = 0;

	*ret_busiest = 0;
	for (unsigned day = 0; day < STATUS_PAGE_DAYS; day++) {
		sum += page->load[day];
		if (page->load[day] > page->load[*ret_busiest])
			*ret_busiest = day;
	}
	return sum;
}

/* A bar for each of the coming days, as high as its share of the busiest. */
static void put_load(struct html *html, const struct status_page *page)
{
	unsigned busiest, sum = load_sum(page, &busiest), most = page->load[busiest];
	/* One renewal is not a full house. */
	unsigned top = most > LOAD_TOP_LEAST ? most : LOAD_TOP_LEAST;

	if (sum < 2)
		return;
	html_put(html, "<figure class=\"load\">\n<figcaption>");
	html_count(html, sum);
	html_put(html, " renewals in %d days", STATUS_PAGE_DAYS);
	if (most >= LOAD_TOP_LEAST) {
		html_put(html, "; the busiest is ");
		html_day(html, page->now + (int64_t)busiest * DAY);
		html_put(html, " with ");
		html_count(html, most);
	}
	html_put(html, "</figcaption>\n<svg aria-hidden=\"true\" height=\"48\">\n");
	for (unsigned day = 0; day < STATUS_PAGE_DAYS; day++) {
		/* In tenths of a percent; the least that is there can be seen. */
		unsigned high = page->load[day] ? 80 + (unsigned)((uint64_t)page->load[day] * 920 / top) : 30;
		unsigned left = day * 1000 / STATUS_PAGE_DAYS;

		html_put(html, "<rect class=\"%s\" x=\"%u.%u%%\" y=\"%u.%u%%\" width=\"2.6%%\" height=\"%u.%u%%\" rx=\"1.5\"/>\n",
			 page->load[day] ? "day" : "none", left / 10, left % 10, (1000 - high) / 10, (1000 - high) % 10,
			 high / 10, high % 10);
	}
	html_put(html, "</svg>\n<p class=\"ends\"><span>today</span><span>");
	html_day(html, page->now + (STATUS_PAGE_DAYS - 1) * DAY);
	html_put(html, "</span></p>\n</figure>\n");
}

enum rc status_page_begin(const struct status_page *page, struct buf *to, struct err *err)
{
	struct html html = html_to(to, err);

	html_put(&html, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
			"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
			"<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
	if (page->attention) {
		html_put(&html, "(");
		html_count(&html, page->attention);
		html_put(&html, ") ");
	}
	html_put(&html, "hwacme on ");
	html_text(&html, page->host);
	html_put(
		&html,
		"</title>\n<link rel=\"icon\" href=\"icon.svg\">\n<link rel=\"stylesheet\" href=\"style.css\">\n</head>\n<body>\n"
		/* What every bar refers to. */
		"<svg class=\"defs\" aria-hidden=\"true\" width=\"0\" height=\"0\"><defs><pattern id=\"reserve\" width=\"6\" "
		"height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"2\" height=\"6\" "
		"class=\"hatch\"/></pattern></defs></svg>\n"
		"<header class=\"mast\">\n<p class=\"brand\"><img src=\"icon.svg\" alt=\"\" width=\"22\" "
		"height=\"22\">hwacme</p>\n<p class=\"host\"><bdi>");
	html_text(&html, page->host);
	html_put(&html, "</bdi></p>\n</header>\n<main>\n<section class=\"verdict\">\n");
	put_verdict(&html, page);
	put_load(&html, page);
	html_put(&html, "</section>\n<section>\n<h2>Tokens</h2>\n<ul class=\"tokens\">\n");
	return html.rc;
}

/* What an operator calls it. */
static const char *token_kind(const struct config_token *token)
{
	return token->tcti ? "TPM 2.0" : "PKCS #11";
}

static const char *token_word(const struct metrics_token *health)
{
	if (!health->operations)
		return "not asked yet";
	if (health->is_refused)
		return "refuses";
	return !health->is_known ? "asked in vain" : health->is_up ? "answers" : "away";
}

enum rc status_page_token(const struct status_page_token *token, struct buf *to, struct err *err)
{
	struct html html = html_to(to, err);
	const struct metrics_token *health = &token->health;
	bool is_well = health->is_known && health->is_up && !health->is_refused;

	html_put(&html, "<li class=\"token %s\"><p class=\"head\"><b><bdi>",
		 !health->operations ? "idle"
		 : is_well           ? "well"
				     : "bad");
	html_text(&html, token->token->name);
	html_put(&html, "</bdi></b> <span class=\"state\">%s</span></p>\n<p class=\"fine\">%s", token_word(health),
		 token_kind(token->token));
	if (health->operations) {
		html_put(&html, ", ");
		html_count(&html, health->operations);
		html_put(&html, " operation%s, ", health->operations == 1 ? "" : "s");
		html_count(&html, (uint64_t)health->milliseconds / health->operations);
		html_put(&html, "&nbsp;ms on average");
	}
	if (health->denied) {
		html_put(&html, health->is_refused ? ", <b class=\"bad\">" : ", ");
		html_count(&html, health->denied);
		html_put(&html, health->is_refused ? " refused</b>" : " refused");
	}
	html_put(&html, "</p></li>\n");
	return html.rc;
}

enum rc status_page_between(struct buf *to, struct err *err)
{
	struct html html = html_to(to, err);

	html_put(&html, "</ul>\n</section>\n<section>\n<h2>Authorities</h2>\n<ul class=\"tokens\">\n");
	return html.rc;
}

/* Since when it is away, and who asks it again when. */
static void put_absence(struct html *html, const struct availability_view *view, int64_t now)
{
	bool is_counted = view->failures; /* by orders; what other questions were told says no more than when to ask again */

	if (is_counted) {
		html_put(html, "no answer since ");
		html_time(html, view->down_since);
		html_put(html, ", ");
		html_count(html, view->failures);
		html_put(html, " failure%s in a row", view->failures == 1 ? "" : "s");
	}
	if (view->asked_at && view->is_probed) {
		html_put(html, "%sone renewal asks now", is_counted ? "; " : "");
	} else if (view->asked_at) {
		html_put(html, "%sasked again in ", is_counted ? "; " : "");
		html_span(html, view->asked_at - now);
	}
}

enum rc status_page_authority(const struct status_page *page, const struct status_page_authority *authority, struct buf *to,
			      struct err *err)
{
	struct html html = html_to(to, err);
	const struct availability_view *view = &authority->view;
	unsigned limit = authority->authority->orders_per_hour;
	/* One answer that was lost holds nobody up. */
	bool is_away = view->failures > 1, is_quiet = view->failures || view->asked_at;

	html_put(&html, "<li class=\"authority token %s\"><p class=\"head\"><b><bdi>",
		 is_away    ? "bad"
		 : is_quiet ? "idle"
			    : "well");
	html_text(&html, authority->authority->name);
	html_put(&html, "</bdi></b> <span class=\"state\">%s</span></p>\n<p class=\"fine\">",
		 is_away    ? "away"
		 : is_quiet ? "waits"
			    : "no trouble known");
	put_absence(&html, view, page->now);
	if (limit) {
		html_put(&html, "%s", is_quiet ? "; " : "");
		html_count(&html, limit);
		html_put(&html, " order%s an hour", limit == 1 ? "" : "s");
		if (view->order_at > page->now) {
			html_put(&html, ", the next in ");
			html_span(&html, view->order_at - page->now);
		}
	} else {
		html_put(&html, "%sany number of orders", is_quiet ? "; " : "");
	}
	html_put(&html, "</p></li>\n");
	return html.rc;
}

enum rc status_page_middle(const struct status_page *page, struct buf *to, struct err *err)
{
	struct html html = html_to(to, err);

	html_put(&html, "</ul>\n</section>\n<section>\n<div class=\"title\">\n<h2>Certificates</h2>\n");
	if (page->certificates > STATUS_PAGE_ROWS || page->find[0]) {
		html_put(&html,
			 "<form role=\"search\"><input name=\"find\" type=\"search\" maxlength=\"%d\" aria-label=\"Name\" "
			 "placeholder=\"Name\" value=\"",
			 STATUS_PAGE_FIND - 1);
		html_text(&html, page->find);
		html_put(&html, "\"> <button>Find</button></form>\n");
	}
	html_put(&html, "</div>\n");
	if (page->find[0]) {
		html_put(&html, "<p class=\"fine\">");
		html_count(&html, page->found);
		html_put(&html, " with “<bdi>");
		html_text(&html, page->find);
		html_put(&html, "</bdi>” in %s name. <a href=\"./\">Show all</a></p>\n", page->found == 1 ? "its" : "their");
	}
	if (page->found)
		html_put(&html, "<ul class=\"legend\"><li class=\"lived\">lived</li><li class=\"rest\">until renewal</li>"
				"<li class=\"reserve\">reserve</li></ul>\n");
	return html.rc;
}

enum rc status_page_certificate(const struct status_page *page, const struct status_page_certificate *certificate, struct buf *to,
				struct err *err)
{
	struct html html = html_to(to, err);

	status_card(&html, certificate, page->now);
	return html.rc;
}

static void put_link(struct html *html, const struct status_page *page, unsigned number, const char *relation, const char *words)
{
	html_put(html, "<a href=\"?page=%u", number);
	if (page->find[0]) {
		html_put(html, "&amp;find=");
		html_query(html, page->find);
	}
	html_put(html, "\"%s>%s</a>\n", relation, words);
}

static void put_pages(struct html *html, const struct status_page *page)
{
	if (page->pages < 2)
		return;
	html_put(html, "<nav class=\"pages\" aria-label=\"Pages\">\n");
	if (page->number > 1) {
		put_link(html, page, 1, "", "First");
		put_link(html, page, page->number - 1, " rel=\"prev\"", "Previous");
	}
	html_put(html, "<span>Page ");
	html_count(html, page->number);
	html_put(html, " of ");
	html_count(html, page->pages);
	html_put(html, "</span>\n");
	if (page->number < page->pages) {
		put_link(html, page, page->number + 1, " rel=\"next\"", "Next");
		put_link(html, page, page->pages, "", "Last");
	}
	html_put(html, "</nav>\n");
}

enum rc status_page_end(const struct status_page *page, struct buf *to, struct err *err)
{
	struct html html = html_to(to, err);

	put_pages(&html, page);
	html_put(&html, "</section>\n</main>\n<footer>\n<p>As of ");
	html_time(&html, page->now);
	html_put(&html, ". Nothing can be changed here.</p>\n<p><a href=\"metrics\">Metrics</a> hwacme ");
	html_text(&html, page->version);
	html_put(&html, "</p>\n</footer>\n</body>\n</html>\n");
	return html.rc;
}
