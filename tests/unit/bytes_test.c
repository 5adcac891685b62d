/* bytes_test.c -- buffers grow to their maximum and no further, and always end with a NUL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bytes.h"

static void a_buffer_stops_at_its_maximum(void **state)
{
	AUTO(buf) struct buf buf = BUF_MAX(8);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(buf_append(&buf, span_text("12345678"), &err), RC_OK);
	assert_int_equal(buf_append(&buf, span_text("9"), &err), RC_PROTOCOL);
	assert_string_equal(buf_text(&buf), "12345678");
	assert_true(err.text[0] != '\0');
}

static void an_empty_buffer_is_an_empty_text(void **state)
{
	AUTO(buf) struct buf buf = BUF_MAX(8);

	(void)state;
	assert_string_equal(buf_text(&buf), "");
	assert_int_equal(buf_span(&buf).len, 0);
}

static void printing_appends(void **state)
{
	AUTO(buf) struct buf buf = BUF_MAX(64);

	(void)state;
	assert_int_equal(buf_print(&buf, NULL, "%s-%d", "a", 1), RC_OK);
	assert_int_equal(buf_print(&buf, NULL, "+%d", 2), RC_OK);
	assert_string_equal(buf_text(&buf), "a-1+2");
	assert_int_equal(buf_print(&buf, NULL, "%100s", "x"), RC_PROTOCOL);
	assert_string_equal(buf_text(&buf), "a-1+2");
}

static void spans_are_equal_by_content(void **state)
{
	(void)state;
	assert_true(span_equal(span_text("abc"), span_of("abcd", 3)));
	assert_false(span_equal(span_text("abc"), span_text("abd")));
	assert_false(span_equal(span_text("abc"), span_text("ab")));
	assert_true(span_equal(span_of(NULL, 0), span_text("")));
}

static void clearing_keeps_the_maximum(void **state)
{
	AUTO(buf) struct buf buf = BUF_MAX(4);

	(void)state;
	assert_int_equal(buf_append(&buf, span_text("abcd"), NULL), RC_OK);
	buf_clear(&buf);
	assert_int_equal(buf.max, 4);
	assert_int_equal(buf_append(&buf, span_text("wxyz"), NULL), RC_OK);
	assert_int_equal(buf_append(&buf, span_text("!"), NULL), RC_PROTOCOL);
}

static void a_span_is_written_whole_or_the_error_is_told(void **state)
{
	static uint8_t much[300000]; /* more than a pipe holds: several writes */
	int ends[2], full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	size_t got = 0;

	(void)state;
	memset(much, 7, sizeof(much));
	assert_int_equal(pipe(ends), 0);
	pid_t reader = fork();
	if (reader == 0) {
		char piece[4096];
		ssize_t len;

		close(ends[1]);
		while ((len = read(ends[0], piece, sizeof(piece))) > 0)
			got += (size_t)len;
		_exit(got == sizeof(much) ? 0 : 1);
	}
	close(ends[0]);
	assert_true(span_write(ends[1], SPAN(much)));
	close(ends[1]);
	int status = -1;
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
	assert_true(full >= 0);
	assert_false(span_write(full, SPAN(much)));
	assert_int_equal(errno, ENOSPC);
	assert_true(span_write(full, span_of(NULL, 0)));
	close(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_stops_at_its_maximum),
		cmocka_unit_test(an_empty_buffer_is_an_empty_text),
		cmocka_unit_test(printing_appends),
		cmocka_unit_test(spans_are_equal_by_content),
		cmocka_unit_test(clearing_keeps_the_maximum),
		cmocka_unit_test(a_span_is_written_whole_or_the_error_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
