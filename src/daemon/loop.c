/* loop.c -- whose turn it is, given to whichever worker is free, and what the clock and other commands change in that. */
#include "loop.h"

#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "loop_entry.h"

#define CLOCK_DRIFT_MS INT64_C(2000)  /* between the clocks; more, and the time was set or the machine slept */
#define CLOCK_JUMP_MS  INT64_C(60000) /* worth a line */

static int64_t drift_now(void)
{
	return clock_now() * 1000 - clock_monotonic_ms();
}

enum rc loop_new(struct renewal_desk *desk, struct loop **ret_loop, struct err *err)
{
	AUTO(loop) struct loop *loop = calloc(1, sizeof(*loop));
	unsigned count = desk->config->certificate_count;

	if (!loop)
		return err_set(err, RC_RESOURCE, "out of memory");
	pthread_mutex_init(&loop->lock, NULL);
	loop->desk = desk;
	loop->turn.desk = desk;
	loop->drift = drift_now();
	loop->entries = calloc(count ? count : 1, sizeof(*loop->entries));
	if (!loop->entries)
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = store_instance(desk->store, &loop->instance, err);
	if (rc != RC_OK)
		return rc;
	loop->count = count;
	for (unsigned i = 0; i < count; i++)
		loop->entries[i].certificate = &desk->config->certificates[i];
	rc = rota_new(count + 1, desk->config->authority_count, clock_monotonic_ms(), &loop->rota, err);
	if (rc != RC_OK)
		return rc;
	renewal_retire_hasten(desk, clock_now());
	*ret_loop = TAKE(loop);
	return RC_OK;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	for (unsigned i = 0; i < loop->count; i++)
		renewal_free(loop->entries[i].renewal);
	state_turn_close(&loop->turn);
	rota_free(loop->rota);
	pthread_mutex_destroy(&loop->lock);
	free(loop->entries);
	free(loop);
}

/* With the lock: not before then is anything begun, on the clock that is never set. */
static int64_t begins_at(const struct loop *loop)
{
	return loop->in_flight < LOOP_IN_FLIGHT_MAX ? loop->turn.blocked_until : INT64_MAX;
}

/* With the lock: the same of those that rest.  Where another command works, they go on after it. */
static int64_t goes_on_at(const struct loop *loop)
{
	return loop->turn.is_ours ? INT64_MIN : loop->turn.blocked_until;
}

/* With the lock. */
static int64_t next_turn(const struct loop *loop)
{
	int64_t next = rota_next(loop->rota, begins_at(loop)), least = goes_on_at(loop);

	return next > least ? next : least;
}

static bool take(struct loop *loop, struct taken *ret)
{
	int64_t now = clock_monotonic_ms();

	pthread_mutex_lock(&loop->lock);
	bool found = goes_on_at(loop) <= now && rota_take(loop->rota, now, begins_at(loop), &ret->item);
	ret->drift = loop->drift;
	int64_t next = next_turn(loop);
	pthread_mutex_unlock(&loop->lock);
	/* The gate that it came through may let another one go. */
	if (found && next <= now)
		workers_tell(&loop->workers, next);
	return found;
}

static void put_back(struct loop *loop, struct taken *taken, int64_t at)
{
	unsigned item = taken->item;
	struct entry *entry = item < loop->count ? &loop->entries[item] : NULL;

	pthread_mutex_lock(&loop->lock);
	/* Asked for while it was looked at, or put off for so long that who asked is to be told. */
	bool is_wanted = entry && entry->call != RENEWAL_PLANNED && (!entry->renewal || at > entry->patience_ms);
	/* Or it waits by the clock of before, which was set meanwhile. */
	if (is_wanted || (entry && taken->drift != loop->drift)) {
		taken->is_held = false;
		at = clock_monotonic_ms();
	}
	if (taken->is_held)
		at = rota_hold(loop->rota, item, &taken->gate);
	else
		at = entry && entry->renewal ? rota_go_on(loop->rota, item, at) : rota_wait(loop->rota, item, at);
	workers_tell(&loop->workers, at);
	pthread_mutex_unlock(&loop->lock);
}

int64_t loop_idle_ms(struct loop *loop)
{
	int64_t now = clock_monotonic_ms(), most = now + LOOP_WAKE_MAX * INT64_C(1000);

	pthread_mutex_lock(&loop->lock);
	int64_t next = next_turn(loop), until = next < most ? next : most;
	pthread_mutex_unlock(&loop->lock);
	return until > now ? until - now : 0;
}

/* What another command did, a revocation or half a renewal, may make anything due; so may a clock that was set, in either
 * direction, and a machine that slept. */
