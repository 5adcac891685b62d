/* challenge_desk.h -- what challenges cannot do themselves: programs run by the spawner, requests to a Token Authority. */
#ifndef HWA_CHALLENGE_DESK_H
#define HWA_CHALLENGE_DESK_H

#include "challenge.h"
#include "keyring.h"
#include "processes.h"
#include "store.h"

/* The desk's own side of it; outlives the answers. */
struct challenge_bench {
	const struct config *config;
	struct processes *processes;
	struct keyring *keyring;
	struct store *store;   /* knows what is out, so that it is removed also when we were cut off */
	bool failed_elsewhere; /* whose fault a failed renewal is: a program's or a Token Authority's, not the CA's */
};

/* Borrows bench. */
struct challenge_desk challenge_desk_make(struct challenge_bench *bench);

/* Has removed what an earlier run for this certificate left; what still cannot be is noted, and tried again next time. */
enum rc challenge_desk_recover(struct challenge_bench *bench, const struct config_certificate *certificate,
			       struct err *err) HWA_CHECKED;

#endif /* HWA_CHALLENGE_DESK_H */
