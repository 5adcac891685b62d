/* loop.c -- two agendas, of what waits for its day and of what is under way, and what is done when an item's time has come. */
#include "loop.h"

#include <pthread.h>
#include <stdlib.h>

#include "agenda.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "next_look.h"
#include "service_plan.h"
#include "workers.h"

#define CLOCK_DRIFT_MS INT64_C(2000)  /* between the clocks; more, and the time was set or the machine slept */
#define CLOCK_JUMP_MS  INT64_C(60000) /* worth a line */

struct entry {
	const struct config_certificate *certificate;
	struct renewal *renewal; /* under way; else NULL */
	bool is_held;            /* due, and waiting for its authority */
	unsigned authority;      /* which, then */
	int64_t held_until;      /* unix time, then */
	int64_t service_at;      /* when its hook or probe is due, then; INT64_MAX: never */
	enum renewal_call begun; /* how `renewal` was called */
	enum renewal_call call;  /* by whom it is wanted; under the lock, as what stands below it there */
	int64_t patience_ms;     /* monotonic: who asked for it waits no longer */
};

/*
 * What is due while its authority can take nothing is held: the most urgent first, by when it expires.  The authority's
 * gate, an item of its own, lets one at a time go and see.
 *
 * An entry is in one of the agendas, or in the hands of one worker; one that is held is also among the waiting, for its hook or probe.
 * What stands below the lock is read and changed under it alone; an entry, by the worker that has it.
 */
struct loop {
	struct renewal_desk *desk;
	struct entry
		*entries; /* one a certificate; the item after the last is the look for superseded keys, then come the gates */
	unsigned count;
	pthread_mutex_t lock;
	struct agenda *waiting, *under_way; /* monotonic milliseconds */
	struct agenda **held;               /* one an authority; by expiry */
	unsigned in_flight;                 /* entries with a renewal */
	bool is_retire_wanted;              /* a renewal ended while superseded keys were looked at */
	unsigned active;                    /* workers that need the state directory's lock */
	bool is_locked;
	int64_t blocked_until; /* monotonic: another command works in the state directory */
	int64_t drift;         /* unix time less monotonic time, as last seen */
	struct workers workers;
	uint32_t instance; /* of the state directory */
	struct loop_ear ear;
	struct renewal_ear renewal_ear;
};

static int64_t drift_now(void)
{
	return clock_now() * 1000 - clock_monotonic_ms();
}

/* Where a unix time lies on the clock that is never set. */
static int64_t monotonic_of(int64_t at)
{
	int64_t wait = at - clock_now();

	/* Far off is far off: the day will be planned again before then. */
	if (wait > INT64_C(366) * 86400)
		wait = INT64_C(366) * 86400;
	return clock_monotonic_ms() + (wait > 0 ? wait * 1000 : 0);
}

enum rc loop_new(struct renewal_desk *desk, struct loop **ret_loop, struct err *err)
{
	AUTO(loop) struct loop *loop = calloc(1, sizeof(*loop));
	unsigned count = desk->config->certificate_count;

	if (!loop)
		return err_set(err, RC_RESOURCE, "out of memory");
	pthread_mutex_init(&loop->lock, NULL);
	loop->desk = desk;
	loop->drift = drift_now();
	loop->entries = calloc(count ? count : 1, sizeof(*loop->entries));
	if (!loop->entries)
		return err_set(err, RC_RESOURCE, "out of memory");
	enum rc rc = store_instance(desk->store, &loop->instance, err);
	if (rc != RC_OK)
		return rc;
	unsigned authorities = desk->config->authority_count;
	loop->held = calloc(authorities ? authorities : 1, sizeof(struct agenda *));
	if (!loop->held)
		return err_set(err, RC_RESOURCE, "out of memory");
	rc = agenda_new(count + 1 + authorities, &loop->waiting, err);
	if (rc == RC_OK)
		rc = agenda_new(count, &loop->under_way, err);
	for (unsigned i = 0; rc == RC_OK && i < authorities; i++)
		rc = agenda_new(count, &loop->held[i], err);
	if (rc != RC_OK)
		return rc;
	loop->count = count;
	for (unsigned i = 0; i < count; i++) {
		loop->entries[i].certificate = &desk->config->certificates[i];
		agenda_set(loop->waiting, i, clock_monotonic_ms());
	}
	agenda_set(loop->waiting, count, clock_monotonic_ms());
	renewal_retire_hasten(desk, clock_now());
	*ret_loop = TAKE(loop);
	return RC_OK;
}

