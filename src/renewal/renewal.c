/* renewal.c -- performs one renewal, step by stored step; what is due is decided in state/plan.c. */
#include "renewal.h"

#include <stdio.h>
#include <string.h>

#include "availability.h"
#include "clock.h"
#include "log.h"
#include "problem.h"
#include "renewal_ari.h"
#include "renewal_steps.h"

#define SHORTER_PAUSE INT64_C(86400)

const char *renewal_result_name(enum renewal_result result)
{
	switch (result) {
	case RENEWAL_NOT_DUE: return "not due";
	case RENEWAL_ENROLLED: return "enrolled";
	case RENEWAL_RENEWED: return "renewed";
	case RENEWAL_DEPLOYED: return "deployed";
	}
	return "unknown";
}

/* What is to be done, when no renewal is due: perhaps a hook is owed, or a probe. */
static void settle_waiting(struct renewal *renewal)
{
	bool owes = !service_is_proven(renewal->certificate, renewal->record);

	renewal->stage = renewal_stage_next(renewal);
	renewal->result = owes && renewal->stage != STAGE_END ? RENEWAL_DEPLOYED : RENEWAL_NOT_DUE;
}

/* A CA that shortens its lifetimes makes one certificate after another that ends before the present one: not one each hour.  But what is
 * configured otherwise meanwhile does not wait for long. */
static int64_t not_soon_for_nothing(const struct renewal *renewal, int64_t at, int64_t now)
{
	int64_t from = renewal->outlasts_from < now + SHORTER_PAUSE ? renewal->outlasts_from : now + SHORTER_PAUSE;

	return from > at ? from : at;
}

/* The failure is kept with the certificate, so that `status` can say what is wrong without a log. */
static void note_failure(struct renewal *renewal, const struct err *why)
{
	struct store_certificate *record = renewal->record;
	int64_t now = clock_now();
	struct err unsaved = { 0 };
	enum renewal_blame blame = renewal->blame;
	char event[sizeof(record->last_error) + 16];

	authorities_note_failure(renewal->desk->authorities, renewal->authority,
				 renewal->client ? client_account(renewal->client) : NULL, why);
	if (record->attempts < UINT32_MAX)
		record->attempts++;
	record->failed_at = now;
	record->peer_retry_at = why->retry_at;
	record->retry_at = plan_back_off(record->attempts, record->not_after, renewal->policy->wait, why->retry_at, now);
	record->retry_at = not_soon_for_nothing(renewal, record->retry_at, now);
	renewal_turn(renewal, why, now);
	snprintf(record->last_error, sizeof(record->last_error), "%s", why->text);
	snprintf(event, sizeof(event), "failed: %s", why->text);
	/* Not before: what this authority said of when to come again counts, also where an order of another is kept. */
	record->order = *renewal_stored_order(renewal);
	if (store_certificate_save(renewal->desk->store, record, now, now + renewal->policy->retire_after, event, &unsaved) !=
	    RC_OK)
		log_certificate_failure(record->name, &unsaved);
	renewal->blame = blame;
}

enum rc renewal_begin(const struct renewal_desk *desk, const struct config_certificate *certificate, enum renewal_call call,
		      struct renewal **ret_renewal, struct err *err)
{
	AUTO(renewal) struct renewal *renewal = calloc(1, sizeof(*renewal));

	if (!renewal)
		return err_set(err, RC_RESOURCE, "out of memory");
	renewal->desk = desk;
	renewal->certificate = certificate;
	renewal->authority = certificate->authority;
	renewal->is_planned = call == RENEWAL_PLANNED;
	renewal->is_forced = call == RENEWAL_FORCED;
	renewal->bench = (struct challenge_bench){
		.config = desk->config, .processes = desk->processes, .keyring = desk->keyring, .store = desk->store
	};
	renewal->stage = STAGE_RESERVE;
	renewal->policy = config_policy_get(desk->config, certificate->policy);
	enum rc rc = renewal_wake(renewal, err);
	if (rc != RC_OK)
		return rc;
	renewal_restore(renewal);
	struct store_certificate *record = renewal->record;
	renewal->result = record->generation == 0 ? RENEWAL_ENROLLED : RENEWAL_RENEWED;
	const int64_t order_not_before = record->order.not_before;
	/* An operator waits with the order. */
	if (call != RENEWAL_PLANNED) {
		record->retry_at = record->peer_retry_at;
		record->service.retry_at = 0;
		if (record->order.not_before > clock_now())
			record->order.not_before = clock_now();
	}
	renewal->plan = renewal_plan(desk->config, certificate, record, call == RENEWAL_FORCED, clock_now());
	record->order.not_before = order_not_before;
	/* A hook whose time has come is no reason to ask the CA before its own. */
	if (renewal->plan.what == PLAN_WAIT && renewal_retry_at(record, clock_now()) <= clock_now() &&
	    renewal_ari_is_due(renewal->policy, certificate, record, clock_now())) {
		renewal->stage = STAGE_ASK;
		renewal->result = RENEWAL_NOT_DUE;
	} else if (renewal->plan.what == PLAN_WAIT) {
		settle_waiting(renewal);
	} else {
		rc = renewal_authority_choose(renewal, call, err);
	}
	/* What the service is owed does not wait for an authority. */
	if (rc == RC_OK && renewal->held_until && renewal_stage_next(renewal) != STAGE_END) {
		renewal->held_until = 0;
		settle_waiting(renewal);
	}
	if (rc == RC_OK)
		*ret_renewal = TAKE(renewal);
	return rc;
}

