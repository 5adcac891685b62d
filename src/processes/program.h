/* program.h -- runs a program of the configuration: no shell, a deadline, its own process group, nothing inherited, nothing left. */
#ifndef HWA_PROGRAM_H
#define HWA_PROGRAM_H

#include "bytes.h"
#include "err.h"

#define PROGRAM_OUTPUT_MAX 400  /* bytes of its last words that are kept */
#define PROGRAM_ALONE_MS   1000 /* to end by itself: what runs on would meet the same program, started again */
#define PROGRAM_ENV_MAX    12   /* variables that a caller adds */

struct program {
	char *const *argv;
	unsigned argc;
	const char *verb;                             /* one more argument; NULL: none */
	const char *environment[PROGRAM_ENV_MAX + 1]; /* "NAME=value", NULL last; beside PATH, LANG and HOME */
	const char *user;                             /* as whom; NULL: as ourselves.  USER and LOGNAME say so too */
	int64_t timeout;                              /* seconds */
};

/*
 * Standard input is /dev/null, the directory is /, no other descriptor is inherited, and no capability, unless it is root's.  Standard output is appended to
 * *ret_output, up to its maximum, or is among the last words when it is NULL; standard error always is.
 * RC_OK when it exited with 0.  RC_RETRY otherwise, with its last words, and err->code the exit status where there
 * is one.  RC_INPUT for a user who does not exist, RC_DENIED for one whom we may not become.
 *
 * When it ends, or its time is over, everything it started is killed too, also what left its process group or session.
 * For that the calling process becomes the parent of orphans below it, and must have no other child and no other thread.
 * ret_words, where it is given, gets the last words of a program that exited with 0; printable, on one line.
 */
enum rc program_run(const struct program *program, struct buf *ret_output, char ret_words[PROGRAM_OUTPUT_MAX + 1],
		    struct err *err) HWA_CHECKED;

/* From now on, in this process: when the other end of this socket is closed, who waits for the program is gone, and it has
 * PROGRAM_ALONE_MS left. */
void program_set_caller(int fd);

#endif /* HWA_PROGRAM_H */
