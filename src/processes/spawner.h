/*
 * spawner.h -- a small process that starts the others: keyd, and deploy hooks.
 *
 * It is forked before anything else and stays outside the engine's sandbox, which its
 * children would inherit.  It takes five requests and runs only what its own copy of the configuration says; of a request
 * it believes numbers, and what challenge_call_check() lets into a hook's environment.
 */
#ifndef HWA_SPAWNER_H
#define HWA_SPAWNER_H

#include <stdint.h>

#include "challenge.h"
#include "config.h"

#define SPAWNER_FDS_MAX    4u
#define SPAWNER_OUTPUT_MAX CHALLENGE_TOKEN_MAX
#define SPAWNER_KEYD_STOP_MS \
	1000 /* keyd closes its tokens when the engine is gone; then it is killed: with the engine's time all end within five seconds */

enum spawner_request {
	SPAWNER_START_KEYD, /* with the sockets it shall serve */
	SPAWNER_KILL_KEYD,
	SPAWNER_DEPLOY,    /* with a socket on which the end is answered: output (wire_put_bytes()), result (wire_put_err()) */
	SPAWNER_PROBE,     /* the same, for a program that probes */
	SPAWNER_CHALLENGE, /* the same, for a program of a challenge */
};

/* One datagram of the socket, with descriptors beside it. */
struct spawner_message {
	uint32_t request;
	uint32_t certificate;       /* the hook's: its place in config->certificates */
	uint32_t challenge;         /* SPAWNER_CHALLENGE: its place among the certificate's */
	struct challenge_call call; /* SPAWNER_CHALLENGE */
};

/* Serves the engine on `fd` until it is gone; the process's exit status. */
int spawner_serve(const struct config *config, int fd);

#endif /* HWA_SPAWNER_H */
