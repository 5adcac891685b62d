/*
 * keyd_process.h -- a keyd of the test's own: forked, killed and started again as the engine would have it.
 *
 * It is forked by a process of one thread, as in the product: a test may have others, and what one of them has locked at the moment of a
 * fork() (an allocator's lock, a loader's) stays locked in the child for ever.
 */
#ifndef HWA_TEST_KEYD_PROCESS_H
#define HWA_TEST_KEYD_PROCESS_H

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keyd.h"
#include "remote.h"

struct keyd_process {
	const struct config *config; /* as it is at the first start, and after an end at the next */
	pid_t pid;                   /* 0: none */
	unsigned starts;             /* so far */
	int starter;                 /* the socket to it; 0: none yet */
	pid_t starter_pid;
};

/* To the starter: the sockets of a keyd to be forked, or none: how did it end? */
union keyd_process_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(KEYD_CONNECTIONS_MAX * sizeof(int))];
};

static inline int keyd_process_ask(const struct keyd_process *keyd, const int *fds, unsigned count)
{
	union keyd_process_control control = { .align = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec piece = { .iov_base = &count, .iov_len = sizeof(count) };
	struct msghdr header = { .msg_iov = &piece, .msg_iovlen = 1 };
	int answer = -1;

	if (count) {
		control.align.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, count * sizeof(int));
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));
	}
	if (sendmsg(keyd->starter, &header, MSG_NOSIGNAL) < 0 ||
	    recv(keyd->starter, &answer, sizeof(answer), 0) != sizeof(answer))
		return -1;
	return answer;
}

static inline void keyd_process_starter(const struct config *config, int test)
{
	union keyd_process_control control;
	unsigned count = 0;
	struct iovec piece = { .iov_base = &count, .iov_len = sizeof(count) };
	pid_t pid = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		struct msghdr header = {
			.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
		};
		int fds[KEYD_CONNECTIONS_MAX], answer = -1;

		if (recvmsg(test, &header, MSG_CMSG_CLOEXEC) <= 0)
			_exit(0);
		if (count == 0) {
			waitpid(pid, &answer, 0);
		} else {
			memcpy(fds, CMSG_DATA(&control.align), count * sizeof(int));
			answer = pid = fork();
			if (pid == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				close(test);
				_exit(keyd_serve(config, fds, count, NULL) == RC_OK ? 0 : 1);
			}
			for (unsigned i = 0; i < count; i++)
				close(fds[i]);
		}
		if (send(test, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			_exit(1);
	}
}

/* It holds nothing open of the test's: whoever waits for the end of a connection must see it. */
static inline int keyd_process_starter_fork(struct keyd_process *keyd)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	keyd->starter_pid = fork();
	if (keyd->starter_pid == 0) {
		unsigned own = (unsigned)pair[1];

		if (own > 3)
			close_range(3, own - 1, 0);
		close_range(own + 1, ~0U, 0);
		keyd_process_starter(keyd->config, pair[1]);
	}
	close(pair[1]);
	keyd->starter = pair[0];
	return keyd->starter_pid > 0 ? 0 : -1;
}

static inline int keyd_process_reap(struct keyd_process *keyd)
{
	int status = keyd->pid > 0 ? keyd_process_ask(keyd, NULL, 0) : -1;

	keyd->pid = 0;
	return status;
}

static inline void keyd_process_kill(void *ctx)
{
	struct keyd_process *keyd = ctx;

	if (keyd->pid > 0)
		kill(keyd->pid, SIGKILL);
	(void)keyd_process_reap(keyd);
}

/* After the link was freed: keyd has seen its sockets closed, and ends well. */
static inline int keyd_process_end(struct keyd_process *keyd)
{
	int status = keyd_process_reap(keyd);

	if (keyd->starter > 0) {
		close(keyd->starter);
		waitpid(keyd->starter_pid, NULL, 0);
	}
	keyd->starter = 0;
	return status;
}

static inline enum rc keyd_process_start(void *ctx, int ret_fds[], unsigned count, struct err *err)
{
	struct keyd_process *keyd = ctx;
	int theirs[KEYD_CONNECTIONS_MAX];

	keyd_process_kill(keyd);
	if (keyd->starter == 0 && keyd_process_starter_fork(keyd) != 0)
		return err_set(err, RC_RESOURCE, "fork");
	for (unsigned i = 0; i < count; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
			return err_set(err, RC_RESOURCE, "socketpair");
		ret_fds[i] = pair[0];
		theirs[i] = pair[1];
	}
	keyd->pid = keyd_process_ask(keyd, theirs, count);
	for (unsigned i = 0; i < count; i++)
		close(theirs[i]);
	keyd->starts++;
	return keyd->pid > 0 ? RC_OK : err_set(err, RC_RESOURCE, "fork");
}

static inline struct remote_link *keyd_process_link(struct keyd_process *keyd)
{
	struct remote_starter starter = { .ctx = keyd, .start = keyd_process_start, .kill = keyd_process_kill };
	struct remote_link *link = NULL;

	return remote_link_new(&starter, &link, NULL) == RC_OK ? link : NULL;
}

#endif /* HWA_TEST_KEYD_PROCESS_H */
