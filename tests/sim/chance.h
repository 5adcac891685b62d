/*
 * chance.h -- everything random in a simulation, from one number.
 *
 * What happens and what keys are made of are drawn from two streams, so that a key more does not change the weather.  OpenSSL's
 * random numbers, arc4random_buf() and the number of a state directory come from the second.
 */
#ifndef HWA_SIM_CHANCE_H
#define HWA_SIM_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

void chance_start(uint64_t seed);
uint64_t chance_draw(void);
/* From `least` to `most`, both included. */
int64_t chance_between(int64_t least, int64_t most);
/* What store_instance() says. */
extern uint32_t chance_instance;
/* True once in `times`; never for 0. */
bool chance_one_in(unsigned times);

#endif /* HWA_SIM_CHANCE_H */
