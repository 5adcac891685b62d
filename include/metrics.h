/*
 * metrics.h -- what is counted while we work, for Prometheus; monitoring relies on the names and labels.
 *
 * Counted by whoever does it, in any thread; printed by src/page/metrics_server.c.  A series is never forgotten, and
 * there are METRICS_SERIES_MAX at the most: what would be one more is counted as hwacme_metrics_dropped_total.
 */
#ifndef HWA_METRICS_H
#define HWA_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

#define METRICS_SERIES_MAX 512

void metrics_renewal(const char *result); /* "renewed", "failed" ... */
/* One run of a deploy hook, one look of a probe. */
void metrics_deploy(bool ended_well);
void metrics_probe(bool passed);
/* `endpoint`: "newOrder", "finalize" ..., NULL: none of ours; code 0: no answer came. */
void metrics_acme_request(const char *endpoint, long code);
/* RC_RETRY, and RC_ABSENT of "open", tell that the token is away, RC_OK that it is there, RC_DENIED that it refuses; anything else says
 * nothing of that. */
void metrics_token_operation(const char *token, const char *operation, enum rc result, int64_t milliseconds);

/* A token's health, as its operations told it. */
struct metrics_token {
	bool is_known;   /* one of them told whether it is there */
	bool is_up;      /* the last that told */
	bool is_refused; /* the last one was refused: a PIN, an authorisation or a key */
	uint64_t operations, denied;
	int64_t milliseconds; /* that all of them took together */
};
void metrics_token(const char *token, struct metrics_token *ret_token);

/* The text format, version 0.0.4. */
enum rc metrics_print(struct buf *text, struct err *err) HWA_CHECKED;
/* `text` as it stands between the quotes of a label. */
const char *metrics_label(const char *text, char *escaped, size_t room);

#endif /* HWA_METRICS_H */
