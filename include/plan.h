/*
 * plan.h -- the one place that decides when a certificate is renewed, and says why in a sentence.
 *
 * Pure: facts in, decision out; no clock, no disk.
 */
#ifndef HWA_PLAN_H
#define HWA_PLAN_H

#include <stdbool.h>

#include "config.h"

struct plan_facts {
	bool issued; /* there is a live certificate */
	int64_t not_before, not_after, issued_at;
	bool config_changed; /* names, key type, token or authority differ from the live certificate's */
	bool revoked;        /* by us: what is live must not stay */
	bool forced;         /* the operator asked */
	bool under_way;      /* a renewal was begun and not finished */
	int64_t retry_at;    /* the back-off's word; 0: none */
	unsigned attempts;
	/* RFC 9773: the CA suggests a window, and this is the time that was drawn in it; 0: no suggestion */
	int64_t suggested_start, suggested_end, suggested_at;
	unsigned suggested_early; /* renewals in a row that it wanted in the first half of a lifetime */
};

enum plan_what { PLAN_ENROL, PLAN_RENEW, PLAN_RESUME, PLAN_WAIT };

struct plan {
	enum plan_what what; /* PLAN_WAIT: nothing is to be done before `when` */
	int64_t when;        /* unix time at which the next renewal is (or was) due */
	char why[240];       /* "66% of its lifetime", "336h pre-authorisation less 24h margin" ... */
};

/* `name` seeds the jitter, which is stable per certificate. */
struct plan plan_next(const struct config_policy *policy, const char *name, const struct plan_facts *facts, int64_t now);

/* When to try again after the nth failure in a row: exponential, capped, relative to the remaining life,
 * never before what the peer asked for. */
int64_t plan_back_off(unsigned attempts, int64_t not_after, int64_t wait, int64_t peer_retry_at, int64_t now);

#endif /* HWA_PLAN_H */
