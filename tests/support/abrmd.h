/* abrmd.h -- a tpm2-abrmd of the test's own in front of a swtpm, on a private session bus. */
#ifndef HWA_TEST_ABRMD_H
#define HWA_TEST_ABRMD_H

#include "swtpm.h"

struct abrmd {
	char bus[96]; /* unix:path=... */
	char log[96];
	pid_t dbus, broker;
};

static inline pid_t abrmd_spawn(const char *log, char *const argv[])
{
	pid_t pid = fork();

	if (pid == 0) {
		int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		dup2(out, 1);
		dup2(out, 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static inline int abrmd_run(struct abrmd *abrmd, const struct swtpm *tpm)
{
	char tcti[128], probe[256];
	char *const argv[] = { "tpm2-abrmd", "--session", "--allow-root", tcti, "--flush-all", NULL };
	int64_t deadline = clock_monotonic_ms() + SWTPM_START_MS;

	snprintf(tcti, sizeof(tcti), "--tcti=%s", tpm->tcti);
	snprintf(probe, sizeof(probe), "tpm2_getcap -T tabrmd:bus_type=session handles-nv-index >%s 2>&1", abrmd->log);
	abrmd->broker = abrmd_spawn(abrmd->log, argv);
	while (system(probe) != 0) {
		if (abrmd->broker < 0 || clock_monotonic_ms() > deadline || waitpid(abrmd->broker, NULL, WNOHANG) != 0)
			return -1;
		poll(NULL, 0, 20);
	}
	return 0;
}

/* The bus is in the environment from here on. */
static inline int abrmd_start(struct abrmd *abrmd, const struct swtpm *tpm)
{
	char path[96], address[128];
	char *const argv[] = { "dbus-daemon", "--session", "--nofork", "--nopidfile", address, NULL };
	int64_t deadline = clock_monotonic_ms() + SWTPM_START_MS;

	snprintf(path, sizeof(path), "%s/bus", tpm->dir);
	snprintf(abrmd->bus, sizeof(abrmd->bus), "unix:path=%s", path);
	snprintf(address, sizeof(address), "--address=%s", abrmd->bus);
	snprintf(abrmd->log, sizeof(abrmd->log), "%s/abrmd.log", tpm->dir);
	setenv("DBUS_SESSION_BUS_ADDRESS", abrmd->bus, 1);
	abrmd->dbus = abrmd_spawn(abrmd->log, argv);
	while (access(path, F_OK) != 0) {
		if (abrmd->dbus < 0 || clock_monotonic_ms() > deadline || waitpid(abrmd->dbus, NULL, WNOHANG) != 0)
			return -1;
		poll(NULL, 0, 10);
	}
	return abrmd_run(abrmd, tpm);
}

static inline void abrmd_end(pid_t *pid, int number)
{
	if (*pid > 0) {
		kill(*pid, number);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

/* The broker alone, as a crash would; abrmd_run() brings it back. */
static inline void abrmd_halt(struct abrmd *abrmd)
{
	abrmd_end(&abrmd->broker, SIGKILL);
}

static inline void abrmd_stop(struct abrmd *abrmd)
{
	abrmd_end(&abrmd->broker, SIGTERM);
	abrmd_end(&abrmd->dbus, SIGTERM);
}

#endif /* HWA_TEST_ABRMD_H */
