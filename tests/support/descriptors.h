/* descriptors.h -- takes all descriptors that the program may have, and tells what it worked for nothing meanwhile. */
#ifndef HWA_TEST_DESCRIPTORS_H
#define HWA_TEST_DESCRIPTORS_H

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 256

struct descriptors {
	struct rlimit before;
	int taken[DESCRIPTORS_MAX];
	unsigned count;
};

static inline int descriptors_take(struct descriptors *all)
{
	struct rlimit few;
	int fd;

	all->count = 0;
	if (getrlimit(RLIMIT_NOFILE, &all->before) != 0)
		return -1;
	few = all->before;
	few.rlim_cur = DESCRIPTORS_MAX;
	if (setrlimit(RLIMIT_NOFILE, &few) != 0)
		return -1;
	while (all->count < DESCRIPTORS_MAX && (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		all->taken[all->count++] = fd;
	return 0;
}

static inline void descriptors_give_back(struct descriptors *all)
{
	while (all->count)
		close(all->taken[--all->count]);
	(void)setrlimit(RLIMIT_NOFILE, &all->before);
}

/* Milliseconds of CPU that all threads used in half a second in which there is nothing to do. */
static inline long cpu_of_half_a_second(void)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	poll(NULL, 0, 500);
	getrusage(RUSAGE_SELF, &after);
	return (long)((after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000 +
		      (after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec) /
			      1000);
}

#endif /* HWA_TEST_DESCRIPTORS_H */
