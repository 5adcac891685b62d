/* loop_entry.c -- what is done when the turn of a certificate has come, and when it is its turn again by what came of it. */
#include "loop_entry.h"

#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "next_look.h"
#include "service_plan.h"

/* Where a unix time lies on the clock that is never set. */
static int64_t monotonic_of(int64_t at)
{
	int64_t wait = at - clock_now();

	/* Far off is far off: the day will be planned again before then. */
	if (wait > INT64_C(366) * 86400)
		wait = INT64_C(366) * 86400;
	return clock_monotonic_ms() + (wait > 0 ? wait * 1000 : 0);
}

enum rc loop_work_begin(struct loop *loop, struct err *err)
{
	pthread_mutex_lock(&loop->lock);
	enum rc rc = state_turn_begin(&loop->turn, err);
	pthread_mutex_unlock(&loop->lock);
	return rc;
}

void loop_work_end(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	state_turn_end(&loop->turn, loop->in_flight, loop->resting);
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
int64_t loop_perform(struct loop *loop, struct taken *taken)
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
	if (loop_work_begin(loop, &err) != RC_OK) {
		/* One that is under way has waited already, and waits a little longer; and another command's turn ends. */
		if (!entry->renewal && err.rc != RC_RETRY)
			log_certificate_failure(entry->certificate->name, &err);
		return clock_monotonic_ms();
	}
	take_up(loop, entry);
	int64_t at = entry->renewal ? carry_on(loop, entry) : begin(loop, entry, taken);
	loop_work_end(loop);
	return at;
}
