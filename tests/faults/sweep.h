/* sweep.h -- what the sweeps share: time that costs nothing, the judgement of an outcome, and the count of cases. */
#ifndef HWA_TEST_SWEEP_H
#define HWA_TEST_SWEEP_H

#include <stdbool.h>

#include "err.h"

/* A new case: its name is what is told when it fails. */
void sweep_case(const char *format, ...) HWA_PRINTF(1);
/* Counts against the case; the first ones are printed, with the case's name. */
void sweep_fail(const char *format, ...) HWA_PRINTF(1);
/* Prints "NAME: 3,612 cases, 0 failed"; the number of failures. */
unsigned sweep_end(const char *name);

/* No arguments, or this name among them. */
bool sweep_is_wanted(const char *name, int argc, char **argv);

/* In memory where there is such a place: tokens and key files wait for the disk several times a key. */
const char *sweep_directory(void);

/* A struct err as no library call makes it, to see that success leaves it alone. */
struct err sweep_err(void);
/* Success leaves *err untouched; failure fills it, and never with `secret`. */
void sweep_err_check(const char *what, enum rc rc, const struct err *err, const char *secret);
const char *sweep_rc_name(enum rc rc);

/*
 * The program's clock is real time and an offset; waiting moves the offset and takes no time.  With a tick, each
 * look at the clock moves it too, so that loops which look until a time has passed end soon.
 */
void sweep_clock_tick(int64_t ms);
void sweep_clock_advance(int64_t ms);

#endif /* HWA_TEST_SWEEP_H */
