/* keyd_process.h -- a keyd of the test's own: forked, killed and started again as the engine would have it. */
#ifndef HWA_TEST_KEYD_PROCESS_H
#define HWA_TEST_KEYD_PROCESS_H

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keyd.h"
#include "remote.h"

struct keyd_process {
	const struct config *config;
	pid_t pid;       /* 0: none */
	unsigned starts; /* so far */
};

static inline void keyd_process_kill(void *ctx)
{
	struct keyd_process *keyd = ctx;

	if (keyd->pid > 0) {
		kill(keyd->pid, SIGKILL);
		waitpid(keyd->pid, NULL, 0);
	}
	keyd->pid = 0;
}

static inline enum rc keyd_process_start(void *ctx, int ret_fds[], unsigned count, struct err *err)
{
	struct keyd_process *keyd = ctx;
	int theirs[KEYD_CONNECTIONS_MAX];

	keyd_process_kill(keyd);
	for (unsigned i = 0; i < count; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
			return err_set(err, RC_RESOURCE, "socketpair");
		ret_fds[i] = pair[0];
		theirs[i] = pair[1];
	}
	keyd->pid = fork();
	if (keyd->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned i = 0; i < count; i++)
			close(ret_fds[i]);
		_exit(keyd_serve(keyd->config, theirs, count, NULL) == RC_OK ? 0 : 1);
	}
	for (unsigned i = 0; i < count; i++)
		close(theirs[i]);
	keyd->starts++;
	return keyd->pid > 0 ? RC_OK : err_set(err, RC_RESOURCE, "fork");
}

/* After the link was freed: keyd has seen its sockets closed, and ends well. */
static inline int keyd_process_end(struct keyd_process *keyd)
{
	int status = -1;

	if (keyd->pid > 0)
		waitpid(keyd->pid, &status, 0);
	keyd->pid = 0;
	return status;
}

static inline struct remote_link *keyd_process_link(struct keyd_process *keyd)
{
	struct remote_starter starter = { .ctx = keyd, .start = keyd_process_start, .kill = keyd_process_kill };
	struct remote_link *link = NULL;

	return remote_link_new(&starter, &link, NULL) == RC_OK ? link : NULL;
}

#endif /* HWA_TEST_KEYD_PROCESS_H */
