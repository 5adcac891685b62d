/* soft_token.h -- a SoftHSM token opened through token.h, for unit tests of what is signed: group setup, teardown, and keys. */
#ifndef HWA_TEST_SOFT_TOKEN_H
#define HWA_TEST_SOFT_TOKEN_H

#include "softhsm.h"
#include "token.h"

static struct softhsm soft_token_hsm;
static struct token *soft_token;

static inline int soft_token_start(void **state)
{
	static char label[] = "unit";

	(void)state;
	if (softhsm_start(&soft_token_hsm) != 0 || softhsm_add(label) != 0)
		return -1;
	struct config_token config = softhsm_config(&soft_token_hsm, label);
	return token_open(&config, soft_token_hsm.dir, &soft_token, NULL) == RC_OK ? 0 : -1;
}

static inline int soft_token_stop(void **state)
{
	(void)state;
	token_close(soft_token);
	softhsm_stop(&soft_token_hsm);
	return 0;
}

static inline struct token_key *soft_token_key(enum key_type type)
{
	struct token_key_name name;
	struct token_key *key = NULL;

	assert_int_equal(token_key_name_make("unit", 0, &name, NULL), RC_OK);
	assert_int_equal(token_generate(soft_token, &name, type, &key, NULL), RC_OK);
	return key;
}

#endif /* HWA_TEST_SOFT_TOKEN_H */
