/* account_keys.h -- an account's later life: registered again, moved to another key, ended (RFC 8555, 7.3). */
#ifndef HWA_ACCOUNT_KEYS_H
#define HWA_ACCOUNT_KEYS_H

#include "authority.h"

/* Registers, or tells the CA of contacts and agreement again; a deactivated account is followed by a new one with a fresh key. */
enum rc account_keys_register(struct authorities *authorities, const char *name, int64_t now, bool *ret_by_token,
			      struct err *err) HWA_CHECKED;
/*
 * account_lost.c: the key of the account is lost, as with a TPM that was replaced, or the CA has ended the account: a new one with a new
 * key takes its place, and what was under way for the old one is begun anew.  RC_INPUT while it works, or may do so when its token is back.  The old account is the
 * CA's to end; it is in the log and in the journals of its certificates.  Where there is none yet this is account_keys_register().
 */
enum rc account_keys_replace(struct authorities *authorities, const char *name, int64_t now, bool *ret_by_token,
			     struct err *err) HWA_CHECKED;
/*
 * Moves the account to a fresh key, of the type and in the token that are configured now.  The new key's name is on disk before
 * the token makes it, and both keys are until the CA said whose the account is: cut off anywhere, the next session asks.
 */
enum rc account_keys_rollover(struct authorities *authorities, const char *name, int64_t now, bool *ret_by_token,
			      struct err *err) HWA_CHECKED;
/* For good. */
enum rc account_keys_deactivate(struct authorities *authorities, const char *name, int64_t now, bool *ret_by_token,
				struct err *err) HWA_CHECKED;

#endif /* HWA_ACCOUNT_KEYS_H */
