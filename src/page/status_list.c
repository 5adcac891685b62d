/* status_list.c -- reads every record once for the order, and those of one page again for what is shown of them. */
#include "status_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "renewal.h"
#include "renewal_tell.h"

#define KEPT_MS 60000 /* a certificate becomes due without a change of the store */
#define KEPT_FOR \
	10 /* times what it took to make: readers cost a tenth of a processor at the most, even while the store changes */
#define DAY INT64_C(86400)

struct item {
	int64_t at;     /* what its group is ordered by: the end of its life, or the next renewal */
	uint32_t index; /* in the configuration; the highest bit is not used */
	bool needs_attention;
};

struct status_list {
	const struct config *config;
	struct store *store;
	char host[256];
	struct item *items; /* config->certificate_count of them, in order */
	bool is_made, is_stale;
	int64_t made_at, took_ms; /* monotonic milliseconds */
	struct status_page page;  /* counts that are of all */
	struct store_retired overdue[RENEWAL_OVERDUE_MAX];
	unsigned overdue_count;
	struct archive_view *view; /* while one page is made */
};

/* What a row points to. */
struct facts {
	struct store_certificate record;
	struct err live;
};

enum rc status_list_new(const struct config *config, struct store *store, const char *host, struct status_list **ret_list,
			struct err *err)
{
	AUTO(status_list) struct status_list *list = calloc(1, sizeof(*list));

	if (list)
		list->items = calloc(config->certificate_count ? config->certificate_count : 1, sizeof(*list->items));
	if (!list || !list->items)
		return err_set(err, RC_RESOURCE, "out of memory");
	list->config = config;
	list->store = store;
	snprintf(list->host, sizeof(list->host), "%s", host);
	*ret_list = TAKE(list);
	return RC_OK;
}

void status_list_free(struct status_list *list)
{
	if (!list)
		return;
	free(list->items);
	free(list);
}

/* `row->record` points into *facts, or is NULL. */
static enum rc row_load(const struct status_list *list, uint32_t index, int64_t now, struct facts *facts,
			struct status_page_certificate *row, struct err *err)
{
	const struct config_certificate *certificate = &list->config->certificates[index];
	enum rc rc = store_certificate_load(list->store, certificate->name, &facts->record, err);

	if (rc != RC_OK && rc != RC_ABSENT)
		return rc;
	*row = (struct status_page_certificate){ .certificate = certificate,
						 .record = rc == RC_OK ? &facts->record : NULL,
						 .live_error = facts->live.text };
	facts->live.text[0] = '\0';
	if (row->record)
		(void)!renewal_live_check(list->view, row->record, &facts->live);
	row->overdue = renewal_overdue_of(list->overdue, list->overdue_count, certificate->name);
	row->plan = renewal_plan(list->config, certificate, row->record, false, now);
	row->needs_attention = renewal_needs_attention(row->record, now) || facts->live.text[0] || row->overdue;
	return RC_OK;
}

static int by_need(const void *left, const void *right)
{
	const struct item *one = left, *other = right;

	if (one->needs_attention != other->needs_attention)
		return one->needs_attention ? -1 : 1;
	if (one->at != other->at)
		return one->at < other->at ? -1 : 1;
	return one->index < other->index ? -1 : one->index > other->index;
}

static void count(struct status_list *list, const struct status_page_certificate *row, int64_t now)
{
	struct status_page *page = &list->page;
	int64_t at = row->plan.when > now ? row->plan.when : now;

	page->attention += row->needs_attention;
	if (at / DAY - now / DAY < STATUS_PAGE_DAYS)
		page->load[at / DAY - now / DAY]++;
	/* What waits with its CA is no renewal to come. */
	bool is_to_come = row->plan.what == PLAN_WAIT && (!row->plan.is_begun || row->record->attempts);
	if (is_to_come && (!page->next_name || at < page->next_at)) {
		page->next_name = row->certificate->name;
		page->next_at = at;
	}
}

static enum rc items_make(struct status_list *list, int64_t now, struct err *err)
{
	const unsigned all = list->config->certificate_count;
	struct status_page_certificate row;
	struct facts facts;
	enum rc rc = RC_OK;

	list->overdue_count = renewal_overdue(list->config, list->store, now, list->overdue, RENEWAL_OVERDUE_MAX);
	list->page = (struct status_page){ .host = list->host, .version = HWACME_VERSION, .certificates = all };
	for (unsigned i = 0; i < all && rc == RC_OK; i++) {
		rc = row_load(list, i, now, &facts, &row, err);
		if (rc != RC_OK)
			break;
		list->items[i] = (struct item){ .index = i, .needs_attention = row.needs_attention, .at = row.plan.when };
		if (row.needs_attention)
			list->items[i].at = row.record ? row.record->not_after : 0;
		count(list, &row, now);
	}
	if (rc == RC_OK)
		qsort(list->items, all, sizeof(*list->items), by_need);
	return rc;
}

