/* renewal.c -- performs one renewal, step by stored step; what is due is decided in state/plan.c. */
#include "renewal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "archive.h"
#include "certificate.h"
#include "clock.h"
#include "csr.h"
#include "driver.h"
#include "log.h"

/* One renewal under way: what its steps share. */
struct renewal {
	const struct renewal_desk *desk;
	const struct config_certificate *certificate;
	const struct config_policy *policy;
	struct store_certificate record;
	struct token_key *key;          /* record.next_key, opened */
	struct certificate_facts facts; /* of the chain that was accepted */
	struct token_custody custody;
	enum renewal_blame blame;
};

static int by_text(const void *left, const void *right)
{
	return strcasecmp(*(char *const *)left, *(char *const *)right);
}

/* The configured names as the record keeps them: sorted, so that their order does not matter. */
static void names_print(const struct config_certificate *certificate, char *text, size_t room)
{
	AUTO(text_list) char **names = calloc(certificate->name_count, sizeof(char *));
	size_t used = 0;

	text[0] = '\0';
	if (!names)
		return;
	memcpy(names, certificate->names, certificate->name_count * sizeof(char *));
	qsort(names, certificate->name_count, sizeof(char *), by_text);
	for (unsigned i = 0; i < certificate->name_count && used < room; i++) {
		int len = snprintf(text + used, room - used, "%s%s", i ? " " : "", names[i]);
		used += len > 0 ? (size_t)len : 0;
	}
}

static bool is_keyed(const struct store_key *key)
{
	return key->token[0] != '\0';
}

static bool key_matches(const struct store_key *key, const struct config_key *wanted)
{
	return key->type == wanted->type && strcmp(key->token, wanted->token) == 0;
}

static bool config_changed(const struct config_certificate *certificate, const struct store_certificate *record)
{
	char names[sizeof(record->names)];

	names_print(certificate, names, sizeof(names));
	return strcasecmp(names, record->names) != 0 || strcmp(certificate->authority, record->authority) != 0 ||
	       !key_matches(&record->live_key, &certificate->key);
}

struct plan renewal_plan(const struct config *config, const struct config_certificate *certificate,
			 const struct store_certificate *record, bool forced, int64_t now)
{
	struct plan_facts facts = { .forced = forced };

	if (record) {
		facts.issued = record->generation != 0;
		facts.not_before = record->not_before;
		facts.not_after = record->not_after;
		facts.issued_at = record->issued_at;
		facts.config_changed = facts.issued && config_changed(certificate, record);
		facts.under_way = is_keyed(&record->next_key);
		facts.retry_at = record->retry_at;
		facts.attempts = record->attempts;
	}
	return plan_next(config_policy_get(config, certificate->policy), certificate->name, &facts, now);
}

static enum rc record_save(struct renewal *renewal, const char *event, struct err *err)
{
	int64_t now = clock_now();
	int64_t erase_at = now + renewal->policy->retire_after;
	enum rc rc = store_certificate_save(renewal->desk->store, &renewal->record, now, erase_at, event, err);

	if (rc != RC_OK)
		renewal->blame = BLAME_LOCAL;
	else if (event)
		log_event(LOG_INFO, "%s: %s", renewal->record.name, event);
	return rc;
}

static bool is_rotation_due(const struct renewal *renewal, int64_t now)
{
	const struct store_key *live = &renewal->record.live_key;

	if (!is_keyed(live) || !key_matches(live, &renewal->certificate->key))
		return true;
	if (renewal->certificate->rotate == ROTATE_AGE)
		return now - live->created_at >= renewal->certificate->rotate_age;
	return renewal->certificate->rotate == ROTATE_ALWAYS;
}

/* Intent before effect: the key's name is on disk before the token has the key. */
static enum rc step_reserve(struct renewal *renewal, struct err *err)
{
	struct store_certificate *record = &renewal->record;
	int64_t now = clock_now();
	unsigned highest = 0;

	if (is_keyed(&record->next_key) && key_matches(&record->next_key, &renewal->certificate->key))
		return RC_OK;
	enum rc rc = archive_highest(renewal->desk->config->state, record->name, &highest, err);
	if (rc != RC_OK)
		return rc;
	record->order = (struct order){ .phase = ORDER_START };
	record->next_generation = (highest > record->generation ? highest : record->generation) + 1;
	bool rotate = is_rotation_due(renewal, now);
	if (rotate) {
		rc = keyring_reserve(renewal->desk->store, record->name, &renewal->certificate->key, now, &record->next_key, err);
		if (rc != RC_OK)
			return rc;
	} else {
		record->next_key = record->live_key;
	}
	record->state = CERT_KEYED;
	char event[160];
	snprintf(event, sizeof(event), "%s key \"%s\" in token \"%s\"", rotate ? "new" : "keeping", record->next_key.name.label,
		 record->next_key.token);
	return record_save(renewal, event, err);
}

