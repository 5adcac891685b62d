/*
 * keyd.h -- the process that alone has modules, TPM and PINs, and what it is asked (PROTOCOL.md, beside this file).
 *
 * The engine names a token by its name in the configuration and a key by its label and
 * id; there are no handles to leak, to guess or to outlive a restart.  keyd has its own
 * copy of the configuration from before the fork: what the engine says about modules,
 * PINs and paths is never asked.
 */
#ifndef HWA_KEYD_H
#define HWA_KEYD_H

#include "config.h"
#include "err.h"

#define KEYD_CONNECTIONS_MAX 16 /* threads of keyd, one each */

/* X(enumerator, milliseconds the engine waits for the answer).  The first call on a token logs in, and a TPM may need
 * a minute or more to find an RSA key's primes: whoever waits behind that waits longer (remote_link.c). */
#define KEYD_OPERATIONS(X)       \
	X(KEYD_OPEN, 60000)      \
	X(KEYD_INFO, 60000)      \
	X(KEYD_GENERATE, 300000) \
	X(KEYD_FIND, 60000)      \
	X(KEYD_LIST, 120000)     \
	X(KEYD_SIGN, 60000)      \
	X(KEYD_CUSTODY, 60000)   \
	X(KEYD_REFERENCE, 60000) \
	X(KEYD_ERASE, 60000)     \
	X(KEYD_AUDIT, 60000)     \
	X(KEYD_MAC, 60000)       \
	X(KEYD_PUBLISH, 60000)   \
	X(KEYD_NAME, 60000)

#define X(name, deadline_ms) name,
enum keyd_operation { KEYD_OPERATIONS(X) KEYD_OPERATION_COUNT };
#undef X

/* What an answer is: one key of a list, or the end of it and of every other call. */
enum keyd_answer { KEYD_ANSWER_KEY, KEYD_ANSWER_END };
/* What it says of a key's custody: told by the token that it is broken, or held; or not told. */
enum keyd_held { KEYD_BROKEN, KEYD_HELD, KEYD_UNTOLD, KEYD_HELD_COUNT };

/*
 * Serves the engine on `fds`, one thread each, until it has closed them all; then closes the tokens.
 * Called in a process of its own, in which nothing has loaded a module.  `keys_dir` is STATE/keys and
 * `live_dir` STATE/live: a key that something there refers to is not erased, whoever asks.
 */
enum rc keyd_serve(const struct config *config, const int *fds, unsigned count, struct err *err) HWA_CHECKED;

#endif /* HWA_KEYD_H */
