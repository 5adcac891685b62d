/* status_page_test.c -- the page says what the facts are; no word of a CA becomes markup; however much there is, the page ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "status_page.h"

#define NOW INT64_C(1795880829) /* 28 Nov 2026, 15:47:09 UTC */
#define DAY INT64_C(86400)

static char AMF[] = "amf", RA[] = "operator-ra", TPM[] = "tpm", TCTI[] = "device:/dev/tpmrm0", HOST[] = "dns:amf.example";
static char *NAMES[] = { HOST };
static struct config_certificate certificate;
static struct store_certificate record;
static struct status_page page;
static struct status_page_certificate row;
static struct availability_view view;
static unsigned limit;
static struct store_journal_line journal[STATUS_PAGE_JOURNAL];

/* A certificate in the middle of its life, in service. */
static int begin(void **state)
{
	(void)state;
	view = (struct availability_view){ .order_at = NOW };
	limit = 0;
	certificate = (struct config_certificate){
		.name = AMF, .authority = RA, .key = { TPM, KEY_EC_P256 }, .names = NAMES, .name_count = 1
	};
	record = (struct store_certificate){ .name = "amf",
					     .state = CERT_IN_SERVICE,
					     .generation = 1,
					     .live_key = { .token = "tpm", .name = { .label = "amf-1" }, .type = KEY_EC_P256 },
					     .not_before = NOW - 30 * DAY,
					     .not_after = NOW + 60 * DAY,
					     .serial = "0A1B",
					     .authority = "operator-ra",
					     .custody = "fixedTPM" };
	row = (struct status_page_certificate){ .certificate = &certificate,
						.record = &record,
						.plan = { .what = PLAN_WAIT, .when = NOW + 30 * DAY, .why = "two thirds" },
						.journal = journal };
	page = (struct status_page){ .host = "nf-17",
				     .version = "0.1.0",
				     .now = NOW,
				     .certificates = 1,
				     .next_name = "amf",
				     .next_at = NOW + 30 * DAY,
				     .find = "",
				     .found = 1,
				     .number = 1,
				     .pages = 1 };
	return 0;
}

/* The whole page, with `count` times the row. */
static void print(struct buf *html, unsigned count)
{
	struct config_token token = { .name = TPM, .tcti = TCTI };
	struct status_page_token health = { &token,
					    { .is_known = true, .is_up = true, .operations = 1204, .milliseconds = 36120 } };

	assert_int_equal(status_page_begin(&page, html, NULL), RC_OK);
	assert_int_equal(status_page_token(&health, html, NULL), RC_OK);
	struct config_authority authority = { .name = RA, .orders_per_hour = limit };
	struct status_page_authority known = { &authority, view };

	assert_int_equal(status_page_between(html, NULL), RC_OK);
	assert_int_equal(status_page_authority(&page, &known, html, NULL), RC_OK);
	assert_int_equal(status_page_middle(&page, html, NULL), RC_OK);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(status_page_certificate(&page, &row, html, NULL), RC_OK);
	assert_int_equal(status_page_end(&page, html, NULL), RC_OK);
}

static void expect_in(const char *text, const char *wanted)
{
	if (!strstr(text, wanted))
		fail_msg("no \"%s\" in:\n%s", wanted, text);
}

/* Printed anew, the page has this in it. */
static void expect(const char *wanted)
{
	AUTO(buf) struct buf html = BUF_MAX(STATUS_PAGE_MAX);

	print(&html, 1);
	expect_in(buf_text(&html), wanted);
}

static void expect_not(const char *unwanted)
{
	AUTO(buf) struct buf html = BUF_MAX(STATUS_PAGE_MAX);

	print(&html, 1);
	if (strstr(buf_text(&html), unwanted))
		fail_msg("\"%s\" in:\n%s", unwanted, buf_text(&html));
}