void loop_look_around(struct loop *loop)
{
	int64_t drift = drift_now(), jump = drift - loop->drift;
	bool is_set = jump > CLOCK_DRIFT_MS || jump < -CLOCK_DRIFT_MS;

	pthread_mutex_lock(&loop->lock);
	unsigned changes = state_turn_changes(&loop->turn);
	bool is_changed = changes != loop->changes_planned;
	loop->changes_planned = changes;
	pthread_mutex_unlock(&loop->lock);
	if (!is_changed && !is_set)
		return;
	if (jump > CLOCK_JUMP_MS || jump < -CLOCK_JUMP_MS)
		log_event(LOG_WARN, "the clock was set %s by %lld s, or the machine slept; everything is planned anew",
			  jump > 0 ? "forward" : "back", (long long)((jump > 0 ? jump : -jump) / 1000));
	if (is_set)
		renewal_retire_hasten(loop->desk, clock_now());
	pthread_mutex_lock(&loop->lock);
	loop->drift = is_set ? drift : loop->drift;
	if (is_set)
		rota_hasten_all(loop->rota, clock_monotonic_ms());
	else
		rota_hasten_waiting(loop->rota, clock_monotonic_ms());
	pthread_mutex_unlock(&loop->lock);
}

static int64_t retire(struct loop *loop)
{
	int64_t now = clock_now();
	struct err err = { 0 };
	unsigned due = 0;
	struct store_retired first;

	/* What was under way when the clock was set may have written down its own again. */
	renewal_retire_hasten(loop->desk, now);
	/* No call to a token, and no lock, where there is nothing to erase. */
	enum rc rc = store_retired_page(loop->desk->store, now, NULL, &first, 1, &due, &err);
	if (rc == RC_OK && due)
		rc = loop_work_begin(loop, &err);
	if (rc == RC_RETRY && due)
		return clock_monotonic_ms();
	if (rc == RC_OK && due) {
		unsigned erased = renewal_retire(loop->desk, now, &err);

		loop_work_end(loop);
		if (erased)
			log_event(LOG_INFO, "%u superseded key%s erased", erased, erased == 1 ? "" : "s");
	}
	if (err.rc != RC_OK)
		log_failure("superseded keys are kept for now", &err);
	return clock_monotonic_ms() + LOOP_RETIRE * INT64_C(1000);
}

bool loop_turn(struct loop *loop)
{
	struct taken taken = { 0 };

	if (!take(loop, &taken))
		return false;
	put_back(loop, &taken, taken.item == loop->count ? retire(loop) : loop_perform(loop, &taken));
	return true;
}

static bool turn(void *ctx)
{
	return loop_turn(ctx);
}

void loop_listen(struct loop *loop, const struct loop_ear *ear)
{
	loop->ear = *ear;
	loop->renewal_ear = (struct renewal_ear){ .ctx = ear->ctx, .event = ear->event };
	loop->desk->ear = &loop->renewal_ear;
}

void loop_ask(struct loop *loop, const struct config_certificate *certificate, enum renewal_call call)
{
	unsigned item = (unsigned)(certificate - loop->desk->config->certificates);
	struct entry *entry = &loop->entries[item];
	int64_t now = clock_monotonic_ms();

	keyring_hasten(loop->desk->keyring);
	pthread_mutex_lock(&loop->lock);
	if (call > entry->call)
		entry->call = call;
	entry->patience_ms = now + RENEWAL_PATIENCE * INT64_C(1000);
	/* One that is under way goes on perhaps to a wait that is longer than that; one that a worker has is looked at when it is put back. */
	(void)rota_hasten(loop->rota, item, now);
	workers_tell(&loop->workers, now);
	pthread_mutex_unlock(&loop->lock);
}

bool loop_is_ending(const struct loop *loop)
{
	return workers_are_stopping(&loop->workers);
}

/* A worker is in a call that does not end, and uses what our caller would close: the same as a kill at this moment, which loses nothing but
 * the word why. */
static void leave(enum rc rc, const struct err *err)
{
	if (rc != RC_OK && err)
		log_failure("run", err);
	_exit(rc == RC_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}

enum rc loop_run(struct loop *loop, const struct loop_heart *heart, struct err *err)
{
	bool is_heard = true;
	enum rc rc = workers_start(&loop->workers, LOOP_WORKERS, turn, loop, err);
	if (rc != RC_OK)
		return rc;
	while ((is_heard = heart->beat(heart->ctx)) && !workers_are_stopping(&loop->workers) &&
	       (rc = store_in_place(loop->desk->store, err)) == RC_OK) {
		loop_look_around(loop);
		workers_await(&loop->workers, loop_idle_ms(loop));
	}
	if (!is_heard)
		rc = err_set(err, RC_RETRY, "a process that this one cannot be without is gone");
	if (!workers_stop(&loop->workers))
		leave(rc, err);
	return rc;
}
