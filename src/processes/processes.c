/* processes.c -- the engine's requests to the spawner. */
#include "processes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "listen.h"
#include "log.h"
#include "spawner.h"
#include "spki.h"
#include "wire.h"

#define HOOK_GRACE_MS 5000 /* beyond the hook's own timeout: to start, to be killed, to answer */

struct processes {
	const struct config *config;
	pid_t spawner;
	int fd;
	struct remote_link *keyd;
};

static enum rc spawner_gone(struct err *err, int number)
{
	return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "the process that starts keyd and hooks is gone: %s",
			   strerror(number));
}

/* The request, with descriptors that are the spawner's from now on. */
static enum rc request_send(struct processes *processes, const struct spawner_message *message, const int *fds, unsigned count,
			    struct err *err)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(SPAWNER_FDS_MAX * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec piece = { .iov_base = (void *)(uintptr_t)message, .iov_len = sizeof(*message) };
	struct msghdr header = { .msg_iov = &piece, .msg_iovlen = 1 };

	if (count) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS,
						  .cmsg_len = CMSG_LEN(count * sizeof(int)) };
		memcpy(CMSG_DATA(&control.align), fds, count * sizeof(int));
	}
	ssize_t sent = sendmsg(processes->fd, &header, MSG_NOSIGNAL);
	int number = errno;
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	return sent == sizeof(*message) ? RC_OK : spawner_gone(err, number);
}

static enum rc pairs_make(int ours[], int theirs[], unsigned count, struct err *err)
{
	for (unsigned i = 0; i < count; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
			int number = errno;

			while (i--) {
				close(ours[i]);
				close(theirs[i]);
			}
			return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "socketpair: %s", strerror(number));
		}
		ours[i] = pair[0];
		theirs[i] = pair[1];
	}
	return RC_OK;
}

static enum rc keyd_start(void *ctx, int ret_fds[], unsigned count, struct err *err)
{
	int theirs[SPAWNER_FDS_MAX];
	enum rc rc = count <= SPAWNER_FDS_MAX ? pairs_make(ret_fds, theirs, count, err)
					      : err_set(err, RC_BUG, "more connections than the spawner takes");

	if (rc != RC_OK)
		return rc;
	rc = request_send(ctx, &(struct spawner_message){ .request = SPAWNER_START_KEYD }, theirs, count, err);
	for (unsigned i = 0; rc != RC_OK && i < count; i++)
		close(ret_fds[i]);
	return rc;
}

static void keyd_kill(void *ctx)
{
	(void)!request_send(ctx, &(struct spawner_message){ .request = SPAWNER_KILL_KEYD }, NULL, 0, NULL);
}

/* Both what getenv() finds and what /proc/PID/environ would show. */
static void variable_forget(const struct config_secret *secret)
{
	char *value = secret->source == SECRET_ENV ? getenv(secret->where) : NULL;

	if (!value)
		return;
	bytes_wipe(value, strlen(value));
	unsetenv(secret->where);
}

static void environment_forget(const struct config *config)
{
	const struct config_secret *secret;

	for (unsigned i = 0; (secret = config_secret_at(config, i)); i++)
		variable_forget(secret);
}

enum rc processes_start(const struct config *config, struct processes **ret_processes, struct err *err)
{
	AUTO(processes) struct processes *processes = calloc(1, sizeof(*processes));
	int pair[2];

	if (!processes)
		return err_set(err, RC_RESOURCE, "out of memory");
	*processes = (struct processes){ .config = config, .fd = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "socketpair: %s", strerror(errno));
	spki_prepare();
	unsigned handed = listen_handed();
	pid_t pid = fork();
	if (pid == 0) {
		close(pair[0]);
		/* Answers are given by the engine: nobody else listens. */
		listen_forget(handed);
		_exit(spawner_serve(config, pair[1]));
	}
	int number = errno;
	close(pair[1]);
	processes->fd = pair[0];
	if (pid < 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "fork: %s", strerror(number));
	processes->spawner = pid;
	environment_forget(config);
	struct remote_starter starter = { .ctx = processes, .start = keyd_start, .kill = keyd_kill };
	enum rc rc = remote_link_new(&starter, &processes->keyd, err);
	if (rc == RC_OK)
		*ret_processes = TAKE(processes);
	return rc;
}

