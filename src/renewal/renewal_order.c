/* renewal_order.c -- a renewal at its authority: what the driver of the order asks of the certificate's key, roots and record. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "availability.h"
#include "certificate_profile.h"
#include "clock.h"
#include "origin.h"
#include "problem.h"
#include "renewal_ari.h"
#include "renewal_steps.h"

#define LEAF_MAX       (64u * 1024u)
#define CLOCK_ATTEMPTS 8 /* with one order, while what came of it is not valid by our clock: a few hours */

static enum rc hook_save(void *ctx, const struct order *order, const char *event, struct err *err)
{
	struct renewal *renewal = ctx;

	/* The driver may be holding the very order that stands in the record. */
	if (order != &renewal->record->order)
		renewal->record->order = *order;
	if (renewal->record->order.url[0])
		renewal->record->state = CERT_ORDERED;
	enum rc rc = renewal_record_save(renewal, event, err);
	if (rc == RC_OK && renewal->record->order.url[0]) {
		free(renewal->left);
		renewal->left = NULL;
	}
	return rc;
}

static struct config_certificate ordered_from(const struct renewal *renewal, const char *authority)
{
	struct config_certificate ordered = *renewal->certificate;

	ordered.authority = (char *)(uintptr_t)authority;
	return ordered;
}

struct config_certificate renewal_ordered(const struct renewal *renewal)
{
	return ordered_from(renewal, renewal->authority);
}

struct csr_request renewal_request(const struct renewal *renewal)
{
	const struct config_certificate ordered = renewal_ordered(renewal);

	return certificate_profile_request(&ordered, config_authority_get(renewal->desk->config, renewal->authority));
}

static enum rc hook_csr(void *ctx, struct buf *ret_der, struct err *err)
{
	struct renewal *renewal = ctx;
	struct csr_request asked = renewal_request(renewal);
	enum rc rc = csr_make(renewal->key, &asked, ret_der, err);

	if (rc != RC_OK) {
		renewal->blame = BLAME_TOKEN;
		return err_wrap(err, rc, "sign the CSR with key \"%s\"", renewal->record->next_key.name.label);
	}
	return RC_OK;
}

/*
 * Was it cut off between the switch and its record?  Then this very set is live already and is not touched.  But if the order was lost with it,
 * another certificate comes, and the set that is live, which no record describes, is not the one that is to be staged.  Nor is one before it,
 * as where an older copy of the records was put back: it has been live.
 */
static enum rc generation_choose(struct renewal *renewal, const struct certificate_chain *chain, bool *ret_is_live,
				 struct err *err)
{
	struct store_certificate *record = renewal->record;
	const char *state = renewal->desk->config->state;
	AUTO(buf) struct buf leaf = BUF_MAX(LEAF_MAX);
	unsigned live = 0, highest = 0;
	enum rc rc = archive_live(state, record->name, &live, err);

	*ret_is_live = false;
	if (rc != RC_OK || live < record->next_generation)
		return rc;
	rc = live == record->next_generation ? renewal_set_read(renewal, live, SET_FILE_CERT, &leaf, err) : RC_ABSENT;
	*ret_is_live = rc == RC_OK && span_equal(buf_span(&leaf), buf_span(&chain->leaf));
	if (*ret_is_live || (rc != RC_OK && rc != RC_ABSENT))
		return rc;
	rc = archive_highest(state, record->name, &highest, err);
	record->next_generation = (highest > live ? highest : live) + 1;
	return rc;
}

static enum rc stage(struct renewal *renewal, const struct certificate_chain *chain, struct err *err)
{
	const char *state = renewal->desk->config->state;
	AUTO(buf) struct buf pem = BUF_MAX(TOKEN_REFERENCE_MAX);
	AUTO(buf) struct buf uri = BUF_MAX(TOKEN_REFERENCE_MAX);
	bool is_live = false;
	enum rc rc = token_reference(renewal->key, &pem, &uri, err);

