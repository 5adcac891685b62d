/* renewal_clear.c -- clears away what a certificate in service has replaced: its predecessors' revocation, and their archive. */
#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "availability.h"
#include "certificate.h"
#include "clock.h"
#include "log.h"
#include "plan.h"
#include "renewal_steps.h"
#include "revocation.h"

#define LEAF_MAX    (64u * 1024u)
#define PRUNE_LEAST 60   /* seconds that who has opened a superseded set has to read it */
#define PRUNE_AGAIN 3600 /* seconds after a failure */

/* Before another goes live in its place: the certificate that it is now, which the policy wants revoked then. */
static enum rc superseded_note(struct renewal *renewal, int64_t now, struct err *err)
{
	struct store_certificate *record = renewal->record;
	struct store_superseded superseded = { .generation = record->generation, .not_after = record->not_after };

	if (!renewal->policy->revoke_superseded || record->revoked_at || record->not_after <= now)
		return RC_OK;
	snprintf(superseded.authority, sizeof(superseded.authority), "%s", record->authority);
	snprintf(superseded.serial, sizeof(superseded.serial), "%s", record->serial);
	return store_superseded_add(renewal->desk->store, record->name, &superseded, err);
}

enum rc renewal_supersede(struct renewal *renewal, struct store_service *ret_service, struct err *err)
{
	const struct store_service *before = &renewal->record->service;
	int64_t now = clock_now(), keeps = renewal->policy->retire_after;

	*ret_service = (struct store_service){ .hook_by = service_hook_by(renewal->certificate, renewal->record),
					       .prune_at = before->prune_at,
					       .revoke_at = before->revoke_at };
	if (!renewal->record->generation)
		return RC_OK;
	/* A key that is kept has the old certificate beside it, also when none is wanted any more. */
	if (before->published[0] &&
	    memcmp(renewal->record->live_key.name.id, renewal->record->next_key.name.id, TOKEN_ID_LEN) == 0)
		snprintf(ret_service->published, sizeof(ret_service->published), "of generation %u", renewal->record->generation);
	enum rc rc = superseded_note(renewal, now, err);
	/* Where something waits already, its time stands. */
	if (!ret_service->prune_at)
		ret_service->prune_at = now + (keeps > PRUNE_LEAST ? keeps : PRUNE_LEAST);
	if (!ret_service->revoke_at && renewal->policy->revoke_superseded)
		ret_service->revoke_at = now + keeps;
	return rc;
}

static enum rc leaf_read(const struct renewal *renewal, unsigned generation, struct buf *ret_der, struct err *err)
{
	AUTO(buf) struct buf pem = BUF_MAX(LEAF_MAX);
	enum rc rc = renewal_set_read(renewal, generation, SET_FILE_CERT, &pem, err);

	return rc == RC_OK ? certificate_leaf_der(buf_span(&pem), ret_der, err) : rc;
}

/* RFC 8555, 7.6, with the account's key; one that is revoked already is as good. */
static enum rc revoke_one(struct renewal *renewal, const struct store_superseded *superseded, struct err *err)
{
	AUTO(buf) struct buf der = BUF_MAX(LEAF_MAX);
	AUTO(session) struct session *session = NULL;
	bool by_token = false;
	enum rc rc = leaf_read(renewal, superseded->generation, &der, err);

	if (rc != RC_OK)
		return RC_ABSENT;
	if (!config_authority_get(renewal->desk->config, superseded->authority))
		return err_set(err, RC_ABSENT, "authority \"%s\" is not configured any more", superseded->authority);
	renewal->blame = BLAME_AUTHORITY;
	rc = authorities_sign_in(renewal->desk->authorities, superseded->authority, clock_now(), &session, &by_token, err);
	if (by_token)
		renewal->blame = BLAME_TOKEN;
	if (rc == RC_OK)
		rc = revocation_request(session_client(session), buf_span(&der), revocation_reason_parse("superseded"), err);
	if (rc == RC_OK)
		renewal->blame = BLAME_NOBODY;
	else if (err)
		authorities_note_failure(renewal->desk->authorities, superseded->authority,
					 session ? client_account(session_client(session)) : NULL, err);
	(void)!availability_note_question(renewal->desk->store, superseded->authority, rc == RC_OK ? NULL : err,
					  renewal->record->service.revoke_failures != 0, clock_now(), NULL);
	return rc == RC_ABSENT ? RC_RETRY : rc;
}

