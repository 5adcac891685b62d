/*
 * loop.h -- the renewal daemon's engine: begins what is due, carries on what waits, sleeps until the next time.
 *
 * Every renewal is carried on step by step by whichever of a few workers is free, so many can wait for their CA at once
 * without a thread each, and one that hangs holds up no other.  The state directory is locked only while a step is taken or follows
 * at once: other commands work beside an idle daemon, and beside one whose renewals all wait, for a CA, a DNS, a service.  While one
 * waits for that, nothing more is begun.
 */
#ifndef HWA_LOOP_H
#define HWA_LOOP_H

#include "renewal.h"

#define LOOP_WORKERS       8    /* steps performed at once: an exchange, a call to a token, a hook */
#define LOOP_IN_FLIGHT_MAX 8192 /* renewals under way at once, 2 KiB each while they wait; others that are due wait their turn */
#define LOOP_WAKE_MAX      60   /* seconds asleep at the most: a clock that was set is noticed by then */
#define LOOP_REST          60   /* seconds between two renewals of one certificate, whatever the plan says */
#define LOOP_NAP           2    /* seconds; what waits for so long, or for longer, needs no lock meanwhile */
#define LOOP_RETIRE \
	3600 /* seconds between two looks at all superseded keys; at those of one certificate after each renewal of it */

struct loop;

/* Who is told of renewals; called in the workers' threads, and must not block. */
struct loop_ear {
	void *ctx;
	void (*event)(void *ctx, const struct config_certificate *certificate, const char *event);
	/* The renewal is over: RC_OK, or `why` it failed. */
	void (*done)(void *ctx, const struct config_certificate *certificate, const struct renewal_outcome *outcome, enum rc rc,
		     const struct err *why);
};

/* Borrows the desk; the loop fills and empties desk->authorities, which is NULL before and after.  Every certificate is looked at
 * once at the start. */
enum rc loop_new(struct renewal_desk *desk, struct loop **ret_loop, struct err *err) HWA_CHECKED;
/* Renewals that are under way go on from their stored records at the next start. */
void loop_free(struct loop *loop);

/* Performs the item that comes first, if its time has come; false when there was nothing to do.  From any thread. */
bool loop_turn(struct loop *loop);
/* Milliseconds until the next item can be performed; at most LOOP_WAKE_MAX seconds. */
int64_t loop_idle_ms(struct loop *loop);
/* To be called now and then: notices what other commands wrote to the store, and a clock that was set. */
void loop_look_around(struct loop *loop);

/* Who is told of renewals; called before the loop runs, and copied. */
void loop_listen(struct loop *loop, const struct loop_ear *ear);
/* Has a certificate renewed now instead of at its time; a renewal of it that is under way just goes on.  Anything less that is under way,
 * such as a hook that is tried again, ends first.  The listener's done() is called in any case, and tells what came of what was asked for;
 * RC_RETRY when what it waits for takes longer than RENEWAL_PATIENCE, although it goes on.  From any thread. */
void loop_ask(struct loop *loop, const struct config_certificate *certificate, enum renewal_call call);

/* It was told to end, and begins nothing more.  From any thread. */
bool loop_is_ending(const struct loop *loop);

/* Runs until SIGTERM or SIGINT (RC_OK), until `beat`, which is called at each round, returns false (RC_RETRY), or until the state
 * directory was removed or replaced (RC_RESOURCE). */
struct loop_heart {
	void *ctx;
	bool (*beat)(void *ctx);
};
enum rc loop_run(struct loop *loop, const struct loop_heart *heart, struct err *err) HWA_CHECKED;

AUTO_DEFINE(loop, struct loop *, loop_free);

#endif /* HWA_LOOP_H */