void renewal_free(struct renewal *renewal)
{
	if (!renewal)
		return;
	driver_free(renewal->driver);
	session_release(renewal->session);
	token_key_free(renewal->key);
	free(renewal->accepted);
	free(renewal->left);
	free(renewal->record);
	free(renewal);
}

/* RFC 9773: the CA is asked when it said, or soon after issuance; what it answers may make the renewal due. */
static enum rc step_ask(struct renewal *renewal, struct err *err)
{
	struct store_certificate *record = renewal->record;
	char event[sizeof(record->renewal_info.explanation) + 192];
	int64_t now = clock_now();

	renewal_ari_ask(renewal->desk, record, now, event, sizeof(event));
	enum rc rc = renewal_record_save(renewal, event[0] ? event : NULL, err);
	if (rc != RC_OK)
		return rc;
	renewal->plan = renewal_plan(renewal->desk->config, renewal->certificate, record, false, now);
	if (renewal->plan.what == PLAN_WAIT) {
		settle_waiting(renewal);
		return RC_OK;
	}
	renewal->stage = STAGE_RESERVE;
	renewal->result = RENEWAL_RENEWED;
	rc = renewal_authority_choose(renewal, renewal->is_planned ? RENEWAL_PLANNED : RENEWAL_ASKED, err);
	if (rc != RC_OK)
		renewal->blame = BLAME_LOCAL;
	/* Many may have been told so at the same time: it waits for its turn as any that is due. */
	if (rc == RC_OK && renewal->held_until) {
		renewal->stage = STAGE_END;
		renewal->result = RENEWAL_NOT_DUE;
	}
	return rc;
}

/* Its authority has since told another renewal to stay away, or gone: this one goes on when it may be asked again, or elsewhere.  So it does
 * when nobody can read what was told; that is then said when it begins. */
static bool is_sent_away(const struct renewal *renewal)
{
	int64_t at = 0, now = clock_now();

	if (!renewal->is_planned || (renewal->stage != STAGE_SIGN_IN && renewal->stage != STAGE_ORDER))
		return false;
	return availability_quiet_until(renewal->desk->store, renewal->authority, now, &at, NULL) != RC_OK || at > now;
}

/* The order that was open is of no use, and another takes its place: one more for an authority that may have made all of ours void.  It
 * has just said so: what it was tried for is over. */
static enum rc order_again(struct renewal *renewal, struct err *err)
{
	const struct renewal_desk *desk = renewal->desk;
	int64_t at, now = clock_now();

	(void)!availability_note(desk->store, renewal->authority, NULL, now, NULL);
	enum rc rc = availability_admit(desk->store, config_authority_get(desk->config, renewal->authority), true, now, &at, err);
	if (rc != RC_OK)
		renewal->blame = BLAME_LOCAL;
	if (rc == RC_OK && renewal->is_planned && at > now) {
		renewal->stage = STAGE_END;
		renewal->result = RENEWAL_NOT_DUE;
	}
	return rc;
}

/* Performs the stage it is in, and moves on when that is over. */
static enum rc stage_perform(struct renewal *renewal, struct driver_wait *ret_wait, struct err *err)
{
	enum rc rc = RC_OK;

	if (is_sent_away(renewal)) {
		renewal->stage = STAGE_END;
		renewal->result = RENEWAL_NOT_DUE;
	}
	switch (renewal->stage) {
	case STAGE_ASK: return step_ask(renewal, err);
	case STAGE_RESERVE:
		rc = renewal_reserve(renewal, err);
		if (rc != RC_OK)
			renewal->blame = BLAME_LOCAL;
		break;
	case STAGE_KEY: rc = renewal_key(renewal, err); break;
	case STAGE_SIGN_IN: rc = renewal_sign_in(renewal, err); break;
	case STAGE_ORDER:
		rc = renewal_order(renewal, ret_wait, err);
		if (rc == RC_OK && renewal->record->order.phase == ORDER_START)
			return order_again(renewal, err);
		if (rc != RC_OK || renewal->record->order.phase != ORDER_DONE)
			return rc;
		break;
	case STAGE_INSTALL: rc = renewal_install(renewal, err); break;
	case STAGE_PUBLISH: rc = renewal_publish(renewal, err); break;
	case STAGE_DEPLOY: rc = renewal_deploy(renewal, err); break;
	case STAGE_PROBE: rc = renewal_probe(renewal, ret_wait, err); break;
	case STAGE_SETTLE: rc = renewal_settle(renewal, err); break;
	case STAGE_REVOKE: rc = renewal_revoke(renewal, err); break;
	case STAGE_PRUNE: rc = renewal_prune(renewal, err); break;
	case STAGE_END: return RC_OK;
	}
	if (rc != RC_OK || (renewal->stage == STAGE_PROBE && ret_wait->until))
		return rc;
	if (renewal->stage < STAGE_INSTALL)
		renewal->stage++;
	else
		renewal->stage = renewal_stage_next(renewal);
	return RC_OK;
}