/* Fresh sessions each time: meanwhile another command may have changed an account. */
static enum rc work_begin(struct loop *loop, struct err *err)
{
	struct renewal_desk *desk = loop->desk;
	enum rc rc = RC_OK;

	pthread_mutex_lock(&loop->lock);
	if (!loop->is_locked) {
		rc = store_lock(desk->store, err);
		if (rc == RC_OK)
			rc = authorities_new(desk->config, desk->store, desk->keyring, &desk->authorities, err);
		loop->is_locked = rc == RC_OK;
		if (rc != RC_OK)
			store_unlock(desk->store);
	}
	if (rc == RC_OK)
		loop->active++;
	else
		loop->blocked_until = clock_monotonic_ms() + LOOP_BUSY_WAIT * INT64_C(1000);
	pthread_mutex_unlock(&loop->lock);
	return rc;
}

static void work_end(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->active--;
	if (loop->active == 0 && loop->in_flight == 0 && loop->is_locked) {
		authorities_free(loop->desk->authorities);
		loop->desk->authorities = NULL;
		store_unlock(loop->desk->store);
		loop->is_locked = false;
	}
	pthread_mutex_unlock(&loop->lock);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	for (unsigned i = 0; i < loop->count; i++)
		renewal_free(loop->entries[i].renewal);
	if (loop->is_locked) {
		authorities_free(loop->desk->authorities);
		loop->desk->authorities = NULL;
		store_unlock(loop->desk->store);
	}
	for (unsigned i = 0; loop->held && i < loop->desk->config->authority_count; i++)
		agenda_free(loop->held[i]);
	free(loop->held);
	agenda_free(loop->waiting);
	agenda_free(loop->under_way);
	pthread_mutex_destroy(&loop->lock);
	free(loop->entries);
	free(loop);
}

/* With the lock.  One that is held waits at its authority's gate, and by itself for what its service is owed: whichever is first. */
static void unhold(struct loop *loop, unsigned item)
{
	if (item >= loop->count || !loop->entries[item].is_held)
		return;
	loop->entries[item].is_held = false;
	agenda_remove(loop->held[loop->entries[item].authority], item);
	agenda_remove(loop->waiting, item);
}

/* What is under way comes first: it holds memory, and perhaps an answer that the CA is looking at. */
static bool take(struct loop *loop, unsigned *ret_item)
{
	int64_t at, now = clock_monotonic_ms();
	bool found = false;

	pthread_mutex_lock(&loop->lock);
	if (agenda_first(loop->under_way, ret_item, &at) && at <= now) {
		agenda_remove(loop->under_way, *ret_item);
		found = true;
	} else if (loop->blocked_until <= now && loop->in_flight < LOOP_IN_FLIGHT_MAX &&
		   agenda_first(loop->waiting, ret_item, &at) && at <= now) {
		agenda_remove(loop->waiting, *ret_item);
		found = true;
		unhold(loop, *ret_item);
	}
	pthread_mutex_unlock(&loop->lock);
	return found;
}