static enum rc step_key(struct renewal *renewal, struct err *err)
{
	const struct store_key *key = &renewal->record.next_key;
	bool is_live =
		memcmp(key->name.id, renewal->record.live_key.name.id, TOKEN_ID_LEN) == 0 && is_keyed(&renewal->record.live_key);
	enum rc rc = is_live ? keyring_find(renewal->desk->keyring, key, &renewal->key, err)
			     : keyring_find_or_generate(renewal->desk->keyring, key, &renewal->key, err);

	if (rc != RC_OK)
		renewal->blame = BLAME_TOKEN;
	return rc;
}

static enum rc hook_save(void *ctx, const struct order *order, const char *event, struct err *err)
{
	struct renewal *renewal = ctx;

	/* The driver may be holding the very order that stands in the record. */
	if (order != &renewal->record.order)
		renewal->record.order = *order;
	if (renewal->record.order.url[0])
		renewal->record.state = CERT_ORDERED;
	return record_save(renewal, event, err);
}

static enum rc hook_csr(void *ctx, struct buf *ret_der, struct err *err)
{
	struct renewal *renewal = ctx;
	enum rc rc = csr_make(renewal->key, renewal->certificate->names, renewal->certificate->name_count, ret_der, err);

	if (rc != RC_OK) {
		renewal->blame = BLAME_TOKEN;
		return err_wrap(err, rc, "sign the CSR with key \"%s\"", renewal->record.next_key.name.label);
	}
	return RC_OK;
}

static enum rc stage(struct renewal *renewal, const struct certificate_chain *chain, struct err *err)
{
	const char *state = renewal->desk->config->state;
	AUTO(buf) struct buf pem = BUF_MAX(TOKEN_REFERENCE_MAX);
	AUTO(buf) struct buf uri = BUF_MAX(TOKEN_REFERENCE_MAX);
	unsigned live = 0;
	enum rc rc = token_reference(renewal->key, &pem, &uri, err);

	if (rc != RC_OK) {
		renewal->blame = BLAME_TOKEN;
		return rc;
	}
	renewal->blame = BLAME_LOCAL;
	rc = archive_live(state, renewal->record.name, &live, err);
	/* Cut off between the switch and its record: this very set is live already and is not touched. */
	if (rc == RC_OK && live != renewal->record.next_generation)
		rc = archive_stage(state, renewal->record.name, renewal->record.next_generation,
				   &(struct archive_set){ .fullchain = buf_span(&chain->fullchain),
							  .chain = buf_span(&chain->chain),
							  .leaf = buf_span(&chain->leaf),
							  .key_pem = buf_span(&pem),
							  .key_uri = buf_span(&uri) },
				   err);
	if (rc == RC_OK)
		renewal->blame = BLAME_NOBODY;
	return rc;
}

static enum rc hook_accept(void *ctx, struct span pem, struct err *err)
{
	struct renewal *renewal = ctx;
	const struct config_authority *authority = config_authority_get(renewal->desk->config, renewal->certificate->authority);
	AUTO(certificate_chain) struct certificate_chain chain = { 0 };
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	enum rc rc = token_public_key(renewal->key, &spki, err);

	if (rc != RC_OK) {
		renewal->blame = BLAME_TOKEN;
		return rc;
	}
	struct certificate_rules rules = { .spki = buf_span(&spki),
					   .names = renewal->certificate->names,
					   .name_count = renewal->certificate->name_count,
					   .roots = authority->roots,
					   .now = clock_now(),
					   .previous_not_after = renewal->record.not_after };
	rc = certificate_accept(pem, &rules, &chain, err);
	if (rc != RC_OK) {
		/* A roots file of ours that cannot be read is not the CA's doing. */
		renewal->blame = rc == RC_INPUT ? BLAME_CONFIG : BLAME_AUTHORITY;
		return err_wrap(err, rc, "the certificate from \"%s\" is refused", authority->name);
	}
	renewal->facts = chain.facts;
	rc = token_custody(renewal->key, &renewal->custody, err);
	if (rc != RC_OK) {
		renewal->blame = BLAME_TOKEN;
		return rc;
	}
	return stage(renewal, &chain, err);
}

/* A chain that was accepted but not recorded as live is fetched again: it is immutable, and is judged again. */
static void order_reopen(struct order *order)
{
	if (order->phase == ORDER_DONE)
		order->phase = ORDER_FETCH;
	if (order->phase == ORDER_FAILED)
		*order = (struct order){ .phase = ORDER_START };
}

