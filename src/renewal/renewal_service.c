/* renewal_service.c -- a certificate that is live is brought into service: its hook is run, its probe is asked, both until they end well. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "probe.h"
#include "renewal_steps.h"

#define PROBE_PAUSE 2 /* seconds between two tries in the time of grace */

/* The state of a renewal that is under way says more, and stays. */
static void state_set(struct store_certificate *record, enum certificate_state state)
{
	if (!renewal_is_keyed(&record->next_key))
		record->state = state;
}

/* Nothing is owed, or it has just been paid. */
static void settle(struct renewal *renewal)
{
	struct store_service *service = &renewal->record->service;

	service->attempts = 0;
	service->retry_at = service->grace_from = service->hook_by = 0;
	service->last_error[0] = '\0';
	state_set(renewal->record, CERT_IN_SERVICE);
}

/* "deploy hook ended well: nginx is reloaded" */
static void print_event(char *event, size_t room, const char *what, const char *words)
{
	snprintf(event, room, "%s%s%s", what, words[0] ? ": " : "", words);
}

/* A failed hook is neither forgotten nor a reason to order again. */
enum rc renewal_deploy(struct renewal *renewal, struct err *err)
{
	struct store_service *service = &renewal->record->service;
	char words[PROGRAM_OUTPUT_MAX + 1] = "", event[PROGRAM_OUTPUT_MAX + 64];
	enum rc rc = processes_deploy(renewal->desk->processes, renewal->certificate, words, err);

	metrics_deploy(rc == RC_OK);
	if (rc != RC_OK) {
		renewal->blame = BLAME_LOCAL;
		return err_wrap(err, rc, "deploy hook (the certificate is live; the hook is tried again)");
	}
	service->deployed_at = clock_now();
	service->retry_at = 0;
	if (config_has_probe(renewal->certificate))
		service->grace_from = service->deployed_at;
	else if (service_is_proven(renewal->certificate, renewal->record))
		settle(renewal);
	print_event(event, sizeof(event), "deploy hook ended well", words);
	return renewal_record_save(renewal, event, err);
}

static enum rc probe_once(struct renewal *renewal, char *words, struct err *err)
{
	const struct config_probe *probe = &renewal->certificate->probe;

	return probe->connect ? probe_connect(probe, renewal->record, err)
			      : processes_probe(renewal->desk->processes, renewal->certificate, words, err);
}

static enum rc probe_passed(struct renewal *renewal, const char *words, struct err *err)
{
	struct store_service *service = &renewal->record->service;
	bool is_news = !service->probed_at || service->attempts || service->grace_from;
	char event[PROGRAM_OUTPUT_MAX + 64];

	service->probed_at = clock_now();
	settle(renewal);
	print_event(event, sizeof(event), "in service: the probe has passed", words);
	/* That all is as it was yesterday is not worth a line a day. */
	return renewal_record_save(renewal, is_news ? event : NULL, err);
}

/* A service may need a moment after its reload, and may be restarting at the very moment of the daily look. */
enum rc renewal_probe(struct renewal *renewal, struct driver_wait *ret_wait, struct err *err)
{
	struct store_service *service = &renewal->record->service;
	const struct config_probe *probe = &renewal->certificate->probe;
	char words[PROGRAM_OUTPUT_MAX + 1] = "";
	struct err why = { 0 };
	enum rc rc = probe_once(renewal, words, &why);
	int64_t now = clock_now();

	metrics_probe(rc == RC_OK);
	if (rc == RC_OK)
		return probe_passed(renewal, words, err);
	if (!service->grace_from) {
		service->grace_from = now;
		rc = renewal_record_save(renewal, NULL, err);
		if (rc != RC_OK)
			return rc;
	}
	int64_t until = service->grace_from + probe->grace;
	/* A clock that was set back does not make it longer. */
	if (now < until && until <= now + probe->grace) {
		ret_wait->until = now + PROBE_PAUSE < until ? now + PROBE_PAUSE : until;
		return RC_OK;
	}
	renewal->blame = BLAME_LOCAL;
	state_set(renewal->record, CERT_NOT_IN_SERVICE);
	/* Perhaps another reload does it. */
	service->deployed_at = 0;
	if (err)
		*err = why;
	return err_wrap(err, why.rc, "not in service");
}

enum rc renewal_settle(struct renewal *renewal, struct err *err)
{
	settle(renewal);
	return renewal_record_save(renewal, "in service: no hook and no probe is configured that would say otherwise", err);
}

void renewal_note_service(struct renewal *renewal, const struct err *why)
{
	struct store_service *service = &renewal->record->service;
	enum renewal_blame blame = renewal->blame;
	char event[sizeof(service->last_error) + 16];
	struct err unsaved = { 0 };

	if (service->attempts < UINT32_MAX)
		service->attempts++;
	service->failed_at = clock_now();
	service->retry_at = service_back_off(service->attempts, service->failed_at);
	snprintf(service->last_error, sizeof(service->last_error), "%s", why->text);
	snprintf(event, sizeof(event), "failed: %s", why->text);
	if (store_certificate_save(renewal->desk->store, renewal->record, service->failed_at, service->failed_at, event,
				   &unsaved) != RC_OK)
		log_certificate_failure(renewal->record->name, &unsaved);
	renewal->blame = blame;
}

static enum stage stage_of(enum service_what what)
{
	switch (what) {
	case SERVICE_NOTHING: return STAGE_END;
	case SERVICE_PUBLISH: return STAGE_PUBLISH;
	case SERVICE_DEPLOY: return STAGE_DEPLOY;
	case SERVICE_PROBE: return STAGE_PROBE;
	case SERVICE_SETTLE: return STAGE_SETTLE;
	case SERVICE_REVOKE: return STAGE_REVOKE;
	case SERVICE_PRUNE: return STAGE_PRUNE;
	}
	return STAGE_END;
}

enum stage renewal_stage_next(const struct renewal *renewal)
{
	int64_t now = clock_now();
	struct service_plan next = service_next(renewal->certificate, renewal->record, now);

	return next.when <= now ? stage_of(next.what) : STAGE_END;
}
