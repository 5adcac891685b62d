/* listen.h -- the socket on which answers are given: an address of our own, or one that a service manager opened. */
#ifndef HWA_LISTEN_H
#define HWA_LISTEN_H

#include <stdbool.h>

#include "err.h"

/*
 * "ADDRESS:PORT", "[IPv6]:PORT": a new one.  "systemd": the only socket handed over, "systemd:NAME": the one with that
 * FileDescriptorName=.  `type` is the option above listen:, "http-01", for the message.  Listening, close-on-exec; the caller's to close.
 */
enum rc listen_open(const char *type, const char *text, int *ret_fd, struct err *err) HWA_CHECKED;

/* Could it be opened now?  RC_OK also for what a service manager opens.  Nothing is kept, and who opens it at this moment is not disturbed. */
enum rc listen_try(const char *type, const char *text, struct err *err) HWA_CHECKED;

/* Does who listens at one ADDRESS:PORT keep others from listening at the other? */
bool listen_overlaps(const char *one, const char *other);

/* How many sockets were handed to this very process, not to its parent. */
unsigned listen_handed(void);
/* A child that has no use for them closes those that were handed to its parent, who counted them before it forked. */
void listen_forget(unsigned count);

#endif /* HWA_LISTEN_H */
