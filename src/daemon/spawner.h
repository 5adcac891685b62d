/*
 * spawner.h -- a small process that starts the others: keyd, and deploy hooks.
 *
 * It is forked before anything else and stays outside the engine's sandbox, which its
 * children would inherit.  It takes three requests, believes no more of them than a
 * number, and runs only what its own copy of the configuration says.
 */
#ifndef HWA_SPAWNER_H
#define HWA_SPAWNER_H

#include <stdint.h>

#include "config.h"

#define SPAWNER_FDS_MAX      4u
#define SPAWNER_KEYD_STOP_MS 5000 /* keyd closes its tokens when the engine is gone; then it is killed */

enum spawner_request {
	SPAWNER_START_KEYD, /* with the sockets it shall serve */
	SPAWNER_KILL_KEYD,
	SPAWNER_DEPLOY, /* with a socket on which the result is answered (wire_put_err()) */
};

/* One datagram of the socket, with descriptors beside it. */
struct spawner_message {
	uint32_t request;
	uint32_t certificate; /* SPAWNER_DEPLOY: its place in config->certificates */
};

/* Serves the engine on `fd` until it is gone; the process's exit status. */
int spawner_serve(const struct config *config, int fd);

#endif /* HWA_SPAWNER_H */
