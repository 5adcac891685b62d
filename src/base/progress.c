/* progress.c -- a thread that looks five times a second whether the last step still takes its time. */
#include "progress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "bytes.h"
#include "clock.h"

#define LOOK_MS       200
#define PATIENCE_MS   1000
#define COLUMNS_MAX   200
#define COLUMNS_USUAL 80

static struct {
	pthread_mutex_t lock; /* of all that is written, too */
	pthread_cond_t over;
	pthread_t thread;
	bool is_begun, is_ending, is_shown;
	int64_t since_ms, shown_s;
	unsigned columns;
	char step[COLUMNS_MAX];
} progress = { .lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER };

static void put(const char *text, size_t len)
{
	/* Where nobody reads, nobody can be told. */
	(void)!span_write(STDERR_FILENO, span_of(text, len));
}

/* With the lock.  What a command has printed meanwhile comes before what is written next. */
static void clear(void)
{
	static const char erase[] = "\r\033[K";

	if (progress.is_shown)
		put(erase, sizeof(erase) - 1);
	progress.is_shown = false;
	fflush(stdout);
}

/* Of the lines of the log, which are anybody's words: what a terminal shows in one column a byte. */
static void note(const char *certificate, const char *message)
{
	snprintf(progress.step, sizeof(progress.step), "%s%s%s", certificate ? certificate : "", certificate ? ": " : "",
		 message);
	for (char *at = progress.step; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	progress.since_ms = clock_monotonic_ms();
}

/* With the lock.  The cursor goes back: who writes without asking writes over it. */
static void show(int64_t took_ms)
{
	char line[COLUMNS_MAX + 32], tail[32];
	int tail_len = snprintf(tail, sizeof(tail), " ... %lld s", (long long)(took_ms / 1000));
	int room = (int)progress.columns - 1 - tail_len;

	if (room < 1)
		return;
	int len = snprintf(line, sizeof(line), "%.*s%s\r", room, progress.step, tail);
	put(line, (size_t)len);
	progress.is_shown = true;
	progress.shown_s = took_ms / 1000;
}

static void *watch(void *unused)
{
	pthread_mutex_lock(&progress.lock);
	while (!progress.is_ending) {
		int64_t now_ms = clock_monotonic_ms(), took_ms = now_ms - progress.since_ms;
		struct timespec at = { .tv_sec = (now_ms + LOOK_MS) / 1000,
				       .tv_nsec = (long)((now_ms + LOOK_MS) % 1000 * 1000000) };

		if (__fpending(stdout))
			clear();
		if (took_ms >= PATIENCE_MS && (!progress.is_shown || took_ms / 1000 != progress.shown_s))
			show(took_ms);
		(void)!pthread_cond_clockwait(&progress.over, &progress.lock, CLOCK_MONOTONIC, &at);
	}
	clear();
	pthread_mutex_unlock(&progress.lock);
	return unused;
}

static bool has_line(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

void progress_begin(const char *what)
{
	struct winsize size = { .ws_col = 0 };

	if (progress.is_begun || !has_line())
		return;
	progress.columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : COLUMNS_USUAL;
	if (progress.columns > COLUMNS_MAX)
		progress.columns = COLUMNS_MAX;
	progress.is_ending = progress.is_shown = false;
	note(NULL, what);
	fflush(stdout);
	if (isatty(STDOUT_FILENO))
		setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
	progress.is_begun = pthread_create(&progress.thread, NULL, watch, NULL) == 0;
}

void progress_end(void)
{
	if (!progress.is_begun)
		return;
	pthread_mutex_lock(&progress.lock);
	progress.is_ending = true;
	pthread_cond_signal(&progress.over);
	pthread_mutex_unlock(&progress.lock);
	pthread_join(progress.thread, NULL);
	progress.is_begun = false;
	if (isatty(STDOUT_FILENO))
		setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

void progress_pause(void)
{
	pthread_mutex_lock(&progress.lock);
	if (progress.is_begun)
		clear();
}

void progress_go_on(const char *certificate, const char *message)
{
	if (progress.is_begun)
		note(certificate, message);
	pthread_mutex_unlock(&progress.lock);
}
