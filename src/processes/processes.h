/*
 * processes.h -- the processes beside the engine, as the engine sees them: keyd behind a link, hooks behind a call.
 *
 *	engine  --socket-->  spawner  --fork-->  keyd, one hook a call
 */
#ifndef HWA_PROCESSES_H
#define HWA_PROCESSES_H

#include "challenge.h"
#include "config.h"
#include "err.h"
#include "program.h"
#include "remote.h"
#include "scope.h"

struct processes;

/* Forks the spawner.  Nothing else may be running here yet: no thread, no connection, no open database.
 * A PIN that the configuration takes from the environment is gone from this process's afterwards.
 * Borrows config, which the spawner has a copy of. */
enum rc processes_start(const struct config *config, struct processes **ret_processes, struct err *err) HWA_CHECKED;
/* Waits until keyd has closed its tokens, or was killed for not doing so. */
void processes_stop(struct processes *processes);

/* False: the spawner has ended, and no key and no hook is to be had any more; it is told once. */
bool processes_are_there(struct processes *processes);

/* keyd, which is started by the first call; stays the processes'. */
struct remote_link *processes_keyd(struct processes *processes);
/* deploy_run() and deploy_probe() of a certificate of the configuration, outside the sandbox. */
enum rc processes_deploy(struct processes *processes, const struct config_certificate *certificate,
			 char ret_words[PROGRAM_OUTPUT_MAX + 1], struct err *err) HWA_CHECKED;
enum rc processes_probe(struct processes *processes, const struct config_certificate *certificate,
			char ret_words[PROGRAM_OUTPUT_MAX + 1], struct err *err) HWA_CHECKED;
/* challenge_hook_run() of a challenge of the configuration, outside the sandbox. */
enum rc processes_challenge(struct processes *processes, const struct config_certificate *certificate,
			    const struct config_challenge *challenge, const struct challenge_call *call, struct buf *ret_output,
			    struct err *err) HWA_CHECKED;

AUTO_DEFINE(processes, struct processes *, processes_stop);

#endif /* HWA_PROCESSES_H */
