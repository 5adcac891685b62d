/* command_renew.c -- `hwacme renew`: brings certificates up to date, one after another, or has the running daemon do it. */
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "desk.h"
#include "log.h"
#include "output.h"
#include "progress.h"

#define ASKED_AT_ONCE 16 /* of the daemon: what it tells of them meanwhile has room in the socket */

static json_t *report_json(const struct renewal_outcome *outcome, enum rc rc, const struct err *err)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "name", outcome->record.name, "result",
			 rc == RC_OK ? renewal_result_name(outcome->result) : "failed", "why", output_string(outcome->plan.why),
			 "serial", output_text(outcome->record.serial), "not_after", output_time(outcome->record.not_after),
			 "next_at", output_time(rc == RC_OK ? outcome->plan.when : outcome->record.retry_at), "error",
			 rc == RC_OK ? json_null() : output_string(err->text));
}

static void report_text(const struct config *config, const struct config_certificate *certificate,
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
	struct plan next = renewal_plan(config, certificate, record, false, now);
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
		enum rc rc = renewal_run(desk, certificate, line->force ? RENEWAL_FORCED : RENEWAL_ASKED, &outcome, &err);
		if (rc != RC_OK) {
			log_certificate_failure(certificate->name, &err);
			status = exit_first(status, exit_of_blame(outcome.blame));
		}
		if (line->json)
			output_row(results, report_json(&outcome, rc, &err));
		else if (rc == RC_OK)
			report_text(desk->config, certificate, &outcome);
	}
	renewal_retire_hasten(desk, clock_now());
	unsigned erased = renewal_retire(desk, clock_now(), &last);
	if (erased)
		log_event(LOG_INFO, "%u superseded key%s erased", erased, erased == 1 ? "" : "s");
	if (last.rc != RC_OK)
		log_failure("superseded keys are kept for now", &last);
	if (line->json)
		output_json(json_pack("{s:O}", "certificates", results));
	return status;
}

/* What the daemon says of one that is done; its record is read, as `status` does. */
static enum exit_status report_done(const struct command_line *line, const struct config *config,
				    const struct control_message *message, json_t *results)
{
	const struct config_certificate *certificate = config_certificate_get(config, message->name);
	AUTO(store) struct store *store = NULL;
	struct renewal_outcome outcome = { .result = (enum renewal_result)message->result,
					   .blame = (enum renewal_blame)message->blame,
					   .plan = { .what = PLAN_WAIT, .when = message->when } };
	struct err err = { .rc = (enum rc)message->rc };

	snprintf(outcome.plan.why, sizeof(outcome.plan.why), "%s", message->why);
	snprintf(err.text, sizeof(err.text), "%s", message->text);
	snprintf(outcome.record.name, sizeof(outcome.record.name), "%s", message->name);
	if (store_open_readonly(config->state, &store, NULL) == RC_OK)
		(void)!store_certificate_load(store, message->name, &outcome.record, NULL);
	if (err.rc != RC_OK)
		log_failure(message->name, &err);
	if (line->json)
		output_row(results, report_json(&outcome, err.rc, &err));
	else if (err.rc == RC_OK && certificate)
		report_text(config, certificate, &outcome);
	return err.rc == RC_OK ? EXIT_DONE : exit_of_blame(outcome.blame);
}

/* Hears until one is done. */
static enum rc hear_one(const struct command_line *line, const struct config *config, int fd, json_t *results,
			enum exit_status *status, struct err *err)
{
	struct control_message message = { .kind = CONTROL_EVENT };
	enum rc rc = RC_OK;

	while (rc == RC_OK && message.kind == CONTROL_EVENT) {
		rc = control_hear(fd, &message, err);
		if (rc == RC_OK && message.kind == CONTROL_EVENT)
			log_event(LOG_INFO, "%s: %s", message.name, message.text);
	}
	if (rc == RC_OK && message.kind == CONTROL_UNKNOWN)
		return err_set(err, RC_INPUT, "%s is not in the configuration that the daemon has; reload it (SIGHUP)",
			       message.name);
	if (rc == RC_OK)
		*status = exit_first(*status, report_done(line, config, &message, results));
	return rc;
}

/* Asks for those that were named, some at once, and listens until all are done. */
static enum exit_status renew_by_daemon(const struct command_line *line, const struct config *config, int fd)
{
	AUTO(json) json_t *results = json_array();
	enum exit_status status = EXIT_DONE;
	enum rc rc = RC_OK;
	struct err err = { 0 };
	unsigned awaited = 0;

	for (unsigned i = 0; (i < config->certificate_count || awaited) && rc == RC_OK;) {
		bool may_ask = i < config->certificate_count && awaited < ASKED_AT_ONCE;

		if (!may_ask) {
			rc = hear_one(line, config, fd, results, &status, &err);
			awaited--;
		} else if (command_names(line, config->certificates[i].name)) {
			rc = control_ask(fd, config->certificates[i++].name, line->force ? RENEWAL_FORCED : RENEWAL_ASKED, &err);
			awaited++;
		} else {
			i++;
		}
	}
	if (rc != RC_OK) {
		command_failed("the daemon", &err);
		status = exit_first(status, rc == RC_INPUT ? EXIT_USAGE : EXIT_FAILED);
	}
	if (line->json)
		output_json(json_pack("{s:O}", "certificates", results));
	return status;
}

/* False: no daemon runs. */
static bool try_daemon(const struct command_line *line, const struct config *config, enum exit_status *ret_status)
{
	struct err err = { 0 };
	int fd = -1;

	enum rc rc = control_connect(config->state, &fd, &err);
	if (rc == RC_ABSENT)
		return false;
	if (rc == RC_OK) {
		progress_begin("the daemon");
		*ret_status = renew_by_daemon(line, config, fd);
		close(fd);
		return true;
	}
	command_failed("the daemon", &err);
	*ret_status = EXIT_FAILED;
	return true;
}

enum exit_status command_renew(const struct command_line *line)
{
	AUTO(desk) struct desk desk = { 0 };
	enum exit_status by_daemon, loaded = command_config(line, &desk.config);

	if (loaded != EXIT_DONE || !command_names_known(line, desk.config))
		return exit_first(loaded, EXIT_USAGE);
	if (try_daemon(line, desk.config, &by_daemon))
		return by_daemon;
	enum exit_status status = desk_open(line, DESK_NAMES, &desk);

	if (status != EXIT_DONE)
		return status;
	return renew_each(line, &(struct renewal_desk){ .config = desk.config,
							.processes = desk.processes,
							.store = desk.store,
							.keyring = desk.keyring,
							.authorities = desk.authorities });
}
