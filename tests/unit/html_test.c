/* html_test.c -- text stays text, numbers and times are read by people, and a full buffer ends the page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "html.h"

#define SAYS(wanted, call)                                  \
	do {                                                \
		AUTO(buf) struct buf to = BUF_MAX(1000);    \
		struct html html = { .to = &to };           \
		call;                                       \
		assert_int_equal(html.rc, RC_OK);           \
		assert_string_equal(buf_text(&to), wanted); \
	} while (0)

static void text_stays_text(void **state)
{
	(void)state;
	SAYS("", html_text(&html, ""));
	SAYS("caf\u00e9 \U0001f511", html_text(&html, "caf\u00e9 \U0001f511"));
	SAYS("&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;", html_text(&html, "<a href=\"x\" id='y'>&amp;"));
	SAYS("a\ufffdb\ufffd\ufffdc\ufffd", html_text(&html, "a\nb\xe2\x82"
							     "c\xff"));
	SAYS("%61%26%3D%C3%A9", html_query(&html, "a&=\u00e9"));
}

static void numbers_are_read_by_people(void **state)
{
	(void)state;
	SAYS("0", html_count(&html, 0));
	SAYS("999", html_count(&html, 999));
	SAYS("1,000", html_count(&html, 1000));
	SAYS("18,446,744,073,709,551,615", html_count(&html, UINT64_MAX));
}

static void times_are_read_by_people_and_by_programs(void **state)
{
	(void)state;
	SAYS("<time datetime=\"2026-11-28T15:47:09Z\">28&nbsp;Nov&nbsp;2026, 15:47&nbsp;UTC</time>",
	     html_time(&html, 1795880829));
	SAYS("<time datetime=\"2026-11-28T15:47:09Z\">28&nbsp;Nov&nbsp;2026</time>", html_day(&html, 1795880829));
	SAYS("never", html_time(&html, 0));
	SAYS("never", html_time(&html, INT64_MAX));
	SAYS("0&nbsp;seconds", html_span(&html, -5));
	SAYS("1&nbsp;second", html_span(&html, 1));
	SAYS("1&nbsp;minute", html_span(&html, 60));
	SAYS("90&nbsp;seconds", html_span(&html, 90));
	SAYS("30&nbsp;hours", html_span(&html, 30 * 3600));
	SAYS("2&nbsp;days", html_span(&html, 49 * 3600));
}

static void a_full_buffer_ends_it_with_its_first_failure(void **state)
{
	AUTO(buf) struct buf to = BUF_MAX(8);
	struct err err = { 0 };
	struct html html = { .to = &to, .err = &err };

	(void)state;
	html_put(&html, "%s", "1234");
	html_text(&html, "<<<<");
	assert_int_equal(html.rc, RC_PROTOCOL);
	html_put(&html, "%s", "5");
	html_text(&html, "6");
	assert_int_equal(html.rc, RC_PROTOCOL);
	assert_int_equal(err.rc, RC_PROTOCOL);
	assert_true(to.len <= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_stays_text),
		cmocka_unit_test(numbers_are_read_by_people),
		cmocka_unit_test(times_are_read_by_people_and_by_programs),
		cmocka_unit_test(a_full_buffer_ends_it_with_its_first_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
