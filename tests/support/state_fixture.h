/* state_fixture.h -- a state directory that is not there yet, for one test program, its store, and keys to write down in it. */
#ifndef HWA_TEST_STATE_FIXTURE_H
#define HWA_TEST_STATE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "store.h"

static char dir[] = "/tmp/hwa-state-XXXXXX", state_dir[64];

static inline int state_fixture_start(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	return 0;
}

static inline int state_fixture_stop(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static inline struct store_key key_of(uint8_t number)
{
	struct store_key key = { .token = "hsm", .type = KEY_EC_P384, .created_at = 7 };

	snprintf(key.name.label, sizeof(key.name.label), "key-%u", number);
	key.name.id[0] = number;
	return key;
}

static inline struct store *open_it(void)
{
	struct store *store = NULL;
	struct err err = { 0 };

	if (store_open(state_dir, &store, &err) != RC_OK)
		fail_msg("%s", err.text);
	return store;
}

#endif /* HWA_TEST_STATE_FIXTURE_H */