static enum rc order_carry_on(struct renewal *renewal, struct driver *driver, struct err *err)
{
	int64_t give_up_at = clock_now() + RENEWAL_PATIENCE;

	while (renewal->record.order.phase != ORDER_DONE) {
		int64_t not_before = 0;
		enum rc rc = driver_step(driver, clock_now(), &not_before, err);

		if (rc != RC_OK)
			return rc;
		if (not_before > give_up_at)
			return err_set(err, RC_RETRY,
				       "the CA is not ready before long; the order is kept and goes on at the next run");
		if (not_before && !clock_wait_until(not_before, RENEWAL_PATIENCE * 1000))
			return err_set(err, RC_RETRY, "interrupted; the order is kept and goes on at the next run");
	}
	return RC_OK;
}

static enum rc step_order(struct renewal *renewal, struct err *err)
{
	struct err why = { 0 };
	struct client *client = NULL;
	bool by_token = false;
	AUTO(driver) struct driver *driver = NULL;
	enum rc rc = authorities_client(renewal->desk->authorities, renewal->certificate->authority, clock_now(), &client,
					&by_token, &why);

	if (rc == RC_OK) {
		struct driver_hooks hooks = { .ctx = renewal, .save = hook_save, .csr = hook_csr, .accept = hook_accept };

		order_reopen(&renewal->record.order);
		rc = driver_new(client, renewal->certificate, &renewal->record.order, &hooks, &driver, &why);
		if (rc == RC_OK)
			rc = order_carry_on(renewal, driver, &why);
		if (rc != RC_OK)
			err_wrap(&why, rc, "authority \"%s\"", renewal->certificate->authority);
	}
	if (rc == RC_OK)
		return RC_OK;
	if (renewal->blame == BLAME_NOBODY)
		renewal->blame = by_token || err_is_token(&why) ? BLAME_TOKEN
				 : why.origin == ERR_ERRNO      ? BLAME_LOCAL
								: BLAME_AUTHORITY;
	if (err)
		*err = why;
	return rc;
}

/* I4: live certificate and key reference switch together, by one rename; then the record follows. */
static enum rc step_install(struct renewal *renewal, struct err *err)
{
	struct store_certificate *record = &renewal->record;

	record->state = CERT_ISSUED;
	enum rc rc = record_save(renewal, "certificate accepted and staged", err);
	if (rc == RC_OK)
		rc = archive_switch(renewal->desk->config->state, record->name, record->next_generation, err);
	if (rc != RC_OK) {
		renewal->blame = BLAME_LOCAL;
		return rc;
	}
	record->live_key = record->next_key;
	record->next_key = (struct store_key){ 0 };
	record->generation = record->next_generation;
	record->next_generation = 0;
	record->order = (struct order){ .phase = ORDER_START };
	record->not_before = renewal->facts.not_before;
	record->not_after = renewal->facts.not_after;
	record->issued_at = clock_now();
	snprintf(record->serial, sizeof(record->serial), "%s", renewal->facts.serial);
	snprintf(record->fingerprint, sizeof(record->fingerprint), "%s", renewal->facts.fingerprint);
	snprintf(record->authority, sizeof(record->authority), "%s", renewal->certificate->authority);
	names_print(renewal->certificate, record->names, sizeof(record->names));
	snprintf(record->custody, sizeof(record->custody), "%s", renewal->custody.text);
	record->attempts = 0;
	record->retry_at = record->peer_retry_at = 0;
	record->last_error[0] = '\0';
	record->state = renewal->certificate->deploy_run_count ? CERT_INSTALLED : CERT_IN_SERVICE;
	char event[160];
	snprintf(event, sizeof(event), "live is generation %u, serial %s", record->generation, record->serial);
	return record_save(renewal, event, err);
}

/* A failed hook is neither forgotten nor a reason to order again. */
static enum rc step_deploy(struct renewal *renewal, struct err *err)
{
	enum rc rc = processes_deploy(renewal->desk->processes, renewal->certificate, err);

	if (rc != RC_OK) {
		renewal->blame = BLAME_LOCAL;
		return err_wrap(err, rc, "deploy hook (the certificate is live; the hook is tried again at the next run)");
	}
	renewal->record.state = CERT_IN_SERVICE;
	renewal->record.attempts = 0;
	renewal->record.retry_at = renewal->record.peer_retry_at = 0;
	renewal->record.last_error[0] = '\0';
	return record_save(renewal, "deploy hook ended well", err);
}

static enum rc renew(struct renewal *renewal, struct err *err)
{
	enum rc rc = step_reserve(renewal, err);

