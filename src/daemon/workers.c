/* workers.c -- threads, the condition they wait on, and the descriptor that wakes the main one. */
#include "workers.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

static atomic_bool is_signalled; /* written where the main thread is interrupted, read by every worker */
static_assert(ATOMIC_BOOL_LOCK_FREE == 2, "a signal handler writes it");

static void on_stop(int number)
{
	(void)number;
	is_signalled = true;
}

/* Only to wake us: whose child it was is looked at elsewhere. */
static void on_child(int number)
{
	(void)number;
}

/* Taken only while asleep: a step is never torn, and no other thread is interrupted. */
static void signals_take(sigset_t *ret_asleep)
{
	struct sigaction stop = { .sa_handler = on_stop }, child = { .sa_handler = on_child, .sa_flags = SA_NOCLDSTOP };
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGCHLD);
	is_signalled = false;
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGCHLD, &child, NULL);
	pthread_sigmask(SIG_BLOCK, &held, ret_asleep);
	sigdelset(ret_asleep, SIGTERM);
	sigdelset(ret_asleep, SIGINT);
	sigdelset(ret_asleep, SIGCHLD);
}

static void wake_main(const struct workers *workers)
{
	uint64_t one = 1;

	(void)!write(workers->event, &one, sizeof(one));
}

/* False: it is over. */
static bool wait_for_call(struct workers *workers)
{
	pthread_mutex_lock(&workers->lock);
	workers->idle++;
	if (workers->is_everyone_called)
		wake_main(workers);
	while (!workers->calls && !workers->is_stopping)
		pthread_cond_wait(&workers->called, &workers->lock);
	if (workers->calls)
		workers->calls--;
	workers->idle--;
	pthread_mutex_unlock(&workers->lock);
	return !workers->is_stopping;
}

static void *work(void *ctx)
{
	struct workers *workers = ctx;

	do {
		while (!workers->is_stopping && workers->turn(workers->ctx))
			;
	} while (wait_for_call(workers));
	return NULL;
}

enum rc workers_start(struct workers *workers, unsigned count, bool (*turn)(void *ctx), void *ctx, struct err *err)
{
	*workers = (struct workers){
		.ctx = ctx, .turn = turn, .asleep_until = INT64_MAX, .event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
	};
	if (workers->event < 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "eventfd: %s", strerror(errno));
	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->called, NULL);
	signals_take(&workers->asleep);
	for (unsigned i = 0; i < count && i < WORKERS_MAX; i++) {
		int number = pthread_create(&workers->threads[workers->count], NULL, work, workers);

		if (number != 0 && workers->count == 0) {
			close(workers->event);
			return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "pthread_create: %s", strerror(number));
		}
		/* Fewer do the same, only slower. */
		if (number == 0)
			workers->count++;
	}
	return RC_OK;
}

void workers_tell(struct workers *workers, int64_t at)
{
	if (workers->count == 0)
		return;
	pthread_mutex_lock(&workers->lock);
	/* What is to be done at once is done by the very worker that tells, unless others are idle. */
	bool is_news = at < workers->asleep_until && (at > clock_monotonic_ms() || workers->idle);
	pthread_mutex_unlock(&workers->lock);
	if (is_news)
		wake_main(workers);
}

void workers_await(struct workers *workers, int64_t ms)
{
	struct pollfd event = { .fd = workers->event, .events = POLLIN };
	uint64_t unread;

	pthread_mutex_lock(&workers->lock);
	workers->is_everyone_called = ms == 0;
	if (ms == 0) {
		workers->calls = workers->idle;
		pthread_cond_broadcast(&workers->called);
		ms = WORKERS_ROUND_MS;
	}
	workers->asleep_until = clock_monotonic_ms() + ms;
	pthread_mutex_unlock(&workers->lock);
	ppoll(&event, 1, &(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000 * 1000000) }, &workers->asleep);
	/* Before what is to be done is looked at: what comes in between ends the next sleep at once. */
	pthread_mutex_lock(&workers->lock);
	workers->asleep_until = INT64_MAX;
	(void)!read(workers->event, &unread, sizeof(unread));
	pthread_mutex_unlock(&workers->lock);
}

bool workers_are_stopping(const struct workers *workers)
{
	return workers->is_stopping || is_signalled;
}

/* False: it is in a call that does not end in time. */
static bool await_end(pthread_t thread, int64_t until_ms)
{
	struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = (long)(until_ms % 1000 * 1000000) };

	return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}

bool workers_stop(struct workers *workers)
{
	int64_t until_ms = clock_monotonic_ms() + WORKERS_STOP_MS;

	pthread_mutex_lock(&workers->lock);
	workers->is_stopping = true;
	pthread_cond_broadcast(&workers->called);
	pthread_mutex_unlock(&workers->lock);
	for (unsigned i = 0; i < workers->count; i++)
		if (!await_end(workers->threads[i], until_ms))
			return false;
	pthread_cond_destroy(&workers->called);
	pthread_mutex_destroy(&workers->lock);
	close(workers->event);
	workers->count = 0;
	return true;
}
