/*
 * measure.c -- runs a command and writes what it and everything it started cost: time, CPU, memory.
 *
 *	measure [-u TEXT -n COUNT] [-t SECONDS] RESULT COMMAND...
 *		-u, -n	a daemon: it is over when COUNT lines of its standard error have TEXT in them; it is then sent SIGTERM
 *		-t	the command is ended after so many seconds, or at once by a SIGTERM
 *
 * RESULT gets one line of JSON. `rss_kib_by_name` has the greatest sum of Rss of all processes of one name (comm). Wall time ends with the command, or with the last of those lines. CPU is that of all
 * processes, also of those that outlive their parent: they become our children (PR_SET_CHILD_SUBREAPER), and wait4() tells
 * to the microsecond. Memory is the greatest sum over the tree that was seen: of Rss (pages that two processes share count
 * twice) and of Pss (they count once), looked at every few milliseconds, and where a look takes long so much less often that looking takes a fortieth of one
 * processor. Ends with the command's status.
 */
#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS       3 /* between two looks at the memory: a renewal takes a hundred */
#define LOOK_SHARE    40 /* of the time: a look at four processes takes the kernel a millisecond, as much as a request takes them */
#define PROCESSES_MAX 512
#define LINE_MAX_LEN  4096
#define END_MS        20000 /* for a daemon to end */
#define NAMES_MAX     16    /* of processes, that are told apart; later ones are in the sums alone */
#define NAME_ROOM     16    /* of the kernel */

struct watch {
	const char *text; /* of -u; NULL: none */
	unsigned long wanted, seen;
	int fd; /* the command's standard error */
	char line[LINE_MAX_LEN];
	size_t len;
};

/* Processes of one name: the sum now, and the greatest. */
struct named {
	char name[NAME_ROOM];
	long rss, rss_max; /* KiB */
};

struct cost {
	double wall_ms, cpu_ms;
	long rss_max, pss_max; /* KiB */
	int status;
	struct named named[NAMES_MAX];
	unsigned named_count;
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static size_t file_read(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, room - 1);

	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	return len > 0 ? (size_t)len : 0;
}

/* The KiB that the line of smaps_rollup says which begins so. */
static long field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtol(at + strlen(name), NULL, 10) : 0;
}

/* `pids` are the processes below `parent`, in any depth; their count. */
static unsigned tree(pid_t parent, pid_t *pids, unsigned count)
{
	char path[64], text[8192], *at = text, *end;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	file_read(path, text, sizeof(text));
	for (long pid = strtol(at, &end, 10); end != at && count < PROCESSES_MAX; pid = strtol(at = end, &end, 10)) {
		pids[count++] = (pid_t)pid;
		count = tree((pid_t)pid, pids, count);
	}
	return count;
}

/* What is no letter, digit or dash becomes one: it stands in JSON. */
static void name_add(struct cost *cost, pid_t pid, long rss)
{
	char path[64], name[NAME_ROOM];
	unsigned i = 0;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file_read(path, name, sizeof(name));
	name[strcspn(name, "\n")] = '\0';
	for (char *at = name; *at; at++)
		*at = isalnum((unsigned char)*at) ? *at : '-';
	while (i < cost->named_count && strcmp(cost->named[i].name, name) != 0)
		i++;
	if (i == NAMES_MAX)
		return;
	if (i == cost->named_count)
		memcpy(cost->named[cost->named_count++].name, name, sizeof(name));
	cost->named[i].rss += rss;
}

static void look(struct cost *cost)
{
	pid_t pids[PROCESSES_MAX];
	unsigned count = tree(getpid(), pids, 0);
	long rss = 0, pss = 0;
	char path[64], text[2048];

	for (unsigned i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pids[i]);
		file_read(path, text, sizeof(text));
		rss += field(text, "\nRss:");
		pss += field(text, "\nPss:");
		name_add(cost, pids[i], field(text, "\nRss:"));
	}
	for (unsigned i = 0; i < cost->named_count; i++) {
		struct named *named = &cost->named[i];

		named->rss_max = named->rss > named->rss_max ? named->rss : named->rss_max;
		named->rss = 0;
	}
	cost->rss_max = rss > cost->rss_max ? rss : cost->rss_max;
	cost->pss_max = pss > cost->pss_max ? pss : cost->pss_max;
}

