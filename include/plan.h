/*
 * plan.h -- the one place that decides when a certificate is renewed, and says why in a sentence.
 *
 * Pure: facts in, decision out; no clock, no disk.
 */
#ifndef HWA_PLAN_H
#define HWA_PLAN_H

#include <stdbool.h>

#include "config.h"

#define PLAN_CLOCK_BEHIND INT64_C(3600) /* a certificate that begins later than that from now: it is our clock that is wrong */

struct plan_facts {
	bool issued; /* there is a live certificate */
	int64_t not_before, not_after, issued_at;
	uint64_t seed;            /* differs between machines whose certificates have the same name; 0: not known */
	int64_t authorized_until; /* the end of what the CA authorised, as it said at issuance; 0: unknown */
	bool config_changed;      /* names, key type, token or authority differ from the live certificate's */
	bool revoked;             /* by us: what is live must not stay */
	bool forced;              /* the operator asked */
	bool under_way;           /* a renewal was begun and not finished */
	bool is_with_ca;          /* the CA has taken the CSR of its order, or has issued it */
	int64_t waits_until;      /* ... and is not asked again before; 0: it may be asked */
	int64_t retry_at;         /* end of the back-off, unix time; 0: none */
	unsigned attempts;
	/* RFC 9773: the CA suggests a window, and this is the time that was drawn in it; 0: no suggestion */
	int64_t suggested_start, suggested_end, suggested_at;
	unsigned suggested_early; /* how many renewals in a row it wanted in the first half of a lifetime */
};

enum plan_what { PLAN_ENROL, PLAN_RENEW, PLAN_RESUME, PLAN_WAIT };

struct plan {
	enum plan_what what; /* PLAN_WAIT: nothing is to be done before `when` */
	bool is_begun;       /* what is to go on then was begun already, or has failed */
	int64_t when;        /* unix time at which the next renewal is (or was) due */
	char why[240];       /* "66% of its lifetime", "336h pre-authorisation less 24h margin" ... */
};

/* `name` and facts->seed draw the jitter, which is stable per certificate. */
struct plan plan_next(const struct config_policy *policy, const char *name, const struct plan_facts *facts, int64_t now);

/* When (unix time) to try again after `attempts` failures in a row: the pause grows exponentially up to a limit that depends on the
 * time to its expiry, or since then, `wait` (seconds, up to CONFIG_WAIT_MAX) is added, and it is never before what the peer asked for. */
int64_t plan_back_off(unsigned attempts, int64_t not_after, int64_t wait, int64_t peer_retry_at, int64_t now);

/*
 * Many machines may be switched on at the same moment, each with certificates that are due: how many seconds after that moment this one's
 * turn comes.  It follows from name and seed, so a restart of the program does not change it.  `not_after` is of the live certificate
 * (0: there is none); only a part of its remaining life is spent on waiting.
 */
int64_t plan_turn_after_boot(const struct config_policy *policy, const char *name, uint64_t seed, int64_t not_after, int64_t now);

#endif /* HWA_PLAN_H */
