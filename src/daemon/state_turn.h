/*
 * state_turn.h -- when the loop may work in the state directory, which it shares with other commands, and what they changed there meanwhile.
 *
 * The lock is taken for the first worker that needs it and given back after the last one, once all that is under way rests.  Another command
 * that waits for it is given way to.  All of it under the lock of the caller.
 */
#ifndef HWA_STATE_TURN_H
#define HWA_STATE_TURN_H

#include "renewal.h"

#define STATE_TURN_BUSY  5  /* seconds until the state directory is tried again while another command works in it */
#define STATE_TURN_YIELD 30 /* seconds for which nothing more is begun while another command waits for its turn there ... */
#define STATE_TURN_LOOK  1  /* ... which is looked at anew so often */

struct state_turn {
	struct renewal_desk *desk; /* its authorities are opened with the lock, and kept for as long as something is under way */
	unsigned active;           /* workers that need the lock */
	bool is_ours;
	unsigned changes;      /* that other commands made, as often as they were noticed ... */
	unsigned changes_seen; /* ... by the sessions and by what is under way, as of when the lock was taken */
	int64_t wanted_since;  /* monotonic: another command waits for its turn; 0: none does */
	int64_t blocked_until; /* monotonic: another command has its turn ... */
	bool is_blocked_told;  /* ... which is in the log */
};

/* RC_RETRY: another command works there, which is no failure, and is in the log once. */
enum rc state_turn_begin(struct state_turn *turn, struct err *err) HWA_CHECKED;
/* What rests is in the store; those that rest share the sessions. */
void state_turn_end(struct state_turn *turn, unsigned under_way, unsigned resting);
/* How often changes of others were noticed: the store tells of each once. */
unsigned state_turn_changes(struct state_turn *turn);
/* Another command waits: nothing more is begun, and then it is that one's turn.  But not for ever. */
bool state_turn_yields(struct state_turn *turn);
void state_turn_close(struct state_turn *turn);

#endif /* HWA_STATE_TURN_H */
