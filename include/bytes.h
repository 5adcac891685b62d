/*
 * bytes.h -- a borrowed span and an owned, bounded, wiped buffer.
 *
 * A buf is born with a maximum: growing past it is RC_PROTOCOL, because what
 * grows here comes from a peer.  The bytes are wiped when it is freed or moved.
 */
#ifndef HWA_BYTES_H
#define HWA_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "scope.h"

struct span {
	const uint8_t *at;
	size_t len;
};

struct buf {
	uint8_t *at; /* always followed by a NUL that `len` does not count */
	size_t len, room, max;
};

#define SPAN(array)    ((struct span){ (const uint8_t *)(array), sizeof(array) })
#define BUF_MAX(bytes) ((struct buf){ .max = (bytes) })

struct span span_of(const void *at, size_t len);
struct span span_text(const char *text); /* without its NUL */
bool span_equal(struct span left, struct span right);
/* All of it, into a file; false: errno says why.  Nothing is synced. */
bool span_write(int fd, struct span content) HWA_CHECKED;

enum rc buf_append(struct buf *buf, struct span more, struct err *err) HWA_CHECKED;
enum rc buf_print(struct buf *buf, struct err *err, const char *fmt, ...) HWA_PRINTF(3) HWA_CHECKED;
/* Room for `len` bytes that the caller fills; the old contents are dropped. */
enum rc buf_resize(struct buf *buf, size_t len, struct err *err) HWA_CHECKED;
struct span buf_span(const struct buf *buf);
/* The contents as a C string; "" when empty. */
const char *buf_text(const struct buf *buf);
void buf_clear(struct buf *buf);       /* wipes, keeps the maximum; also the free function */
void bytes_wipe(void *at, size_t len); /* not optimised away */

AUTO_DEFINE_VALUE(buf, struct buf, buf_clear);

#endif /* HWA_BYTES_H */
