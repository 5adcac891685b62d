/*
 * renewal.h -- carries one certificate through the life of a renewal: keyed, ordered, issued, installed, in service.
 *
 * Every step is in the store before it is taken, so a renewal that was cut off anywhere
 * goes on where it was.  The live pair is untouched until the new one is whole and proven.
 */
#ifndef HWA_RENEWAL_H
#define HWA_RENEWAL_H

#include "authority.h"
#include "config.h"
#include "keyring.h"
#include "plan.h"
#include "processes.h"
#include "store.h"

#define RENEWAL_PATIENCE 600 /* seconds one call waits for the CA in all, before it leaves the order for later */

/* Who wants to hear what goes into a certificate's journal. */
struct renewal_ear {
	void *ctx;
	void (*event)(void *ctx, const struct config_certificate *certificate, const char *event);
};

/* What a renewal works with; all borrowed. */
struct renewal_desk {
	const struct config *config;
	struct processes *processes;
	struct store *store;
	struct keyring *keyring;
	struct authorities *authorities;
	const struct renewal_ear *ear; /* NULL: nobody */
};

/* Whose failure it was; decides the exit status. */
enum renewal_blame { BLAME_NOBODY, BLAME_LOCAL, BLAME_CONFIG, BLAME_TOKEN, BLAME_AUTHORITY };
enum renewal_result { RENEWAL_NOT_DUE, RENEWAL_ENROLLED, RENEWAL_RENEWED, RENEWAL_DEPLOYED };
const char *renewal_result_name(enum renewal_result result); /* "not due", "enrolled" ... */

struct renewal_outcome {
	enum renewal_result result;
	enum renewal_blame blame;        /* when the call failed */
	bool is_live;                    /* it failed when the certificate was live: its hook, its probe, what it left to clear */
	struct plan plan;                /* why it was done, or when it will be */
	struct store_certificate record; /* as stored at the end */
};

/* The label `result` of hwacme_renewals_total under which it is counted; NULL: it is not counted. */
const char *renewal_counted_as(const struct renewal_outcome *outcome, enum rc rc);

/* One renewal under way, carried on step by step; its owner decides how to wait.  While it waits it is small, because what is stored is
 * not kept in memory. */
struct renewal;
struct renewal_wait {
	bool is_over;      /* nothing is left to do, or it failed */
	int64_t until;     /* unix time of the next step; 0: now.  It is stored: a restart does not shorten the wait */
	int64_t turns_at;  /* until then at the most, where nobody asked for it: another authority may be asked */
	unsigned pause_ms; /* beside it, milliseconds, under a second */
	bool is_for_ca;    /* only an order is waited for: freed and begun anew then, it goes on the same */
};
/* Who wants it.  PLANNED: the daemon, which waits for the back-off and for an authority that takes orders.  ASKED: the operator, who
 * waits only where the CA said so (Retry-After).  FORCED: the operator, although it is not due. */
enum renewal_call { RENEWAL_PLANNED, RENEWAL_ASKED, RENEWAL_FORCED };
/* Decides what is to be done, and does nothing yet.  Borrows desk and certificate. */
enum rc renewal_begin(const struct renewal_desk *desk, const struct config_certificate *certificate, enum renewal_call call,
		      struct renewal **ret_renewal, struct err *err) HWA_CHECKED;
/* True: it is due, but its authority takes no order now, and nothing has been done. */
struct renewal_hold {
	unsigned authority; /* its number in the configuration */
	int64_t until;      /* unix time: it takes none before */
	int64_t turns_at;   /* it is waited for no longer: another authority may be asked; INT64_MAX: there is none */
};
bool renewal_is_held(const struct renewal *renewal, struct renewal_hold *ret_hold);
/* Performs one step.  A failure ends the renewal, and is in the record and its journal. */
enum rc renewal_step(struct renewal *renewal, struct renewal_wait *ret_wait, struct err *err) HWA_CHECKED;
/* What has come of it so far, with the record as it is stored. */
void renewal_outcome(const struct renewal *renewal, struct renewal_outcome *ret_outcome);
/* The same for somebody whose patience the wait is too long for, and RC_RETRY: what was begun is kept, and goes on `where`. */
enum rc renewal_impatience(const struct renewal *renewal, const struct renewal_wait *wait, const char *where,
			   struct renewal_outcome *ret_outcome, struct err *err) HWA_CHECKED;
/* Nobody waits any more who asked for it: it is as if it were PLANNED, and so is this wait of it. */
void renewal_hand_over(struct renewal *renewal, struct renewal_wait *wait);
void renewal_free(struct renewal *renewal);
AUTO_DEFINE(renewal, struct renewal *, renewal_free);

/* Performs all steps, and waits between them.  *ret_outcome is filled on failure too; the failure is in the record and its journal. */
enum rc renewal_run(const struct renewal_desk *desk, const struct config_certificate *certificate, enum renewal_call call,
		    struct renewal_outcome *ret_outcome, struct err *err) HWA_CHECKED;

/* What plan_next() would say of this certificate; `record` is NULL when the store has none. */
struct plan renewal_plan(const struct config *config, const struct config_certificate *certificate,
			 const struct store_certificate *record, bool forced, int64_t now);

/* The same for the certificate that a renewal done at `at` will bring, if it lives for `life` seconds. */
struct plan renewal_plan_after(const struct config *config, const struct config_certificate *certificate, int64_t at,
			       int64_t life);

/* The next time (unix time) at which there is something to do for it: an order, a question to the CA, a deploy hook that has not
 * succeeded, a probe, something to clear away.  Back-offs are respected.  *ret_is_owed: a hook or a probe is, by now, and no order is. */
int64_t renewal_next_at(const struct config *config, const struct config_certificate *certificate,
			const struct store_certificate *record, int64_t now, bool *ret_is_owed);

/* Erases superseded keys whose time has come and whose successor is in service; one that cannot be erased now is tried again next
 * time.  Returns how many were erased; *err has the last failure, if there was one. */
unsigned renewal_retire(const struct renewal_desk *desk, int64_t now, struct err *err);

/* The same for the oldest few of one certificate ("": of the accounts) in one token (NULL: any): however fast it is renewed, its superseded keys do not
 * pile up.  A token that refuses is no reason not to renew. */
unsigned renewal_retire_own(const struct renewal_desk *desk, const char *certificate, const char *token, int64_t now);

/* What was superseded while the clock was ahead, keys to be erased, certificates to be revoked and their archives, waits no longer than the longest
 * wait of any policy.  Before certificates are planned: when the clock was set, or may have been. */
void renewal_retire_hasten(const struct renewal_desk *desk, int64_t now);

#define RENEWAL_OVERDUE 7200 /* seconds that a key may be there after its time: the daemon looks once an hour */

/* Keys that should be gone and are not: their token refuses to erase them, or nobody has tried.  The number written to `ret`. */
unsigned renewal_overdue(const struct config *config, struct store *store, int64_t now, struct store_retired *ret, unsigned max);
#define RENEWAL_OVERDUE_MAX 32 /* that are looked at, of all certificates; more are seen when these are gone */
/* The first of this certificate among them; NULL: there is none. */
const struct store_retired *renewal_overdue_of(const struct store_retired *overdue, unsigned count, const char *name);

#endif /* HWA_RENEWAL_H */
