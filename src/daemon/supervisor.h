/*
 * supervisor.h -- what `hwacme run` is itself: keeps one engine alive, hands a changed configuration to a fresh one, tells systemd.
 *
 * The engine is a child, because its sandbox can be entered but not left: what SIGHUP changes needs a new one, and what
 * was under way goes on from the store.  An engine that asks for it, because of a file that its sandbox keeps it from, is
 * relieved in the same way.  One that crashes is started again; so is one that hangs.
 */
#ifndef HWA_SUPERVISOR_H
#define HWA_SUPERVISOR_H

#include <stdbool.h>

#include "err.h"

#define SUPERVISOR_STOP_MS     3000 /* after SIGTERM: then the engine is killed, which loses nothing; five seconds are promised */
#define SUPERVISOR_PAUSE_FIRST 1    /* seconds before an engine that ended by itself is started again; doubled each time */
#define SUPERVISOR_PAUSE_LAST  60
#define SUPERVISOR_SOUND_MS    60000  /* an engine that ran for so long was no failure to start */
#define SUPERVISOR_SILENCE_MS  180000 /* an engine that was not heard for so long hangs; WatchdogSec of the service is longer */
#define SUPERVISOR_LATE_MS     1000   /* who comes so late to a look was not running */

struct supervisor_terms {
	void *ctx;
	int64_t silence_ms; /* SUPERVISOR_SILENCE_MS, but for tests */
	/* May the configuration be handed to a fresh engine?  Says why not. */
	bool (*is_sound)(void *ctx);
	/* In the child; the exit status.  Calls supervisor_beat(heart) once it is at work and at least once a minute. */
	int (*engine)(void *ctx, int heart);
};

/* Until SIGTERM or SIGINT: 0.  An engine that ends before it was ever at work ends us too, with its exit status. */
int supervisor_run(const struct supervisor_terms *terms);
/* False: the supervisor is gone. */
bool supervisor_beat(int heart);
/* Asks for another engine in this one's place, which is ended as by SIGHUP; the configuration stays what it is.  May be lost where the
 * supervisor is slow: who is still there later asks again. */
void supervisor_relieve(int heart);

#endif /* HWA_SUPERVISOR_H */
