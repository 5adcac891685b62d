/* wire.c -- packs and unpacks messages; what is odd makes the message bad and never the reader. */
#include "wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "clock.h"

void wire_clear(struct wire *wire)
{
	wire->len = wire->at = 0;
	wire->bad = false;
}

static uint8_t *room_for(struct wire *wire, size_t len)
{
	if (wire->bad || len > sizeof(wire->bytes) - wire->len) {
		wire->bad = true;
		return NULL;
	}
	uint8_t *at = wire->bytes + wire->len;
	wire->len += len;
	return at;
}

void wire_put_number(struct wire *wire, uint64_t value, unsigned width)
{
	uint8_t *at = room_for(wire, width);

	for (unsigned i = 0; at && i < width; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

void wire_put_bytes(struct wire *wire, struct span bytes)
{
	wire_put_number(wire, bytes.len, 4);
	uint8_t *at = room_for(wire, bytes.len);
	if (at && bytes.len)
		memcpy(at, bytes.at, bytes.len);
}

void wire_put_text(struct wire *wire, const char *text)
{
	wire_put_bytes(wire, span_text(text));
}

static const uint8_t *take(struct wire *wire, size_t len)
{
	if (wire->bad || len > wire->len - wire->at) {
		wire->bad = true;
		return NULL;
	}
	const uint8_t *at = wire->bytes + wire->at;
	wire->at += len;
	return at;
}

uint64_t wire_get_number(struct wire *wire, unsigned width)
{
	const uint8_t *at = take(wire, width);
	uint64_t value = 0;

	for (unsigned i = 0; at && i < width; i++)
		value |= (uint64_t)at[i] << 8 * i;
	return value;
}

struct span wire_get_bytes(struct wire *wire, size_t max)
{
	size_t len = (size_t)wire_get_number(wire, 4);

	if (len > max)
		wire->bad = true;
	const uint8_t *at = take(wire, len);
	return at ? span_of(at, len) : span_of(NULL, 0);
}

void wire_get_text(struct wire *wire, char *ret_text, size_t room)
{
	struct span bytes = wire_get_bytes(wire, room - 1);

	if (bytes.len && memchr(bytes.at, '\0', bytes.len)) {
		wire->bad = true;
		bytes.len = 0;
	}
	if (bytes.len)
		memcpy(ret_text, bytes.at, bytes.len);
	ret_text[bytes.len] = '\0';
}

bool wire_is_whole(const struct wire *wire)
{
	return !wire->bad && wire->at == wire->len;
}

void wire_put_err(struct wire *wire, enum rc rc, const struct err *err)
{
	wire_put_number(wire, rc, 1);
	if (rc == RC_OK)
		return;
	wire_put_number(wire, err->origin, 1);
	wire_put_number(wire, (uint64_t)err->code, 8);
	wire_put_number(wire, (uint64_t)err->retry_at, 8);
	wire_put_text(wire, err->text);
}

enum rc wire_get_err(struct wire *wire, struct err *ret_err)
{
	uint64_t rc = wire_get_number(wire, 1);

	if (rc == RC_OK && !wire->bad)
		return RC_OK;
	struct err err = { .rc = (enum rc)rc };
	uint64_t origin = wire_get_number(wire, 1);
	err.origin = (enum err_origin)origin;
	err.code = (int64_t)wire_get_number(wire, 8);
	err.retry_at = (int64_t)wire_get_number(wire, 8);
	wire_get_text(wire, err.text, sizeof(err.text));
	if (wire->bad || rc > RC_BUG || origin >= ERR_ORIGIN_COUNT) {
		wire->bad = true;
		return err_set(ret_err, RC_PROTOCOL, "an answer that is not one of ours");
	}
	if (ret_err)
		*ret_err = err;
	return err.rc;
}

enum rc wire_send(const struct wire *wire, int fd, struct err *err)
{
	ssize_t sent;

	if (wire->bad)
		return err_set(err, RC_BUG, "a message larger than %u bytes", WIRE_MESSAGE_MAX);
	do {
		sent = send(fd, wire->bytes, wire->len, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent != (ssize_t)wire->len)
		return err_set_raw(err, RC_RETRY, ERR_KEYD, errno, "the other process is gone: %s", strerror(errno));
	return RC_OK;
}

enum rc wire_socket(int fd, struct err *err)
{
	/* One system call a message instead of two: the deadline is looked at when nothing has come for so long. */
	struct timeval patience = { .tv_usec = 200000 };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "setsockopt: %s", strerror(errno));
	return RC_OK;
}

static bool is_time_left(int number, int64_t deadline_ms)
{
	return number == EINTR ||
	       ((number == EAGAIN || number == EWOULDBLOCK) && (!deadline_ms || clock_monotonic_ms() < deadline_ms));
}

enum rc wire_receive(struct wire *wire, int fd, int64_t deadline_ms, struct err *err)
{
	ssize_t got;

	wire_clear(wire);
	do {
		/* MSG_TRUNC: the true length also of what did not fit. */
		got = recv(fd, wire->bytes, sizeof(wire->bytes), MSG_TRUNC);
	} while (got < 0 && is_time_left(errno, deadline_ms));
	if (got == 0)
		return err_set_raw(err, RC_ABSENT, ERR_KEYD, 0, "the other process has ended");
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return err_set_raw(err, RC_RETRY, ERR_KEYD, ETIMEDOUT, "no answer within its deadline");
	if (got < 0 || (size_t)got > sizeof(wire->bytes))
		return err_set_raw(err, RC_RETRY, ERR_KEYD, errno, "the other process is gone");
	wire->len = (size_t)got;
	return RC_OK;
}