static void a_certificate_in_good_order_is_told_in_full(void **state)
{
	(void)state;
	expect("<h1>The certificate is <em class=\"well\">in good order.</em></h1>");
	expect("<bdi>amf</bdi></b>, in 30&nbsp;days.");
	expect("<h3><bdi>amf</bdi></h3> <span class=\"state\">in service</span>");
	expect("33% of its life is over; the renewal falls at 66%");
	expect("<rect class=\"lived\" x=\"0.0%\" width=\"33.3%\" height=\"100%\"/>"
	       "<rect class=\"rest\" x=\"33.3%\" width=\"33.3%\" height=\"100%\"/>"
	       "<rect class=\"reserve\" x=\"66.6%\" width=\"33.4%\" height=\"100%\"/>");
	expect("<b>Renews in 30&nbsp;days</b>");
	expect("<time datetime=\"2026-12-28T15:47:09Z\">28&nbsp;Dec&nbsp;2026, 15:47&nbsp;UTC</time>");
	expect("two thirds");
	expect("expires <time datetime=\"2027-01-27T15:47:09Z\">27&nbsp;Jan&nbsp;2027</time>");
	expect("ec-p256 key in <b><bdi>tpm</bdi></b>, issued by <b><bdi>operator-ra</bdi></b>");
	expect("<b><bdi>tpm</bdi></b> <span class=\"state\">answers</span>");
	expect("TPM 2.0, 1,204 operations, 30&nbsp;ms on average");
	expect_not("class=\"fault\"");
}

static void a_failure_is_told_with_its_words_and_the_next_try(void **state)
{
	(void)state;
	record.attempts = 3;
	record.failed_at = NOW - 1200;
	snprintf(record.last_error, sizeof(record.last_error), "the CA answers caa: not for us");
	row.plan = (struct plan){ .what = PLAN_WAIT, .when = NOW + 480, .why = "back-off after 3 failed attempts" };
	row.needs_attention = true;
	page.attention = 1;
	expect("<h1><em class=\"bad\">1</em> certificate needs attention.");
	expect("<title>(1) hwacme on nf-17</title>");
	expect("<article class=\"bad\">");
	expect("<b>Failed 3 times in a row</b>, last 20&nbsp;minutes ago");
	expect("the CA answers caa: not for us");
	expect("<b>Next try in 8&nbsp;minutes</b>");
	page.certificates = 1200;
	page.attention = 2;
	expect("<em class=\"bad\">2</em> of 1,200 certificates need attention.");
}

/* What is owed to the service, or waited for with the CA, is no renewal to come. */
static void what_comes_next_is_not_taken_for_a_renewal(void **state)
{
	char hook[] = "/reload", *run[] = { hook };

	(void)state;
	certificate.deploy_run = run;
	certificate.deploy_run_count = 1;
	record.state = CERT_INSTALLED;
	record.service.attempts = 1;
	record.service.failed_at = NOW - 1;
	record.service.retry_at = NOW + 50;
	expect("<b>In 50&nbsp;seconds</b> the deploy hook is run");
	expect("two thirds</span></p>");
	expect("<b>Renews in 30&nbsp;days</b>");
	record.service.retry_at = 0;
	expect("<b>Now</b> the deploy hook is run");
	record.state = CERT_ORDERED;
	record.order.phase = ORDER_AWAIT;
	record.service = (struct store_service){ .deployed_at = NOW - DAY };
	row.plan = (struct plan){ .what = PLAN_WAIT, .is_begun = true, .when = NOW + 20, .why = "its order is with the CA" };
	expect("<b>Goes on in 20&nbsp;seconds</b>");
	expect_not("Renews in");
}

static void what_is_late_expired_or_new_looks_so(void **state)
{
	(void)state;
	row.plan = (struct plan){ .what = PLAN_RENEW, .when = NOW - 9 * DAY, .why = "two thirds" };
	expect("<article class=\"busy\">");
	expect("<rect class=\"lived\" x=\"0.0%\" width=\"23.3%\" height=\"100%\"/><rect class=\"late\" x=\"23.3%\" "
	       "width=\"10.0%\"");
	expect("Renewal is due now");
	record.not_after = NOW - 1;
	expect("<span class=\"state\">expired</span>");
	expect("<rect class=\"gone\"");
	/* Cut off after the order was made. */
	row.plan = (struct plan){ .what = PLAN_RESUME, .when = NOW, .why = "a renewal was begun and not finished" };
	record.state = CERT_ORDERED;
	record.order.phase = ORDER_FETCH;
	expect("Renewal is under way");
	expect("; then the certificate is downloaded");
	row.record = NULL;
	row.plan = (struct plan){ .what = PLAN_ENROL, .when = NOW, .why = "never issued" };
	expect("To be enrolled now");
	expect_not("<svg class=\"life\"");
}

