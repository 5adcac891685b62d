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

/* What a renewal works with; all borrowed. */
struct renewal_desk {
	const struct config *config;
	struct processes *processes;
	struct store *store;
	struct keyring *keyring;
	struct authorities *authorities;
};

/* Whose failure it was; decides the exit status. */
enum renewal_blame { BLAME_NOBODY, BLAME_LOCAL, BLAME_CONFIG, BLAME_TOKEN, BLAME_AUTHORITY };
enum renewal_result { RENEWAL_NOT_DUE, RENEWAL_ENROLLED, RENEWAL_RENEWED, RENEWAL_DEPLOYED };
const char *renewal_result_name(enum renewal_result result); /* "not due", "enrolled" ... */

struct renewal_outcome {
	enum renewal_result result;
	enum renewal_blame blame;        /* when the call failed */
	struct plan plan;                /* why it was done, or when it will be */
	struct store_certificate record; /* as stored at the end */
};

/* One renewal under way, carried on step by step; whoever holds it decides how to wait. */
struct renewal;
struct renewal_wait {
	bool is_over;      /* nothing is left to do, or it failed */
	int64_t until;     /* unix time; 0: now.  Stored, so that a restart waits no less */
	unsigned pause_ms; /* under a second */
};
/* Decides what is to be done; nothing is done yet.  Borrows both. */
enum rc renewal_begin(const struct renewal_desk *desk, const struct config_certificate *certificate, bool forced,
		      struct renewal **ret_renewal, struct err *err) HWA_CHECKED;
/* One step; a failure is in the record and its journal, and ends it. */
enum rc renewal_step(struct renewal *renewal, struct renewal_wait *ret_wait, struct err *err) HWA_CHECKED;
const struct renewal_outcome *renewal_outcome(struct renewal *renewal); /* good until renewal_free() */
void renewal_free(struct renewal *renewal);
AUTO_DEFINE(renewal, struct renewal *, renewal_free);

/* All steps and waits of it.  *ret_outcome is filled on failure too; the failure is in the record and its journal. */
enum rc renewal_run(const struct renewal_desk *desk, const struct config_certificate *certificate, bool forced,
		    struct renewal_outcome *ret_outcome, struct err *err) HWA_CHECKED;

/* What plan_next() would say of this certificate; `record` is NULL when the store has none. */
struct plan renewal_plan(const struct config *config, const struct config_certificate *certificate,
			 const struct store_certificate *record, bool forced, int64_t now);

/* The same for the certificate that a renewal done at `at` will bring, if it lives for `life` seconds. */
struct plan renewal_plan_after(const struct config *config, const struct config_certificate *certificate, int64_t at,
			       int64_t life);

/* When a renewal of it that is begun then has something to do: an order, a question to the CA, a hook that is owed.  Our own
 * back-off counts here, which renewal_begin() does not know. */
int64_t renewal_next_at(const struct config *config, const struct config_certificate *certificate,
			const struct store_certificate *record, int64_t now);

/* Erases the keys whose time has come; one that cannot be erased now is tried again next time.
 * The number erased; the last failure in *err. */
unsigned renewal_retire(const struct renewal_desk *desk, int64_t now, struct err *err);

#endif /* HWA_RENEWAL_H */
