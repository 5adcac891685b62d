/* fresh_names.c -- a ring of ids; zeros where there is none. */
#include "fresh_names.h"

#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t ids[FRESH_NAMES_MAX][TOKEN_ID_LEN];
static unsigned next;

void fresh_names_add(const struct token_key_name *name)
{
	pthread_mutex_lock(&lock);
	memcpy(ids[next], name->id, TOKEN_ID_LEN);
	next = (next + 1) % FRESH_NAMES_MAX;
	pthread_mutex_unlock(&lock);
}

bool fresh_names_take(const struct token_key_name *name)
{
	bool is_fresh = false;
	uint32_t instance;
	int64_t made_at;

	/* An empty place has the id of no key of ours; and the id tells of the label too, unless that has another one. */
	if (!token_key_name_has_id(name) || !token_key_name_parse(name, &made_at, &instance))
		return false;
	pthread_mutex_lock(&lock);
	/* The latest first: it is nearly always one of them. */
	for (unsigned i = 1; i <= FRESH_NAMES_MAX && !is_fresh; i++) {
		uint8_t *id = ids[(next + FRESH_NAMES_MAX - i) % FRESH_NAMES_MAX];

		is_fresh = memcmp(id, name->id, TOKEN_ID_LEN) == 0;
		if (is_fresh)
			memset(id, 0, TOKEN_ID_LEN);
	}
	pthread_mutex_unlock(&lock);
	return is_fresh;
}
