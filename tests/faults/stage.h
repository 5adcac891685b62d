/* stage.h -- the operations that are swept, on one token with one key that must outlive everything. */
#ifndef HWA_TEST_STAGE_H
#define HWA_TEST_STAGE_H

#include "token.h"

/* A token and the key in it; the same for all cases. */
struct world {
	struct config_token config;
	const char *keys_dir;
	const char *secret; /* a PIN or authorisation value, which no message may show */
	struct token_key_name kept;
};

/* What one case works with. */
struct stage {
	const struct world *world;
	struct token *token;
	struct token_key *key;
	struct token_key_name made; /* the reserved name of a key that is generated */
	bool is_incomplete;         /* the list lacked the kept key */
};

typedef enum rc stage_act(struct stage *stage, struct err *err);
stage_act stage_nothing, stage_open, stage_find, stage_generate, stage_sign, stage_list, stage_info, stage_custody, stage_publish,
	stage_erase, stage_close;
/* The name of the key is one that may have been tried before. */
stage_act stage_open_tried;
/* To begin with: the kept key, the same after a signature, or a new one. */
stage_act stage_with_key, stage_with_used_key, stage_with_new_key;
/* The new one again, as another process finds it. */
stage_act stage_with_found_key;

/* Fresh, with a name for a key. */
void stage_begin(struct stage *stage, const struct world *world);
/* Frees what is there. */
void stage_end(struct stage *stage);

/* Makes the kept key. */
enum rc world_begin(struct world *world, struct err *err);
/* Fails the case unless the kept key is found and signs. */
void world_check(const struct world *world);

/* What is done to the operation in one case. */
enum fault_mode { FAULT_ONCE, FAULT_ONWARDS, FAULT_LOST };
struct phase {
	const char *name;
	stage_act *prepare, *act;
	bool makes_key, ends_key;
	const char *before; /* a fault that is there in every case: what is swept then is the way back from it */
};

#endif /* HWA_TEST_STAGE_H */
