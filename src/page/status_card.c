/* status_card.c -- one certificate: its state in a word, its life as a bar, what comes next and why, what went wrong. */
#include "status_card.h"

#include "key_type.h"
#include "renewal_tell.h"
#include "service_plan.h"

/* A moment as tenths of a percent of a life. */
static unsigned share(int64_t at, const struct store_certificate *record)
{
	int64_t life = record->not_after - record->not_before;

	if (life <= 0 || at >= record->not_after)
		return 1000;
	return at <= record->not_before ? 0 : (unsigned)((double)(at - record->not_before) / (double)life * 1000);
}

static void put_part(struct html *html, const char *part, unsigned from, unsigned to)
{
	if (to > from)
		html_put(html, "<rect class=\"%s\" x=\"%u.%u%%\" width=\"%u.%u%%\" height=\"100%%\"/>", part, from / 10,
			 from % 10, (to - from) / 10, (to - from) % 10);
}

/* What is over, what is left until the renewal, and what is left after it; a renewal that is late is a part of its own. */
static void put_life(struct html *html, const struct status_page_certificate *certificate, int64_t now)
{
	const struct store_certificate *record = certificate->record;
	unsigned over = share(now, record), renewal = share(certificate->plan.when, record);
	bool is_late = renewal < over;

	html_put(html,
		 "<svg class=\"life\" role=\"img\" height=\"10\" aria-label=\"%u%% of its life is over; the renewal falls at "
		 "%u%%\">",
		 over / 10, renewal / 10);
	put_part(html, "lived", 0, is_late ? renewal : over);
	put_part(html, record->not_after <= now ? "gone" : "late", renewal, is_late ? over : 0);
	put_part(html, "rest", over, renewal);
	put_part(html, "reserve", is_late ? over : renewal, 1000);
	html_put(html,
		 "</svg>\n<svg class=\"mark\" aria-hidden=\"true\" height=\"7\"><svg x=\"%u.%u%%\" overflow=\"visible\">"
		 "<path d=\"M0 1l5 6h-10z\"/></svg></svg>\n<p class=\"ends\"><span>",
		 renewal / 10, renewal % 10);
	html_day(html, record->not_before);
	html_put(html, "</span><span>%s ", record->not_after <= now ? "expired" : "expires");
	html_day(html, record->not_after);
	html_put(html, "</span></p>\n");
}

static const char *verb_of(const struct status_page_certificate *certificate)
{
	switch (certificate->plan.what) {
	case PLAN_ENROL: return "To be enrolled now";
	case PLAN_RENEW: return "Renewal is due now";
	case PLAN_RESUME: return "Renewal is under way";
	case PLAN_WAIT: break;
	}
	if (certificate->record && certificate->record->attempts)
		return "Next try in ";
	return certificate->plan.is_begun ? "Goes on in " : "Renews in ";
}

/* What the service is owed is done by a clock of its own, and not with the next renewal. */
static void put_owed(struct html *html, const struct status_page_certificate *certificate, int64_t now)
{
	struct service_plan owed = service_next(certificate->certificate, certificate->record, now);

	html_put(html, "<p class=\"next\"><b>");
	if (owed.when > now) {
		html_put(html, "In ");
		html_span(html, owed.when - now);
	} else {
		html_put(html, "Now");
	}
	html_put(html, "</b> ");
	html_text(html, renewal_next_step(certificate->certificate, certificate->record, now));
	html_put(html, "</p>\n");
}

static void put_next(struct html *html, const struct status_page_certificate *certificate, int64_t now)
{
	bool is_owed = certificate->record && renewal_is_owed(certificate->record);
	const char *step =
		certificate->record && !is_owed ? renewal_next_step(certificate->certificate, certificate->record, now) : "";

	if (is_owed)
		put_owed(html, certificate, now);
	html_put(html, "<p class=\"next\"><b>%s", verb_of(certificate));
	if (certificate->plan.what == PLAN_WAIT)
		html_span(html, certificate->plan.when - now);
	html_put(html, "</b>");
	if (certificate->plan.what == PLAN_WAIT) {
		html_put(html, " <span class=\"when\">");
		html_time(html, certificate->plan.when);
		html_put(html, "</span>");
	}
	html_put(html, "<br><span class=\"why\">");
	html_text(html, certificate->plan.why);
	if (*step) {
		html_put(html, "; then ");
		html_text(html, step);
	}
	html_put(html, "</span></p>\n");
}

static void put_failure(struct html *html, unsigned attempts, int64_t age, const char *error)
{
	if (!error[0])
		return;
	html_put(html, "<div class=\"fault\"><b>Failed ");
	if (attempts > 1) {
		html_count(html, attempts);
		html_put(html, " times in a row</b>, last ");
	} else {
		html_put(html, "</b>");
	}
	html_span(html, age);
	html_put(html, " ago<p><bdi>");
	html_text(html, error);
	html_put(html, "</bdi></p></div>\n");
}

static void put_overdue(struct html *html, const struct store_retired *overdue)
{
	html_put(html, "<div class=\"fault\"><b>Not erased</b><p>key <bdi>");
	html_text(html, overdue->key.name.label);
	html_put(html, "</bdi> in <bdi>");
	html_text(html, overdue->key.token);
	html_put(html, "</bdi>, superseded, should be gone since ");
	html_time(html, overdue->erase_at);
	html_put(html, "; <code>hwacme renew ");
	html_text(html, overdue->certificate);
	html_put(html, "</code> tries again and tells why it fails</p></div>\n");
}