/* What its CA said to others of when to come again is said to this one, too: *ret_is_put_off, and it waits until then. */
static enum rc put_off(struct renewal *renewal, const struct store_superseded *superseded, bool *ret_is_put_off, struct err *err)
{
	int64_t until = 0, now = clock_now();
	enum rc rc = availability_quiet_until(renewal->desk->store, superseded->authority, now, &until, err);

	if (rc != RC_OK)
		renewal->blame = BLAME_LOCAL;
	*ret_is_put_off = rc == RC_OK && until > now;
	if (*ret_is_put_off)
		renewal->record->service.revoke_at = until;
	return rc;
}

/* One of them; that there is no more ends it. */
enum rc renewal_revoke(struct renewal *renewal, struct err *err)
{
	struct store_certificate *record = renewal->record;
	struct store_superseded superseded = { .generation = 0 };
	char event[sizeof(record->service.last_error) + 96];
	struct err why = { 0 };
	enum rc rc = store_superseded_first(renewal->desk->store, record->name, record->generation, &superseded, &why);

	if (rc == RC_ABSENT) {
		record->service.revoke_at = 0;
		record->service.revoke_failures = 0;
		return renewal_record_save(renewal, NULL, err);
	}
	if (rc == RC_OK && !renewal->policy->revoke_superseded) {
		snprintf(event, sizeof(event), "superseded serial %s is not revoked: the policy does not want it any more",
			 superseded.serial);
	} else if (rc == RC_OK && superseded.not_after > clock_now()) {
		bool is_put_off;

		rc = put_off(renewal, &superseded, &is_put_off, &why);
		if (is_put_off)
			return renewal_record_save(renewal, NULL, err);
		if (rc == RC_OK)
			rc = revoke_one(renewal, &superseded, &why);
		snprintf(event, sizeof(event),
			 rc == RC_OK ? "superseded serial %s is revoked" : "superseded serial %s is not revoked: %s",
			 superseded.serial, why.text);
	} else {
		snprintf(event, sizeof(event), "superseded serial %s has expired and is not revoked", superseded.serial);
	}
	if (rc != RC_OK && rc != RC_ABSENT) {
		if (err)
			*err = why;
		return err_wrap(err, rc, "revoke the superseded serial %s", superseded.serial);
	}
	record->service.revoke_failures = 0;
	rc = renewal_record_save(renewal, event, err);
	return rc == RC_OK ? store_superseded_drop(renewal->desk->store, record->name, superseded.generation, err) : rc;
}

enum rc renewal_prune(struct renewal *renewal, struct err *err)
{
	struct store_certificate *record = renewal->record;
	struct store_superseded pending = { .generation = 0 };
	int64_t keeps = renewal->policy->retire_after;
	struct archive_prune terms = { .keep = renewal->policy->keep,
				       .until = record->generation,
				       .age = keeps > PRUNE_LEAST ? keeps : PRUNE_LEAST,
				       .now = clock_now() };

	/* What is to be revoked is read once more. */
	if (store_superseded_first(renewal->desk->store, record->name, record->generation, &pending, NULL) == RC_OK)
		terms.until = pending.generation;
	enum rc rc = archive_prune(renewal->desk->config->state, record->name, &terms, &record->service.prune_at, err);
	if (rc != RC_OK) {
		renewal->blame = BLAME_LOCAL;
		return rc;
	}
	if (pending.generation && !record->service.prune_at)
		record->service.prune_at = terms.now + PRUNE_AGAIN;
	return renewal_record_save(renewal, NULL, err);
}

/* Neither is a failure of the certificate in service: it is told, and tried again. */
void renewal_note_clear(struct renewal *renewal, const struct err *why)
{
	struct store_service *service = &renewal->record->service;
	enum renewal_blame blame = renewal->blame;
	int64_t now = clock_now();
	char event[sizeof(service->last_error) + 16];
	struct err unsaved = { 0 };

	if (renewal->stage == STAGE_REVOKE) {
		if (service->revoke_failures < UINT32_MAX)
			service->revoke_failures++;
		service->revoke_at = plan_back_off(service->revoke_failures, 0, 0, why->retry_at, now);
	} else {
		service->prune_at = now + PRUNE_AGAIN;
	}
	snprintf(event, sizeof(event), "failed: %s", why->text);
	if (store_certificate_save(renewal->desk->store, renewal->record, now, now, event, &unsaved) != RC_OK)
		log_certificate_failure(renewal->record->name, &unsaved);
	renewal->blame = blame;
}
