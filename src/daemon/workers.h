/*
 * workers.h -- a few threads that do what has come due, and the one that sleeps until more has.
 *
 * A worker turns for as long as there is something to do, and then waits without a timer: the main thread alone has one.
 */
#ifndef HWA_WORKERS_H
#define HWA_WORKERS_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define WORKERS_MAX      16
#define WORKERS_STOP_MS  3000  /* a hook, a token or a CA may not answer for minutes */
#define WORKERS_ROUND_MS 60000 /* asleep at the most */

struct workers {
	void *ctx;
	bool (*turn)(void *ctx);
	pthread_t threads[WORKERS_MAX];
	atomic_uint count; /* running; 0: whoever has this struct turns by itself, and the calls below do nothing */
	atomic_bool is_stopping;
	int event; /* written to wake the main thread */
	sigset_t asleep;
	pthread_mutex_t lock;
	pthread_cond_t called;
	unsigned idle, calls;
	bool is_everyone_called; /* there was more to do than workers to do it: one that becomes idle tells */
	int64_t asleep_until; /* the main thread, monotonic milliseconds; INT64_MAX: awake, and what it reckons may be old already */
};

/* `turn`: does one thing, if there is one to do; false when there was none.  From now on SIGTERM and SIGINT stop all. */
enum rc workers_start(struct workers *workers, unsigned count, bool (*turn)(void *ctx), void *ctx, struct err *err) HWA_CHECKED;
/* Something will be to do at `at` (monotonic milliseconds).  From any thread. */
void workers_tell(struct workers *workers, int64_t at);
/* The main thread: there is something to do now (0), or in so many milliseconds.  Returns then, when told, on a
 * signal, or when a child has ended. */
void workers_await(struct workers *workers, int64_t ms);
bool workers_are_stopping(const struct workers *workers);
/* Waits for what they are doing.  False: that takes longer than WORKERS_STOP_MS, they still run, and what they use must not be freed: the
 * process has to end, for whoever would have killed it may be gone itself. */
bool workers_stop(struct workers *workers) HWA_CHECKED;

#endif /* HWA_WORKERS_H */
