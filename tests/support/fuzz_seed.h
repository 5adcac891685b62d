/* fuzz_seed.h -- the same inputs for the same seed on every machine; HWACME_FUZZ_SEED and HWACME_FUZZ_ROUNDS choose others. */
#ifndef HWA_TEST_FUZZ_SEED_H
#define HWA_TEST_FUZZ_SEED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"

static uint64_t fuzz_state;

/* splitmix64 */
static inline uint64_t fuzz_next(void)
{
	uint64_t z = (fuzz_state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline unsigned fuzz_below(unsigned bound)
{
	return (unsigned)(fuzz_next() % bound);
}

static inline uint64_t fuzz_from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* Says which inputs will be tried, and returns how many. */
static inline uint64_t fuzz_begin(const char *what, uint64_t rounds_usual)
{
	uint64_t rounds = fuzz_from_environment("HWACME_FUZZ_ROUNDS", rounds_usual);

	fuzz_state = fuzz_from_environment("HWACME_FUZZ_SEED", (uint64_t)clock_now());
	printf("%s: %llu rounds, HWACME_FUZZ_SEED=%llu\n", what, (unsigned long long)rounds, (unsigned long long)fuzz_state);
	return rounds;
}

#endif /* HWA_TEST_FUZZ_SEED_H */
