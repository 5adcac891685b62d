/*
 * loop.h -- the renewal daemon's engine: begins what is due, carries on what waits, sleeps until the next time.
 *
 * Every renewal is carried on step by step, so thousands can wait for their CA at once without a thread each.  The
 * state directory is locked only while something is under way: other commands work beside an idle daemon.
 */
#ifndef HWA_LOOP_H
#define HWA_LOOP_H

#include "renewal.h"

#define LOOP_WAKE_MAX  60   /* seconds asleep at the most: a clock that was set is noticed by then */
#define LOOP_REST      60   /* seconds between two renewals of one certificate, whatever the plan says */
#define LOOP_BUSY_WAIT 5    /* seconds until the state directory is tried again while another command works in it */
#define LOOP_RETIRE    3600 /* seconds between two looks for superseded keys, when nothing else happens */

/* Until SIGTERM or SIGINT, RC_OK; or until `beat` fails, which is called at each round: RC_RETRY.  desk->authorities is the
 * loop's own business, NULL before and after. */
struct loop_heart {
	void *ctx;
	bool (*beat)(void *ctx);
};
enum rc loop_run(struct renewal_desk *desk, const struct loop_heart *heart, struct err *err) HWA_CHECKED;

#endif /* HWA_LOOP_H */
