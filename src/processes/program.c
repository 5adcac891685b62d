/* program.c -- starts a program, hears it, and waits for it no longer than its time. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "family.h"
#include "program_path.h"
#include "scope.h"
#include "utf8.h"

#define TEXT_MAX  4200 /* of PATH and HOME */
#define POLL_MS   20
#define OWN_ENV   5                    /* PATH, HOME, LANG, USER, LOGNAME */
#define READ_SIZE 16384u               /* at once; then the clock is looked at again */
#define DRAIN_MAX (2u * 1024u * 1024u) /* what a pipe can hold when its writers are gone */

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

/* What the program is started with. */
struct start {
	const char *path;
	char *const *argv;
	const char *const *env;
	const struct passwd *user; /* NULL: as we are */
	int output, words;
	int trouble; /* errno of what did not work before the program began */
};

static int caller = -1;

void program_set_caller(int fd)
{
	caller = fd;
}

static const char *env_text(char *text, const char *name, const char *value)
{
	snprintf(text, TEXT_MAX, "%s=%s", name, value ? value : "");
	return text;
}

static bool user_become(const struct passwd *user)
{
	if (!user || (user->pw_uid == geteuid() && user->pw_gid == getegid()))
		return true;
	return initgroups(user->pw_name, user->pw_gid) == 0 && setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == 0 &&
	       setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0;
}

/* What the service was given to become that user, AmbientCapabilities= of systemd, a program would inherit: with CAP_SETUID it is root when it
 * likes.  A kernel that knows of none has none to give on. */
static bool capabilities_drop(void)
{
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 || errno == EINVAL;
}

/* Descriptors as the program finds them: nothing to read, its two ways to speak, and the one that closes when it begins. */
static bool files_set(const struct start *start)
{
	int null = open("/dev/null", O_RDONLY);

	return null >= 0 && dup2(null, 0) == 0 && dup2(start->output, 1) == 1 && dup2(start->words, 2) == 2 &&
	       dup2(start->trouble, 3) == 3 && fcntl(3, F_SETFD, FD_CLOEXEC) == 0 && close_range(4, ~0u, 0) == 0;
}

