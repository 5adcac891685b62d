/*
 * order.h -- the life of one ACME order (RFC 8555, 7.1.6 and 7.4), decided here
 * and performed elsewhere.
 *
 * Pure: no socket, no clock, no key, no disk.  order_step() is told what just
 * happened and answers what to do next; src/acme/driver.c does that, stores the
 * order, and comes back with the outcome.  So the whole life of an order can be
 * replayed in a test, restarted after any step, and read as a transcript.
 *
 * Two words are kept apart: `status` is what the CA last said about the order;
 * `phase` is how far we have come.
 */
#ifndef HWA_ORDER_H
#define HWA_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define ORDER_URL_MAX      1024
#define ORDER_PROFILE_MAX  64
#define ORDER_PAUSE_FIRST  15 /* milliseconds until the CA is asked again when it sends no Retry-After: most have signed by then */
#define ORDER_PAUSE_GROWTH 8  /* each further pause is this many times as long, while that is under a second */
#define ORDER_PAUSE_LEAST  3  /* seconds between questions after that ... */
#define ORDER_PAUSE_SHARE  10              /* ... and this part of what was waited so far, where that is more ... */
#define ORDER_PAUSE_MOST   300             /* ... up to these: somebody may have to approve, which takes days */
#define ORDER_LOST_MOST    INT64_C(21600)  /* seconds that an answer which was lost counts for: the longest back-off after it */
#define ORDER_WAIT_MAX     INT64_C(604800) /* seconds that an order is waited for whose CA does not say when it expires */

/* X(name, phase to go back to when the answer was lost or we were restarted) */
#define ORDER_PHASES(X)                                                                                  \
	X(START, START)    /* newOrder not sent, or its answer lost: at most one order abandoned */      \
	X(AUTHORIZE, POLL) /* the order may have become ready meanwhile: ask first */                    \
	X(VALIDATE, POLL)  /* answers are out and the CA looks; after a restart they are not any more */ \
	X(FINALIZE, POLL)  /* the CSR may have arrived: ask first */                                     \
	X(POLL, POLL)      /* it is not known how far the CA is */                                       \
	X(AWAIT, AWAIT)    /* the CSR was taken: when a certificate is issued is for the CA to decide */ \
	X(FETCH, FETCH)                                                                                  \
	X(DONE, DONE)                                                                                    \
	X(FAILED, FAILED) /* the caller runs the wait timer, then a new order with the same key */

#define ORDER_STATUSES(X) X(PENDING) X(READY) X(PROCESSING) X(VALID) X(INVALID)
#define ORDER_ACTIONS(X)  X(SUBMIT) X(SOLVE) X(WATCH) X(SEND_CSR) X(ASK) X(DOWNLOAD) X(STOP)

#define X(name, back) ORDER_##name,
enum order_phase { ORDER_PHASES(X) ORDER_PHASE_COUNT };
#undef X
#define X(name) ORDER_IS_##name,
enum order_status { ORDER_STATUSES(X) ORDER_STATUS_COUNT };
#undef X
#define X(name) ORDER_DO_##name,
enum order_action { ORDER_ACTIONS(X) ORDER_ACTION_COUNT };
#undef X

/* What is stored of an order; all of it, so that a restart loses nothing. */
struct order {
	enum order_phase phase;
	int64_t waited_ms;       /* for the CA, in all; counted from the pauses, so that no clock that is set changes it */
	int64_t expires_at;      /* as the CA last said, read from every answer; 0: unknown, or our clock differs from the CA's */
	int64_t not_before;      /* the wait under way (unix time): nothing is asked of the CA earlier; 0: none */
	int64_t asked_at;        /* when that wait began; 0: none, or by an older hwacme, which did not say */
	char url[ORDER_URL_MAX]; /* "" until known */
	char finalize_url[ORDER_URL_MAX];
	char certificate_url[ORDER_URL_MAX];
	bool is_profile_known;           /* false: nothing was ordered, or by an older hwacme, which did not say ... */
	char profile[ORDER_PROFILE_MAX]; /* ... by which profile (draft-ietf-acme-profiles); "": none was named */
};

/*
 * What the last action came to.  `status` is the order's and means something only
 * if rc is RC_OK.  RC_ABSENT: the CA dropped the order (404, 410): FAILED.
 * RC_RETRY: the answer was lost: the phase's way back.  Anything else: FAILED.
 */
struct order_event {
	enum rc rc;
	enum order_status status;
	int64_t retry_at; /* Retry-After as unix time; 0: not said */
	unsigned waiting; /* after SOLVE and WATCH: authorisations whose answer is out and which are not valid yet */
	bool is_unready; /* not all of these answers can be seen yet, and the CA was told of none: until retry_at it is we who wait */
};

/* What to do next, and not before when (unix time; 0: now) and how long (milliseconds, under a second). */
struct order_next {
	enum order_action action;
	int64_t not_before;
	unsigned pause_ms;
};

/*
 * Changes order->phase, ->waited_ms, ->not_before and ->asked_at only.  RC_PROTOCOL when the CA answers what RFC 8555 does not allow here.  What is
 * not completed is waited for until the order expires (RC_DENIED), or for ORDER_WAIT_MAX where the CA does not say when (RC_RETRY).
 */
enum rc order_step(struct order *order, const struct order_event *event, int64_t now, struct order_next *ret_next,
		   struct err *err) HWA_CHECKED;

/*
 * Notes `said`, the `expires` of an answer to the order (0: it has none).  RFC 8555, 7.1.3: whether an order has expired is for the CA to
 * say.  An order that the CA treats as alive although by our clock it has expired shows that the clocks differ: it is not given up then.
 */
void order_expires(struct order *order, int64_t said, int64_t now);

/*
 * Until when the wait under way lasts: 0: there is none; `now` or earlier: it is over.  What a clock wrote down that has been set back since
 * counts for nothing: by it the wait would be longer by as much as that clock was ahead.
 */
int64_t order_waits_until(const struct order *order, int64_t now);

/* Its CSR may have reached the CA.  POLL may be an order as well that is asked about before that. */
bool order_is_asked_for(const struct order *order);

/* Makes a new or stored order fit to go on after a restart; returns the first action. */
struct order_next order_resume(struct order *order);

const char *order_phase_name(enum order_phase phase); /* "start", "authorize" ... as stored */
enum order_phase order_phase_parse(const char *name); /* ORDER_PHASE_COUNT: unknown */
const char *order_status_name(enum order_status status);
enum order_status order_status_parse(const char *name); /* as the CA writes them; COUNT: unknown */
const char *order_action_name(enum order_action action);

#endif /* HWA_ORDER_H */
