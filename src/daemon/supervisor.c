/* supervisor.c -- one child, one pipe on which it is heard, and signals that are read like any other message. */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "notify.h"

/* What an engine says on the pipe. */
#define WORD_BEAT  '.'
#define WORD_SPENT 'x'

struct supervisor {
	const struct supervisor_terms *terms;
	sigset_t before; /* the signals as we got them: the engine gets them so */
	int signals, heart;
	pid_t engine;     /* 0: none */
	bool was_at_work; /* ever */
	bool is_stopping, owes_ready, owes_status;
	bool is_relieving;                     /* the engine was told to end, and another follows at once */
	int64_t config_at;                     /* unix time: when the configuration that is in force was read */
	int64_t kill_at, start_at, started_at; /* monotonic milliseconds; 0: not */
	int64_t heard_at;                      /* when the engine last was */
	int64_t told_at;                       /* when the service manager last heard of us */
	int64_t tell_ms;                       /* it wants to, so often; 0: it does not mind */
	unsigned pause;                        /* seconds */
};

static bool say(int heart, char word)
{
	/* A full pipe is a supervisor that is slow, not gone. */
	return write(heart, &word, 1) == 1 || errno == EAGAIN || errno == EINTR;
}

bool supervisor_beat(int heart)
{
	return say(heart, WORD_BEAT);
}

void supervisor_relieve(int heart)
{
	(void)!say(heart, WORD_SPENT);
}

/* Sockets that systemd handed over are meant for the process it started; the engine is who listens. */
static void sockets_hand_on(void)
{
	const char *pid = getenv("LISTEN_PID");
	char ours[24], engine[24];

	snprintf(ours, sizeof(ours), "%ld", (long)getppid());
	snprintf(engine, sizeof(engine), "%ld", (long)getpid());
	if (pid && strcmp(pid, ours) == 0)
		setenv("LISTEN_PID", engine, 1);
}

static int engine_main(struct supervisor *supervisor, pid_t parent, int heart)
{
	prctl(PR_SET_NAME, "hwacme-engine"); /* what ps(1) shows */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		return EXIT_FAILURE; /* it ended before that was set */
	close(supervisor->signals);
	sigprocmask(SIG_SETMASK, &supervisor->before, NULL);
	sockets_hand_on();
	/* It is the supervisor who speaks to the service manager. */
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return supervisor->terms->engine(supervisor->terms->ctx, heart);
}

/* An operator who looks at the service sees it without the log. */
static void failure_tell(const char *text)
{
	log_event(LOG_ERROR, "%s", text);
	notify_status(text);
}

static void work_tell(const struct supervisor *supervisor)
{
	char read_at[CLOCK_TEXT_MAX], text[128];

	snprintf(text, sizeof(text), "at work with the configuration that was read %s",
		 clock_print(supervisor->config_at, read_at));
	notify_status(text);
}

/* Again later when there is no process to be had. */
static void engine_start(struct supervisor *supervisor)
{
	pid_t parent = getpid();
	int ends[2];

	supervisor->start_at = 0;
	supervisor->owes_status = true;
	supervisor->started_at = supervisor->heard_at = clock_monotonic_ms();
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
		supervisor->engine = fork();
		if (supervisor->engine == 0) {
			close(ends[0]);
			_exit(engine_main(supervisor, parent, ends[1]));
		}
		close(ends[1]);
		supervisor->heart = ends[0];
		if (supervisor->engine > 0)
			return;
		close(ends[0]);
	}
	log_event(LOG_ERROR, "the engine cannot be started: %s", strerror(errno));
	supervisor->engine = 0;
	supervisor->heart = -1;
	supervisor->start_at = clock_monotonic_ms() + SUPERVISOR_PAUSE_LAST * INT64_C(1000);
}

static void engine_end(struct supervisor *supervisor)
{
	if (!supervisor->engine || supervisor->kill_at)
		return;
	kill(supervisor->engine, SIGTERM);
	supervisor->kill_at = clock_monotonic_ms() + SUPERVISOR_STOP_MS;
}