/* Signals as a program expects to find them. */
static void signals_default(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ, SIGCHLD };
	sigset_t none;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		signal(numbers[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: either the program, or what kept it from beginning. */
static void child_main(const struct start *start)
{
	int trouble = start->trouble;

	setpgid(0, 0);
	signals_default();
	if (files_set(start)) {
		trouble = 3;
		if (chdir("/") == 0 && user_become(start->user) && capabilities_drop())
			execve(start->path, start->argv, (char *const *)(uintptr_t)start->env);
	}
	int number = errno;
	if (write(trouble, &number, sizeof(number)) != (ssize_t)sizeof(number))
		_exit(126);
	_exit(127);
}

/* 0, or the errno of what kept it from beginning. */
static int child_start(struct start *start, pid_t *ret_pid)
{
	int ends[2], number = 0;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return errno;
	start->trouble = ends[1];
	*ret_pid = fork();
	if (*ret_pid == 0)
		child_main(start);
	number = *ret_pid < 0 ? errno : 0;
	close(ends[1]);
	if (*ret_pid > 0 && read(ends[0], &number, sizeof(number)) == (ssize_t)sizeof(number))
		waitpid(*ret_pid, NULL, 0);
	close(ends[0]);
	return number;
}

static enum rc user_find(const struct program *program, const struct passwd **ret_user, struct err *err)
{
	*ret_user = program->user ? getpwnam(program->user) : NULL;
	if (program->user && !*ret_user)
		return err_set(err, RC_INPUT, "\"%s\" is to run as user \"%s\": there is no such user; write another after user:",
			       program->argv[0], program->user);
	return RC_OK;
}

static enum rc start_failed(const struct program *program, int number, struct err *err)
{
	if (number == EPERM && program->user)
		return err_set_raw(err, RC_DENIED, ERR_ERRNO, number,
				   "\"%s\" cannot be run as user \"%s\": that takes CAP_SETUID, CAP_SETGID and CAP_KILL",
				   program->argv[0], program->user);
	/* The file was there a moment ago. */
	const char *why = number == ENOENT    ? "the interpreter that its first line names does not exist"
			  : number == ENOEXEC ? "it is no program, and its first line names no interpreter, such as #!/bin/sh"
			  : number == EACCES && program->user ? "that user may not execute it"
							      : strerror(number);
	return err_set_raw(err, RC_RETRY, ERR_ERRNO, number, "\"%s\" cannot be started: %s", program->argv[0], why);
}

static enum rc spawn(const struct program *program, char *const *argv, int output, int words, pid_t *ret_pid, struct err *err)
{
	char file[PATH_MAX], path[TEXT_MAX], home[TEXT_MAX], name[TEXT_MAX], login[TEXT_MAX];
	const char *env[OWN_ENV + PROGRAM_ENV_MAX + 1] = { NULL };
	const struct passwd *user;
	unsigned count = 0;
	enum rc rc = user_find(program, &user, err);

	if (rc != RC_OK)
		return rc;
	/* It may be there the next time. */
	if (program_find(program->argv[0], file, err) != RC_OK) {
		if (err)
			err->rc = RC_RETRY;
		return err_wrap(err, RC_RETRY, "\"%s\" cannot be started", program->argv[0]);
	}
	env[count++] = env_text(path, "PATH", getenv("PATH") ? getenv("PATH") : PROGRAM_PATH_USUAL);
	env[count++] = env_text(home, "HOME", user ? user->pw_dir : getenv("HOME"));
	env[count++] = "LANG=C.UTF-8";
	if (user) {
		env[count++] = env_text(name, "USER", user->pw_name);
		env[count++] = env_text(login, "LOGNAME", user->pw_name);
	}
	for (unsigned i = 0; i < PROGRAM_ENV_MAX && program->environment[i]; i++)
		env[count++] = program->environment[i];
	struct start start = { .path = file, .argv = argv, .env = env, .user = user, .output = output, .words = words };
	int number = child_start(&start, ret_pid);
	return number ? start_failed(program, number, err) : RC_OK;
}

/* We do not wait for the program; it waits for us, when it prints faster than we read. */
static enum rc pipe_open(int ends[2], struct err *err)
{
	return pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0
		       ? RC_OK
		       : err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "pipe: %s", strerror(errno));
}

static void pipe_close(const int ends[2])
{
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
}

static enum rc run_start(struct run *run, const struct program *program, struct buf *output, struct err *err)
{
	AUTO(text_list) char **argv = calloc(program->argc + 2, sizeof(char *));
	int words[2] = { -1, -1 }, apart[2] = { -1, -1 };

	if (!argv)
		return err_set(err, RC_RESOURCE, "out of memory");
	for (unsigned i = 0; i < program->argc; i++)
		argv[i] = program->argv[i];
	argv[program->argc] = (char *)(uintptr_t)program->verb;
	enum rc rc = pipe_open(words, err);
	if (rc == RC_OK && output)
		rc = pipe_open(apart, err);
	if (rc == RC_OK)
		rc = spawn(program, argv, output ? apart[1] : words[1], words[1], &run->pid, err);
	if (rc == RC_OK) {
		run->words = (struct ear){ .fd = words[0] };
		run->output = (struct ear){ .fd = apart[0], .silent = !output, .out = output };
		words[0] = apart[0] = -1;
	}
	pipe_close(words);
	pipe_close(apart);
	return rc;
}

static void run_end(struct run *run)
{
	if (run->words.fd >= 0)
		close(run->words.fd);
	if (run->output.fd >= 0)
		close(run->output.fd);
}

/* Keeps the last PROGRAM_OUTPUT_MAX bytes; the rest of what a program says is dropped. */
static void tail_add(struct run *run, const char *more, size_t len)
{
	if (len > PROGRAM_OUTPUT_MAX) {
		more += len - PROGRAM_OUTPUT_MAX;
		len = PROGRAM_OUTPUT_MAX;
	}
	if (run->tail_len + len > PROGRAM_OUTPUT_MAX) {
		size_t kept = PROGRAM_OUTPUT_MAX - len;

		memmove(run->tail, run->tail + run->tail_len - kept, kept);
		run->tail_len = kept;
	}
	memcpy(run->tail + run->tail_len, more, len);
	run->tail_len += len;
}

/* On one line, printable, without space at its end; a character that was cut off at the front is none. */
static const char *tail_text(struct run *run)
{
	run->tail[run->tail_len] = '\0';
	for (size_t i = 0, len; i < run->tail_len; i += len) {
		len = utf8_printable(run->tail + i);
		if (len == 0) {
			run->tail[i] = ' ';
			len = 1;
		}
	}
	while (run->tail_len && run->tail[run->tail_len - 1] == ' ')
		run->tail_len--;
	run->tail[run->tail_len] = '\0';
	return run->tail + strspn(run->tail, " ");
}

/* One reading; how much there was. */
static size_t listen_to(struct run *run, struct ear *ear)
{
	char more[READ_SIZE];
	ssize_t got = ear->silent ? -1 : read(ear->fd, more, sizeof(more));

	if (got > 0 && !ear->out)
		tail_add(run, more, (size_t)got);
	else if (got > 0 && buf_append(ear->out, span_of(more, (size_t)got), NULL) != RC_OK)
		run->too_much = true;
	ear->silent = ear->silent || got == 0;
	if (got > 0)
		bytes_wipe(more, (size_t)got); /* it may be a token */
	return got > 0 ? (size_t)got : 0;
}

static void drain(struct run *run, struct ear *ear)
{
	size_t got, total = 0;

	while (total < DRAIN_MAX && (got = listen_to(run, ear)) > 0)
		total += got;
}

/* True when it ended by itself before the deadline.  What it started has ended after this, or *ret_left is set. */
static bool run_wait(struct run *run, int64_t deadline_ms, int *ret_status, bool *ret_left)
{
	bool ended = false;

	while (!(ended = waitpid(run->pid, ret_status, WNOHANG) != 0) && clock_monotonic_ms() < deadline_ms) {
		struct pollfd readable[3] = { { .fd = run->words.silent ? -1 : run->words.fd, .events = POLLIN },
					      { .fd = run->output.silent ? -1 : run->output.fd, .events = POLLIN },
					      { .fd = caller } };

		poll(readable, 3, POLL_MS);
		if (readable[2].revents & (POLLHUP | POLLERR | POLLNVAL)) {
			int64_t alone_ms = clock_monotonic_ms() + PROGRAM_ALONE_MS;

			deadline_ms = alone_ms < deadline_ms ? alone_ms : deadline_ms;
			caller = -1;
		}
		listen_to(run, &run->words);
		listen_to(run, &run->output);
	}
	kill(-run->pid, SIGKILL);
	*ret_left = !family_end();
	drain(run, &run->words);
	drain(run, &run->output);
	return ended;
}

static enum rc judge(const struct program *program, struct run *run, bool ended, int status, struct err *err)
{
	const char *name = program->argv[0], *text = tail_text(run), *said = *text ? text : "(it printed nothing)";

	if (!ended)
		return err_set(err, RC_RETRY, "\"%s\" did not end within %lld s and was killed: %s", name,
			       (long long)program->timeout, said);
	if (WIFSIGNALED(status))
		return err_set(err, RC_RETRY, "\"%s\" was ended by signal %d: %s", name, WTERMSIG(status), said);
	if (WEXITSTATUS(status) != 0)
		return err_set_raw(err, RC_RETRY, ERR_SELF, WEXITSTATUS(status), "\"%s\" exited with %d: %s", name,
				   WEXITSTATUS(status), said);
	return RC_OK;
}

enum rc program_run(const struct program *program, struct buf *ret_output, char ret_words[PROGRAM_OUTPUT_MAX + 1],
		    struct err *err)
{
	struct run run = { .pid = 0, .words = { .fd = -1 }, .output = { .fd = -1 } };
	int status = 0;
	bool is_left = false;

	if (!family_adopt())
		return err_set_raw(err, RC_RESOURCE, ERR_ERRNO, errno, "prctl: %s", strerror(errno));
	enum rc rc = run_start(&run, program, ret_output, err);
	if (rc != RC_OK)
		return rc;
	bool ended = run_wait(&run, clock_monotonic_ms() + program->timeout * 1000, &status, &is_left);
	run_end(&run);
	rc = judge(program, &run, ended, status, err);
	if (rc == RC_OK && is_left)
		rc = err_set(err, RC_RETRY, "\"%s\" left processes behind that cannot be ended", program->argv[0]);
	if (rc == RC_OK && run.too_much)
		rc = err_set(err, RC_RETRY, "\"%s\" printed more than %zu bytes", program->argv[0], ret_output->max);
	if (rc == RC_OK && ret_words)
		snprintf(ret_words, PROGRAM_OUTPUT_MAX + 1, "%s", tail_text(&run));
	return rc;
}
