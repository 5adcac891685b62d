/* spawner.c -- starts keyd and hooks for an engine that may start nothing itself. */
#include "spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "challenge_hook.h"
#include "clock.h"
#include "deploy.h"
#include "family.h"
#include "keyd.h"
#include "log.h"
#include "sandbox.h"
#include "wire.h"

#define HOOKS_MAX 64 /* at once; the engine has fewer workers */

struct spawner {
	const struct config *config;
	int engine;
	pid_t keyd; /* 0: none */
	/* Those that wait for a hook each; 0: a free place. */
	pid_t waiting[HOOKS_MAX];
};

struct request {
	struct spawner_message message;
	int fds[SPAWNER_FDS_MAX];
	unsigned fd_count;
};

static void fds_take(struct msghdr *header, struct request *ret)
{
	for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(control) + i * sizeof(fd), sizeof(fd));
			if (ret->fd_count < SPAWNER_FDS_MAX)
				ret->fds[ret->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

/* False when the engine is gone. */
static bool request_receive(int engine, struct request *ret)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(SPAWNER_FDS_MAX * sizeof(int))];
	} control;
	struct iovec piece = { .iov_base = &ret->message, .iov_len = sizeof(ret->message) };
	struct msghdr header = {
		.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	ssize_t got;

	*ret = (struct request){ .fd_count = 0 };
	do {
		got = recvmsg(engine, &header, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got <= 0)
		return false;
	fds_take(&header, ret);
	if (got != sizeof(ret->message))
		ret->message.request = UINT32_MAX;
	return true;
}

static void fds_close(const struct request *request)
{
	for (unsigned i = 0; i < request->fd_count; i++)
		close(request->fds[i]);
}

/* A module's own words go nowhere, unless the operator wants to see everything (or a sanitizer has something to say). */
static void output_silence(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
#ifndef __SANITIZE_ADDRESS__
	if (!log_is_shown(LOG_DEBUG))
		dup2(null, STDERR_FILENO);
#endif
	close(null);
}

static int keyd_main(const struct spawner *spawner, const struct request *request)
{
	struct err err = { 0 };

	prctl(PR_SET_NAME, "hwacme-keyd");
	/* With the spawner everything ends; a module that hangs must not outlive it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enum rc rc = sandbox_keyd(spawner->config, &err);
	if (rc == RC_OK) {
		output_silence();
		rc = keyd_serve(spawner->config, request->fds, request->fd_count, &err);
	}
	if (rc != RC_OK)
		log_failure("keyd", &err);
	return rc == RC_OK ? 0 : 1;
}

static enum rc hook_run(const struct spawner *spawner, const struct spawner_message *message, struct buf *ret_output,
			struct err *err)
{
	const struct config_certificate *certificate = &spawner->config->certificates[message->certificate];
	char live[4096], words[PROGRAM_OUTPUT_MAX + 1] = "";

	if (message->request == SPAWNER_CHALLENGE)
		return challenge_hook_run(certificate, &certificate->challenges[message->challenge], &message->call, ret_output,
					  err);
	int len = snprintf(live, sizeof(live), "%s/live/%s", spawner->config->state, certificate->name);
	if (len < 0 || (size_t)len >= sizeof(live))
		return err_set(err, RC_INPUT, "state: the path is too long: %s", spawner->config->state);
	enum rc rc = message->request == SPAWNER_DEPLOY ? deploy_run(certificate, live, words, err)
							: deploy_probe(certificate, live, words, err);
	return rc == RC_OK ? buf_append(ret_output, span_text(words), err) : rc;
}

static void hook_main(const struct spawner *spawner, const struct request *request)
{
	static struct wire wire;
	AUTO(buf) struct buf output = BUF_MAX(SPAWNER_OUTPUT_MAX);
	struct err err = { 0 };

	program_set_caller(request->fds[0]);
	enum rc rc = hook_run(spawner, &request->message, &output, &err);
	wire_clear(&wire);
	wire_put_bytes(&wire, buf_span(&output));
	wire_put_err(&wire, rc, &err);
	/* The engine may be gone by now. */
	(void)!wire_send(&wire, request->fds[0], NULL);
}

/* Why keyd ended is worth a line: it is what an operator tells the vendor of a module. */
static void keyd_ended(struct spawner *spawner, int status)
{
	if (WIFSIGNALED(status))
		log_event(LOG_ERROR, "keyd (process %ld) was ended by signal %d", (long)spawner->keyd, WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		log_event(LOG_ERROR, "keyd (process %ld) ended with status %d", (long)spawner->keyd, WEXITSTATUS(status));
	spawner->keyd = 0;
}

static void keyd_kill(struct spawner *spawner)
{
	int status;

	if (!spawner->keyd)
		return;
	kill(spawner->keyd, SIGKILL);
	/* The engine sees a keyd that died by itself, and has it killed, before we hear of its end: that it died otherwise shows. */
	if (waitpid(spawner->keyd, &status, 0) > 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		keyd_ended(spawner, status);
	spawner->keyd = 0;
}

static void keyd_start(struct spawner *spawner, const struct request *request)
{
	keyd_kill(spawner);
	pid_t pid = fork();
	if (pid == 0) {
		close(spawner->engine);
		_exit(keyd_main(spawner, request));
	}
	/* Where there is no keyd the engine sees its sockets closed. */
	spawner->keyd = pid > 0 ? pid : 0;
}

/* Is there such a program in our own copy of the configuration? */
static bool is_configured(const struct config *config, const struct spawner_message *message)
{
	if (message->certificate >= config->certificate_count)
		return false;
	const struct config_certificate *certificate = &config->certificates[message->certificate];
	if (message->request == SPAWNER_DEPLOY)
		return certificate->deploy_run_count > 0;
	if (message->request == SPAWNER_PROBE)
		return certificate->probe.run_count > 0;
	return message->challenge < certificate->challenge_count && certificate->challenges[message->challenge].run_count > 0;
}

static pid_t *waiting_place(struct spawner *spawner, pid_t pid)
{
	for (unsigned i = 0; i < HOOKS_MAX; i++)
		if (spawner->waiting[i] == pid)
			return &spawner->waiting[i];
	return NULL;
}

static void hook_start(struct spawner *spawner, const struct request *request)
{
	pid_t *place = waiting_place(spawner, 0);

	if (!place || request->fd_count != 1 || !is_configured(spawner->config, &request->message))
		return;
	pid_t pid = fork();
	*place = pid > 0 ? pid : 0;
	if (pid == 0) {
		close(spawner->engine);
		hook_main(spawner, request);
		_exit(0);
	}
}

/* Whoever waited for a hook has ended what it started, unless it was killed itself: then that has come to us. */
static void waiting_ended(struct spawner *spawner, pid_t pid, int status)
{
	pid_t kept[HOOKS_MAX + 1] = { spawner->keyd };
	pid_t *place = waiting_place(spawner, pid);

	if (!place)
		return;
	*place = 0;
	if (!WIFSIGNALED(status))
		return;
	memcpy(kept + 1, spawner->waiting, sizeof(spawner->waiting));
	family_end_strays(kept, HOOKS_MAX + 1);
}

static void children_reap(struct spawner *spawner)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		waiting_ended(spawner, pid, status);
		if (pid == spawner->keyd)
			keyd_ended(spawner, status);
	}
}

static void keyd_wait(struct spawner *spawner)
{
	int64_t deadline = clock_monotonic_ms() + SPAWNER_KEYD_STOP_MS;

	for (children_reap(spawner); spawner->keyd && clock_monotonic_ms() < deadline; children_reap(spawner))
		poll(NULL, 0, 2);
	keyd_kill(spawner);
}

static void perform(struct spawner *spawner, const struct request *request)
{
	switch (request->message.request) {
	case SPAWNER_START_KEYD: keyd_start(spawner, request); break;
	case SPAWNER_KILL_KEYD: keyd_kill(spawner); break;
	case SPAWNER_DEPLOY:
	case SPAWNER_PROBE:
	case SPAWNER_CHALLENGE: hook_start(spawner, request); break;
	default: break;
	}
}

/* A signal to the whole group, from a terminal or a service manager, is the engine's: keyd ends when the engine has. */
static int signals_set(void)
{
	sigset_t child;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

int spawner_serve(const struct config *config, int fd)
{
	struct spawner spawner = { .config = config, .engine = fd };
	struct pollfd watched[2] = { { .fd = fd, .events = POLLIN }, { .fd = signals_set(), .events = POLLIN } };
	struct signalfd_siginfo unread;

	prctl(PR_SET_NAME, "hwacme-spawner");
	(void)!family_adopt();
	for (;;) {
		struct request request;

		if (poll(watched, 2, -1) < 0 && errno != EINTR)
			break;
		while (read(watched[1].fd, &unread, sizeof(unread)) > 0)
			;
		children_reap(&spawner);
		if (!(watched[0].revents & (POLLIN | POLLHUP | POLLERR)))
			continue;
		if (!request_receive(fd, &request))
			break;
		perform(&spawner, &request);
		fds_close(&request);
	}
	keyd_wait(&spawner);
	return 0;
}
