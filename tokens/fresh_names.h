/*
 * fresh_names.h -- the key names that this process has drawn and no PKCS#11 key was made under: no such token has a key of that name.
 *
 * An id has eight random bytes, so nobody else has drawn it; and who could only repeat one, as the engine to keyd,
 * cannot make it fresh again.  A name that is not among them may have a key all the same, of an earlier process or a call
 * whose answer was lost, and is searched for.  Safe to use from every thread.
 */
#ifndef HWA_FRESH_NAMES_H
#define HWA_FRESH_NAMES_H

#include "token.h"

#define FRESH_NAMES_MAX 1024u /* those drawn before are forgotten, which costs a search */

void fresh_names_add(const struct token_key_name *name);
/* Is it one?  From now on it is none. */
bool fresh_names_take(const struct token_key_name *name);

#endif /* HWA_FRESH_NAMES_H */
