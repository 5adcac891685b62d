/* renewal_plan.c -- makes the facts that plan_next() decides on, of a record and the configuration. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "certificate_profile.h"
#include "fingerprint.h"
#include "renewal_ari.h"
#include "renewal_record.h"
#include "service_plan.h"

static int by_text(const void *left, const void *right)
{
	return strcasecmp(*(char *const *)left, *(char *const *)right);
}

/* There is no room for more names: that the rest has changed is seen all the same. */
static void rest_print(char *const *names, unsigned count, char *text, size_t room)
{
	AUTO(buf) struct buf all = BUF_MAX(1u << 20);
	char fingerprint[65];
	bool is_whole = true;

	for (unsigned i = 0; i < count && is_whole; i++)
		is_whole = buf_print(&all, NULL, "%s ", names[i]) == RC_OK;
	for (size_t i = 0; i < all.len; i++)
		all.at[i] = (uint8_t)tolower(all.at[i]);
	fingerprint_print(buf_span(&all), fingerprint);
	snprintf(text + room - sizeof(fingerprint) - 1, sizeof(fingerprint) + 1, " %s", is_whole ? fingerprint : "?");
}

/* The configured names as the record keeps them: sorted, so that their order does not matter. */
void renewal_names_print(const struct config_certificate *certificate, char *text, size_t room)
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
	if (used >= room)
		rest_print(names, certificate->name_count, text, room);
}

const char *renewal_profile(const struct config *config, const struct config_certificate *certificate)
{
	return certificate->profile ? certificate->profile : config_authority_get(config, certificate->authority)->profile;
}

static bool profile_changed(const struct config *config, const struct config_certificate *certificate,
			    const struct store_certificate *record)
{
	const char *profile = renewal_profile(config, certificate);

	return strcmp(profile ? profile : "", record->profile) != 0;
}

/* The certificate as it is configured at the authority that issued it.  A fallback's is as good as the first one's: it is renewed
 * in its time, and the first is asked then. */
static struct config_certificate as_issued(const struct config_certificate *certificate, const struct store_certificate *record)
{
	struct config_certificate issued = *certificate;

	for (unsigned i = 0; i < certificate->fallback_count; i++)
		if (strcmp(certificate->fallback[i], record->authority) == 0)
			issued.authority = certificate->fallback[i];
	return issued;
}

static bool config_changed(const struct config *config, const struct config_certificate *certificate,
			   const struct store_certificate *record)
{
	char names[sizeof(record->names)], asked[CERTIFICATE_PROFILE_TEXT_MAX];
	const struct config_certificate issued = as_issued(certificate, record);
	struct csr_request request = certificate_profile_request(certificate, config_authority_get(config, issued.authority));

	certificate_profile_print(&request, asked);
	renewal_names_print(certificate, names, sizeof(names));
	return strcasecmp(names, record->names) != 0 || strcmp(asked, record->asked) != 0 ||
	       profile_changed(config, &issued, record) || strcmp(issued.authority, record->authority) != 0 ||
	       !renewal_key_matches(&record->live_key, &certificate->key);
}

int64_t renewal_least_not_after(const struct config *config, const struct config_certificate *certificate,
				const struct store_certificate *record, int64_t now)
{
	bool is_suggested = record->renewal_info.at && record->renewal_info.at <= now;

	/* Another profile or authority has another lifetime; what is configured otherwise is wanted for what is in it; and what is
	 * revoked, or wanted back by its CA, is worth nothing. */
	if (record->revoked_at || is_suggested || strcmp(record->authority, certificate->authority) != 0 ||
	    config_changed(config, certificate, record))
		return 0;
	return record->not_after;
}

/* A failure that is yet to happen was noted by a clock that has been set back since: nobody knows how long ago it was, and a wait that
 * is counted from there could outlast the certificate. */
int64_t renewal_retry_at(const struct store_certificate *record, int64_t now)
{
	return record->failed_at > now ? 0 : record->retry_at;
}

/* While answers to challenges are wanted it is for the driver to say what is waited for. */
static int64_t waits_until(const struct store_certificate *record, int64_t now)
{
	return record->order.phase == ORDER_AWAIT ? order_waits_until(&record->order, now) : 0;
}

/* The CA has taken the CSR: what it issues is not to be lost, whatever became of a look at it.  Nor is what was accepted and could not be
 * recorded: it may be live already, and end before the one that the record tells of. */
static bool is_with_ca(const struct order *order)
{
	return order->phase == ORDER_AWAIT || order->phase == ORDER_FETCH || order->phase == ORDER_DONE;
}

struct plan renewal_plan(const struct config *config, const struct config_certificate *certificate,
			 const struct store_certificate *record, bool forced, int64_t now)
{
	struct plan_facts facts = { .forced = forced };

	if (record) {
		facts.issued = record->generation != 0;
		facts.not_before = record->not_before;
		facts.not_after = record->not_after;
		facts.issued_at = record->issued_at <= now ? record->issued_at : record->not_before;
		facts.authorized_until = record->authorized_until;
		/* No two certificates have one. */
		(void)sscanf(record->fingerprint, "%16" SCNx64, &facts.seed);
		facts.revoked = record->revoked_at != 0;
		facts.config_changed = facts.issued && config_changed(config, certificate, record);
		facts.under_way = renewal_is_keyed(&record->next_key);
		facts.is_with_ca = is_with_ca(&record->order);
		facts.waits_until = waits_until(record, now);
		facts.retry_at = renewal_retry_at(record, now);
		facts.attempts = record->attempts;
		facts.suggested_start = record->renewal_info.start;
		facts.suggested_end = record->renewal_info.end;
		facts.suggested_at = record->renewal_info.at;
		facts.suggested_early = record->renewal_info.early;
	}
	return plan_next(config_policy_get(config, certificate->policy), certificate->name, &facts, now);
}

struct plan renewal_plan_after(const struct config *config, const struct config_certificate *certificate, int64_t at,
			       int64_t life)
{
	const struct plan_facts facts = { .issued = true, .not_before = at, .not_after = at + life, .issued_at = at };

	return plan_next(config_policy_get(config, certificate->policy), certificate->name, &facts, at);
}

int64_t renewal_next_at(const struct config *config, const struct config_certificate *certificate,
			const struct store_certificate *record, int64_t now, bool *ret_is_owed)
{
	const struct config_policy *policy = config_policy_get(config, certificate->policy);
	struct plan plan = renewal_plan(config, certificate, record, false, now);
	int64_t at = plan.what == PLAN_WAIT ? plan.when : now;

	*ret_is_owed = false;
	if (!record)
		return at;
	struct service_plan service = service_next(certificate, record, now);
	*ret_is_owed = at > now && service.when <= now && !service_is_proven(certificate, record);
	if (service.when < at)
		at = service.when;
	int64_t asks_at = renewal_ari_asks_at(&record->renewal_info, now);
	/* After a failure nothing is asked before the back-off is over. */
	if (renewal_retry_at(record, now) <= now && asks_at < at && renewal_ari_is_due(policy, certificate, record, asks_at))
		at = asks_at;
	return at;
}
