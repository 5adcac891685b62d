/*
 * virtual_clock.h -- the clock of a simulation, in place of src/base/clock.c: time passes when somebody says so.
 *
 * The world has one time; the machine under test was switched on at some moment of it and has a wall clock that may be wrong.
 */
#ifndef HWA_SIM_VIRTUAL_CLOCK_H
#define HWA_SIM_VIRTUAL_CLOCK_H

#include <stdint.h>

#define VIRTUAL_START INT64_C(1794960000) /* a midnight in UTC */

/* A new world at VIRTUAL_START, on a machine switched on `up_ms` ago with a clock that is right. */
void virtual_clock_start(int64_t up_ms);
void virtual_clock_pass(int64_t ms);
void virtual_clock_sleep(int64_t ms); /* the machine sleeps so long: of its clocks, the one that is never set stands still */
void virtual_clock_off(int64_t ms);   /* it is off, and then switched on: that one begins anew */
int64_t virtual_clock_true_ms(void);  /* unix milliseconds of the world */
int64_t virtual_clock_true(void);     /* seconds */
void virtual_clock_set_wrong(int64_t seconds); /* the machine's wall clock: fast by so much; negative: slow */
int64_t virtual_clock_wrong(void);

#endif /* HWA_SIM_VIRTUAL_CLOCK_H */