static void put_back(struct loop *loop, unsigned item, int64_t at)
{
	struct entry *entry = item < loop->count ? &loop->entries[item] : NULL;

	pthread_mutex_lock(&loop->lock);
	/* Asked for while it was looked at, or put off for so long that who asked is to be told. */
	if (entry && entry->call != RENEWAL_PLANNED && (!entry->renewal || at > entry->patience_ms)) {
		entry->is_held = false;
		at = clock_monotonic_ms();
	}
	if (item == loop->count && loop->is_retire_wanted) {
		loop->is_retire_wanted = false;
		at = clock_monotonic_ms();
	}
	if (entry && entry->is_held) {
		/* `at` is its expiry here; its gate opens when the authority can take it. */
		agenda_set(loop->held[entry->authority], item, at);
		if (entry->service_at != INT64_MAX)
			agenda_set(loop->waiting, item, monotonic_of(entry->service_at));
		item = loop->count + 1 + entry->authority;
		at = monotonic_of(entry->held_until);
		workers_tell(&loop->workers, entry->service_at == INT64_MAX ? at : monotonic_of(entry->service_at));
		agenda_set(loop->waiting, item, at);
	} else {
		agenda_set(entry && entry->renewal ? loop->under_way : loop->waiting, item, at);
	}
	workers_tell(&loop->workers, at);
	pthread_mutex_unlock(&loop->lock);
}

/* The most urgent of those that are held goes and sees; the next ones after it, if it is let through. */
static bool gate_open(struct loop *loop, unsigned authority, unsigned *ret_item)
{
	int64_t unused;

	pthread_mutex_lock(&loop->lock);
	bool found = agenda_first(loop->held[authority], ret_item, &unused);
	if (found)
		unhold(loop, *ret_item);
	if (found && agenda_first(loop->held[authority], &(unsigned){ 0 }, &unused)) {
		agenda_set(loop->waiting, loop->count + 1 + authority, clock_monotonic_ms());
		workers_tell(&loop->workers, clock_monotonic_ms());
	}
	pthread_mutex_unlock(&loop->lock);
	return found;
}

int64_t loop_idle_ms(struct loop *loop)
{
	int64_t at, now = clock_monotonic_ms(), until = now + LOOP_WAKE_MAX * INT64_C(1000);
	unsigned item;

	pthread_mutex_lock(&loop->lock);
	if (agenda_first(loop->under_way, &item, &at) && at < until)
		until = at;
	if (loop->in_flight < LOOP_IN_FLIGHT_MAX && agenda_first(loop->waiting, &item, &at)) {
		at = at > loop->blocked_until ? at : loop->blocked_until;
		until = at < until ? at : until;
	}
	pthread_mutex_unlock(&loop->lock);
	return until > now ? until - now : 0;
}

/* What another command did, a revocation or half a renewal, may make anything due; so may a clock that was set, in either
 * direction, and a machine that slept. */
void loop_look_around(struct loop *loop)
{
	int64_t drift = drift_now(), jump = drift - loop->drift;
	bool is_set = jump > CLOCK_DRIFT_MS || jump < -CLOCK_DRIFT_MS;

	if (!store_changed_elsewhere(loop->desk->store) && !is_set)
		return;
	if (jump > CLOCK_JUMP_MS || jump < -CLOCK_JUMP_MS)
		log_event(LOG_WARN, "the clock was set %s by %lld s, or the machine slept; everything is planned anew",
			  jump > 0 ? "forward" : "back", (long long)((jump > 0 ? jump : -jump) / 1000));
	if (is_set)
		renewal_retire_hasten(loop->desk, clock_now());
	pthread_mutex_lock(&loop->lock);
	loop->drift = is_set ? drift : loop->drift;
	for (unsigned i = 0; i <= loop->count + loop->desk->config->authority_count; i++) {
		if (agenda_has(loop->waiting, i))
			agenda_set(loop->waiting, i, clock_monotonic_ms());
		if (i < loop->count && is_set && agenda_has(loop->under_way, i))
			agenda_set(loop->under_way, i, clock_monotonic_ms());
	}
	pthread_mutex_unlock(&loop->lock);
}

/* With the lock.  What was less than a renewal, a look, a hook, a probe, is no answer to who asked for more while it was made, however
 * it ended: put_back() sees to that at once. */
static bool is_owed(const struct entry *entry, const struct renewal_outcome *outcome)
{
	bool is_renewal = outcome->result == RENEWAL_ENROLLED || outcome->result == RENEWAL_RENEWED;

	return !is_renewal && entry->call > entry->begun;
}

