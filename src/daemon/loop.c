/* loop.c -- one thread, one table: when each certificate is to be looked at next, and the renewals that are under way. */
#include "loop.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "metrics.h"

struct entry {
	const struct config_certificate *certificate;
	struct renewal *renewal; /* under way; else NULL */
	int64_t at;              /* unix time of the next look */
	int64_t pause_until;     /* monotonic milliseconds: a wait of less than a second; 0: none */
};

struct loop {
	struct renewal_desk *desk;
	struct entry *entries;
	unsigned count, under_way;
	int64_t retire_at, round_at; /* unix times; the last round */
	int64_t blocked_until;       /* unix time: another command works in the state directory */
	bool is_locked;
};

static volatile sig_atomic_t stopping;

static void on_stop(int number)
{
	(void)number;
	stopping = 1;
}

/* Taken only while asleep: a step is never torn, and no thread but this one is interrupted. */
static void signals_take(sigset_t *ret_asleep)
{
	struct sigaction stop = { .sa_handler = on_stop };
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	stopping = 0;
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	pthread_sigmask(SIG_BLOCK, &held, ret_asleep);
	sigdelset(ret_asleep, SIGTERM);
	sigdelset(ret_asleep, SIGINT);
}

/* Fresh sessions each time: meanwhile another command may have changed an account. */
static enum rc work_begin(struct loop *loop, struct err *err)
{
	struct renewal_desk *desk = loop->desk;

	if (loop->is_locked)
		return RC_OK;
	enum rc rc = store_lock(desk->store, err);
	if (rc == RC_OK)
		rc = authorities_new(desk->config, desk->store, desk->keyring, &desk->authorities, err);
	loop->is_locked = rc == RC_OK;
	if (rc != RC_OK)
		store_unlock(desk->store);
	return rc;
}

static void work_end(struct loop *loop)
{
	if (!loop->is_locked)
		return;
	authorities_free(loop->desk->authorities);
	loop->desk->authorities = NULL;
	store_unlock(loop->desk->store);
	loop->is_locked = false;
}

static int64_t next_look(const struct loop *loop, const struct entry *entry, int64_t now)
{
	struct store_certificate record;
	struct err err = { 0 };
	enum rc rc = store_certificate_load(loop->desk->store, entry->certificate->name, &record, &err);

	if (rc != RC_OK && rc != RC_ABSENT) {
		log_failure(entry->certificate->name, &err);
		return now + LOOP_REST;
	}
	return renewal_next_at(loop->desk->config, entry->certificate, rc == RC_OK ? &record : NULL, now);
}

/* The failure is in the record and its journal already; here it is told. */
static void settle(struct loop *loop, struct entry *entry, enum rc rc, const struct err *why)
{
	int64_t now = clock_now();
	char text[CLOCK_TEXT_MAX];
	enum renewal_result result = renewal_outcome(entry->renewal)->result;

	if (rc != RC_OK)
		log_failure(entry->certificate->name, why);
	/* A question to the CA alone was no renewal. */
	if (rc != RC_OK || result != RENEWAL_NOT_DUE)
		metrics_renewal(rc == RC_OK ? renewal_result_name(result) : "failed");
	renewal_free(entry->renewal);
	entry->renewal = NULL;
	loop->under_way--;
	loop->retire_at = now; /* what it superseded may go at once */
	entry->at = next_look(loop, entry, now);
	if (entry->at < now + LOOP_REST)
		entry->at = now + LOOP_REST;
	log_event(LOG_INFO, "%s: next look at %s", entry->certificate->name, clock_print(entry->at, text));
}

static void advance(struct loop *loop, struct entry *entry)
{
	struct renewal_wait wait = { 0 };
	struct err err = { 0 };
	enum rc rc = RC_OK;

	if (!entry->renewal) {
		rc = renewal_begin(loop->desk, entry->certificate, false, &entry->renewal, &err);
		if (rc != RC_OK) {
			log_failure(entry->certificate->name, &err);
			entry->at = clock_now() + LOOP_REST;
			return;
		}
		loop->under_way++;
	}
	rc = renewal_step(entry->renewal, &wait, &err);
	if (wait.is_over) {
		settle(loop, entry, rc, &err);
		return;
	}
	entry->at = wait.until;
	entry->pause_until = wait.pause_ms ? clock_monotonic_ms() + wait.pause_ms : 0;
}