	if (rc != RC_OK) {
		renewal->blame = BLAME_LOCAL;
		return rc;
	}
	rc = step_key(renewal, err);
	if (rc == RC_OK)
		rc = step_order(renewal, err);
	if (rc == RC_OK)
		rc = step_install(renewal, err);
	if (rc == RC_OK && renewal->record.state == CERT_INSTALLED)
		rc = step_deploy(renewal, err);
	return rc;
}

/* The failure is kept with the certificate, so that `status` can say what is wrong without a log. */
static void note_failure(struct renewal *renewal, const struct err *why)
{
	struct store_certificate *record = &renewal->record;
	int64_t now = clock_now();
	struct err unsaved = { 0 };
	enum renewal_blame blame = renewal->blame;
	char event[sizeof(record->last_error) + 16];

	/* The CA no longer knows us (it lost its data, or the account is gone): ask by the key next time. */
	if (strstr(why->text, "accountDoesNotExist"))
		(void)!authorities_forget_account(renewal->desk->authorities, renewal->certificate->authority, NULL);
	if (record->attempts < UINT32_MAX)
		record->attempts++;
	record->failed_at = now;
	record->peer_retry_at = why->retry_at;
	record->retry_at = plan_back_off(record->attempts, record->not_after, renewal->policy->wait, why->retry_at, now);
	snprintf(record->last_error, sizeof(record->last_error), "%s", why->text);
	snprintf(event, sizeof(event), "failed: %s", why->text);
	if (store_certificate_save(renewal->desk->store, record, now, now + renewal->policy->retire_after, event, &unsaved) !=
	    RC_OK)
		log_failure(record->name, &unsaved);
	renewal->blame = blame;
}

enum rc renewal_run(const struct renewal_desk *desk, const struct config_certificate *certificate, bool forced,
		    struct renewal_outcome *ret_outcome, struct err *err)
{
	struct err why = { 0 };
	struct renewal renewal = { .desk = desk,
				   .certificate = certificate,
				   .policy = config_policy_get(desk->config, certificate->policy) };
	struct store_certificate *record = &renewal.record;
	enum rc rc = store_certificate_load(desk->store, certificate->name, record, &why);

	*ret_outcome = (struct renewal_outcome){ .result = RENEWAL_NOT_DUE };
	if (rc == RC_ABSENT) {
		*record = (struct store_certificate){ .state = CERT_NEW };
		snprintf(record->name, sizeof(record->name), "%s", certificate->name);
		rc = RC_OK;
	}
	bool enrolling = record->generation == 0;
	/* Who asks for this certificate now is not held back by our own back-off, only by the CA's word. */
	record->retry_at = record->peer_retry_at;
	ret_outcome->plan = renewal_plan(desk->config, certificate, record, forced, clock_now());
	if (rc != RC_OK) {
		renewal.blame = BLAME_LOCAL;
	} else if (ret_outcome->plan.what != PLAN_WAIT) {
		rc = renew(&renewal, &why);
		ret_outcome->result = enrolling ? RENEWAL_ENROLLED : RENEWAL_RENEWED;
	} else if (record->state == CERT_INSTALLED && certificate->deploy_run_count) {
		rc = step_deploy(&renewal, &why);
		ret_outcome->result = RENEWAL_DEPLOYED;
	}
	if (rc != RC_OK) {
		err_wrap(&why, rc, "%s %s", enrolling ? "enrol" : "renew", certificate->name);
		note_failure(&renewal, &why);
		if (err)
			*err = why;
	}
	token_key_free(renewal.key);
	ret_outcome->blame = renewal.blame;
	ret_outcome->record = *record;
	return rc;
}

#define RETIRED_AT_ONCE 32 /* keys erased in one go */

unsigned renewal_retire(const struct renewal_desk *desk, int64_t now, struct err *err)
{
	struct store_retired retired[RETIRED_AT_ONCE];
	unsigned count = 0, erased = 0;

	if (store_retired_due(desk->store, now, retired, RETIRED_AT_ONCE, &count, err) != RC_OK)
		return 0;
	for (unsigned i = 0; i < count; i++) {
		AUTO(token_key) struct token_key *key = NULL;
		struct token *token;

		/* An absent token says nothing about its keys: the record waits until it is back. */
		if (keyring_token(desk->keyring, retired[i].key.token, &token, err) != RC_OK)
			continue;
		enum rc rc = token_find(token, &retired[i].key.name, &key, err);
		if (rc == RC_OK)
			rc = token_erase(key, err);
		/* Already gone, or never made: only the record is left to drop. */
		if (rc != RC_OK && rc != RC_ABSENT)
			continue;
		if (store_retired_drop(desk->store, &retired[i].key.name, err) == RC_OK && rc == RC_OK)
			erased++;
	}
	return erased;
}
