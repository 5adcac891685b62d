/* renewal.c -- performs one renewal, step by stored step; what is due is decided in state/plan.c. */
#include "renewal.h"

#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "certificate.h"
#include "certificate_profile.h"
#include "challenge_desk.h"
#include "clock.h"
#include "csr.h"
#include "driver.h"
#include "log.h"
#include "problem.h"
#include "renewal_ari.h"
#include "renewal_record.h"

enum stage { STAGE_ASK, STAGE_RESERVE, STAGE_KEY, STAGE_SIGN_IN, STAGE_ORDER, STAGE_INSTALL, STAGE_DEPLOY, STAGE_END };

/* One renewal under way: what its steps share. */
struct renewal {
	const struct renewal_desk *desk;
	const struct config_certificate *certificate;
	const struct config_policy *policy;
	enum stage stage;
	struct store_certificate record;
	struct token_key *key;                    /* record.next_key, opened */
	struct client *client;                    /* the session's */
	struct driver *driver;                    /* of record.order */
	char certificate_id[RENEWAL_INFO_ID_MAX]; /* RFC 9773, 4.1; of the chain that was accepted */
	struct certificate_facts facts;           /* of the chain that was accepted */
	struct token_custody custody;
	struct challenge_bench bench;
	enum renewal_blame blame;
	struct renewal_outcome outcome;
};

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

/* What is to be done, when nothing is due: perhaps a hook is owed. */
static void settle_waiting(struct renewal *renewal)
{
	bool owes_hook = renewal->record.state == CERT_INSTALLED && renewal->certificate->deploy_run_count;

	renewal->stage = owes_hook ? STAGE_DEPLOY : STAGE_END;
	renewal->outcome.result = owes_hook ? RENEWAL_DEPLOYED : RENEWAL_NOT_DUE;
}

/* RFC 9773: the CA is asked when it said, or soon after issuance; what it answers may make the renewal due. */
static enum rc step_ask(struct renewal *renewal, struct err *err)
{
	struct store_certificate *record = &renewal->record;
	char event[sizeof(record->renewal_info.explanation) + 192];
	int64_t now = clock_now();

	renewal_ari_ask(renewal->desk, record, now, event, sizeof(event));
	enum rc rc = record_save(renewal, event[0] ? event : NULL, err);
	if (rc != RC_OK)
		return rc;
	renewal->outcome.plan = renewal_plan(renewal->desk->config, renewal->certificate, record, false, now);
	if (renewal->outcome.plan.what == PLAN_WAIT)
		settle_waiting(renewal);
	else
		renewal->stage = STAGE_RESERVE;
	return RC_OK;
}

