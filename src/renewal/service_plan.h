/*
 * service_plan.h -- decides what is to be done for a certificate that is live: its objects in the token, its hook, its probe, what it left behind.
 *
 * Pure, as plan_next() is: it decides when a certificate is renewed, and this one what becomes of it until then.
 */
#ifndef HWA_SERVICE_PLAN_H
#define HWA_SERVICE_PLAN_H

#include "config.h"
#include "store.h"

enum service_what {
	SERVICE_NOTHING,
	SERVICE_PUBLISH, /* certificates and label in the token are owed, to it or by it */
	SERVICE_DEPLOY,  /* the hook is owed */
	SERVICE_PROBE,   /* is the live certificate the one that is served? */
	SERVICE_SETTLE,  /* nothing is owed any more: it is in service */
	SERVICE_REVOKE,  /* its predecessors */
	SERVICE_PRUNE,   /* the archive */
};

struct service_plan {
	enum service_what what; /* what comes first */
	int64_t when;           /* unix time; INT64_MAX: never */
};

struct service_plan service_next(const struct config_certificate *certificate, const struct store_certificate *record,
				 int64_t now);

/* "certificate, chain, label amf": what the configuration wants in the token beside the live key; "": nothing. */
void service_objects(const struct config_certificate *certificate, char ret_text[STORE_OBJECTS_MAX]);

/* Before another certificate takes its place: until when the hook of that one waits for its objects in the token; 0: for as long as it takes. */
int64_t service_hook_by(const struct config_certificate *certificate, const struct store_certificate *record);

/* Its objects are in the token, its hook has ended well and its probe has passed, where it has them: what it replaced is not needed any more. */
bool service_is_proven(const struct config_certificate *certificate, const struct store_certificate *record);

/* When to try again after the nth failure in a row.  It costs a CA nothing: sooner than plan_back_off(). */
int64_t service_back_off(unsigned attempts, int64_t now);

#endif /* HWA_SERVICE_PLAN_H */
