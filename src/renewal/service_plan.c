/* service_plan.c -- the earliest of what a live certificate still wants. */
#include "service_plan.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

#define BACK_OFF_FIRST INT64_C(60)
#define BACK_OFF_LAST  INT64_C(3600)
#define HOOK_MARGIN    INT64_C(86400)

void service_objects(const struct config_certificate *certificate, char ret_text[STORE_OBJECTS_MAX])
{
	const struct config_objects *objects = &certificate->objects;

	snprintf(ret_text, STORE_OBJECTS_MAX, "%s%s%s%s%s", objects->certificate ? "certificate" : "",
		 objects->chain ? ", chain" : "", objects->certificate && objects->label ? ", " : "",
		 objects->label ? "label " : "", objects->label ? objects->label : "");
}

static bool owes_objects(const struct config_certificate *certificate, const struct store_certificate *record)
{
	char wanted[STORE_OBJECTS_MAX];

	service_objects(certificate, wanted);
	return strcmp(wanted, record->service.published) != 0;
}

static bool owes_hook(const struct config_certificate *certificate, const struct store_certificate *record)
{
	return certificate->deploy_run_count && !record->service.deployed_at;
}

static bool owes_probe(const struct config_certificate *certificate, const struct store_certificate *record)
{
	const struct store_service *service = &record->service;

	return config_has_probe(certificate) && (!service->probed_at || service->attempts || service->grace_from);
}

/* As long as for policy->margin by default, and no more than a quarter of the certificate's life. */
int64_t service_hook_by(const struct config_certificate *certificate, const struct store_certificate *record)
{
	const struct store_service *service = &record->service;
	int64_t quarter = (record->not_after - record->not_before) / 4;
	char wanted[STORE_OBJECTS_MAX];

	service_objects(certificate, wanted);
	if (!record->generation || !wanted[0])
		return 0;
	/* Nobody was told of this one, either: what is served is the one before it. */
	if (service->hook_by && !service->deployed_at)
		return service->hook_by;
	return record->not_after - (quarter < HOOK_MARGIN ? quarter : HOOK_MARGIN);
}

bool service_is_proven(const struct config_certificate *certificate, const struct store_certificate *record)
{
	return !owes_objects(certificate, record) && !owes_hook(certificate, record) && !owes_probe(certificate, record);
}

/*
 * While the hook waits for the objects, the service goes on with the pair that it has; one that is reloaded would find the new certificate
 * beside the label of the old key.  Once the old certificate is about to expire there is nothing left to lose by that, and much for all who
 * look in the files.  Either of the two that failed lets the other one try.
 */
static bool is_hook_first(const struct config_certificate *certificate, const struct store_certificate *record, int64_t now)
{
	const struct store_service *service = &record->service;

	return owes_hook(certificate, record) && service->hook_by && now >= service->hook_by && service->attempts % 2;
}

static void take_earlier(struct service_plan *plan, enum service_what what, int64_t when)
{
	if (when < plan->when)
		*plan = (struct service_plan){ what, when };
}

/* A failure that is yet to happen was noted by a clock that has been set back since: nobody knows how long ago it was. */
static int64_t retry_at(const struct store_service *service, int64_t now)
{
	return service->failed_at > now ? now : service->retry_at;
}

/* No CA is obeyed for longer, and no back-off is as long. */
static int64_t revoke_at(const struct store_service *service, int64_t now)
{
	return service->revoke_failures && service->revoke_at > now + CLOCK_RETRY_MAX + 1 ? now : service->revoke_at;
}

struct service_plan service_next(const struct config_certificate *certificate, const struct store_certificate *record,
				 int64_t now)
{
	const struct store_service *service = &record->service;
	struct service_plan plan = { SERVICE_NOTHING, INT64_MAX };

	if (!record->generation)
		return plan;
	/* Before the hook: the service that it reloads looks for them. */
	if (owes_objects(certificate, record) && is_hook_first(certificate, record, now))
		return (struct service_plan){ SERVICE_DEPLOY, retry_at(service, now) };
	if (owes_objects(certificate, record))
		return (struct service_plan){ SERVICE_PUBLISH, retry_at(service, now) };
	/* Then the hook: what it has not yet told the service, no probe will see. */
	if (owes_hook(certificate, record))
		return (struct service_plan){ SERVICE_DEPLOY, retry_at(service, now) };
	if (owes_probe(certificate, record))
		return (struct service_plan){ SERVICE_PROBE, retry_at(service, now) };
	/* A hook or a probe that failed is in the configuration no more. */
	if (record->state == CERT_INSTALLED || record->state == CERT_NOT_IN_SERVICE || service->attempts)
		return (struct service_plan){ SERVICE_SETTLE, 0 };
	if (config_has_probe(certificate) && certificate->probe.every)
		take_earlier(&plan, SERVICE_PROBE,
			     service->probed_at > now ? now : service->probed_at + certificate->probe.every);
	/* What was replaced goes when its successor is proven, and not before. */
	if (service->revoke_at)
		take_earlier(&plan, SERVICE_REVOKE, revoke_at(service, now));
	if (service->prune_at)
		take_earlier(&plan, SERVICE_PRUNE, service->prune_at);
	return plan;
}

int64_t service_back_off(unsigned attempts, int64_t now)
{
	int64_t pause = BACK_OFF_FIRST;

	for (unsigned i = 1; i < attempts && pause < BACK_OFF_LAST; i++)
		pause *= 2;
	return now + (pause < BACK_OFF_LAST ? pause : BACK_OFF_LAST);
}