/* A clock that is wrong, a CA that issues for the past, for no time, or for ever. */
static void no_time_puts_a_bar_beyond_its_ends(void **state)
{
	static const struct {
		int64_t not_before, not_after, when;
	} ODD[] = { { NOW + DAY, NOW + 2 * DAY, NOW },
		    { NOW, NOW, NOW },
		    { NOW + DAY, NOW - DAY, NOW },
		    { 1, INT64_C(253402300799), INT64_MAX },
		    { NOW - DAY, NOW + DAY, INT64_MAX },
		    { NOW - DAY, NOW + DAY, 0 },
		    { -INT64_C(62135596800), INT64_C(253402300799), NOW } };

	(void)state;
	for (size_t i = 0; i < sizeof(ODD) / sizeof(ODD[0]); i++) {
		AUTO(buf) struct buf html = BUF_MAX(STATUS_PAGE_MAX);

		record.not_before = ODD[i].not_before;
		record.not_after = ODD[i].not_after;
		row.plan.when = ODD[i].when;
		print(&html, 1);
		for (const char *at = buf_text(&html); (at = strstr(at, "<rect class=")); at++) {
			double from = 0, width = 0;

			if (sscanf(at, "<rect class=\"%*[a-z]\" x=\"%lf%%\" width=\"%lf%%\"", &from, &width) == 2)
				assert_true(from >= 0 && width > 0 && from + width <= 100.01);
		}
		assert_null(strstr(buf_text(&html), "%!"));
	}
}

#define HOSTILE "\"'><script>alert(1)</script>&lt;\n\x1b[2J\xff\xc2\x9b"

static void no_word_of_anybody_becomes_markup(void **state)
{
	AUTO(buf) struct buf html = BUF_MAX(STATUS_PAGE_MAX);
	char hostile[] = HOSTILE, *names[] = { hostile };
	struct store_retired overdue = { 0 };

	(void)state;
	certificate = (struct config_certificate){
		.name = hostile, .authority = hostile, .key = { hostile, KEY_EC_P256 }, .names = names, .name_count = 1
	};
	page.host = page.version = page.next_name = page.find = hostile;
	page.pages = 3;
	page.number = 2;
	row.journal_count = 1;
	row.needs_attention = true;
	row.live_error = hostile;
	row.overdue = &overdue;
	snprintf(row.plan.why, sizeof(row.plan.why), "%s", hostile);
	char *const fields[] = { record.last_error,     record.custody,
				 record.serial,         record.fingerprint,
				 record.profile,        record.authority,
				 record.order.url,      record.renewal_info.explanation,
				 record.live_key.token, record.live_key.name.label,
				 journal[0].text,       record.service.published,
				 overdue.certificate,   overdue.key.name.label,
				 overdue.key.token };
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		snprintf(fields[i], sizeof(HOSTILE), "%s", hostile);
	print(&html, 1);
	assert_null(strstr(buf_text(&html), "<script"));
	assert_null(strstr(buf_text(&html), "\x1b"));
	assert_null(strstr(buf_text(&html), "\xff"));
	assert_null(strstr(buf_text(&html), "\"'>"));
	/* Each of them is there all the same: 15 fields, what is live, the plan, its name twice and in the list, host twice, version,
	 * next, and what is searched for twice. */
	unsigned shown = 0;
	for (const char *at = buf_text(&html); (at = strstr(at, "&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;lt;"));
	     at++)
		shown++;
	assert_int_equal(shown, 26);
	/* An address keeps to its place too. */
	expect("<a href=\"?page=3&amp;find=%22%27%3E%3C%73%63");
}

