/* family.c -- reads /proc for who is whose child, and kills until this process has none. */
#include "family.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define PROCESSES_MAX 32768u /* looked at in one pass; what is left is found by the next */

bool family_adopt(void)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}

/* "PID (NAME) STATE PPID PGRP ...": the name may hold anything, so what counts follows its last parenthesis. */
static bool process_read(const char *pid, struct family_process *ret)
{
	char path[32], text[512];
	char state;
	int parent, group;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	const char *after = strrchr(text, ')');
	/* One that has ended already has no child. */
	if (!after || sscanf(after + 1, " %c %d %d", &state, &parent, &group) != 3 || state == 'Z')
		return false;
	*ret = (struct family_process){ .pid = (pid_t)strtol(pid, NULL, 10), .parent = parent, .group = group };
	return ret->pid > 0;
}

static unsigned processes_list(struct family_process *list)
{
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	unsigned count = 0;

	while (directory && count < PROCESSES_MAX && (entry = readdir(directory)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && process_read(entry->d_name, &list[count]))
			count++;
	if (directory)
		closedir(directory);
	return count;
}

static int by_pid(const void *left, const void *right)
{
	pid_t a = ((const struct family_process *)left)->pid, b = ((const struct family_process *)right)->pid;

	return (a > b) - (a < b);
}

static struct family_process *parent_of(struct family_process *list, unsigned count, const struct family_process *process)
{
	struct family_process wanted = { .pid = process->parent };

	return bsearch(&wanted, list, count, sizeof(*list), by_pid);
}

/* Upwards until one is known, and the same way again.  The list was read while they came and went: it may lead in a circle. */
static void mark_line(struct family_process *list, unsigned count, pid_t self, struct family_process *from)
{
	struct family_process *at = from;
	unsigned steps = 0;

	while (at && at->kin == FAMILY_UNKNOWN && at->parent != self && steps++ < count)
		at = parent_of(list, count, at);
	bool is_ours = at && (at->kin == FAMILY_OURS || at->parent == self);
	for (at = from; at && at->kin == FAMILY_UNKNOWN; at = parent_of(list, count, at))
		at->kin = is_ours ? FAMILY_OURS : FAMILY_OTHERS;
}

/* The end of the way up, and not to be killed. */
static void mark_end(struct family_process *list, unsigned count, pid_t pid)
{
	struct family_process wanted = { .pid = pid };
	struct family_process *process = bsearch(&wanted, list, count, sizeof(*list), by_pid);

	if (process)
		process->kin = FAMILY_OTHERS;
}

void family_mark(struct family_process *list, unsigned count, pid_t self, const pid_t *kept, unsigned kept_count)
{
	qsort(list, count, sizeof(*list), by_pid);
	mark_end(list, count, self);
	for (unsigned i = 0; i < kept_count; i++)
		mark_end(list, count, kept[i]);
	for (unsigned i = 0; i < count; i++)
		mark_line(list, count, self, &list[i]);
}

/* A group is killed at once, by its leader: none of it can fork meanwhile. */
static bool kill_all(const struct family_process *list, unsigned count)
{
	bool found = false;

	for (unsigned i = 0; i < count; i++)
		if (list[i].kin == FAMILY_OURS) {
			found = true;
			kill(list[i].pid == list[i].group ? -list[i].pid : list[i].pid, SIGKILL);
		}
	return found;
}

/* True when there is no child left, so no descendant either. */
static bool reap(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		;
	return pid < 0 && errno == ECHILD;
}

bool family_end(void)
{
	int64_t deadline = clock_monotonic_ms() + FAMILY_END_MS;
	bool is_over = reap();
	struct family_process *list = is_over ? NULL : calloc(PROCESSES_MAX, sizeof(*list));

	while (list && !is_over && clock_monotonic_ms() < deadline) {
		unsigned count = processes_list(list);

		family_mark(list, count, getpid(), NULL, 0);
		kill_all(list, count);
		/* The killed need a moment to be gone; what they started meanwhile is the next pass's. */
		is_over = reap();
		if (!is_over)
			poll(NULL, 0, 1);
	}
	free(list);
	return is_over;
}

void family_end_strays(const pid_t *kept, unsigned kept_count)
{
	int64_t deadline = clock_monotonic_ms() + FAMILY_END_MS;
	struct family_process *list = calloc(PROCESSES_MAX, sizeof(*list));
	bool is_over = !list;

	while (!is_over && clock_monotonic_ms() < deadline) {
		unsigned count = processes_list(list);

		family_mark(list, count, getpid(), kept, kept_count);
		is_over = !kill_all(list, count);
		if (!is_over)
			poll(NULL, 0, 1);
	}
	free(list);
}