/* One step of each that has come; what the plan of an idle one says now may differ from what it said then. */
static bool advance_all(struct loop *loop, const struct loop_heart *heart)
{
	for (unsigned i = 0; i < loop->count && !stopping && loop->blocked_until <= clock_now(); i++) {
		struct entry *entry = &loop->entries[i];
		int64_t now = clock_now();
		struct err err = { 0 };

		if (entry->at > now || entry->pause_until > clock_monotonic_ms())
			continue;
		if (!entry->renewal) {
			entry->at = next_look(loop, entry, now);
			if (entry->at > now)
				continue;
		}
		if (work_begin(loop, &err) != RC_OK) {
			log_failure(entry->certificate->name, &err);
			loop->blocked_until = now + LOOP_BUSY_WAIT;
			break;
		}
		advance(loop, entry);
		/* A step may have waited for a peer. */
		if (!heart->beat(heart->ctx))
			return false;
	}
	return heart->beat(heart->ctx);
}

static void retire(struct loop *loop)
{
	int64_t now = clock_now();
	struct err err = { 0 };
	unsigned due = 0;

	if (loop->retire_at > now || loop->blocked_until > now)
		return;
	loop->retire_at = now + LOOP_RETIRE;
	/* No call to a token, and no lock, where there is nothing to erase. */
	struct store_retired first;
	if (store_retired_due(loop->desk->store, now, &first, 1, &due, &err) != RC_OK || !due ||
	    work_begin(loop, &err) != RC_OK) {
		if (err.rc != RC_OK)
			log_failure("superseded keys are kept for now", &err);
		return;
	}
	unsigned erased = renewal_retire(loop->desk, now, &err);
	if (erased)
		log_event(LOG_INFO, "%u superseded key%s erased", erased, erased == 1 ? "" : "s");
	if (err.rc != RC_OK)
		log_failure("superseded keys are kept for now", &err);
}

/* Milliseconds until something is to be done. */
static int64_t idle_ms(const struct loop *loop)
{
	int64_t now = clock_now(), mono = clock_monotonic_ms(), least = LOOP_WAKE_MAX * INT64_C(1000);

	for (unsigned i = 0; i < loop->count && least > 0; i++) {
		const struct entry *entry = &loop->entries[i];
		int64_t wait = entry->at > now ? entry->at - now : 0;

		wait = wait < LOOP_WAKE_MAX ? wait * 1000 : LOOP_WAKE_MAX * INT64_C(1000);
		if (entry->pause_until - mono > wait)
			wait = entry->pause_until - mono;
		least = wait < least ? wait : least;
	}
	if (loop->blocked_until > now && least < (loop->blocked_until - now) * 1000)
		least = (loop->blocked_until - now) * 1000;
	return least;
}

/* What another command did, a revocation or half a renewal, may make anything due; so may a clock that was set back, by which
 * what was planned is years away. */
static void look_anew(struct loop *loop)
{
	int64_t now = clock_now();
	bool is_set_back = now + 1 < loop->round_at;

	loop->round_at = now;
	if (!store_changed_elsewhere(loop->desk->store) && !is_set_back)
		return;
	if (is_set_back) {
		log_event(LOG_WARN, "the clock was set back; everything is planned anew");
		loop->retire_at = loop->blocked_until = 0;
	}
	for (unsigned i = 0; i < loop->count; i++)
		if (!loop->entries[i].renewal)
			loop->entries[i].at = 0;
}

static enum rc rounds(struct loop *loop, const struct loop_heart *heart, const sigset_t *asleep, struct err *err)
{
	bool is_heard = heart->beat(heart->ctx);

	while (is_heard && !stopping) {
		look_anew(loop);
		is_heard = advance_all(loop, heart);
		if (!loop->under_way) {
			retire(loop);
			work_end(loop);
		}
		int64_t ms = idle_ms(loop);
		ppoll(NULL, 0, &(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, asleep);
	}
	return is_heard ? RC_OK : err_set(err, RC_RETRY, "the process that watches over this one is gone");
}

enum rc loop_run(struct renewal_desk *desk, const struct loop_heart *heart, struct err *err)
{
	struct loop loop = { .desk = desk, .count = desk->config->certificate_count };
	sigset_t asleep;

	loop.entries = calloc(loop.count ? loop.count : 1, sizeof(*loop.entries));
	if (!loop.entries)
		return err_set(err, RC_RESOURCE, "out of memory");
	for (unsigned i = 0; i < loop.count; i++)
		loop.entries[i].certificate = &desk->config->certificates[i];
	signals_take(&asleep);
	enum rc rc = rounds(&loop, heart, &asleep, err);
	/* What is under way goes on from its record at the next start. */
	for (unsigned i = 0; i < loop.count; i++)
		renewal_free(loop.entries[i].renewal);
	work_end(&loop);
	free(loop.entries);
	return rc;
}