	if (rc != RC_OK) {
		renewal->blame = BLAME_TOKEN;
		return rc;
	}
	renewal->blame = BLAME_LOCAL;
	rc = generation_choose(renewal, chain, &is_live, err);
	if (rc == RC_OK && !is_live)
		rc = archive_stage(
			state, renewal->record->name, renewal->record->next_generation,
			&(struct archive_set){ .fullchain = buf_span(&chain->fullchain),
					       .chain = buf_span(&chain->chain),
					       .leaf = buf_span(&chain->leaf),
					       .key_pem = buf_span(&pem),
					       .key_uri = buf_span(&uri),
					       .token = config_token_get(renewal->desk->config, renewal->record->next_key.token),
					       .files = &renewal->certificate->outputs },
			err);
	if (rc == RC_OK)
		renewal->blame = BLAME_NOBODY;
	return rc;
}

/* A clock that is wrong makes every certificate useless: not one after another is ordered because of it.  But when it is the CA's, what
 * it made meanwhile stays so. */
static bool waits_for_the_clock(const struct renewal *renewal)
{
	return (renewal->record->attempts + 1) % CLOCK_ATTEMPTS != 0;
}

/* Whose failure it is that a chain is refused: a roots file of ours that cannot be read is not the CA's doing. */
static enum rc refuse_chain(struct renewal *renewal, const char *authority, enum rc rc, bool is_anothers,
			    enum chain_refusal *ret_refusal, struct err *err)
{
	*ret_refusal = is_anothers ? CHAIN_IS_ANOTHERS : rc == RC_ABSENT ? CHAIN_IS_ELSEWHERE : CHAIN_IS_BAD;
	if (rc == RC_RESOURCE) { /* it was not judged to its end */
		renewal->blame = BLAME_LOCAL;
		return rc;
	}
	renewal->blame = rc == RC_INPUT ? BLAME_CONFIG : BLAME_AUTHORITY;
	if (rc == RC_ABSENT || (rc == RC_RETRY && !waits_for_the_clock(renewal)))
		rc = RC_PROTOCOL;
	if (err)
		err->rc = rc;
	return err_wrap(err, rc, "the certificate from \"%s\" is refused", authority);
}

/* At two thirds of the lifetime that the CA gives now, counted from the end of the present one, it is worth to be asked again. */
static void note_shorter(struct renewal *renewal, const struct certificate_facts *facts, int64_t previous)
{
	int64_t life = facts->not_after - facts->not_before;

	renewal->outlasts_from = facts->not_after < previous && life > 0 ? previous - life / 3 * 2 : 0;
}

static enum rc hook_accept(void *ctx, struct span pem, enum chain_refusal *ret_refusal, struct err *err)
{
	struct renewal *renewal = ctx;
	const struct config_authority *authority = config_authority_get(renewal->desk->config, renewal->authority);
	AUTO(certificate_chain) struct certificate_chain chain = { 0 };
	AUTO(buf) struct buf spki = BUF_MAX(TOKEN_SPKI_MAX);
	enum rc rc = token_public_key(renewal->key, &spki, err);

