/* renewal_key.c -- the key of the next certificate: a new one whose name is stored before it is made, or the live one again. */
#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "clock.h"
#include "renewal_steps.h"

static bool is_rotation_due(const struct renewal *renewal, int64_t now)
{
	const struct store_key *live = &renewal->record->live_key;

	/* The key of a revoked certificate is not certified again. */
	if (!renewal_is_keyed(live) || !renewal_key_matches(live, &renewal->certificate->key) || renewal->record->revoked_at)
		return true;
	/* Made by a clock that was ahead: nobody knows how old it is, and it would stay for as long. */
	if (renewal->certificate->rotate == ROTATE_AGE)
		return live->created_at > now || now - live->created_at >= renewal->certificate->rotate_age;
	return renewal->certificate->rotate == ROTATE_ALWAYS;
}

static bool is_live_key(const struct store_certificate *record)
{
	return renewal_is_keyed(&record->live_key) &&
	       memcmp(record->next_key.name.id, record->live_key.name.id, TOKEN_ID_LEN) == 0;
}

/* Was it reserved by a configuration that is the same still?  A key that nothing was ordered with may be given up: perhaps there is
 * no room for it, and the operator wrote rotate: never.  The live one that was to be certified again is not when it has been revoked
 * meanwhile, whatever was ordered with it. */
static bool is_reserved(const struct renewal *renewal, int64_t now)
{
	const struct store_certificate *record = renewal->record;

	if (!renewal_is_keyed(&record->next_key) || !renewal_key_matches(&record->next_key, &renewal->certificate->key))
		return false;
	if (is_live_key(record) && record->revoked_at)
		return false;
	return record->order.phase != ORDER_START || is_live_key(record) || is_rotation_due(renewal, now);
}

/*
 * A set that is newer than the record says went live, and its record is to follow: it has the next key.  Servers read it, so that key is not
 * given up because another is configured meanwhile; what was begun is ended first.  One that cannot be had serves nobody.
 */
static bool is_live_unrecorded(const struct renewal *renewal, unsigned live)
{
	const struct store_certificate *record = renewal->record;
	AUTO(token_key) struct token_key *key = NULL;

	return live > record->generation && renewal_is_keyed(&record->next_key) &&
	       keyring_find(renewal->desk->keyring, &record->next_key, &key, NULL) == RC_OK;
}

/* Intent before effect: the key's name is on disk before the token has the key.  `because` ends the line of the journal. */
static enum rc reserve(struct renewal *renewal, bool rotate, const char *because, struct err *err)
{
	struct store_certificate *record = renewal->record;
	char event[200];
	enum rc rc = RC_OK;

	record->order = (struct order){ .phase = ORDER_START };
	if (rotate)
		rc = keyring_reserve(renewal->desk->keyring, renewal->desk->store, record->name, &renewal->certificate->key,
				     clock_now(), &record->next_key, err);
	else
		record->next_key = record->live_key;
	if (rc != RC_OK)
		return rc;
	record->state = CERT_KEYED;
	/* Which the token is yet to make. */
	snprintf(event, sizeof(event), "%s key \"%s\" %s token \"%s\"%s", rotate ? "new" : "keeping", record->next_key.name.label,
		 rotate ? "for" : "in", record->next_key.token, because);
	rc = renewal_record_save(renewal, event, err);
	renewal->is_unmade = rotate && rc == RC_OK;
	return rc;
}

enum rc renewal_reserve(struct renewal *renewal, struct err *err)
{
	struct store_certificate *record = renewal->record;
	int64_t now = clock_now();
	unsigned live, highest = 0;
	/* What stands in the way of the switch is told before anything is ordered. */
	enum rc rc = archive_live(renewal->desk->config->state, record->name, &live, err);
	/* It may be with the CA for longer than we wait, or are there. */
	bool is_news = renewal->is_forced && !record->is_forced;

	record->is_forced = record->is_forced || renewal->is_forced;
	if (rc != RC_OK)
		return rc;
	if (is_reserved(renewal, now) || is_live_unrecorded(renewal, live))
		return is_news ? renewal_record_save(renewal, NULL, err) : RC_OK;
	rc = archive_highest(renewal->desk->config->state, record->name, &highest, err);
	if (rc != RC_OK)
		return rc;
	record->next_generation = (highest > record->generation ? highest : record->generation) + 1;
	return reserve(renewal, is_rotation_due(renewal, now), "", err);
}

/* The key that was to be kept, or that a certificate was asked for, is not in its token, as that itself says: no certificate of it is of
 * any use, nor the order that it comes from. */
static enum rc key_lost(struct renewal *renewal, struct err *err)
{
	const char *because = is_live_key(renewal->record)
				      ? ", for the live one is there no more"
				      : ", for the one that was asked for is there no more; its order is left";
	enum rc rc = reserve(renewal, true, because, err);

	return rc == RC_OK ? renewal_generate(renewal, err) : rc;
}

enum rc renewal_key(struct renewal *renewal, struct err *err)
{
	const struct store_key *key = &renewal->record->next_key;
	bool must_be_there = is_live_key(renewal->record) || order_is_asked_for(&renewal->record->order);
	struct err why = { 0 };
	enum rc rc =
		must_be_there ? keyring_find(renewal->desk->keyring, key, &renewal->key, &why) : renewal_generate(renewal, &why);

	if (rc == RC_ABSENT && must_be_there) {
		why = (struct err){ 0 };
		rc = key_lost(renewal, &why);
	}
	if (rc != RC_OK) {
		renewal->blame = BLAME_TOKEN;
		if (err)
			*err = why;
	}
	return rc;
}
