/* deploy.c -- spawns the deploy hook and waits for it, no longer than its timeout. */
#include "deploy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define DEPLOY_ENV_MAX 4200
#define DEPLOY_POLL_MS 20

struct hook {
	pid_t pid;
	int output;  /* read end of its stdout and stderr */
	bool silent; /* it closed both */
	char tail[DEPLOY_OUTPUT_MAX + 1];
	size_t tail_len;
};

static const char *env_text(char *text, const char *name, const char *value)
{
	snprintf(text, DEPLOY_ENV_MAX, "%s=%s", name, value ? value : "");
	return text;
}

static enum rc hook_spawn(struct hook *hook, const struct config_certificate *certificate, const char *live_dir, struct err *err)
{
	char name[DEPLOY_ENV_MAX], live[DEPLOY_ENV_MAX], path[DEPLOY_ENV_MAX], home[DEPLOY_ENV_MAX];
	const char *search = getenv("PATH");
	const char *env[] = { env_text(name, "HWACME_NAME", certificate->name),
			      env_text(live, "HWACME_LIVE", live_dir),
			      env_text(path, "PATH", search ? search : "/usr/sbin:/usr/bin:/sbin:/bin"),
			      env_text(home, "HOME", getenv("HOME")),
			      "LANG=C.UTF-8",
			      NULL };
	AUTO(text_list) char **argv = calloc(certificate->deploy_run_count + 1, sizeof(char *));
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int ends[2];

	if (!argv)
		return err_set(err, RC_RESOURCE, "out of memory");
	for (unsigned i = 0; i < certificate->deploy_run_count; i++)
		argv[i] = certificate->deploy_run[i];
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, ends[1], 1);
	posix_spawn_file_actions_adddup2(&files, ends[1], 2);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setpgroup(&attributes, 0);
	int failed = posix_spawnp(&hook->pid, argv[0], &files, &attributes, argv, (char *const *)(uintptr_t)env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	close(ends[1]);
	hook->output = ends[0];
	if (failed) {
		close(ends[0]);
		return err_set_raw(err, RC_RETRY, ERR_ERRNO, failed, "\"%s\" cannot be started: %s", argv[0], strerror(failed));
	}
	return RC_OK;
}

/* Keeps the last DEPLOY_OUTPUT_MAX bytes; the rest of what a hook says is dropped. */
static void hook_listen(struct hook *hook)
{
	char more[256];
	ssize_t got;

	while ((got = read(hook->output, more, sizeof(more))) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			if (hook->tail_len == DEPLOY_OUTPUT_MAX)
				memmove(hook->tail, hook->tail + 1, --hook->tail_len);
			hook->tail[hook->tail_len++] = (char)(more[i] >= 0x20 && more[i] < 0x7f ? more[i] : ' ');
		}
	}
	hook->silent = got == 0;
	while (hook->tail_len && hook->tail[hook->tail_len - 1] == ' ')
		hook->tail_len--;
	hook->tail[hook->tail_len] = '\0';
}

/* True when it ended by itself before the deadline. */
static bool hook_wait(struct hook *hook, int64_t deadline_ms, int *ret_status)
{
	while (waitpid(hook->pid, ret_status, WNOHANG) == 0) {
		struct pollfd readable = { .fd = hook->silent ? -1 : hook->output, .events = POLLIN };

		if (clock_monotonic_ms() >= deadline_ms) {
			kill(-hook->pid, SIGKILL);
			waitpid(hook->pid, ret_status, 0);
			return false;
		}
		poll(&readable, 1, DEPLOY_POLL_MS);
		hook_listen(hook);
	}
	return true;
}

enum rc deploy_run(const struct config_certificate *certificate, const char *live_dir, struct err *err)
{
	int64_t timeout = certificate->deploy_timeout ? certificate->deploy_timeout : DEPLOY_TIMEOUT_DEFAULT;
	struct hook hook = { .output = -1 };
	int status = 0;
	enum rc rc = hook_spawn(&hook, certificate, live_dir, err);

	if (rc != RC_OK)
		return rc;
	bool ended = hook_wait(&hook, clock_monotonic_ms() + timeout * 1000, &status);
	hook_listen(&hook);
	close(hook.output);
	const char *said = hook.tail_len ? hook.tail : "(it printed nothing)";
	if (!ended)
		return err_set(err, RC_RETRY, "\"%s\" did not end within %lld s and was killed: %s", certificate->deploy_run[0],
			       (long long)timeout, said);
	if (WIFSIGNALED(status))
		return err_set(err, RC_RETRY, "\"%s\" was ended by signal %d: %s", certificate->deploy_run[0], WTERMSIG(status),
			       said);
	if (WEXITSTATUS(status) != 0)
		return err_set(err, RC_RETRY, "\"%s\" exited with %d: %s", certificate->deploy_run[0], WEXITSTATUS(status), said);
	return RC_OK;
}