	if (rc != RC_OK) {
		renewal->blame = BLAME_TOKEN;
		return rc;
	}
	const struct config_certificate ordered = renewal_ordered(renewal);
	struct csr_request asked = renewal_request(renewal);
	int64_t now = clock_now();
	struct certificate_rules rules = {
		.spki = buf_span(&spki),
		.asked = &asked,
		.accept_without = authority->certificate_profile.accept_without,
		.roots = authorities_roots(renewal->desk->authorities, authority),
		.now = now,
		.previous_not_after = renewal->record->is_forced
					      ? 0
					      : renewal_least_not_after(renewal->desk->config, &ordered, renewal->record, now)
	};
	rc = certificate_accept(pem, &rules, &chain, err);
	note_shorter(renewal, &chain.facts, rules.previous_not_after);
	if (rc != RC_OK)
		return refuse_chain(renewal, authority->name, rc, chain.facts.is_anothers, ret_refusal, err);
	renewal->blame = BLAME_NOBODY;
	if (!renewal->accepted)
		renewal->accepted = malloc(sizeof(*renewal->accepted));
	if (!renewal->accepted) {
		renewal->blame = BLAME_LOCAL;
		return err_set(err, RC_RESOURCE, "out of memory");
	}
	*renewal->accepted = (struct renewal_accepted){ .facts = chain.facts };
	/* Without an authorityKeyIdentifier its CA cannot be asked about it: that is all. */
	if (!chain.serial.len || renewal_info_id(buf_span(&chain.authority_key), buf_span(&chain.serial),
						 renewal->accepted->certificate_id, NULL) != RC_OK)
		renewal->accepted->certificate_id[0] = '\0';
	rc = token_custody(renewal->key, &renewal->accepted->custody, err);
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

/* RFC 8555, 7.1.3: an order's URL lies at the server that made it. */
static bool is_order_at(const struct renewal *renewal, const struct order *order, const char *authority)
{
	return origin_is_same(order->url, config_authority_get(renewal->desk->config, authority)->directory);
}

bool renewal_is_order_of(const struct renewal *renewal, const struct order *order, const char *authority)
{
	const struct config_certificate ordered = ordered_from(renewal, authority);
	const char *profile = renewal_profile(renewal->desk->config, &ordered);

	return is_order_at(renewal, order, authority) &&
	       (!order->is_profile_known || strcmp(order->profile, profile ? profile : "") == 0);
}

const struct order *renewal_stored_order(const struct renewal *renewal)
{
	return renewal->left && !renewal->record->order.url[0] ? renewal->left : &renewal->record->order;
}

/* An order of an authority that has been away for too long is left to itself when another is placed, not before: that one may be back
 * first.  So is one by another profile than the one that is configured now, which its CA may not have. */
static enum rc order_leave(struct renewal *renewal, struct err *err)
{
	struct order *order = &renewal->record->order;

	if (!order->url[0] || renewal_is_order_of(renewal, order, renewal->authority))
		return RC_OK;
	renewal->left = malloc(sizeof(*renewal->left));
	if (!renewal->left) {
		renewal->blame = BLAME_LOCAL;
		return err_set(err, RC_RESOURCE, "out of memory");
	}
	*renewal->left = *order;
	*order = (struct order){ .phase = ORDER_START };
	return is_order_at(renewal, renewal->left, renewal->authority)
		       ? renewal_record_save(renewal, "its order is for another profile", err)
		       : RC_OK;
}

/* Whose failure an error of the order is: the token's, the disk's, or else the authority's. */
static void blame_of_order(struct renewal *renewal, bool by_token, const struct err *why)
{
	if (renewal->blame != BLAME_NOBODY)
		return;
	bool is_local = why->origin == ERR_ERRNO || why->rc == RC_RESOURCE || renewal->bench.failed_elsewhere;
	renewal->blame = by_token || err_is_token(why) ? BLAME_TOKEN : is_local ? BLAME_LOCAL : BLAME_AUTHORITY;
}

static enum rc order_failed(struct renewal *renewal, enum rc rc, bool by_token, struct err *why, struct err *err)
{
	blame_of_order(renewal, by_token, why);
	err_wrap(why, rc, "authority \"%s\"", renewal->authority);
	if (err)
		*err = *why;
	return rc;
}

/* RFC 9773, 5: the certificate that the order names is not named again, nor asked about. */
static void hook_replaced(void *ctx)
{
	struct renewal *renewal = ctx;

	renewal->record->renewal_info.is_replaced = true;
}

static void hook_authorized(void *ctx, int64_t until)
{
	struct renewal *renewal = ctx;

	renewal->authorized_until = until;
}

/* The order waits; others of this authority ask nothing meanwhile either. */
static void hook_refused(void *ctx, const struct err *why)
{
	struct renewal *renewal = ctx;

	renewal->was_refused = true;
	(void)!availability_note(renewal->desk->store, renewal->authority, why, clock_now(), NULL);
}

static enum rc driver_start(struct renewal *renewal, struct err *err)
{
	const struct driver_hooks hooks = {
		.ctx = renewal,
		.save = hook_save,
		.csr = hook_csr,
		.accept = hook_accept,
		.replaced = hook_replaced,
		/* Who relies on an interval without challenges is told when it ends, for a request a name. */
		.authorized = renewal->policy->preauthorized ? hook_authorized : NULL,
		.refused = hook_refused,
		.desk = challenge_desk_make(&renewal->bench)
	};
	const struct config_certificate ordered = renewal_ordered(renewal);
	struct err why = { 0 };
	const char *url;
	/* Of what the directory offers depends what is ordered: without it nothing is. */
	enum rc known = client_url(renewal->client, CLIENT_NEW_ORDER, &url, &why);

