/* renewal_install.c -- switches what was staged to live. */
#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "certificate_profile.h"
#include "clock.h"
#include "renewal_ari.h"
#include "renewal_steps.h"

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

/*
 * live/NAME is gone, removed by somebody; what it led to is in the archive still, and a service that is reloaded looks for it.  What
 * somebody has put in its place is left: `status` says how to make it right.
 */
void renewal_restore(struct renewal *renewal)
{
	struct store_certificate *record = renewal->record;
	const char *state = renewal->desk->config->state;
	unsigned live = 0;
	char event[96];

	if (!record->generation || archive_live(state, record->name, &live, NULL) != RC_OK || live ||
	    archive_switch(state, record->name, record->generation, NULL) != RC_OK)
		return;
	/* It may have been reloaded meanwhile, and have failed. */
	record->service.deployed_at = 0;
	snprintf(event, sizeof(event), "live/%s was gone, and leads to generation %u again", record->name, record->generation);
	(void)!renewal_record_save(renewal, event, NULL);
}

/* I4: live certificate and key reference switch together, by one rename; then the record follows. */
enum rc renewal_install(struct renewal *renewal, struct err *err)
{
	struct store_certificate *record = renewal->record;
	struct csr_request asked = renewal_request(renewal);
	struct store_service service = { 0 };
	char event[400];

	record->state = CERT_ISSUED;
	print_accepted(&renewal->accepted->facts, event, sizeof(event));
	enum rc rc = renewal_record_save(renewal, event, err);
	if (rc == RC_OK)
		rc = renewal_supersede(renewal, &service, err);
	if (rc == RC_OK)
		rc = archive_switch(renewal->desk->config->state, record->name, record->next_generation, err);
	if (rc != RC_OK) {
		renewal->blame = BLAME_LOCAL;
		return rc;
	}
	const struct store_certificate before = *record;
	record->live_key = record->next_key;
	record->next_key = (struct store_key){ 0 };
	record->generation = record->next_generation;
	record->next_generation = 0;
	record->is_forced = false;
	snprintf(record->profile, sizeof(record->profile), "%s", record->order.profile);
	record->order = (struct order){ .phase = ORDER_START };
	renewal_ari_start(record, renewal->accepted->certificate_id, clock_now());
	record->not_before = renewal->accepted->facts.not_before;
	record->not_after = renewal->accepted->facts.not_after;
	record->issued_at = clock_now();
	record->revoked_at = 0;
	record->authorized_until = renewal->authorized_until;
	snprintf(record->serial, sizeof(record->serial), "%s", renewal->accepted->facts.serial);
	snprintf(record->fingerprint, sizeof(record->fingerprint), "%s", renewal->accepted->facts.fingerprint);
	snprintf(record->authority, sizeof(record->authority), "%s", renewal->authority);
	renewal_names_print(renewal->certificate, record->names, sizeof(record->names));
	certificate_profile_print(&asked, record->asked);
	snprintf(record->account, sizeof(record->account), "%s", client_account(renewal->client));
	snprintf(record->custody, sizeof(record->custody), "%s", renewal->accepted->custody.text);
	record->attempts = 0;
	record->refused_since = 0;
	record->refused_by[0] = '\0';
	record->retry_at = record->peer_retry_at = 0;
	record->last_error[0] = '\0';
	record->service = service;
	record->state = service_is_proven(renewal->certificate, record) ? CERT_IN_SERVICE : CERT_INSTALLED;
	/* Without a hook the service sees for itself, from now on. */
	if (!renewal->certificate->deploy_run_count)
		record->service.grace_from = config_has_probe(renewal->certificate) ? record->issued_at : 0;
	snprintf(event, sizeof(event), "live is generation %u, serial %s", record->generation, record->serial);
	rc = renewal_record_save(renewal, event, err);
	/* A failure is noted of what is stored: it is over when the next run finds this set live and records it. */
	if (rc != RC_OK)
		*record = before;
	return rc;
}
