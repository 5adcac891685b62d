/* renewal_ari.c -- asks a CA when a certificate should be renewed, and tells it which one an order replaces (RFC 9773). */
#include "renewal_ari.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "availability.h"
#include "clock.h"
#include "renewal_info.h"
#include "renewal_record.h"

int64_t renewal_ari_asks_at(const struct renewal_info *info, int64_t now)
{
	/* No answer makes it later than that: the clock has been set back since. */
	return info->check_at > now && info->check_at - now <= RENEWAL_INFO_CHECK_MOST + 1 ? info->check_at : now;
}

bool renewal_ari_is_due(const struct config_policy *policy, const struct config_certificate *certificate,
			const struct store_certificate *record, int64_t now)
{
	const struct renewal_info *info = &record->renewal_info;

	if (!policy->ari || !record->generation || !info->id[0] || renewal_ari_asks_at(info, now) > now)
		return false;
	/* RFC 9773, 4.3: MUST NOT after it expired, nor after it is considered to be replaced; nor is a renewal under way asked about.
	 * That of a fallback is as good as any: whoever issued it may want it back.  Of one that is configured no more nothing is known. */
	return now < record->not_after && !info->is_replaced && !record->revoked_at && !renewal_is_keyed(&record->next_key) &&
	       config_is_authority_of(certificate, record->authority);
}

static void describe(const struct renewal_info *info, char *event, size_t room)
{
	char start[CLOCK_TEXT_MAX], end[CLOCK_TEXT_MAX], at[CLOCK_TEXT_MAX];

	/* RFC 9773, 4.2: an explanation SHOULD be shown to the operator. */
	snprintf(event, room, "the CA suggests renewal from %s to %s; chosen: %s%s%s", clock_print(info->start, start),
		 clock_print(info->end, end), clock_print(info->at, at), info->explanation[0] ? "; it explains: " : "",
		 info->explanation);
}

void renewal_ari_ask(const struct renewal_desk *desk, struct store_certificate *record, int64_t now, char *event, size_t room)
{
	struct renewal_info *info = &record->renewal_info;
	struct renewal_info before = *info;
	struct client *client;
	struct err err = { 0 };
	int64_t quiet_until = 0;

	event[0] = '\0';
	enum rc rc = availability_quiet_until(desk->store, record->authority, now, &quiet_until, &err);
	if (rc == RC_OK && quiet_until > now) {
		info->check_at = quiet_until;
		return;
	}
	if (rc == RC_OK)
		rc = authorities_reader(desk->authorities, record->authority, &client, &err);
	if (rc == RC_OK)
		rc = renewal_info_ask(client, now, info, &err);
	else
		info->check_at = now + RENEWAL_INFO_CHECK_USUAL;
	/* RFC 9773, 4.3.3: Retry-After is obeyed, and what it says while it is out of order is said to all. */
	(void)!availability_note_question(desk->store, record->authority, rc == RC_OK ? NULL : &err, before.failures != 0, now,
					  NULL);
	if (rc == RC_OK) {
		if (before.start != info->start || before.end != info->end || strcmp(before.explanation, info->explanation) != 0)
			describe(info, event, room);
		return;
	}
	/* A server without it is nothing to speak of; of the others the first failure in a row is told. */
	if (rc != RC_ABSENT && before.failures == 0)
		snprintf(event, room, "renewal information: %s", err.text);
}

/* RFC 9773, 5: the server looks for an identifier that both have. */
static bool has_name_in_common(const struct config_certificate *certificate, const struct store_certificate *record)
{
	for (unsigned i = 0; i < certificate->name_count; i++) {
		const char *name = certificate->names[i];
		size_t len = strlen(name);

		if (strncmp(name, "uri:", 4) == 0)
			continue;
		for (const char *at = record->names; *at; at += strcspn(at, " "), at += *at == ' ')
			if (strcspn(at, " ") == len && strncasecmp(at, name, len) == 0)
				return true;
	}
	return false;
}

const char *renewal_ari_replaces(const struct config_policy *policy, const struct config_certificate *certificate,
				 const struct store_certificate *record, struct client *client)
{
	const struct renewal_info *info = &record->renewal_info;
	const char *url;

	if (!policy->ari || !record->generation || !info->id[0] || info->is_replaced)
		return NULL;
	/* RFC 9773, 5: not where the directory has no renewalInfo; the account must be the one that ordered the old one. */
	if (strcmp(record->authority, certificate->authority) != 0 || strcmp(record->account, client_account(client)) != 0 ||
	    !has_name_in_common(certificate, record) || client_url(client, CLIENT_RENEWAL_INFO, &url, NULL) != RC_OK)
		return NULL;
	return info->id;
}

void renewal_ari_start(struct store_certificate *record, const char *id, int64_t now)
{
	struct renewal_info *info = &record->renewal_info;
	/* Half of a lifetime from when it came here, by the clock that says now: one that is ahead is late in every lifetime.  Where
	 * the clock was set since, its own beginning is the better word. */
	int64_t since =
		record->issued_at <= now && record->issued_at > record->not_before ? record->issued_at : record->not_before;
	bool was_wanted = info->at && info->at <= now && now < since + (record->not_after - record->not_before) / 2;

	*info = (struct renewal_info){ .early = was_wanted ? info->early + (info->early < UINT32_MAX) : 0,
				       /* Soon, but not in the same breath: a renewal costs no request more than it must. */
				       .check_at = now + RENEWAL_INFO_CHECK_LEAST };
	snprintf(info->id, sizeof(info->id), "%s", id);
}
