/*
 * wire.h -- one message between two of our processes: fixed-width numbers and bounded bytes, read without trust.
 *
 * A message is one datagram of a SOCK_SEQPACKET socket pair, so it arrives whole or not at all.
 * Reading and writing never fail on the way: what did not fit, or was not there, makes the
 * whole message bad, and that is asked once at the end (wire_is_whole(), wire_send()).
 */
#ifndef HWA_WIRE_H
#define HWA_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"

#define WIRE_MESSAGE_MAX (80u * 1024u) /* the largest: an EdDSA message of 64 KiB and its key's name */

struct wire {
	size_t len; /* of the message */
	size_t at;  /* how far it was read */
	bool bad;
	uint8_t bytes[WIRE_MESSAGE_MAX];
};

void wire_clear(struct wire *wire);
/* `width` is 1, 2, 4 or 8 bytes, least significant first. */
void wire_put_number(struct wire *wire, uint64_t value, unsigned width);
void wire_put_bytes(struct wire *wire, struct span bytes); /* a length of four bytes in front */
void wire_put_text(struct wire *wire, const char *text);

uint64_t wire_get_number(struct wire *wire, unsigned width);
/* A view into the message, good until it is cleared; longer than `max` makes the message bad. */
struct span wire_get_bytes(struct wire *wire, size_t max);
/* "" when bad; a NUL inside makes it bad. */
void wire_get_text(struct wire *wire, char *ret_text, size_t room);
/* Everything was there, and nothing is left over. */
bool wire_is_whole(const struct wire *wire);

/* An error and its text: rc, origin, code, retry_at.  wire_get_err() answers the rc, RC_PROTOCOL for one we do not know. */
void wire_put_err(struct wire *wire, enum rc rc, const struct err *err);
enum rc wire_get_err(struct wire *wire, struct err *ret_err);

/* RC_BUG for a bad message, RC_RETRY when the other side is gone. */
enum rc wire_send(const struct wire *wire, int fd, struct err *err) HWA_CHECKED;
/* Makes a socket fit for deadlines; once, before its first wire_receive() with one. */
enum rc wire_socket(int fd, struct err *err) HWA_CHECKED;
/* Waits until `deadline_ms` (clock_monotonic_ms(); 0: for ever).  RC_RETRY: nothing came in time, or the other side is gone
 * (RC_ABSENT: it closed in order). */
enum rc wire_receive(struct wire *wire, int fd, int64_t deadline_ms, struct err *err) HWA_CHECKED;

#endif /* HWA_WIRE_H */