	if (known != RC_OK)
		return order_failed(renewal, known, false, &why, err);
	const struct driver_terms terms = { .profile = renewal_profile(renewal->desk->config, &ordered),
					    .replaces = renewal_ari_replaces(renewal->policy, &ordered, renewal->record,
									     renewal->client),
					    .attempts = renewal->record->attempts };

	order_reopen(&renewal->record->order);
	enum rc left = order_leave(renewal, err);
	if (left != RC_OK)
		return left;
	/* Before an order is made, not in the middle of one that was made when the CA had it. */
	if (terms.profile && renewal->record->order.phase == ORDER_START) {
		enum rc rc = client_profile_check(renewal->client, terms.profile, err);

		if (rc != RC_OK) {
			renewal->blame = rc == RC_INPUT ? BLAME_CONFIG : BLAME_AUTHORITY;
			return err_wrap(err, rc, "authority \"%s\"", renewal->authority);
		}
	}
	return driver_new(renewal->client, renewal->certificate, &terms, &renewal->record->order, &hooks, &renewal->driver, err);
}

enum rc renewal_sign_in(struct renewal *renewal, struct err *err)
{
	struct err why = { 0 };
	bool by_token = false;
	enum rc rc = challenge_desk_recover(&renewal->bench, renewal->certificate, err);

	if (rc != RC_OK) {
		renewal->blame = BLAME_LOCAL;
		return rc;
	}
	rc = authorities_sign_in(renewal->desk->authorities, renewal->authority, clock_now(), &renewal->session, &by_token, &why);
	if (rc != RC_OK) {
		blame_of_order(renewal, by_token, &why);
		if (err)
			*err = why;
		return rc;
	}
	renewal->client = session_client(renewal->session);
	return driver_start(renewal, err);
}

/* Many CAs take names alone, and few say what it was that they did not take. */
static void csr_refused(const struct renewal *renewal, struct err *why)
{
	const struct csr_request asked = renewal_request(renewal);
	char beside[CERTIFICATE_PROFILE_TEXT_MAX];

	certificate_profile_print(&asked, beside);
	if (beside[0])
		err_wrap(why, why->rc,
			 "the CSR asks for %.160s; certificate-profile: { ask: [...] } of the authority says what to ask for "
			 "beside "
			 "the names",
			 beside);
}

enum rc renewal_order(struct renewal *renewal, struct driver_wait *ret_wait, struct err *err)
{
	struct err why = { 0 };
	enum rc rc = driver_step(renewal->driver, clock_now(), ret_wait, &why);

	if (rc != RC_OK && why.problem == PROBLEM_BAD_CSR)
		csr_refused(renewal, &why);
	return rc == RC_OK ? RC_OK : order_failed(renewal, rc, false, &why, err);
}