/* The failure is in the record and its journal already; here it is told. */
static int64_t settle(struct loop *loop, struct entry *entry, enum rc rc, const struct err *why)
{
	int64_t now = clock_now();
	char text[CLOCK_TEXT_MAX];
	/* A question to the CA alone was no renewal. */
	struct renewal_outcome outcome;

	renewal_outcome(entry->renewal, &outcome);
	const char *counted = renewal_counted_as(&outcome, rc);

	if (rc != RC_OK)
		log_certificate_failure(entry->certificate->name, why);
	if (counted)
		metrics_renewal(counted);
	pthread_mutex_lock(&loop->lock);
	bool is_answer = !is_owed(entry, &outcome);
	entry->call = is_answer ? RENEWAL_PLANNED : entry->call;
	pthread_mutex_unlock(&loop->lock);
	if (loop->ear.done && is_answer)
		loop->ear.done(loop->ear.ctx, entry->certificate, &outcome, rc, why);
	renewal_free(entry->renewal);
	entry->renewal = NULL;
	int64_t at = next_look_at(loop->desk, entry->certificate, loop->instance, now);
	at = at < now + LOOP_REST ? now + LOOP_REST : at;
	log_certificate(LOG_INFO, entry->certificate->name, "next look at %s", clock_print(at, text));
	pthread_mutex_lock(&loop->lock);
	loop->in_flight--;
	/* What it superseded may go at once; a look that is under way may be past it. */
	if (agenda_has(loop->waiting, loop->count))
		agenda_set(loop->waiting, loop->count, clock_monotonic_ms());
	else
		loop->is_retire_wanted = true;
	pthread_mutex_unlock(&loop->lock);
	return monotonic_of(at);
}

/* The daemon goes on with it; who asked for it is not kept waiting. */
static void tell_of_wait(struct loop *loop, struct entry *entry, const struct renewal_wait *wait)
{
	struct renewal_outcome outcome;
	struct err why = { 0 };
	enum rc rc = renewal_impatience(entry->renewal, wait, "in the daemon", &outcome, &why);

	if (loop->ear.done)
		loop->ear.done(loop->ear.ctx, entry->certificate, &outcome, rc, &why);
}

/* An order may be with the CA for days.  Meanwhile other commands may work in the state directory, and deploy hook and probe have their
 * turn: it is under way no more, and goes on from its record. */
static void put_down(struct loop *loop, struct entry *entry)
{
	renewal_free(entry->renewal);
	entry->renewal = NULL;
	pthread_mutex_lock(&loop->lock);
	loop->in_flight--;
	pthread_mutex_unlock(&loop->lock);
}

/* When it goes on. */
static int64_t wait_on(struct loop *loop, struct entry *entry, const struct renewal_wait *wait)
{
	int64_t now = clock_monotonic_ms(), at = wait->until ? monotonic_of(wait->until) : now;

	if (wait->pause_ms && at < now + wait->pause_ms)
		at = now + wait->pause_ms;
	pthread_mutex_lock(&loop->lock);
	bool is_asked = entry->call != RENEWAL_PLANNED, is_told = is_asked && at > entry->patience_ms;
	if (is_told)
		entry->call = RENEWAL_PLANNED;
	pthread_mutex_unlock(&loop->lock);
	if (is_told)
		tell_of_wait(loop, entry, wait);
	if (wait->is_for_ca && (is_told || !is_asked) && at >= now + LOOP_REST * INT64_C(1000))
		put_down(loop, entry);
	return at;
}

/* As far as it goes without a wait; when it is to go on, or what is next of this certificate. */
static int64_t carry_on(struct loop *loop, struct entry *entry)
{
	for (;;) {
		struct renewal_wait wait = { 0 };
		struct err err = { 0 };
		enum rc rc = renewal_step(entry->renewal, &wait, &err);

		if (wait.is_over)
			return settle(loop, entry, rc, &err);
		if (wait.until || wait.pause_ms || workers_are_stopping(&loop->workers))
			return wait_on(loop, entry, &wait);
	}
}