void processes_stop(struct processes *processes)
{
	if (!processes)
		return;
	remote_link_free(processes->keyd);
	if (processes->fd >= 0)
		close(processes->fd);
	/* It ends by itself, and is bounded in how long it waits for keyd. */
	while (processes->spawner && waitpid(processes->spawner, NULL, 0) < 0 && errno == EINTR)
		;
	free(processes);
}

bool processes_are_there(struct processes *processes)
{
	int status;

	if (!processes->spawner || waitpid(processes->spawner, &status, WNOHANG) == 0)
		return processes->spawner != 0;
	processes->spawner = 0;
	log_event(LOG_ERROR, "the process that starts keyd and hooks has ended");
	return false;
}

struct remote_link *processes_keyd(struct processes *processes)
{
	return processes->keyd;
}

/* Sends the request and waits for the end of what it starts. */
static enum rc hook_await(struct processes *processes, const struct spawner_message *message, int64_t timeout,
			  struct buf *ret_output, struct err *err)
{
	int64_t deadline = clock_monotonic_ms() + timeout * 1000 + HOOK_GRACE_MS;
	struct wire *answer = calloc(1, sizeof(*answer));
	int ours[1], theirs[1];
	enum rc rc = answer ? pairs_make(ours, theirs, 1, err) : err_set(err, RC_RESOURCE, "out of memory");

	if (rc == RC_OK) {
		rc = request_send(processes, message, theirs, 1, err);
		if (rc == RC_OK)
			rc = wire_socket(ours[0], err);
		if (rc == RC_OK)
			rc = wire_receive(answer, ours[0], deadline, err);
		if (rc == RC_OK) {
			struct span output = wire_get_bytes(answer, SPAWNER_OUTPUT_MAX);

			rc = wire_get_err(answer, err);
			if (rc == RC_OK && ret_output)
				rc = buf_append(ret_output, output, err);
		} else {
			rc = err_wrap(err, RC_RETRY, "the hook's end was not told");
		}
		close(ours[0]);
	}
	if (answer)
		bytes_wipe(answer, sizeof(*answer));
	free(answer);
	return rc;
}

static enum rc program_await(struct processes *processes, enum spawner_request request,
			     const struct config_certificate *certificate, int64_t timeout, char *ret_words, struct err *err)
{
	struct spawner_message message = { .request = request,
					   .certificate = (uint32_t)(certificate - processes->config->certificates) };
	AUTO(buf) struct buf words = BUF_MAX(PROGRAM_OUTPUT_MAX);
	enum rc rc = hook_await(processes, &message, timeout, &words, err);

	if (rc == RC_OK && ret_words)
		snprintf(ret_words, PROGRAM_OUTPUT_MAX + 1, "%s", buf_text(&words));
	return rc;
}

enum rc processes_deploy(struct processes *processes, const struct config_certificate *certificate,
			 char ret_words[PROGRAM_OUTPUT_MAX + 1], struct err *err)
{
	return program_await(processes, SPAWNER_DEPLOY, certificate, certificate->deploy_timeout, ret_words, err);
}

enum rc processes_probe(struct processes *processes, const struct config_certificate *certificate,
			char ret_words[PROGRAM_OUTPUT_MAX + 1], struct err *err)
{
	return program_await(processes, SPAWNER_PROBE, certificate, certificate->probe.timeout, ret_words, err);
}

enum rc processes_challenge(struct processes *processes, const struct config_certificate *certificate,
			    const struct config_challenge *challenge, const struct challenge_call *call, struct buf *ret_output,
			    struct err *err)
{
	struct spawner_message message = { .request = SPAWNER_CHALLENGE,
					   .certificate = (uint32_t)(certificate - processes->config->certificates),
					   .challenge = (uint32_t)(challenge - certificate->challenges),
					   .call = *call };

	return hook_await(processes, &message, challenge->timeout, ret_output, err);
}
