/* state_turn.c -- the lock of the state directory, sessions that know what others changed, and the way that is given to who waits. */
#include "state_turn.h"

#include "clock.h"
#include "log.h"

unsigned state_turn_changes(struct state_turn *turn)
{
	if (store_changed_elsewhere(turn->desk->store))
		turn->changes++;
	return turn->changes;
}

static void sessions_close(struct state_turn *turn)
{
	authorities_free(turn->desk->authorities);
	turn->desk->authorities = NULL;
}

/* Another command may have changed an account: then sessions are fresh, too. */
static enum rc sessions_open(struct state_turn *turn, struct err *err)
{
	struct renewal_desk *desk = turn->desk;
	unsigned changes = state_turn_changes(turn);

	if (desk->authorities && changes == turn->changes_seen)
		return RC_OK;
	sessions_close(turn);
	turn->changes_seen = changes;
	return authorities_new(desk->config, desk->store, desk->keyring, &desk->authorities, err);
}

/* It passes, and may last as long as a renewal does: one line is enough of it. */
static enum rc lock(struct state_turn *turn, struct err *err)
{
	struct err why = { 0 };
	enum rc rc = store_lock(turn->desk->store, &why);

	if (rc == RC_RETRY && !turn->is_blocked_told)
		log_event(LOG_INFO, "waiting: %s", why.text);
	turn->is_blocked_told = rc == RC_RETRY;
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

enum rc state_turn_begin(struct state_turn *turn, struct err *err)
{
	enum rc rc = RC_OK;

	if (!turn->is_ours) {
		rc = lock(turn, err);
		if (rc == RC_OK)
			rc = sessions_open(turn, err);
		turn->is_ours = rc == RC_OK;
		if (rc != RC_OK)
			store_unlock(turn->desk->store);
	}
	if (rc == RC_OK)
		turn->active++;
	else
		turn->blocked_until = clock_monotonic_ms() + STATE_TURN_BUSY * INT64_C(1000);
	return rc;
}

void state_turn_end(struct state_turn *turn, unsigned under_way, unsigned resting)
{
	turn->active--;
	if (turn->active || under_way != resting || !turn->is_ours)
		return;
	if (under_way == 0)
		sessions_close(turn);
	store_unlock(turn->desk->store);
	turn->is_ours = false;
}

bool state_turn_yields(struct state_turn *turn)
{
	int64_t now = clock_monotonic_ms();

	if (!store_lock_is_wanted(turn->desk->store)) {
		turn->wanted_since = 0;
		return false;
	}
	if (!turn->wanted_since)
		turn->wanted_since = now;
	if (now - turn->wanted_since >= STATE_TURN_YIELD * INT64_C(1000))
		return false;
	turn->blocked_until = now + STATE_TURN_LOOK * INT64_C(1000);
	return true;
}

void state_turn_close(struct state_turn *turn)
{
	sessions_close(turn);
	store_unlock(turn->desk->store);
}
