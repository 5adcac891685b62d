/* metrics_server.h -- GET /metrics for Prometheus: what was counted, and each certificate as the store has it; GET / the same for
 * people (status_page.h).  Read-only. */
#ifndef HWA_METRICS_SERVER_H
#define HWA_METRICS_SERVER_H

#include "config.h"
#include "err.h"
#include "scope.h"

#define METRICS_BODY_MAX (64u * 1024u * 1024u) /* 100,000 certificates are 40 MiB */
#define METRICS_REST     5                     /* seconds between two tries to listen, at the least: a busy loop looks often */

struct metrics_server;
/* Opens the store for itself, and does not listen yet: before a sandbox is entered.  Borrows config. */
enum rc metrics_server_open(const struct config *config, struct metrics_server **ret_server, struct err *err) HWA_CHECKED;
/*
 * To be called at each look of the daemon's loop.  It listens where the configuration says and answers, in a thread of its own; as long
 * as that cannot be, it is tried again.  Nothing else waits for it: what is in the way is told once, and when it is over.  True: it answers.
 */
bool metrics_server_attend(struct metrics_server *server);
void metrics_server_stop(struct metrics_server *server);

AUTO_DEFINE(metrics_server, struct metrics_server *, metrics_server_stop);

#endif /* HWA_METRICS_SERVER_H */
