/* metrics_server.h -- GET /metrics for Prometheus: what was counted, and each certificate as the store has it; GET / the same for
 * people (status_page.h).  Read-only. */
#ifndef HWA_METRICS_SERVER_H
#define HWA_METRICS_SERVER_H

#include "config.h"
#include "err.h"
#include "scope.h"

#define METRICS_BODY_MAX (64u * 1024u * 1024u) /* 100,000 certificates are 40 MiB */

struct metrics_server;
/* Listens where the configuration says.  Opens the store for itself: before a sandbox is entered.  Borrows config. */
enum rc metrics_server_open(const struct config *config, struct metrics_server **ret_server, struct err *err) HWA_CHECKED;
/* From now on it answers, in a thread of its own. */
enum rc metrics_server_start(struct metrics_server *server, struct err *err) HWA_CHECKED;
void metrics_server_stop(struct metrics_server *server);

AUTO_DEFINE(metrics_server, struct metrics_server *, metrics_server_stop);

#endif /* HWA_METRICS_SERVER_H */
