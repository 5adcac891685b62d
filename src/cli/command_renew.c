/* command_renew.c -- `hwacme renew`: brings certificates up to date, one after another. */
#include <stdio.h>

#include "clock.h"
#include "desk.h"
#include "log.h"
#include "output.h"

static json_t *report_json(const struct renewal_outcome *outcome, enum rc rc, const struct err *err)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "name", outcome->record.name, "result",
			 rc == RC_OK ? renewal_result_name(outcome->result) : "failed", "why", outcome->plan.why, "serial",
			 output_text(outcome->record.serial), "not_after", output_time(outcome->record.not_after), "next_at",
			 output_time(rc == RC_OK ? outcome->plan.when : outcome->record.retry_at), "error",
			 rc == RC_OK ? json_null() : json_string(err->text));
}

static void report_text(const struct renewal_desk *desk, const struct config_certificate *certificate,
			const struct renewal_outcome *outcome)
{
	const struct store_certificate *record = &outcome->record;
	char plan_text[256], until[CLOCK_TEXT_MAX];
	int64_t now = clock_now();

	if (outcome->result == RENEWAL_NOT_DUE) {
		output_plan(&outcome->plan, now, plan_text, sizeof(plan_text));
		printf("%s: not due; %s\n", record->name, plan_text);
		return;
	}
	struct plan next = renewal_plan(desk->config, certificate, record, false, now);
	output_plan(&next, now, plan_text, sizeof(plan_text));
	printf("%s: %s (%s); serial %s, valid until %s, key \"%s\" in token \"%s\"; %s\n", record->name,
	       renewal_result_name(outcome->result), outcome->plan.why, record->serial, clock_print(record->not_after, until),
	       record->live_key.name.label, record->live_key.token, plan_text);
}

static enum exit_status renew_each(const struct command_line *line, const struct renewal_desk *desk)
{
	AUTO(json) json_t *results = json_array();
	enum exit_status status = EXIT_DONE;
	struct err last = { 0 };

	for (unsigned i = 0; i < desk->config->certificate_count; i++) {
		const struct config_certificate *certificate = &desk->config->certificates[i];
		struct renewal_outcome outcome;
		struct err err = { 0 };

		if (!command_names(line, certificate->name))
			continue;
		enum rc rc = renewal_run(desk, certificate, line->force, &outcome, &err);
		if (rc != RC_OK) {
			log_failure(certificate->name, &err);
			status = exit_first(status, exit_of_blame(outcome.blame));
		}
		if (line->json)
			json_array_append_new(results, report_json(&outcome, rc, &err));
		else if (rc == RC_OK)
			report_text(desk, certificate, &outcome);
	}
	unsigned erased = renewal_retire(desk, clock_now(), &last);
	if (erased)
		log_event(LOG_INFO, "%u superseded key%s erased", erased, erased == 1 ? "" : "s");
	if (last.rc != RC_OK)
		log_failure("superseded keys are kept for now", &last);
	if (line->json)
		output_json(json_pack("{s:O}", "certificates", results));
	return status;
}

enum exit_status command_renew(const struct command_line *line)
{
	AUTO(desk) struct desk desk = { 0 };
	enum exit_status status = desk_open(line, DESK_NAMES, &desk);

	if (status != EXIT_DONE)
		return status;
	return renew_each(line, &(struct renewal_desk){ .config = desk.config,
							.processes = desk.processes,
							.store = desk.store,
							.keyring = desk.keyring,
							.authorities = desk.authorities });
}
