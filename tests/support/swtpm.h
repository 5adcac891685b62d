/* swtpm.h -- a swtpm of the test's own on a Unix socket in a private directory; it can be stopped and started again. */
#ifndef HWA_TEST_SWTPM_H
#define HWA_TEST_SWTPM_H

#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define SWTPM_START_MS 20000

struct swtpm {
	char dir[64]; /* /tmp/hwa-tpm-XXXXXX */
	char tcti[96];
	unsigned port; /* 0: a Unix socket; else this one of 127.0.0.1, and the next for control */
	pid_t pid;     /* 0: stopped */
};

static inline int swtpm_answers(const struct swtpm *swtpm)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	struct sockaddr_in port = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(swtpm->port ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(path.sun_path, sizeof(path.sun_path), "%s/sock", swtpm->dir);
	port.sin_port = htons((uint16_t)swtpm->port);
	int connected = fd >= 0 && (swtpm->port ? connect(fd, (struct sockaddr *)&port, sizeof(port))
						: connect(fd, (struct sockaddr *)&path, sizeof(path))) == 0;
	if (fd >= 0)
		close(fd);
	return connected;
}

/* Starts it on the state it left behind; 0 when it answers. */
static inline int swtpm_run(struct swtpm *swtpm)
{
	char state[128], server[128], control[160], socket_path[80];
	int64_t deadline = clock_monotonic_ms() + SWTPM_START_MS;

	snprintf(state, sizeof(state), "dir=%s", swtpm->dir);
	snprintf(socket_path, sizeof(socket_path), "%s/sock", swtpm->dir);
	if (swtpm->port) {
		snprintf(server, sizeof(server), "type=tcp,port=%u", swtpm->port);
		snprintf(control, sizeof(control), "type=tcp,port=%u", swtpm->port + 1);
	} else {
		snprintf(server, sizeof(server), "type=unixio,path=%s", socket_path);
		snprintf(control, sizeof(control), "type=unixio,path=%s.ctrl", socket_path);
	}
	unlink(socket_path);
	swtpm->pid = fork();
	if (swtpm->pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 1);
		dup2(null, 2);
		execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server, "--ctrl", control,
		       "--flags", "not-need-init,startup-clear", (char *)NULL);
		_exit(127);
	}
	while (!swtpm_answers(swtpm)) {
		if (swtpm->pid < 0 || clock_monotonic_ms() > deadline || waitpid(swtpm->pid, NULL, WNOHANG) != 0)
			return -1;
		poll(NULL, 0, 10);
	}
	return 0;
}

static inline int swtpm_start_in(struct swtpm *swtpm, const char *parent)
{
	snprintf(swtpm->dir, sizeof(swtpm->dir), "%s/hwa-tpm-XXXXXX", parent);
	if (!mkdtemp(swtpm->dir))
		return -1;
	snprintf(swtpm->tcti, sizeof(swtpm->tcti), "swtpm:path=%s/sock", swtpm->dir);
	return swtpm_run(swtpm);
}

static inline int swtpm_start(struct swtpm *swtpm)
{
	return swtpm_start_in(swtpm, "/tmp");
}

/* Over TCP; the control port is the next one by convention, so both must be free. */
static inline int swtpm_start_tcp(struct swtpm *swtpm)
{
	strcpy(swtpm->dir, "/tmp/hwa-tpm-XXXXXX");
	if (!mkdtemp(swtpm->dir))
		return -1;
	for (int attempt = 0; attempt < 20; attempt++) {
		struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t len = sizeof(address);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 &&
			    getsockname(fd, (struct sockaddr *)&address, &len) == 0;

		if (fd >= 0)
			close(fd);
		if (!bound)
			return -1;
		swtpm->port = ntohs(address.sin_port);
		snprintf(swtpm->tcti, sizeof(swtpm->tcti), "swtpm:host=127.0.0.1,port=%u", swtpm->port);
		if (swtpm_run(swtpm) == 0)
			return 0;
	}
	return -1;
}

static inline void swtpm_halt(struct swtpm *swtpm)
{
	if (swtpm->pid > 0) {
		kill(swtpm->pid, SIGTERM);
		waitpid(swtpm->pid, NULL, 0);
	}
	swtpm->pid = 0;
}

/* The parents that were known had other names: the TPM is taken for another; or again for the one that it is. */
static inline int swtpm_disown(const char *keys_dir, bool is_disowned)
{
	char command[512];

	snprintf(
		command, sizeof(command),
		is_disowned
			? "cd %s && mkdir .mine && cp .known-* .mine && for file in .known-*; do sed -i s/^000b/000c/ $file; done"
			: "cd %s && mv .mine/.known-* . && rmdir .mine",
		keys_dir);
	return system(command);
}

static inline int swtpm_unlink(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status, (void)kind, (void)walk;
	return remove(path);
}

static inline void swtpm_stop(struct swtpm *swtpm)
{
	swtpm_halt(swtpm);
	nftw(swtpm->dir, swtpm_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

#endif /* HWA_TEST_SWTPM_H */
