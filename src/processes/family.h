/*
 * family.h -- every process below this one, wherever it went: found, killed and reaped.
 *
 * A process that leaves its group, its session or its parent stays below the nearest ancestor that
 * adopts orphans (prctl(2), PR_SET_CHILD_SUBREAPER): with that nothing a program starts can get away.
 */
#ifndef HWA_FAMILY_H
#define HWA_FAMILY_H

#include <stdbool.h>
#include <sys/types.h>

#define FAMILY_END_MS 3000 /* a fork bomb is in full course while it is ended */

/* From now on orphans below this process become its children. */
bool family_adopt(void);
/* Kills and reaps all below this process; false: some may not be killed by us, or are still there after FAMILY_END_MS. */
bool family_end(void);
/* The same, but for these children and what is below them; those that are ended here are for the caller to reap. */
void family_end_strays(const pid_t *kept, unsigned kept_count);

/* Of family.c, and its test. */
struct family_process {
	pid_t pid, parent, group;
	enum { FAMILY_UNKNOWN, FAMILY_OURS, FAMILY_OTHERS } kin;
};
/* Sorts all processes by their number and says whose they are: below `self` and not of those that are kept, or others'.  Each is looked at
 * a few times, whatever the shape of the tree: while it is, a fork bomb goes on. */
void family_mark(struct family_process *list, unsigned count, pid_t self, const pid_t *kept, unsigned kept_count);

#endif /* HWA_FAMILY_H */