static void the_page_ends_whatever_it_is_told(void **state)
{
	static char *many[100];
	char name[256];
	AUTO(buf) struct buf html = BUF_MAX(STATUS_PAGE_MAX);

	(void)state;
	/* Each of these is six bytes in HTML. */
	memset(name, '"', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (size_t i = 0; i < 100; i++)
		many[i] = name;
	certificate.names = many;
	certificate.name_count = 100;
	memset(record.last_error, '"', sizeof(record.last_error) - 1);
	memset(record.order.url, '"', sizeof(record.order.url) - 1);
	memset(record.custody, '"', sizeof(record.custody) - 1);
	memset(record.service.published, '"', sizeof(record.service.published) - 1);
	memset(record.renewal_info.explanation, '"', sizeof(record.renewal_info.explanation) - 1);
	memset(row.plan.why, '"', sizeof(row.plan.why) - 1);
	row.journal_count = STATUS_PAGE_JOURNAL;
	for (size_t i = 0; i < STATUS_PAGE_JOURNAL; i++)
		memset(journal[i].text, '"', sizeof(journal[i].text) - 1);
	page.certificates = page.found = 100000;
	page.number = 1000;
	page.pages = 2000;
	for (size_t i = 0; i < STATUS_PAGE_DAYS; i++)
		page.load[i] = 3333;
	print(&html, STATUS_PAGE_ROWS);
	assert_true(html.len < STATUS_PAGE_MAX);
	expect("and 80 more");
	/* A buffer that is full is told, not written over. */
	AUTO(buf) struct buf small = BUF_MAX(2000);
	struct err err = { 0 };
	assert_int_equal(status_page_begin(&page, &small, &err), RC_PROTOCOL);
}

static void pages_are_linked_and_the_load_is_drawn(void **state)
{
	(void)state;
	expect_not("<nav");
	expect_not("<figure");
	page.certificates = 100000;
	page.found = 120;
	page.find = "amf & co";
	page.number = 2;
	page.pages = 3;
	page.load[3] = 50;
	page.load[9] = 1000;
	expect("<a href=\"?page=1&amp;find=%61%6D%66%20%26%20%63%6F\" rel=\"prev\">Previous</a>");
	expect("rel=\"next\">Next</a>");
	expect("Page 2 of 3");
	expect("120 with");
	expect("value=\"amf &amp; co\"");
	expect("<rect class=\"day\" x=\"30.0%\" y=\"0.0%\" width=\"2.6%\" height=\"100.0%\"");
	expect("<rect class=\"day\" x=\"10.0%\" y=\"87.4%\" width=\"2.6%\" height=\"12.6%\"");
	expect("1,050 renewals in 30 days; the busiest is <time datetime=\"2026-12-07T15:47:09Z\">7&nbsp;Dec&nbsp;2026</time> "
	       "with 1,000</figcaption>");
}

static void an_authority_is_well_waits_or_is_away(void **state)
{
	(void)state;
	expect("<h2>Authorities</h2>");
	expect("<li class=\"authority token well\"><p class=\"head\"><b><bdi>operator-ra</bdi></b> <span class=\"state\">no "
	       "trouble "
	       "known</span></p>\n<p class=\"fine\">any number of orders</p></li>");
	limit = 1200;
	view.order_at = NOW + 180;
	expect("<p class=\"fine\">1,200 orders an hour, the next in 3&nbsp;minutes</p>");
	/* Its own word, or a question that was lost. */
	view.asked_at = NOW + 30;
	expect("class=\"authority token idle\"");
	expect("<span class=\"state\">waits</span></p>\n<p class=\"fine\">asked again in 30&nbsp;seconds; 1,200 orders an hour");
	view.down_since = NOW - DAY;
	view.failures = 12;
	expect("class=\"authority token bad\"");
	expect("no answer since <time datetime=\"2026-11-27T15:47:09Z\">27&nbsp;Nov&nbsp;2026, 15:47&nbsp;UTC</time>, 12 "
	       "failures in a "
	       "row; asked again in 30&nbsp;seconds");
	view.is_probed = true;
	expect("in a row; one renewal asks now; ");
}

static void the_name_of_an_authority_stays_text(void **state)
{
	static char name[] = "<script>\"&";
	struct config_authority authority = { .name = name };
	struct status_page_authority known = { &authority, view };
	AUTO(buf) struct buf html = BUF_MAX(STATUS_PAGE_MAX);

	(void)state;
	assert_int_equal(status_page_authority(&page, &known, &html, NULL), RC_OK);
	expect_in(buf_text(&html), "<bdi>&lt;script&gt;&quot;&amp;</bdi>");
}

static void a_token_is_up_away_or_not_known(void **state)
{
	struct config_token hsm = { .name = TPM };
	struct status_page_token token = { &hsm, { 0 } };
	AUTO(buf) struct buf html = BUF_MAX(STATUS_PAGE_MAX);

	(void)state;
	assert_int_equal(status_page_token(&token, &html, NULL), RC_OK);
	expect_in(buf_text(&html), "class=\"token idle\"");
	expect_in(buf_text(&html), "not asked yet");
	token.health = (struct metrics_token){ .is_known = true, .operations = 1, .denied = 1 };
	assert_int_equal(status_page_token(&token, &html, NULL), RC_OK);
	expect_in(buf_text(&html), "class=\"token bad\"");
	expect_in(buf_text(&html), "away");
	expect_in(buf_text(&html), "PKCS #11, 1 operation, 0&nbsp;ms on average, 1 refused</p>");
	buf_clear(&html);
	token.health = (struct metrics_token){ .is_refused = true, .operations = 1, .denied = 1 };
	assert_int_equal(status_page_token(&token, &html, NULL), RC_OK);
	expect_in(buf_text(&html), "class=\"token bad\"");
	expect_in(buf_text(&html), "<span class=\"state\">refuses</span>");
	expect_in(buf_text(&html), "<b class=\"bad\">1 refused</b>");
	buf_clear(&html);
	token.health = (struct metrics_token){ .operations = 1 };
	assert_int_equal(status_page_token(&token, &html, NULL), RC_OK);
	expect_in(buf_text(&html), "class=\"token bad\"");
	expect_in(buf_text(&html), "asked in vain");
}

/* The policy allows no style in a tag and no script; so there is none, and the style sheet fetches nothing. */
static void the_page_keeps_to_its_own_policy(void **state)
{
	(void)state;
	expect_not(" style=");
	expect_not("<style");
	expect_not("<script");
	expect_not("javascript:");
	expect_not("http:");
	expect_not("https:");
	expect_not("src=\"/");
	assert_null(strstr(status_style, "@import"));
	assert_null(strstr(status_style, "http"));
	assert_null(strstr(status_style, "url(h"));
	assert_non_null(strstr(status_style, "prefers-color-scheme:dark"));
	assert_null(strstr(STATUS_PAGE_POLICY, "unsafe"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_certificate_in_good_order_is_told_in_full, begin),
		cmocka_unit_test_setup(a_failure_is_told_with_its_words_and_the_next_try, begin),
		cmocka_unit_test_setup(what_comes_next_is_not_taken_for_a_renewal, begin),
		cmocka_unit_test_setup(what_is_late_expired_or_new_looks_so, begin),
		cmocka_unit_test_setup(no_time_puts_a_bar_beyond_its_ends, begin),
		cmocka_unit_test_setup(no_word_of_anybody_becomes_markup, begin),
		cmocka_unit_test_setup(the_page_ends_whatever_it_is_told, begin),
		cmocka_unit_test_setup(pages_are_linked_and_the_load_is_drawn, begin),
		cmocka_unit_test_setup(an_authority_is_well_waits_or_is_away, begin),
		cmocka_unit_test_setup(the_name_of_an_authority_stays_text, begin),
		cmocka_unit_test_setup(a_token_is_up_away_or_not_known, begin),
		cmocka_unit_test_setup(the_page_keeps_to_its_own_policy, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
