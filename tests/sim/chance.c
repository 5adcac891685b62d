/* chance.c -- two streams of SplitMix64, and the places where the program draws from the system. */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method() is what OpenSSL has for this; a provider would be 300 lines */
#include "chance.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

uint32_t chance_instance = UINT32_C(0x51300001);

static uint64_t weather, keys;

static uint64_t next(uint64_t *state)
{
	uint64_t word = *state += UINT64_C(0x9e3779b97f4a7c15);

	word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
	return word ^ word >> 31;
}

static int bytes(unsigned char *at, int len)
{
	for (int i = 0; i < len; i++)
		at[i] = (unsigned char)next(&keys);
	return 1;
}

static int status(void)
{
	return 1;
}

void chance_start(uint64_t seed)
{
	static const RAND_METHOD method = { .bytes = bytes, .pseudorand = bytes, .status = status };

	weather = seed;
	keys = seed ^ UINT64_C(0x6b657973);
	RAND_set_rand_method(&method);
}

uint64_t chance_draw(void)
{
	return next(&weather);
}

int64_t chance_between(int64_t least, int64_t most)
{
	return least + (int64_t)(chance_draw() % (uint64_t)(most - least + 1));
}

bool chance_one_in(unsigned times)
{
	return times && chance_draw() % times == 0;
}

/* In place of the C library's. */
void arc4random_buf(void *at, size_t len)
{
	bytes(at, (int)len);
}

/* SQLite draws it where nothing can be put in place of the system's. */
enum rc __wrap_store_instance(struct store *store, uint32_t *ret_instance, struct err *err);
enum rc __wrap_store_instance(struct store *store, uint32_t *ret_instance, struct err *err)
{
	(void)err;
	(void)store;
	*ret_instance = chance_instance;
	return RC_OK;
}

#ifdef __SANITIZE_ADDRESS__
/* A simulation allocates without end: the stack of each is half of its time. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "malloc_context_size=2:quarantine_size_mb=4";
}
#endif
