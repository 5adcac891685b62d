/*
 * metrics.h -- what is counted while we work, for Prometheus; names and labels are FIXED (DESIGN, "Metrics").
 *
 * Counted by whoever does it, in any thread; printed by src/daemon/metrics_server.c.  A series is never forgotten, and
 * there are METRICS_SERIES_MAX at the most: what would be one more is counted as hwacme_metrics_dropped_total.
 */
#ifndef HWA_METRICS_H
#define HWA_METRICS_H

#include <stdint.h>

#include "bytes.h"

#define METRICS_SERIES_MAX 512

void metrics_renewal(const char *result); /* "renewed", "failed" ... */
/* `endpoint`: "newOrder", "finalize" ..., NULL: none of ours; code 0: no answer came. */
void metrics_acme_request(const char *endpoint, long code);
/* RC_RETRY tells that the token is away, RC_OK that it is there; anything else says nothing of that. */
void metrics_token_operation(const char *token, const char *operation, enum rc result, int64_t milliseconds);

/* The text format, version 0.0.4. */
enum rc metrics_print(struct buf *text, struct err *err) HWA_CHECKED;
/* `text` as it stands between the quotes of a label. */
const char *metrics_label(const char *text, char *escaped, size_t room);

#endif /* HWA_METRICS_H */