/* Another follows at once. */
static void engine_relieve(struct supervisor *supervisor)
{
	supervisor->is_relieving = supervisor->engine != 0;
	engine_end(supervisor);
}

static void on_heart(struct supervisor *supervisor)
{
	char words[64];
	ssize_t len = read(supervisor->heart, words, sizeof(words));

	if (len <= 0)
		return;
	/* The last words of an engine that was told to end are not the new one's. */
	bool is_ready = supervisor->owes_ready && !supervisor->kill_at;
	int64_t now = supervisor->heard_at = clock_monotonic_ms();
	/* A busy engine beats with each step; a second is often enough for a watchdog. */
	if (is_ready || now - supervisor->told_at >= 1000) {
		notify_send(is_ready ? "READY=1\nWATCHDOG=1" : "WATCHDOG=1");
		supervisor->told_at = now;
	}
	if (supervisor->owes_status && !supervisor->kill_at) {
		work_tell(supervisor);
		supervisor->owes_status = false;
	}
	supervisor->was_at_work = true;
	supervisor->owes_ready = supervisor->owes_ready && !is_ready;
	/* One that is ended already is ended for a reason of its own. */
	if (!supervisor->kill_at && memchr(words, WORD_SPENT, (size_t)len))
		engine_relieve(supervisor);
}

static void on_signal(struct supervisor *supervisor)
{
	struct signalfd_siginfo signal;

	if (read(supervisor->signals, &signal, sizeof(signal)) != (ssize_t)sizeof(signal))
		return;
	if (signal.ssi_signo == SIGHUP && !supervisor->is_stopping) {
		if (!supervisor->terms->is_sound(supervisor->terms->ctx)) {
			failure_tell("the changed configuration is not taken; what was read before stays in force");
			return;
		}
		supervisor->config_at = clock_now();
		log_event(LOG_INFO, "the configuration is read again");
		notify_reloading();
		supervisor->owes_ready = true;
		engine_relieve(supervisor);
		if (!supervisor->engine)
			supervisor->start_at = clock_monotonic_ms();
	} else if (signal.ssi_signo == SIGTERM || signal.ssi_signo == SIGINT) {
		notify_send("STOPPING=1");
		supervisor->is_stopping = true;
		engine_end(supervisor);
	}
}