/* The failure is in the record: of the renewal, or of what became of the certificate once it was live. */
static void keep_failure(struct renewal *renewal, enum rc rc, struct err *why)
{
	renewal->is_live = renewal->stage > STAGE_INSTALL;
	if (!renewal->is_live) {
		err_wrap(why, rc, "%s %s", renewal->result == RENEWAL_ENROLLED ? "enrol" : "renew", renewal->certificate->name);
		note_failure(renewal, why);
		return;
	}
	if (renewal->stage <= STAGE_PROBE)
		renewal_note_service(renewal, why);
	else
		renewal_note_clear(renewal, why);
}

/* The order went on: the authority answers.  Signing in tells nothing: account and directory may have come from the store.  Nor does a look
 * at the DNS, or one that comes too early. */
static void note_answer(const struct renewal *renewal, const struct driver_wait *wait)
{
	if (wait->is_heard && renewal->stage != STAGE_END && !renewal->was_refused)
		(void)!availability_note(renewal->desk->store, renewal->authority, NULL, clock_now(), NULL);
}

/* An order that its authority has sent away waits no longer than its certificate does. */
static int64_t turns_at(const struct renewal *renewal, enum stage stage, int64_t until)
{
	return until && stage == STAGE_ORDER ? renewal_turns_by(renewal, until, clock_now()) : until;
}

void renewal_hand_over(struct renewal *renewal, struct renewal_wait *wait)
{
	renewal->is_planned = true;
	wait->until = wait->turns_at;
}

enum rc renewal_step(struct renewal *renewal, struct renewal_wait *ret_wait, struct err *err)
{
	struct driver_wait wait = { 0 };
	struct err why = { 0 };
	enum stage stage = renewal->stage;

	enum rc rc = renewal_wake(renewal, &why);

	renewal->was_refused = false;
	/* Nothing can be noted of it; what is stored is as good as ever. */
	if (rc != RC_OK) {
		renewal->blame = BLAME_LOCAL;
		*ret_wait = (struct renewal_wait){ .is_over = true };
		if (err)
			*err = why;
		return err_wrap(err, rc, "go on with %s", renewal->certificate->name);
	}
	rc = stage_perform(renewal, &wait, &why);
	*ret_wait = (struct renewal_wait){ .is_over = renewal->stage == STAGE_END || rc != RC_OK,
					   .until = wait.until,
					   .turns_at = turns_at(renewal, stage, wait.until),
					   .pause_ms = wait.pause_ms,
					   .is_for_ca =
						   renewal->stage == STAGE_ORDER && renewal->record->order.phase == ORDER_AWAIT };
	if (renewal->is_planned)
		ret_wait->until = ret_wait->turns_at;
	if (rc == RC_OK)
		note_answer(renewal, &wait);
	if (rc != RC_OK) {
		/* keyd could not write in STATE, or has no memory: that is not the token's failure, whoever told of it. */
		if (renewal->blame == BLAME_TOKEN && rc == RC_RESOURCE && !err_is_token(&why))
			renewal->blame = BLAME_LOCAL;
		keep_failure(renewal, rc, &why);
		if (err)
			*err = why;
	}
	if (!ret_wait->is_over && (wait.until || wait.pause_ms))
		renewal_rest(renewal);
	return rc;
}

const char *renewal_counted_as(const struct renewal_outcome *outcome, enum rc rc)
{
	bool is_renewal = outcome->result == RENEWAL_ENROLLED || outcome->result == RENEWAL_RENEWED;

	/* What failed once it was live was no renewal that failed. */
	if (rc != RC_OK && !outcome->is_live)
		return "failed";
	return is_renewal || (rc == RC_OK && outcome->result != RENEWAL_NOT_DUE) ? renewal_result_name(outcome->result) : NULL;
}

void renewal_outcome(const struct renewal *renewal, struct renewal_outcome *ret_outcome)
{
	*ret_outcome = (struct renewal_outcome){
		.result = renewal->result, .blame = renewal->blame, .is_live = renewal->is_live, .plan = renewal->plan
	};
	if (renewal->record)
		ret_outcome->record = *renewal->record;
	else if (store_certificate_load(renewal->desk->store, renewal->certificate->name, &ret_outcome->record, NULL) != RC_OK)
		snprintf(ret_outcome->record.name, sizeof(ret_outcome->record.name), "%s", renewal->certificate->name);
}
