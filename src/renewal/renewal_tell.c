/* renewal_tell.c -- puts a record into words. */
#include "renewal_tell.h"

#include "service_plan.h"

bool renewal_needs_attention(const struct store_certificate *record, int64_t now)
{
	return !record || record->generation == 0 || record->not_after <= now || record->not_before - PLAN_CLOCK_BEHIND > now ||
	       record->revoked_at || record->attempts > 0 || record->service.attempts > 0 || renewal_is_owed(record);
}

enum rc renewal_live_check(struct archive_view *view, const struct store_certificate *record, struct err *err)
{
	struct err why = { 0 };

	if (!record->generation)
		return RC_OK;
	enum rc rc = archive_check(view, record->name, record->generation, &why);
	/* One that was just switched is not in the record yet. */
	if (rc != RC_OK && record->next_generation && archive_check(view, record->name, record->next_generation, NULL) == RC_OK)
		return RC_OK;
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

/* What order_resume() comes to, for each phase it may be found in. */
static const char *next_of_order(enum order_phase phase)
{
	switch (phase) {
	case ORDER_START:
	case ORDER_FAILED: return "a new order is sent, with the same key";
	case ORDER_AUTHORIZE:
	case ORDER_VALIDATE:
	case ORDER_POLL: return "the CA is asked how far the order is, then what it still wants is done";
	case ORDER_FINALIZE: return "the CSR is sent, unless the CA has it already";
	case ORDER_AWAIT: return "the CA is asked whether it has issued the certificate";
	case ORDER_FETCH:
	case ORDER_DONE: return "the certificate is downloaded and judged";
	case ORDER_PHASE_COUNT: break;
	}
	return "";
}

/* Of what is live, and owed. */
static const char *next_of_service(const struct config_certificate *certificate, const struct store_certificate *record,
				   int64_t now)
{
	switch (service_next(certificate, record, now).what) {
	case SERVICE_PUBLISH: return "what is to be in the token beside the key is put there";
	case SERVICE_DEPLOY:
		if (record->state == CERT_NOT_IN_SERVICE)
			return config_has_probe(certificate) ? "the deploy hook is run again, and the service probed"
							     : "the deploy hook is run again";
		return "the deploy hook is run";
	case SERVICE_PROBE: return "the service is probed";
	case SERVICE_SETTLE: return "it is in service, for no hook and no probe is configured that would say otherwise";
	case SERVICE_NOTHING:
	case SERVICE_REVOKE:
	case SERVICE_PRUNE: break;
	}
	return "";
}

const char *renewal_next_step(const struct config_certificate *certificate, const struct store_certificate *record, int64_t now)
{
	switch (record->state) {
	case CERT_KEYED: return "the key is made or found in its token, and an order is sent";
	case CERT_ORDERED: return next_of_order(record->order.phase);
	case CERT_ISSUED: return "the live link is switched to the new certificate";
	case CERT_INSTALLED:
	case CERT_NOT_IN_SERVICE: return next_of_service(certificate, record, now);
	case CERT_NEW:
	case CERT_IN_SERVICE:
	case CERTIFICATE_STATE_COUNT: break;
	}
	return "";
}

bool renewal_is_owed(const struct store_certificate *record)
{
	return record->state == CERT_INSTALLED || record->state == CERT_NOT_IN_SERVICE;
}

bool renewal_waits(struct store *store, const struct config *config, const struct config_certificate *certificate,
		   const struct store_certificate *record, const struct plan *plan, int64_t now, struct renewal_waits *ret_waits)
{
	const struct availability_refusal refusal = { .since = record->refused_since, .by = record->refused_by };
	bool is_ordered = record->order.url[0] && record->order.phase != ORDER_FAILED;
	struct store_availability known;
	struct renewal_waits waits;

	/* An order that is open may be at any of them. */
	if (plan->what == PLAN_WAIT || (is_ordered && certificate->fallback_count) ||
	    availability_choose(store, config, certificate, NULL, &refusal, record->not_after, now, &waits.authority, NULL) !=
		    RC_OK ||
	    store_availability_load(store, waits.authority->name, &known, NULL) != RC_OK)
		return false;
	waits.view = availability_look(waits.authority, &known, now);
	waits.until = waits.view.asked_at;
	/* What is ordered already needs no other order. */
	if (!is_ordered && waits.view.order_at > waits.until)
		waits.until = waits.view.order_at;
	*ret_waits = waits;
	/* One asks at this moment: perhaps this very one. */
	return waits.until > now && !waits.view.is_probed;
}