static void plan_restart(struct supervisor *supervisor, int status)
{
	int64_t now = clock_monotonic_ms();
	char text[128];

	if (supervisor->is_relieving) {
		supervisor->is_relieving = false;
		supervisor->start_at = now;
		return;
	}
	if (now - supervisor->started_at >= SUPERVISOR_SOUND_MS)
		supervisor->pause = 0;
	supervisor->pause = supervisor->pause ? supervisor->pause * 2 : SUPERVISOR_PAUSE_FIRST;
	if (supervisor->pause > SUPERVISOR_PAUSE_LAST)
		supervisor->pause = SUPERVISOR_PAUSE_LAST;
	supervisor->start_at = now + supervisor->pause * INT64_C(1000);
	snprintf(text, sizeof(text), "the engine ended %s %d; another is started in %u s",
		 WIFSIGNALED(status) ? "by signal" : "with status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		 supervisor->pause);
	failure_tell(text);
	/* A reload is over for who waits for it: the next one, by which a mended configuration comes, would wait as well. */
	if (supervisor->owes_ready)
		notify_send("READY=1");
	supervisor->owes_ready = false;
}

/* True: we end too, with *ret_status. */
static bool engine_gone(struct supervisor *supervisor, int *ret_status)
{
	int status = 0;

	/* One of whom waitpid(2) knows nothing is gone too. */
	if (!supervisor->engine || waitpid(supervisor->engine, &status, WNOHANG) == 0)
		return false;
	supervisor->engine = 0;
	supervisor->kill_at = 0;
	close(supervisor->heart);
	supervisor->heart = -1;
	if (supervisor->is_stopping)
		return true;
	if (!supervisor->was_at_work && !supervisor->is_relieving) {
		*ret_status = WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
		return true;
	}
	plan_restart(supervisor, status);
	return false;
}

/* How long an engine may be silent is judged here, and an idle one may be for a minute: a manager that is less patient hears of us meanwhile,
 * but not when we cannot get rid of one. */
static bool owes_beat(const struct supervisor *supervisor)
{
	return supervisor->tell_ms && supervisor->engine && !supervisor->kill_at;
}

static void manager_tell(struct supervisor *supervisor)
{
	int64_t now = clock_monotonic_ms();

	if (!owes_beat(supervisor) || now < supervisor->told_at + supervisor->tell_ms)
		return;
	notify_send("WATCHDOG=1");
	supervisor->told_at = now;
}

/* Which of these comes first: there is always one, so nothing that got lost has us sleep for ever. */
static int64_t look_at(const struct supervisor *supervisor)
{
	int64_t beat_at = owes_beat(supervisor) ? supervisor->told_at + supervisor->tell_ms : INT64_MAX;
	int64_t engine_at = supervisor->kill_at  ? supervisor->kill_at
			    : supervisor->engine ? supervisor->heard_at + supervisor->terms->silence_ms
						 : supervisor->start_at;

	return beat_at < engine_at ? beat_at : engine_at;
}

/* Until a message, or that time. */
static void hear(struct supervisor *supervisor)
{
	int64_t until = look_at(supervisor), left = until - clock_monotonic_ms();
	struct pollfd heard[] = { { .fd = supervisor->signals, .events = POLLIN },
				  { .fd = supervisor->heart, .events = POLLIN } };

	if (poll(heard, 2, left > 0 ? (int)left : 0) > 0) {
		if (heard[1].revents & POLLIN)
			on_heart(supervisor);
		if (heard[0].revents)
			on_signal(supervisor);
	}
	/* We were stopped ourselves, as all of a container is that is frozen: then the engine was too. */
	if (clock_monotonic_ms() > until + SUPERVISOR_LATE_MS)
		supervisor->heard_at = clock_monotonic_ms();
}

/* Politely first, then not. */
static void engine_judge(struct supervisor *supervisor)
{
	int64_t now = clock_monotonic_ms();

	if (!supervisor->engine)
		return;
	if (!supervisor->kill_at && supervisor->heard_at + supervisor->terms->silence_ms <= now) {
		log_event(LOG_ERROR, "the engine has not been heard for %lld s; it is ended",
			  (long long)(now - supervisor->heard_at) / 1000);
		engine_end(supervisor);
	} else if (supervisor->kill_at && supervisor->kill_at <= now) {
		log_event(LOG_WARN, "the engine does not end when it is told to; it is killed");
		kill(supervisor->engine, SIGKILL);
		supervisor->kill_at = now + SUPERVISOR_PAUSE_LAST * INT64_C(1000);
	}
}

static int supervise(struct supervisor *supervisor)
{
	int status = 0;

	for (;;) {
		hear(supervisor);
		engine_judge(supervisor);
		manager_tell(supervisor);
		if (engine_gone(supervisor, &status) || (supervisor->is_stopping && !supervisor->engine))
			return status;
		if (!supervisor->engine && supervisor->start_at <= clock_monotonic_ms())
			engine_start(supervisor);
	}
}

int supervisor_run(const struct supervisor_terms *terms)
{
	struct supervisor supervisor = { .terms = terms,
					 .heart = -1,
					 .owes_ready = true,
					 .config_at = clock_now(),
					 .told_at = clock_monotonic_ms(),
					 .tell_ms = notify_watchdog_ms() };
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	sigaddset(&ours, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ours, &supervisor.before);
	sigdelset(&supervisor.before, SIGHUP); /* held back since before the configuration was read */
	/* Where they are ignored, as one may have been started, the kernel tells nobody of ended children. */
	signal(SIGCHLD, SIG_DFL);
	supervisor.signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	if (supervisor.signals < 0) {
		log_event(LOG_ERROR, "signalfd: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	engine_start(&supervisor);
	int status = supervise(&supervisor);
	close(supervisor.signals);
	return status;
}
