/*
 * metrics_host.h -- whose name a browser gave for the status page: ours, or one that somebody had point at us?
 *
 * A page anywhere can have its own name resolve to 127.0.0.1 and then read, in a browser on this machine, what answers there (DNS
 * rebinding).  The name stays in the request's Host.
 */
#ifndef HWA_METRICS_HOST_H
#define HWA_METRICS_HOST_H

#include <stdbool.h>

/* Reached through loopback addresses only?  Where others reach it, they may know it by any name. */
bool metrics_host_is_loopback(int listening);

/* `header` is the request's Host; NULL: it has none, so that no browser sent it.  An address, localhost, or the host name, whole or to its
 * first dot; each with a port or without. */
bool metrics_host_is_ours(const char *header, const char *host_name);

#endif /* HWA_METRICS_HOST_H */
