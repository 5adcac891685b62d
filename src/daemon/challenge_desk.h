/* challenge_desk.h -- what challenges cannot do themselves: programs run by the spawner, requests to a Token Authority. */
#ifndef HWA_CHALLENGE_DESK_H
#define HWA_CHALLENGE_DESK_H

#include "challenge.h"
#include "processes.h"

/* The desk's own side of it; outlives the answers. */
struct challenge_bench {
	struct processes *processes;
	bool program_failed; /* whose fault a failed renewal is: not the CA's */
};

/* Borrows bench. */
struct challenge_desk challenge_desk_make(struct challenge_bench *bench);

#endif /* HWA_CHALLENGE_DESK_H */
