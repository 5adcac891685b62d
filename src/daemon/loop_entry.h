/*
 * loop_entry.h -- the state of the loop, for the two files that are it: loop.c has the queue and the clock, loop_entry.c one certificate at a time.
 */
#ifndef HWA_LOOP_ENTRY_H
#define HWA_LOOP_ENTRY_H

#include <pthread.h>

#include "loop.h"
#include "rota.h"
#include "state_turn.h"
#include "workers.h"

struct entry {
	const struct config_certificate *certificate;
	struct renewal *renewal; /* under way; else NULL */
	enum renewal_call begun; /* how `renewal` was called */
	enum renewal_call call;  /* by whom it is wanted; under the lock, as what stands below it there */
	int64_t patience_ms;     /* monotonic: who asked for it waits no longer */
	bool is_resting;         /* under way, and not to be touched for a while ... */
	unsigned changes;        /* ... that had seen these */
};

/* An item in the hands of a worker: there is one of these a worker, not one a certificate. */
struct taken {
	unsigned item;
	int64_t drift;         /* loop->drift when it was taken */
	bool is_held;          /* it turned out to be due, and to wait for its authority ... */
	struct rota_gate gate; /* ... at this gate */
};

/*
 * An entry is in the rota, or in the hands of one worker.  What stands below the lock is read and changed under it alone; an entry, by the
 * worker that has it.
 */
struct loop {
	struct renewal_desk *desk;
	struct entry *entries; /* one a certificate; the item after the last is the look at all superseded keys */
	unsigned count;
	pthread_mutex_t lock;
	struct rota *rota;
	unsigned in_flight;       /* entries with a renewal ... */
	unsigned resting;         /* ... and of these, those that rest */
	unsigned changes_planned; /* of turn.changes, those by which all are planned */
	struct state_turn turn;
	int64_t drift; /* unix time less monotonic time, as last seen */
	struct workers workers;
	uint32_t instance; /* of the state directory */
	struct loop_ear ear;
	struct renewal_ear renewal_ear;
};

/* What is to be done for the certificate that was taken, as far as it goes without a wait: when (monotonic milliseconds) it is to be looked at again.
 * By the worker that has it, without the lock. */
int64_t loop_perform(struct loop *loop, struct taken *taken);

/* Around whatever needs the state directory; see state_turn.h.  Without the lock. */
enum rc loop_work_begin(struct loop *loop, struct err *err) HWA_CHECKED;
void loop_work_end(struct loop *loop);

#endif /* HWA_LOOP_ENTRY_H */
