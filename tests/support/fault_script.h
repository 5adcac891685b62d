/*
 * fault_script.h -- what a proxy is told to break, how often what was called, and its log.
 *
 * Shared by p11_proxy.c and tcti_proxy.c; README.md of this folder describes the script.  A mistake in a
 * script ends the process: a test that injects nothing must not pass.
 */
#ifndef HWA_TEST_FAULT_SCRIPT_H
#define HWA_TEST_FAULT_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is to happen to one call; delays, hangs, crashes and noise have happened already. */
struct fault {
	bool is_instead; /* the call is not made; `code` is answered */
	bool is_lost;    /* the call is made, and `code` is answered all the same */
	bool has_length; /* success, with this length or count */
	bool is_cut;     /* the answer ends after this many bytes */
	bool is_garbled; /* this byte of the answer is inverted */
	uint64_t code, length;
	size_t cut, garbled;
};

/* The number of a code that is called by name in a script. */
typedef bool fault_code_fn(const char *name, uint64_t *ret_code);

/* `variable` of the environment names the script; without it the script lies beside the shared object: PATH.script. */
void fault_script_start(const char *variable, fault_code_fn *code_of);
/* A script for this process alone; counts begin anew.  NULL: the file again. */
void fault_script_text(const char *text);
/* Counts one call of `name` and says what happens to it. */
struct fault fault_next(const char *name);
uint64_t fault_calls(const char *name);
/* The value of a setting, the `nth` one with this key from 0; false when there are no more. */
bool fault_setting(const char *key, size_t nth, char *ret_value, size_t room);
/* One line: process, name, details. */
void fault_log(const char *name, const char *details, const char *result);

#endif /* HWA_TEST_FAULT_SCRIPT_H */
