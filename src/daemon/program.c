/* program.c -- spawns a program and waits for it, no longer than its time. */
#include "program.h"

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
#include "scope.h"

#define TEXT_MAX 4200 /* of PATH and HOME */
#define POLL_MS  20
#define OWN_ENV  3 /* PATH, HOME, LANG */

/* One end of a pipe from the program. */
struct ear {
	int fd;
	bool silent;     /* it closed its end */
	struct buf *out; /* where it goes; NULL: the last words */
};

struct run {
	pid_t pid;
	struct ear words, output; /* output: only where it is wanted apart */
	bool too_much;            /* more output than there is room for */
	char tail[PROGRAM_OUTPUT_MAX + 1];
	size_t tail_len;
};

static const char *env_text(char *text, const char *name, const char *value)
{
	snprintf(text, TEXT_MAX, "%s=%s", name, value ? value : "");
	return text;
}

/* Descriptors as the program finds them: nothing to read, and its two ways to speak. */
static void files_set(posix_spawn_file_actions_t *files, int output, int words)
{
	posix_spawn_file_actions_init(files);
	posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(files, output, 1);
	posix_spawn_file_actions_adddup2(files, words, 2);
	posix_spawn_file_actions_addclosefrom_np(files, 3);
}

static int spawn(const struct program *program, char *const *argv, int output, int words, pid_t *ret_pid)
{
	char path[TEXT_MAX], home[TEXT_MAX];
	const char *search = getenv("PATH");
	const char *env[OWN_ENV + PROGRAM_ENV_MAX + 1] = { env_text(path, "PATH",
								    search ? search : "/usr/sbin:/usr/bin:/sbin:/bin"),
							   env_text(home, "HOME", getenv("HOME")), "LANG=C.UTF-8" };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;

	for (unsigned i = 0; i < PROGRAM_ENV_MAX && program->environment[i]; i++)
		env[OWN_ENV + i] = program->environment[i];
	files_set(&files, output, words);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setpgroup(&attributes, 0);
	int failed = posix_spawnp(ret_pid, argv[0], &files, &attributes, argv, (char *const *)(uintptr_t)env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return failed;
}

static enum rc run_start(struct run *run, const struct program *program, struct buf *output, struct err *err)
{
	AUTO(text_list) char **argv = calloc(program->argc + 2, sizeof(char *));
	int words[2], apart[2] = { -1, -1 };

	if (!argv)
		return err_set(err, RC_RESOURCE, "out of memory");
	for (unsigned i = 0; i < program->argc; i++)
		argv[i] = program->argv[i];
	argv[program->argc] = (char *)(uintptr_t)program->verb;
	if (pipe2(words, O_CLOEXEC | O_NONBLOCK) != 0)
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "pipe: %s", strerror(errno));
	if (output && pipe2(apart, O_CLOEXEC | O_NONBLOCK) != 0) {
		int number = errno;

		close(words[0]);
		close(words[1]);
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, number, "pipe: %s", strerror(number));
	}
	int failed = spawn(program, argv, output ? apart[1] : words[1], words[1], &run->pid);
	close(words[1]);
	if (output)
		close(apart[1]);
	run->words = (struct ear){ .fd = words[0] };
	run->output = (struct ear){ .fd = apart[0], .silent = !output, .out = output };
	return failed ? err_set_raw(err, RC_RETRY, ERR_ERRNO, failed, "\"%s\" cannot be started: %s", argv[0], strerror(failed))
		      : RC_OK;
}

static void run_end(struct run *run)
{
	close(run->words.fd);
	if (run->output.fd >= 0)
		close(run->output.fd);
}

/* Keeps the last PROGRAM_OUTPUT_MAX bytes; the rest of what a program says is dropped. */
static void tail_add(struct run *run, const char *more, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (run->tail_len == PROGRAM_OUTPUT_MAX)
			memmove(run->tail, run->tail + 1, --run->tail_len);
		run->tail[run->tail_len++] = (char)(more[i] >= 0x20 && more[i] < 0x7f ? more[i] : ' ');
	}
	while (run->tail_len && run->tail[run->tail_len - 1] == ' ')
		run->tail_len--;
	run->tail[run->tail_len] = '\0';
}

static void listen_to(struct run *run, struct ear *ear)
{
	char more[256];
	ssize_t got = -1;

	while (!ear->silent && (got = read(ear->fd, more, sizeof(more))) > 0) {
		if (!ear->out)
			tail_add(run, more, (size_t)got);
		else if (buf_append(ear->out, span_of(more, (size_t)got), NULL) != RC_OK)
			run->too_much = true;
	}
	ear->silent = ear->silent || got == 0;
	bytes_wipe(more, sizeof(more));
}

/* True when it ended by itself before the deadline. */
static bool run_wait(struct run *run, int64_t deadline_ms, int *ret_status)
{
	while (waitpid(run->pid, ret_status, WNOHANG) == 0) {
		struct pollfd readable[2] = { { .fd = run->words.silent ? -1 : run->words.fd, .events = POLLIN },
					      { .fd = run->output.silent ? -1 : run->output.fd, .events = POLLIN } };

		if (clock_monotonic_ms() >= deadline_ms) {
			kill(-run->pid, SIGKILL);
			waitpid(run->pid, ret_status, 0);
			return false;
		}
		poll(readable, 2, POLL_MS);
		listen_to(run, &run->words);
		listen_to(run, &run->output);
	}
	listen_to(run, &run->words);
	listen_to(run, &run->output);
	return true;
}

enum rc program_run(const struct program *program, struct buf *ret_output, struct err *err)
{
	struct run run = { .pid = 0, .words = { .fd = -1 }, .output = { .fd = -1 } };
	int status = 0;
	enum rc rc = run_start(&run, program, ret_output, err);
	bool ended = rc == RC_OK && run_wait(&run, clock_monotonic_ms() + program->timeout * 1000, &status);

	if (run.words.fd >= 0)
		run_end(&run);
	if (rc != RC_OK)
		return rc;
	const char *name = program->argv[0], *said = run.tail_len ? run.tail : "(it printed nothing)";
	if (!ended)
		return err_set(err, RC_RETRY, "\"%s\" did not end within %lld s and was killed: %s", name,
			       (long long)program->timeout, said);
	if (WIFSIGNALED(status))
		return err_set(err, RC_RETRY, "\"%s\" was ended by signal %d: %s", name, WTERMSIG(status), said);
	if (WEXITSTATUS(status) != 0)
		return err_set_raw(err, RC_RETRY, ERR_SELF, WEXITSTATUS(status), "\"%s\" exited with %d: %s", name,
				   WEXITSTATUS(status), said);
	if (run.too_much)
		return err_set(err, RC_RETRY, "\"%s\" printed more than %zu bytes", name, ret_output->max);
	return RC_OK;
}
