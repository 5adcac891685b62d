/* loop.c -- what is done when the turn of a certificate has come, and whose turn is next by what came of it. */
#include "loop.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "next_look.h"
#include "rota.h"
#include "service_plan.h"
#include "state_turn.h"
#include "workers.h"

#define CLOCK_DRIFT_MS INT64_C(2000)  /* between the clocks; more, and the time was set or the machine slept */
#define CLOCK_JUMP_MS  INT64_C(60000) /* worth a line */

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
	struct entry *entries; /* one a certificate; the item after the last is the look for superseded keys */
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

static enum rc work_begin(struct loop *loop, struct err *err)
{
	pthread_mutex_lock(&loop->lock);
	enum rc rc = state_turn_begin(&loop->turn, err);
	pthread_mutex_unlock(&loop->lock);
	return rc;
}

static void work_end(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	state_turn_end(&loop->turn, loop->in_flight, loop->resting);
	pthread_mutex_unlock(&loop->lock);
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

/* With the lock.  What was less than a renewal, a look, a hook, a probe, is no answer to who asked for more while it was made, however
 * it ended: put_back() sees to that at once. */
static bool is_owed(const struct entry *entry, const struct renewal_outcome *outcome)
{
	bool is_renewal = outcome->result == RENEWAL_ENROLLED || outcome->result == RENEWAL_RENEWED;

	return !is_renewal && entry->call > entry->begun;
}

/* What it superseded may go at once.  Of all others it is looked for once an hour: there may be thousands that are kept. */
static void erase_own(struct loop *loop, const struct config_certificate *certificate)
{
	int64_t now = clock_now();
	unsigned erased = renewal_retire_own(loop->desk, certificate->name, NULL, now);

	erased += renewal_retire_own(loop->desk, "", NULL, now);
	if (erased)
		log_certificate(LOG_INFO, certificate->name, "%u superseded key%s erased", erased, erased == 1 ? "" : "s");
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
	erase_own(loop, entry->certificate);
	pthread_mutex_lock(&loop->lock);
	loop->in_flight--;
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

/* Its answers stay out.  Until it goes on others may work in the state directory, unless one that does not rest is under way, too. */
static void rest(struct loop *loop, struct entry *entry)
{
	pthread_mutex_lock(&loop->lock);
	entry->is_resting = true;
	entry->changes = loop->turn.changes_seen;
	loop->resting++;
	pthread_mutex_unlock(&loop->lock);
}

/* It rests no more.  What another command did meanwhile, to the account that its answers are of or to its record, it does not know: then it
 * begins anew, from its record. */
static void take_up(struct loop *loop, struct entry *entry)
{
	pthread_mutex_lock(&loop->lock);
	bool is_overtaken = entry->is_resting && entry->changes != loop->turn.changes_seen;
	loop->resting -= entry->is_resting;
	entry->is_resting = false;
	pthread_mutex_unlock(&loop->lock);
	if (!is_overtaken)
		return;
	log_certificate(LOG_INFO, entry->certificate->name, "another command worked here meanwhile; it goes on from its record");
	put_down(loop, entry);
}

static int64_t wait_ends_at(const struct renewal_wait *wait, int64_t now)
{
	int64_t at = wait->until ? monotonic_of(wait->until) : now;

	return wait->pause_ms && at < now + wait->pause_ms ? now + wait->pause_ms : at;
}

/* When it goes on. */
static int64_t wait_on(struct loop *loop, struct entry *entry, struct renewal_wait *wait)
{
	int64_t now = clock_monotonic_ms(), at = wait_ends_at(wait, now);

	pthread_mutex_lock(&loop->lock);
	bool is_asked = entry->call != RENEWAL_PLANNED, is_told = is_asked && at > entry->patience_ms;
	if (is_told)
		entry->call = RENEWAL_PLANNED;
	pthread_mutex_unlock(&loop->lock);
	if (is_told) {
		renewal_hand_over(entry->renewal, wait);
		at = wait_ends_at(wait, now);
		tell_of_wait(loop, entry, wait);
	}
	if (wait->is_for_ca && (is_told || !is_asked) && at >= now + LOOP_REST * INT64_C(1000))
		put_down(loop, entry);
	else if (at >= now + LOOP_NAP * INT64_C(1000))
		rest(loop, entry);
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

/* It waits at its authority's gate, and by itself for what its service is owed and for the end of its patience: whichever is first. */
static void hold(struct entry *entry, const struct renewal_hold *hold, struct taken *taken)
{
	struct renewal_outcome outcome;

	renewal_outcome(entry->renewal, &outcome);
	int64_t passes_at = service_next(entry->certificate, &outcome.record, clock_now()).when;
	passes_at = hold->turns_at < passes_at ? hold->turns_at : passes_at;
	taken->is_held = true;
	taken->gate = (struct rota_gate){ .number = hold->authority,
					  .opens_at = monotonic_of(hold->until),
					  .rank = outcome.record.not_after,
					  .passes_at = passes_at == INT64_MAX ? INT64_MAX : monotonic_of(passes_at) };
	renewal_free(entry->renewal);
	entry->renewal = NULL;
}

static int64_t begin(struct loop *loop, struct entry *entry, struct taken *taken)
{
	struct err err = { 0 };
	struct renewal_hold held;
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
	if (renewal_is_held(entry->renewal, &held)) {
		hold(entry, &held, taken);
		return taken->gate.opens_at;
	}
	pthread_mutex_lock(&loop->lock);
	loop->in_flight++;
	pthread_mutex_unlock(&loop->lock);
	return carry_on(loop, entry);
}

/* What is under way goes on to its next rest, whoever waits. */
static bool gives_way(struct loop *loop, const struct entry *entry, bool is_asked)
{
	if (entry->renewal && (!entry->is_resting || is_asked))
		return false;
	pthread_mutex_lock(&loop->lock);
	bool gives = state_turn_yields(&loop->turn);
	pthread_mutex_unlock(&loop->lock);
	return gives;
}

/* When it is to be looked at again.  What the plan of an idle one says now may differ from what it said then. */
static int64_t perform(struct loop *loop, struct taken *taken)
{
	struct entry *entry = &loop->entries[taken->item];
	struct err err = { 0 };

	pthread_mutex_lock(&loop->lock);
	bool is_asked = entry->call != RENEWAL_PLANNED;
	pthread_mutex_unlock(&loop->lock);
	if (!entry->renewal && !is_asked) {
		int64_t now = clock_now(), at = next_look_at(loop->desk, entry->certificate, loop->instance, now);

		if (at > now)
			return monotonic_of(at);
	}
	if (gives_way(loop, entry, is_asked))
		return clock_monotonic_ms() + STATE_TURN_LOOK * INT64_C(1000);
	if (work_begin(loop, &err) != RC_OK) {
		/* One that is under way has waited already, and waits a little longer; and another command's turn ends. */
		if (!entry->renewal && err.rc != RC_RETRY)
			log_certificate_failure(entry->certificate->name, &err);
		return clock_monotonic_ms();
	}
	take_up(loop, entry);
	int64_t at = entry->renewal ? carry_on(loop, entry) : begin(loop, entry, taken);
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
	enum rc rc = store_retired_page(loop->desk->store, now, NULL, &first, 1, &due, &err);
	if (rc == RC_OK && due)
		rc = work_begin(loop, &err);
	if (rc == RC_RETRY && due)
		return clock_monotonic_ms();
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
	struct taken taken = { 0 };

	if (!take(loop, &taken))
		return false;
	put_back(loop, &taken, taken.item == loop->count ? retire(loop) : perform(loop, &taken));
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
