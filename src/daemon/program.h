/* program.h -- runs a program of the configuration: no shell, a deadline, its own process group, nothing inherited. */
#ifndef HWA_PROGRAM_H
#define HWA_PROGRAM_H

#include "bytes.h"
#include "err.h"

#define PROGRAM_OUTPUT_MAX 400 /* bytes of its last words kept for the message */
#define PROGRAM_ENV_MAX    12  /* variables that a caller adds */

struct program {
	char *const *argv;
	unsigned argc;
	const char *verb;                             /* one more argument; NULL: none */
	const char *environment[PROGRAM_ENV_MAX + 1]; /* "NAME=value", NULL last; beside PATH, LANG and HOME */
	int64_t timeout;                              /* seconds */
};

/*
 * Standard input is /dev/null, no other descriptor is inherited.  Standard output is appended to *ret_output, up to
 * its maximum, or is among the last words when it is NULL; standard error always is.
 * RC_OK when it exited with 0.  RC_RETRY otherwise, with its last words, and err->code the exit status where there
 * is one; a program that outlives its time is killed with its whole process group.
 */
enum rc program_run(const struct program *program, struct buf *ret_output, struct err *err) HWA_CHECKED;

#endif /* HWA_PROGRAM_H */
