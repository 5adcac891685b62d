/* at_once.h -- threads that use tokens at the same time, each the same turn again and again; cmocka judges in the main thread. */
#ifndef HWA_TEST_AT_ONCE_H
#define HWA_TEST_AT_ONCE_H

#include <pthread.h>

#include "token.h"

typedef enum rc at_once_turn(struct token_key *key, struct err *err);

struct at_once {
	at_once_turn *turn;
	struct token_key *key; /* its own, or one that several have; borrowed */
	unsigned rounds;
	unsigned failed;
	struct err err; /* the last failure */
	pthread_t thread;
};

static inline void *at_once_work(void *ctx)
{
	struct at_once *worker = ctx;

	for (unsigned round = 0; round < worker->rounds; round++)
		worker->failed += worker->turn(worker->key, &worker->err) != RC_OK;
	return NULL;
}

/* Each does so many rounds; none may fail. */
static inline void at_once(struct at_once *workers, size_t count, unsigned rounds)
{
	for (size_t i = 0; i < count; i++) {
		workers[i].rounds = rounds;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, at_once_work, &workers[i]), 0);
	}
	for (size_t i = 0; i < count; i++)
		pthread_join(workers[i].thread, NULL);
	for (size_t i = 0; i < count; i++)
		if (workers[i].failed)
			fail_msg("worker %zu: %u of %u: %s", i, workers[i].failed, rounds, workers[i].err.text);
}

#endif /* HWA_TEST_AT_ONCE_H */