static void put_fault(struct html *html, const struct status_page_certificate *certificate, int64_t now)
{
	const struct store_certificate *record = certificate->record;
	const struct store_service *service = &record->service;

	put_failure(html, record->attempts, now - record->failed_at, record->last_error);
	/* Of its hook or its probe. */
	put_failure(html, service->attempts, now - service->failed_at, service->last_error);
	if (record->revoked_at) {
		html_put(html, "<div class=\"fault\"><b>Revoked</b> ");
		html_time(html, record->revoked_at);
		html_put(html, "</div>\n");
	}
	if (certificate->live_error && certificate->live_error[0]) {
		html_put(html, "<div class=\"fault\"><b>What is live</b><p><bdi>");
		html_text(html, certificate->live_error);
		html_put(html, "</bdi></p></div>\n");
	}
	if (certificate->overdue)
		put_overdue(html, certificate->overdue);
}

/* A row of the list of facts; nothing where there is nothing to say.  `kind` is "id" for what is compared letter by letter. */
static void put_fact(struct html *html, const char *kind, const char *term, const char *text)
{
	if (!text[0])
		return;
	html_put(html, "<dt>%s</dt><dd class=\"%s\"><bdi>", term, kind);
	html_text(html, text);
	html_put(html, "</bdi></dd>\n");
}

static void put_names(struct html *html, const struct config_certificate *certificate)
{
	html_put(html, "<dt>Names</dt><dd><ul>");
	for (unsigned i = 0; i < certificate->name_count && i < STATUS_PAGE_NAMES; i++) {
		html_put(html, "<li><bdi>");
		html_text(html, certificate->names[i]);
		html_put(html, "</bdi></li>");
	}
	if (certificate->name_count > STATUS_PAGE_NAMES) {
		html_put(html, "<li>and ");
		html_count(html, certificate->name_count - STATUS_PAGE_NAMES);
		html_put(html, " more</li>");
	}
	html_put(html, "</ul></dd>\n");
}

static void put_journal(struct html *html, const struct status_page_certificate *certificate)
{
	if (!certificate->journal_count)
		return;
	html_put(html, "<h4>Journal, newest first</h4>\n<ol class=\"journal\">\n");
	for (unsigned i = 0; i < certificate->journal_count && i < STATUS_PAGE_JOURNAL; i++) {
		html_put(html, "<li>");
		html_time(html, certificate->journal[i].at);
		html_put(html, "<p><bdi>");
		html_text(html, certificate->journal[i].text);
		html_put(html, "</bdi></p></li>\n");
	}
	html_put(html, "</ol>\n<p class=\"fine\"><code>hwacme status ");
	html_text(html, certificate->certificate->name);
	html_put(html, "</code> shows all of it.</p>\n");
}

static void put_details(struct html *html, const struct status_page_certificate *certificate)
{
	const struct store_certificate *record = certificate->record;

	html_put(html, "<details><summary>Names, key and journal</summary>\n<dl>\n");
	put_names(html, certificate->certificate);
	if (record) {
		put_fact(html, "id", "Key", record->live_key.name.label);
		put_fact(html, "says", "Custody", record->custody);
		put_fact(html, "says", "Beside it", record->service.published);
		put_fact(html, "id", "Serial", record->serial);
		put_fact(html, "id", "SHA-256", record->fingerprint);
		put_fact(html, "id", "Profile", record->profile);
		put_fact(html, "id", "Order", record->order.url);
		put_fact(html, "id", "The CA explains", record->renewal_info.explanation);
	}
	html_put(html, "</dl>\n");
	put_journal(html, certificate);
	html_put(html, "</details>\n");
}

void status_card(struct html *html, const struct status_page_certificate *certificate, int64_t now)
{
	const struct store_certificate *record = certificate->record;
	const struct config_certificate *wanted = certificate->certificate;
	bool is_live = record && record->generation != 0;
	const char *tone = certificate->needs_attention ? "bad" : certificate->plan.what == PLAN_WAIT ? "well" : "busy";
	enum key_type type = is_live ? record->live_key.type : wanted->key.type;

	html_put(html, "<article class=\"%s\">\n<header class=\"head\"><h3><bdi>", tone);
	html_text(html, wanted->name);
	html_put(html, "</bdi></h3> <span class=\"state\">");
	html_text(html,
		  is_live && record->not_after <= now ? "expired" : certificate_state_name(record ? record->state : CERT_NEW));
	html_put(html, "</span></header>\n");
	if (is_live)
		put_life(html, certificate, now);
	put_next(html, certificate, now);
	if (record)
		put_fault(html, certificate, now);
	html_put(html, "<p class=\"fine\">%s key in <b><bdi>", key_type_name(type));
	html_text(html, is_live ? record->live_key.token : wanted->key.token);
	html_put(html, "</bdi></b>, %s <b><bdi>", is_live ? "issued by" : "from");
	html_text(html, is_live ? record->authority : wanted->authority);
	html_put(html, "</bdi></b></p>\n");
	put_details(html, certificate);
	html_put(html, "</article>\n");
}