/* What the command says on standard error is passed on, and its lines are counted. */
static void listen_to(struct watch *watch, int timeout_ms)
{
	char text[LINE_MAX_LEN];
	struct pollfd ready = { .fd = watch->fd, .events = POLLIN };

	if (poll(&ready, 1, timeout_ms) <= 0)
		return;
	ssize_t got = read(watch->fd, text, sizeof(text));
	if (got <= 0) {
		close(watch->fd);
		watch->fd = -1;
		return;
	}
	if (write(STDERR_FILENO, text, (size_t)got) != got)
		return;
	for (ssize_t i = 0; i < got; i++) {
		if (text[i] != '\n' && watch->len < sizeof(watch->line) - 1) {
			watch->line[watch->len++] = text[i];
			continue;
		}
		watch->line[watch->len] = '\0';
		watch->len = 0;
		watch->seen += strstr(watch->line, watch->text) != NULL;
	}
}

/* Takes leave of every child that has ended; true when the command is among them. */
static bool reap(pid_t command, struct cost *cost)
{
	struct rusage usage;
	int status;
	bool is_over = false;

	for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
		cost->cpu_ms += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
				(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
		if (pid == command) {
			is_over = true;
			cost->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
	}
	return is_over;
}

static pid_t start(char **argv, int error_fd)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (error_fd >= 0)
		dup2(error_fd, STDERR_FILENO);
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

static volatile sig_atomic_t is_cut; /* by a SIGTERM: as if the time were over */

static void cut(int signal)
{
	(void)signal;
	is_cut = 1;
}

/* Until the command is over and nothing that it started is left. */
static void follow(pid_t command, struct watch *watch, double deadline, struct cost *cost)
{
	double began = now_ms(), look_at = began;
	bool is_over = false, is_told = false;
	pid_t left[PROCESSES_MAX];

	while (!is_over || tree(getpid(), left, 0)) {
		if (watch->fd >= 0)
			listen_to(watch, LOOK_MS);
		else
			poll(NULL, 0, LOOK_MS);
		double now = now_ms();
		if (is_cut && deadline > now) {
			is_cut = 0;
			deadline = now - 1;
		}
		if (watch->text && !is_told && (watch->seen >= watch->wanted || now > deadline)) {
			cost->wall_ms = now - began;
			is_told = kill(command, SIGTERM) == 0;
			deadline = now + END_MS;
		} else if (now > deadline) {
			kill(command, SIGKILL);
		}
		if (!is_over && !is_told && now >= look_at) {
			look(cost);
			look_at = now + LOOK_SHARE * (now_ms() - now);
		}
		if (reap(command, cost)) {
			is_over = true;
			if (!is_told)
				cost->wall_ms = now_ms() - began;
		}
	}
}

static bool report(const char *path, const struct cost *cost)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return false;
	fprintf(file,
		"{\"wall_ms\": %.3f, \"cpu_ms\": %.3f, \"rss_kib\": %ld, \"pss_kib\": %ld, \"status\": %d, \"rss_kib_by_name\": "
		"{",
		cost->wall_ms, cost->cpu_ms, cost->rss_max, cost->pss_max, cost->status);
	for (unsigned i = 0; i < cost->named_count; i++)
		fprintf(file, "%s\"%s\": %ld", i ? ", " : "", cost->named[i].name, cost->named[i].rss_max);
	fputs("}}\n", file);
	return fclose(file) == 0;
}

int main(int argc, char **argv)
{
	struct watch watch = { .fd = -1 };
	struct cost cost = { .status = 1 };
	double seconds = 3600;
	int option, ends[2] = { -1, -1 };

	while ((option = getopt(argc, argv, "+u:n:t:")) != -1) {
		switch (option) {
		case 'u': watch.text = optarg; break;
		case 'n': watch.wanted = strtoul(optarg, NULL, 10); break;
		case 't': seconds = strtod(optarg, NULL); break;
		default: return 2;
		}
	}
	if (argc - optind < 2 || (watch.text && pipe2(ends, O_CLOEXEC) != 0)) {
		fputs("usage: see the head of tests/bench/measure.c\n", stderr);
		return 2;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGTERM, cut);
	pid_t command = start(argv + optind + 1, ends[1]);
	watch.fd = ends[0];
	if (ends[1] >= 0)
		close(ends[1]);
	follow(command, &watch, now_ms() + seconds * 1e3, &cost);
	if (!report(argv[optind], &cost)) {
		perror(argv[optind]);
		return 2;
	}
	return watch.text && watch.seen < watch.wanted ? 1 : cost.status;
}