/* As put_back() wants it of what is held: when it expires. */
static int64_t hold(struct entry *entry)
{
	struct renewal_outcome outcome;

	renewal_outcome(entry->renewal, &outcome);

	entry->service_at = service_next(entry->certificate, &outcome.record, clock_now()).when;
	entry->is_held = renewal_is_held(entry->renewal, &entry->held_until, &entry->authority);
	renewal_free(entry->renewal);
	entry->renewal = NULL;
	return outcome.record.not_after;
}

static int64_t begin(struct loop *loop, struct entry *entry)
{
	struct err err = { 0 };
	int64_t until;
	unsigned authority;
	pthread_mutex_lock(&loop->lock);
	entry->begun = entry->call;
	pthread_mutex_unlock(&loop->lock);
	enum rc rc = renewal_begin(loop->desk, entry->certificate, entry->begun, &entry->renewal, &err);

	if (rc != RC_OK) {
		log_certificate_failure(entry->certificate->name, &err);
		pthread_mutex_lock(&loop->lock);
		bool is_answer = entry->call <= entry->begun;
		entry->call = is_answer ? RENEWAL_PLANNED : entry->call;
		pthread_mutex_unlock(&loop->lock);
		if (loop->ear.done && is_answer)
			loop->ear.done(loop->ear.ctx, entry->certificate, &(struct renewal_outcome){ .blame = BLAME_LOCAL }, rc,
				       &err);
		return monotonic_of(clock_now() + LOOP_REST);
	}
	if (renewal_is_held(entry->renewal, &until, &authority))
		return hold(entry);
	pthread_mutex_lock(&loop->lock);
	loop->in_flight++;
	pthread_mutex_unlock(&loop->lock);
	return carry_on(loop, entry);
}

/* When it is to be looked at again.  What the plan of an idle one says now may differ from what it said then. */
static int64_t perform(struct loop *loop, struct entry *entry)
{
	struct err err = { 0 };

	pthread_mutex_lock(&loop->lock);
	bool is_asked = entry->call != RENEWAL_PLANNED;
	pthread_mutex_unlock(&loop->lock);
	if (!entry->renewal && !is_asked) {
		int64_t now = clock_now(), at = next_look_at(loop->desk, entry->certificate, loop->instance, now);

		if (at > now)
			return monotonic_of(at);
	}
	if (work_begin(loop, &err) != RC_OK) {
		log_certificate_failure(entry->certificate->name, &err);
		return clock_monotonic_ms();
	}
	int64_t at = entry->renewal ? carry_on(loop, entry) : begin(loop, entry);
	work_end(loop);
	return at;
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
	enum rc rc = store_retired_page(loop->desk->store, now, 0, &first, 1, &due, &err);
	if (rc == RC_OK && due)
		rc = work_begin(loop, &err);
	if (rc == RC_OK && due) {
		unsigned erased = renewal_retire(loop->desk, now, &err);

		work_end(loop);
		if (erased)
			log_event(LOG_INFO, "%u superseded key%s erased", erased, erased == 1 ? "" : "s");
	}
	if (err.rc != RC_OK)
		log_failure("superseded keys are kept for now", &err);
	return clock_monotonic_ms() + LOOP_RETIRE * INT64_C(1000);
}

bool loop_turn(struct loop *loop)
{
	unsigned item;

	if (!take(loop, &item))
		return false;
	if (item > loop->count && !gate_open(loop, item - loop->count - 1, &item))
		return true;
	put_back(loop, item, item == loop->count ? retire(loop) : perform(loop, &loop->entries[item]));
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
	if (entry->is_held && agenda_has(loop->held[entry->authority], item)) {
		unhold(loop, item);
		agenda_set(loop->waiting, item, now);
	} else if (agenda_has(loop->waiting, item)) {
		agenda_set(loop->waiting, item, now);
	} else if (agenda_has(loop->under_way, item)) {
		/* Perhaps to a wait that is longer than that. */
		agenda_set(loop->under_way, item, now);
	}
	workers_tell(&loop->workers, now);
	pthread_mutex_unlock(&loop->lock);
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
	workers_stop(&loop->workers);
	return is_heard ? rc : err_set(err, RC_RETRY, "a process that this one cannot be without is gone");
}
