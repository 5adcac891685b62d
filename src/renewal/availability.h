/*
 * availability.h -- which authority a certificate is ordered from, and whether it can take an order now.
 *
 * An authority that does not answer is asked by one renewal at a time, ever less often; the others wait for it without failing,
 * and after `fallback-after` turn to the next authority of their certificate.  What it takes in an hour is not exceeded.
 * Known in the store, so that a restart forgets neither.
 */
#ifndef HWA_AVAILABILITY_H
#define HWA_AVAILABILITY_H

#include "config.h"
#include "store.h"

#define AVAILABILITY_RETRY_FIRST 60  /* seconds before the first look after a failure; then twice as long ... */
#define AVAILABILITY_RETRY_LAST  900 /* ... up to this: all wait for one look, so it may be often */
#define AVAILABILITY_PROBE       150 /* seconds the others wait for the one that asks: three exchanges */

/* What a certificate has had from its authorities instead of a certificate. */
struct availability_refusal {
	int64_t since;  /* 0: nothing */
	const char *by; /* whom it was asked last */
};

/*
 * Of the certificate's authorities the first that answers, or has not been down for long, or is due to be asked again; when
 * all are down for long, the one that is asked again first.  `ordered`, that of them which has an order of ours (NULL: none), comes
 * before the first: what is under way there is finished there.  `not_after` of what is live, 0: nothing; the less of its life is
 * left, the shorter is the patience.  Nor is one waited for for longer that answers and refuses: then the next in turn comes first.
 */
enum rc availability_choose(struct store *store, const struct config *config, const struct config_certificate *certificate,
			    const char *ordered, const struct availability_refusal *refusal, int64_t not_after, int64_t now,
			    const struct config_authority **ret_authority, struct err *err) HWA_CHECKED;

/*
 * When a certificate that waits for `authority`, which was chosen for it, is to choose again (unix time): its patience is over then, and
 * another of its authorities may be asked.  INT64_MAX: it has no other, or this one answers, or was waited for to the end already.
 */
enum rc availability_turns_at(struct store *store, const struct config *config, const struct config_certificate *certificate,
			      const char *authority, const struct availability_refusal *refusal, int64_t not_after, int64_t now,
			      int64_t *ret_at, struct err *err) HWA_CHECKED;

/* *ret_at is `now`: go on, and an order counts if one is to be made; later: not before then, and nothing was counted. */
enum rc availability_admit(struct store *store, const struct config_authority *authority, bool orders, int64_t now,
			   int64_t *ret_at, struct err *err) HWA_CHECKED;

/*
 * For a plan: when an order goes out that is due at `due`, not before the one ahead of it; both in unix milliseconds.  *paid, 0 at first, is
 * what the authority, which has a limit, has taken so far.
 */
int64_t availability_order_at(const struct config_authority *authority, int64_t due, int64_t *paid);

/* Nobody asks it anything before *ret_at, whatever is under way; 0 or past: it may be asked.  Nor does who cannot read what was told. */
enum rc availability_quiet_until(struct store *store, const char *authority, int64_t now, int64_t *ret_at,
				 struct err *err) HWA_CHECKED;

/* What came of talking to it; `failure` NULL: it answered.  A failure that is not the authority's as such counts as an answer. */
enum rc availability_note(struct store *store, const char *authority, const struct err *failure, int64_t now,
			  struct err *err) HWA_CHECKED;

/* What the record says at `now`, for people. */
struct availability_view {
	int64_t down_since; /* 0: it answers, as far as is known */
	unsigned failures;  /* in a row */
	int64_t asked_at;   /* nobody asks it before; 0: it may be asked now */
	bool is_probed;     /* one asks, and the others wait for it */
	int64_t order_at;   /* when it takes the next order; `now`: now */
};
struct availability_view availability_look(const struct config_authority *authority,
					   const struct store_availability *availability, int64_t now);

/*
 * What came of a question that is no order's (RFC 9773, a revocation), so that not each certificate finds out for itself that the connection
 * fails, or is told for itself when to come again; `failure` NULL: it was answered.  It says nothing of how orders are answered, and an
 * answer that follows ends it.  One answer that was lost holds nobody up, two in a row do; `is_again`: who asks had none the last time, either.
 */
enum rc availability_note_question(struct store *store, const char *authority, const struct err *failure, bool is_again,
				   int64_t now, struct err *err) HWA_CHECKED;

#endif /* HWA_AVAILABILITY_H */
