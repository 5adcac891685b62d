/* bytes.c -- spans, and buffers that are bounded from birth and wiped at the end. */
#include "bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUF_FIRST_ROOM 256u

void bytes_wipe(void *at, size_t len)
{
	if (at)
		explicit_bzero(at, len);
}

struct span span_of(const void *at, size_t len)
{
	return (struct span){ at, len };
}

struct span span_text(const char *text)
{
	return span_of(text, text ? strlen(text) : 0);
}

bool span_equal(struct span left, struct span right)
{
	return left.len == right.len && (left.len == 0 || memcmp(left.at, right.at, left.len) == 0);
}

bool span_write(int fd, struct span content)
{
	while (content.len) {
		ssize_t wrote = write(fd, content.at, content.len);

		if (wrote < 0 && errno != EINTR)
			return false;
		if (wrote > 0)
			content = span_of(content.at + wrote, content.len - (size_t)wrote);
	}
	return true;
}

/* Grows by doubling into fresh memory, so that the old bytes can be wiped. */
static enum rc buf_reserve(struct buf *buf, size_t len, struct err *err)
{
	size_t room = buf->room ? buf->room : BUF_FIRST_ROOM;

	if (len > buf->max)
		return err_set(err, RC_PROTOCOL, "more than %zu bytes", buf->max);
	if (buf->at && len < buf->room)
		return RC_OK;
	while (room <= len)
		room *= 2;
	uint8_t *at = malloc(room);
	if (!at)
		return err_set(err, RC_RESOURCE, "out of memory");
	if (buf->at) {
		memcpy(at, buf->at, buf->len);
		bytes_wipe(buf->at, buf->room);
		free(buf->at);
	}
	buf->at = at;
	buf->room = room;
	buf->at[buf->len] = '\0';
	return RC_OK;
}

enum rc buf_append(struct buf *buf, struct span more, struct err *err)
{
	if (more.len > buf->max - buf->len)
		return err_set(err, RC_PROTOCOL, "more than %zu bytes", buf->max);
	enum rc rc = buf_reserve(buf, buf->len + more.len, err);
	if (rc != RC_OK)
		return rc;
	if (more.len)
		memcpy(buf->at + buf->len, more.at, more.len);
	buf->len += more.len;
	buf->at[buf->len] = '\0';
	return RC_OK;
}

enum rc buf_print(struct buf *buf, struct err *err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		return err_set(err, RC_BUG, "a text cannot be formatted");
	if ((size_t)len > buf->max - buf->len)
		return err_set(err, RC_PROTOCOL, "more than %zu bytes", buf->max);
	enum rc rc = buf_reserve(buf, buf->len + (size_t)len, err);
	if (rc != RC_OK)
		return rc;
	va_start(args, fmt);
	vsnprintf((char *)buf->at + buf->len, (size_t)len + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)len;
	return RC_OK;
}

enum rc buf_resize(struct buf *buf, size_t len, struct err *err)
{
	if (buf->at)
		bytes_wipe(buf->at, buf->room);
	buf->len = 0;
	enum rc rc = buf_reserve(buf, len, err);
	if (rc != RC_OK)
		return rc;
	memset(buf->at, 0, len + 1);
	buf->len = len;
	return RC_OK;
}

struct span buf_span(const struct buf *buf)
{
	return span_of(buf->at, buf->len);
}

const char *buf_text(const struct buf *buf)
{
	return buf->at ? (const char *)buf->at : "";
}

void buf_clear(struct buf *buf)
{
	if (!buf)
		return;
	bytes_wipe(buf->at, buf->room);
	free(buf->at);
	*buf = BUF_MAX(buf->max);
}
