/* challenge_hook.h -- the programs of challenges: hooks that place records, commands that print tokens. */
#ifndef HWA_CHALLENGE_HOOK_H
#define HWA_CHALLENGE_HOOK_H

#include "challenge.h"
#include "program.h"

#define CHALLENGE_NOT_YET 75 /* EX_TEMPFAIL: exit status of `ready` */

/*
 * What a call may say: what it names was sent by a CA and becomes part of a program's environment.  RC_PROTOCOL unless the
 * domain is a host name (TOKEN: a UUID), the record such a name below labels with "_", and the value of the right alphabet.
 */
enum rc challenge_call_check(const struct challenge_call *call, struct err *err) HWA_CHECKED;

/* Checks the call and runs the program; RC_ABSENT when `ready` says not yet. */
enum rc challenge_hook_run(const struct config_certificate *certificate, const struct config_challenge *challenge,
			   const struct challenge_call *call, struct buf *ret_output, struct err *err) HWA_CHECKED;

#endif /* HWA_CHALLENGE_HOOK_H */