static bool is_rotation_due(const struct renewal *renewal, int64_t now)
{
	const struct store_key *live = &renewal->record.live_key;

	/* The key of a revoked certificate is not certified again. */
	if (!renewal_is_keyed(live) || !renewal_key_matches(live, &renewal->certificate->key) || renewal->record.revoked_at)
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

	if (renewal_is_keyed(&record->next_key) && renewal_key_matches(&record->next_key, &renewal->certificate->key))
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
	bool is_live = memcmp(key->name.id, renewal->record.live_key.name.id, TOKEN_ID_LEN) == 0 &&
		       renewal_is_keyed(&renewal->record.live_key);
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

static struct csr_request renewal_request(const struct renewal *renewal)
{
	return certificate_profile_request(renewal->certificate,
					   config_authority_get(renewal->desk->config, renewal->certificate->authority));
}

static enum rc hook_csr(void *ctx, struct buf *ret_der, struct err *err)
{
	struct renewal *renewal = ctx;
	struct csr_request asked = renewal_request(renewal);
	enum rc rc = csr_make(renewal->key, &asked, ret_der, err);

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

/* Whose failure it is that a chain is refused: a roots file of ours that cannot be read is not the CA's doing. */
static enum rc refuse_chain(struct renewal *renewal, const char *authority, enum rc rc, bool *ret_is_elsewhere, struct err *err)
{
	*ret_is_elsewhere = rc == RC_ABSENT;
	renewal->blame = rc == RC_INPUT ? BLAME_CONFIG : BLAME_AUTHORITY;
	if (rc == RC_ABSENT)
		rc = RC_PROTOCOL;
	if (err)
		err->rc = rc;
	return err_wrap(err, rc, "the certificate from \"%s\" is refused", authority);
}

static enum rc hook_accept(void *ctx, struct span pem, bool *ret_is_elsewhere, struct err *err)
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
	struct csr_request asked = renewal_request(renewal);
	int64_t now = clock_now();
	struct certificate_rules rules = { .spki = buf_span(&spki),
					   .asked = &asked,
					   .accept_without = authority->certificate_profile.accept_without,
					   .roots = authority->roots,
					   .now = now,
					   .previous_not_after = renewal_least_not_after(
						   renewal->desk->config, renewal->certificate, &renewal->record, now) };
	rc = certificate_accept(pem, &rules, &chain, err);
	if (rc != RC_OK)
		return refuse_chain(renewal, authority->name, rc, ret_is_elsewhere, err);
	renewal->blame = BLAME_NOBODY;
	renewal->facts = chain.facts;
	/* Without an authorityKeyIdentifier its CA cannot be asked about it: that is all. */
	if (renewal_info_id(buf_span(&chain.leaf), renewal->certificate_id, NULL) != RC_OK)
		renewal->certificate_id[0] = '\0';
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

/* Whose failure an error of the order is: the token's, the disk's, or else the authority's. */
static void blame_of_order(struct renewal *renewal, bool by_token, const struct err *why)
{
	if (renewal->blame != BLAME_NOBODY)
		return;
	bool is_local = why->origin == ERR_ERRNO || renewal->bench.program_failed;
	renewal->blame = by_token || err_is_token(why) ? BLAME_TOKEN : is_local ? BLAME_LOCAL : BLAME_AUTHORITY;
}

static enum rc order_failed(struct renewal *renewal, enum rc rc, bool by_token, struct err *why, struct err *err)
{
	blame_of_order(renewal, by_token, why);
	err_wrap(why, rc, "authority \"%s\"", renewal->certificate->authority);
	if (err)
		*err = *why;
	return rc;
}

/* RFC 9773, 5: the certificate that the order names is not named again, nor asked about. */
static void hook_replaced(void *ctx)
{
	struct renewal *renewal = ctx;

	renewal->record.renewal_info.is_replaced = true;
}

static enum rc driver_start(struct renewal *renewal, struct err *err)
{
	const struct driver_hooks hooks = { .ctx = renewal,
					    .save = hook_save,
					    .csr = hook_csr,
					    .accept = hook_accept,
					    .replaced = hook_replaced,
					    .desk = challenge_desk_make(&renewal->bench) };
	struct err why = { 0 };
	const char *url;
	/* Of what the directory offers depends what is ordered: without it nothing is. */
	enum rc known = client_url(renewal->client, CLIENT_NEW_ORDER, &url, &why);

	if (known != RC_OK)
		return order_failed(renewal, known, false, &why, err);
	const struct driver_terms terms = { .profile = renewal_profile(renewal->desk->config, renewal->certificate),
					    .replaces = renewal_ari_replaces(renewal->policy, renewal->certificate,
									     &renewal->record, renewal->client) };

	order_reopen(&renewal->record.order);
	/* Before an order is made, not in the middle of one that was made when the CA had it. */
	if (terms.profile && renewal->record.order.phase == ORDER_START) {
		enum rc rc = client_profile_check(renewal->client, terms.profile, err);

		if (rc != RC_OK) {
			renewal->blame = rc == RC_INPUT ? BLAME_CONFIG : BLAME_AUTHORITY;
			return err_wrap(err, rc, "authority \"%s\"", renewal->certificate->authority);
		}
	}
	return driver_new(renewal->client, renewal->certificate, &terms, &renewal->record.order, &hooks, &renewal->driver, err);
}

static enum rc step_sign_in(struct renewal *renewal, struct err *err)
{
	struct err why = { 0 };
	bool by_token = false;
	enum rc rc = challenge_desk_recover(&renewal->bench, renewal->certificate, err);

	if (rc != RC_OK) {
		renewal->blame = BLAME_LOCAL;
		return rc;
	}
	rc = authorities_client(renewal->desk->authorities, renewal->certificate->authority, clock_now(), &renewal->client,
				&by_token, &why);
	if (rc != RC_OK) {
		blame_of_order(renewal, by_token, &why);
		if (err)
			*err = why;
		return rc;
	}
	return driver_start(renewal, err);
}

static enum rc step_order(struct renewal *renewal, struct driver_wait *ret_wait, struct err *err)
{
	struct err why = { 0 };
	enum rc rc = driver_step(renewal->driver, clock_now(), ret_wait, &why);

	return rc == RC_OK ? RC_OK : order_failed(renewal, rc, false, &why, err);
}

/* What of it was not as it was asked for, or as the standard wants it, is in the journal. */
static void print_accepted(const struct certificate_facts *facts, char *text, size_t room)
{
	snprintf(text, room, "certificate accepted and staged");
	for (int ask = 0; ask < CONFIG_ASK_COUNT; ask++) {
		size_t used = strlen(text);

		if (facts->missing & CONFIG_ASK_BIT(ask))
			snprintf(text + used, room - used, ", without %s", config_ask_name((enum config_ask)ask));
	}
	size_t used = strlen(text);
	if (facts->remarks[0])
		snprintf(text + used, room - used, "; TS 33.310, 6.1.3c wants it otherwise: %s", facts->remarks);
}

/* I4: live certificate and key reference switch together, by one rename; then the record follows. */
static enum rc step_install(struct renewal *renewal, struct err *err)
{
	struct store_certificate *record = &renewal->record;
	struct csr_request asked = renewal_request(renewal);
	char event[400];

	record->state = CERT_ISSUED;
	print_accepted(&renewal->facts, event, sizeof(event));
	enum rc rc = record_save(renewal, event, err);
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
	renewal_ari_start(record, renewal->certificate_id, clock_now());
	record->not_before = renewal->facts.not_before;
	record->not_after = renewal->facts.not_after;
	record->issued_at = clock_now();
	record->revoked_at = 0;
	snprintf(record->serial, sizeof(record->serial), "%s", renewal->facts.serial);
	snprintf(record->fingerprint, sizeof(record->fingerprint), "%s", renewal->facts.fingerprint);
	snprintf(record->authority, sizeof(record->authority), "%s", renewal->certificate->authority);
	renewal_names_print(renewal->certificate, record->names, sizeof(record->names));
	certificate_profile_print(&asked, record->asked);
	snprintf(record->account, sizeof(record->account), "%s", client_account(renewal->client));
	const char *profile = renewal_profile(renewal->desk->config, renewal->certificate);
	snprintf(record->profile, sizeof(record->profile), "%s", profile ? profile : "");
	snprintf(record->custody, sizeof(record->custody), "%s", renewal->custody.text);
	record->attempts = 0;
	record->retry_at = record->peer_retry_at = 0;
	record->last_error[0] = '\0';
	record->state = renewal->certificate->deploy_run_count ? CERT_INSTALLED : CERT_IN_SERVICE;
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

/* The failure is kept with the certificate, so that `status` can say what is wrong without a log. */
static void note_failure(struct renewal *renewal, const struct err *why)
{
	struct store_certificate *record = &renewal->record;
	int64_t now = clock_now();
	struct err unsaved = { 0 };
	enum renewal_blame blame = renewal->blame;
	char event[sizeof(record->last_error) + 16];

	/* The CA no longer knows us (it lost its data, or the account is gone): ask by the key next time. */
	if (why->problem == PROBLEM_ACCOUNT_DOES_NOT_EXIST)
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

enum rc renewal_begin(const struct renewal_desk *desk, const struct config_certificate *certificate, bool forced,
		      struct renewal **ret_renewal, struct err *err)
{
	AUTO(renewal) struct renewal *renewal = calloc(1, sizeof(*renewal));

	if (!renewal)
		return err_set(err, RC_RESOURCE, "out of memory");
	renewal->desk = desk;
	renewal->certificate = certificate;
	renewal->bench = (struct challenge_bench){ .processes = desk->processes, .store = desk->store };
	renewal->stage = STAGE_RESERVE;
	renewal->policy = config_policy_get(desk->config, certificate->policy);
	struct store_certificate *record = &renewal->record;
	enum rc rc = store_certificate_load(desk->store, certificate->name, record, err);
	if (rc == RC_ABSENT) {
		*record = (struct store_certificate){ .state = CERT_NEW };
		snprintf(record->name, sizeof(record->name), "%s", certificate->name);
		rc = RC_OK;
	}
	if (rc != RC_OK)
		return rc;
	struct renewal_outcome *outcome = &renewal->outcome;
	outcome->result = record->generation == 0 ? RENEWAL_ENROLLED : RENEWAL_RENEWED;
	/* Who asks for this certificate now is not held back by our own back-off, only by the CA's word. */
	record->retry_at = record->peer_retry_at;
	outcome->plan = renewal_plan(desk->config, certificate, record, forced, clock_now());
	if (outcome->plan.what == PLAN_WAIT && renewal_ari_is_due(renewal->policy, certificate, record, clock_now()))
		renewal->stage = STAGE_ASK;
	else if (outcome->plan.what == PLAN_WAIT)
		settle_waiting(renewal);
	*ret_renewal = TAKE(renewal);
	return RC_OK;
}

void renewal_free(struct renewal *renewal)
{
	if (!renewal)
		return;
	driver_free(renewal->driver);
	token_key_free(renewal->key);
	free(renewal);
}

/* Performs the stage it is in, and moves on when that is over. */
static enum rc stage_perform(struct renewal *renewal, struct driver_wait *ret_wait, struct err *err)
{
	enum rc rc = RC_OK;

	switch (renewal->stage) {
	case STAGE_ASK: return step_ask(renewal, err);
	case STAGE_RESERVE:
		rc = step_reserve(renewal, err);
		if (rc != RC_OK)
			renewal->blame = BLAME_LOCAL;
		break;
	case STAGE_KEY: rc = step_key(renewal, err); break;
	case STAGE_SIGN_IN: rc = step_sign_in(renewal, err); break;
	case STAGE_ORDER:
		rc = step_order(renewal, ret_wait, err);
		if (rc != RC_OK || renewal->record.order.phase != ORDER_DONE)
			return rc;
		break;
	case STAGE_INSTALL:
		rc = step_install(renewal, err);
		if (rc == RC_OK && renewal->record.state != CERT_INSTALLED)
			renewal->stage = STAGE_DEPLOY; /* there is no hook */
		break;
	case STAGE_DEPLOY: rc = step_deploy(renewal, err); break;
	case STAGE_END: return RC_OK;
	}
	if (rc == RC_OK)
		renewal->stage++;
	return rc;
}

enum rc renewal_step(struct renewal *renewal, struct renewal_wait *ret_wait, struct err *err)
{
	struct driver_wait wait = { 0 };
	struct err why = { 0 };
	enum rc rc = stage_perform(renewal, &wait, &why);

	*ret_wait = (struct renewal_wait){ .is_over = renewal->stage == STAGE_END || rc != RC_OK,
					   .until = wait.until,
					   .pause_ms = wait.pause_ms };
	if (rc != RC_OK) {
		err_wrap(&why, rc, "%s %s", renewal->outcome.result == RENEWAL_ENROLLED ? "enrol" : "renew",
			 renewal->certificate->name);
		note_failure(renewal, &why);
		if (err)
			*err = why;
	}
	return rc;
}

const struct renewal_outcome *renewal_outcome(struct renewal *renewal)
{
	renewal->outcome.blame = renewal->blame;
	renewal->outcome.record = renewal->record;
	return &renewal->outcome;
}

/* Waits as the step said; an order that has to wait for longer than our patience goes on at the next run. */
static enum rc wait_for(const struct renewal_wait *wait, int64_t give_up_at, struct err *err)
{
	bool whole = true;

	if (wait->until > give_up_at)
		return err_set(err, RC_RETRY, "the CA is not ready before long; the order is kept and goes on at the next run");
	if (wait->until)
		whole = clock_wait_until(wait->until, RENEWAL_PATIENCE * 1000);
	if (whole && wait->pause_ms)
		whole = clock_wait_until(INT64_MAX, wait->pause_ms);
	return whole ? RC_OK : err_set(err, RC_RETRY, "interrupted; the order is kept and goes on at the next run");
}

enum rc renewal_run(const struct renewal_desk *desk, const struct config_certificate *certificate, bool forced,
		    struct renewal_outcome *ret_outcome, struct err *err)
{
	AUTO(renewal) struct renewal *renewal = NULL;
	int64_t give_up_at = clock_now() + RENEWAL_PATIENCE;
	struct renewal_wait wait = { 0 };

	*ret_outcome = (struct renewal_outcome){ .blame = BLAME_LOCAL };
	snprintf(ret_outcome->record.name, sizeof(ret_outcome->record.name), "%s", certificate->name);
	enum rc rc = renewal_begin(desk, certificate, forced, &renewal, err);
	if (rc != RC_OK)
		return rc;
	while (rc == RC_OK && !wait.is_over) {
		rc = renewal_step(renewal, &wait, err);
		if (rc == RC_OK && !wait.is_over)
			rc = wait_for(&wait, give_up_at, err);
	}
	if (rc != RC_OK && !wait.is_over)
		renewal->blame = BLAME_AUTHORITY;
	*ret_outcome = *renewal_outcome(renewal);
	return rc;
}