static enum rc make(struct status_list *list, int64_t now, struct err *err)
{
	int64_t began = clock_monotonic_ms();

	list->is_made = false;
	enum rc rc = store_view_begin(list->store, err);
	if (rc != RC_OK)
		return rc;
	rc = items_make(list, now, err);
	store_view_end(list->store);
	if (rc != RC_OK)
		return rc;
	list->made_at = clock_monotonic_ms();
	list->took_ms = list->made_at - began;
	list->is_made = true;
	list->is_stale = false;
	return RC_OK;
}

static enum rc refresh(struct status_list *list, int64_t now, struct err *err)
{
	int64_t age = clock_monotonic_ms() - list->made_at;

	if (store_changed_elsewhere(list->store))
		list->is_stale = true;
	if (list->is_made && (age < KEPT_FOR * list->took_ms || (!list->is_stale && age < KEPT_MS)))
		return RC_OK;
	return make(list, now, err);
}

static bool is_wanted(const struct config_certificate *certificate, const char *find)
{
	bool is_found = !find[0] || strcasestr(certificate->name, find);

	for (unsigned i = 0; i < certificate->name_count && !is_found; i++)
		is_found = strcasestr(certificate->names[i], find) != NULL;
	return is_found;
}

static enum rc tokens_print(const struct status_list *list, struct buf *html, struct err *err)
{
	enum rc rc = RC_OK;

	for (unsigned i = 0; i < list->config->token_count && i < STATUS_PAGE_TOKENS && rc == RC_OK; i++) {
		struct status_page_token token = { .token = &list->config->tokens[i] };

		metrics_token(token.token->name, &token.health);
		rc = status_page_token(&token, html, err);
	}
	return rc;
}

static enum rc authorities_print(const struct status_list *list, const struct status_page *page, struct buf *html,
				 struct err *err)
{
	enum rc rc = status_page_between(html, err);

	for (unsigned i = 0; i < list->config->authority_count && i < STATUS_PAGE_CAS && rc == RC_OK; i++) {
		struct status_page_authority authority = { .authority = &list->config->authorities[i] };
		struct store_availability availability;

		rc = store_availability_load(list->store, authority.authority->name, &availability, err);
		if (rc != RC_OK)
			break;
		authority.view = availability_look(authority.authority, &availability, page->now);
		rc = status_page_authority(page, &authority, html, err);
	}
	return rc;
}

/* The rows of one page; `page->found` is how many there are on all. */
static enum rc rows_print(const struct status_list *list, const struct status_page *page, struct buf *html, struct err *err)
{
	struct store_journal_line journal[STATUS_PAGE_JOURNAL];
	unsigned first = (page->number - 1) * STATUS_PAGE_ROWS, seen = 0;
	struct status_page_certificate row;
	struct facts facts;
	enum rc rc = RC_OK;

	for (unsigned i = 0; i < page->certificates && seen < first + STATUS_PAGE_ROWS && rc == RC_OK; i++) {
		if (!is_wanted(&list->config->certificates[list->items[i].index], page->find) || seen++ < first)
			continue;
		rc = row_load(list, list->items[i].index, page->now, &facts, &row, err);
		if (rc == RC_OK)
			rc = store_journal(list->store, row.certificate->name, journal, STATUS_PAGE_JOURNAL, &row.journal_count,
					   err);
		row.journal = journal;
		if (rc == RC_OK)
			rc = status_page_certificate(page, &row, html, err);
	}
	return rc;
}

static enum rc page_print(struct status_list *list, const char *find, unsigned number, int64_t now, struct buf *html,
			  struct err *err)
{
	enum rc rc = refresh(list, now, err);
	struct status_page page = list->page;

	if (rc != RC_OK)
		return rc;
	page.now = now;
	page.find = find;
	for (unsigned i = 0; i < page.certificates; i++)
		page.found += is_wanted(&list->config->certificates[i], find);
	page.pages = page.found ? (page.found + STATUS_PAGE_ROWS - 1) / STATUS_PAGE_ROWS : 1;
	page.number = number < 1 ? 1 : number > page.pages ? page.pages : number;
	rc = status_page_begin(&page, html, err);
	if (rc == RC_OK)
		rc = tokens_print(list, html, err);
	if (rc == RC_OK)
		rc = authorities_print(list, &page, html, err);
	if (rc == RC_OK)
		rc = status_page_middle(&page, html, err);
	if (rc == RC_OK)
		rc = rows_print(list, &page, html, err);
	return rc == RC_OK ? status_page_end(&page, html, err) : rc;
}

enum rc status_list_print(struct status_list *list, const char *find, unsigned number, int64_t now, struct buf *html,
			  struct err *err)
{
	enum rc rc = archive_view_new(list->config->state, &list->view, err);

	if (rc != RC_OK)
		return rc;
	rc = page_print(list, find, number, now, html, err);
	archive_view_free(list->view);
	list->view = NULL;
	return rc;
}
