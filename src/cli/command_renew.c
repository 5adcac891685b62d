/* command_renew.c -- `hwacme renew`: brings certificates up to date, one after another, or has the running daemon do it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "desk.h"
#include "log.h"
#include "output.h"
#include "progress.h"

#define ASKED_AT_ONCE 16  /* of the daemon: what it tells of them meanwhile has room in the socket */
#define FIND_PAUSE    200 /* milliseconds between two tries to find a daemon that was lost ... */
#define FIND_TRIES    30  /* ... for so many: a reload takes three seconds where what is under way does not end */

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

/* Of one certificate: to be asked for, asked for, answered or not asked for at all. */
enum wish { WISH_NONE, WISH_OPEN, WISH_ASKED };

/* What the daemon is asked for, and has not done yet. */
struct asking {
	const struct command_line *line;
	const struct config *config;
	int fd;
	int64_t began;
	enum wish *wishes;      /* by the number of the certificate ... */
	unsigned next, awaited; /* ... of which those before `next` are not WISH_OPEN, and so many are WISH_ASKED */
	unsigned tries;         /* to find it again, since it was heard last */
	bool was_lost;
	json_t *results;
	enum exit_status status;
};

/* What came of it since we began, of which a daemon that was lost had no time to tell. */
static enum renewal_result done_untold(const struct asking *asking, const char *name)
{
	AUTO(store) struct store *store = NULL;
	struct store_certificate record;

	if (!asking->was_lost || store_open_readonly(asking->config->state, &store, NULL) != RC_OK ||
	    store_certificate_load(store, name, &record, NULL) != RC_OK || record.issued_at < asking->began)
		return RENEWAL_NOT_DUE;
	return record.generation == 1 ? RENEWAL_ENROLLED : RENEWAL_RENEWED;
}

/* Some at once. */
static enum rc ask_some(struct asking *asking, struct err *err)
{
	enum rc rc = RC_OK;

	for (; asking->next < asking->config->certificate_count && asking->awaited < ASKED_AT_ONCE && rc == RC_OK;
	     asking->next++) {
		const char *name = asking->config->certificates[asking->next].name;

		if (asking->wishes[asking->next] != WISH_OPEN)
			continue;
		bool is_forced = asking->line->force && done_untold(asking, name) == RENEWAL_NOT_DUE;
		asking->wishes[asking->next] = WISH_ASKED;
		asking->awaited++;
		rc = control_ask(asking->fd, name, is_forced ? RENEWAL_FORCED : RENEWAL_ASKED, err);
	}
	return rc;
}

/* Hears until one is done. */
static enum rc hear_one(struct asking *asking, struct err *err)
{
	struct control_message message = { .kind = CONTROL_EVENT };
	enum rc rc = RC_OK;

	while (rc == RC_OK && message.kind == CONTROL_EVENT) {
		rc = control_hear(asking->fd, &message, err);
		if (rc == RC_OK)
			asking->tries = 0;
		if (rc == RC_OK && message.kind == CONTROL_EVENT)
			log_event(LOG_INFO, "%s: %s", message.name, message.text);
	}
	if (rc != RC_OK)
		return rc;
	const struct config_certificate *certificate = config_certificate_get(asking->config, message.name);
	if (message.kind == CONTROL_UNKNOWN || !certificate)
		return err_set(err, RC_INPUT, "%s is not in the configuration that the daemon has; reload it (SIGHUP)",
			       message.name);
	enum renewal_result untold = message.rc == RC_OK ? done_untold(asking, message.name) : RENEWAL_NOT_DUE;
	if (message.result == RENEWAL_NOT_DUE && untold != RENEWAL_NOT_DUE) {
		message.result = (uint32_t)untold;
		snprintf(message.why, sizeof(message.why), "by the daemon that ended, or was reloaded");
	}
	asking->wishes[certificate - asking->config->certificates] = WISH_NONE;
	asking->awaited--;
	asking->status = exit_first(asking->status, report_done(asking->line, asking->config, &message, asking->results));
	return RC_OK;
}

/* A daemon that was reloaded is another process, as is one that follows a crash: what was not done is asked of that one. */
static enum rc find_again(struct asking *asking, struct err *err)
{
	close(asking->fd);
	asking->fd = -1;
	for (unsigned i = 0; i < asking->config->certificate_count; i++)
		asking->wishes[i] = asking->wishes[i] == WISH_ASKED ? WISH_OPEN : asking->wishes[i];
	asking->next = asking->awaited = 0;
	if (!asking->was_lost)
		log_event(LOG_INFO, "the daemon ended, or was reloaded; the next one is asked");
	asking->was_lost = true;
	while (asking->tries++ < FIND_TRIES && clock_wait_until(INT64_MAX, FIND_PAUSE)) {
		enum rc rc = control_connect(asking->config->state, &asking->fd, NULL);

		if (rc != RC_ABSENT)
			return rc == RC_OK ? rc : RC_RETRY;
	}
	return err->rc;
}

/* Asks for those that were named, and listens until all are done. */
static void ask_all(struct asking *asking)
{
	struct err err = { 0 };
	enum rc rc = RC_OK;

	for (unsigned i = 0; i < asking->config->certificate_count; i++)
		if (command_names(asking->line, asking->config->certificates[i].name))
			asking->wishes[i] = WISH_OPEN;
	while (rc == RC_OK && (asking->awaited || asking->next < asking->config->certificate_count)) {
		rc = ask_some(asking, &err);
		if (rc == RC_OK && asking->awaited)
			rc = hear_one(asking, &err);
		if (rc == RC_RETRY)
			rc = find_again(asking, &err);
	}
	if (rc == RC_OK)
		return;
	command_failed("the daemon", &err);
	asking->status = exit_first(asking->status, rc == RC_INPUT ? EXIT_USAGE : EXIT_FAILED);
}

static enum exit_status renew_by_daemon(const struct command_line *line, const struct config *config, int fd)
{
	AUTO(json) json_t *results = json_array();
	struct asking asking = { .line = line, .config = config, .fd = fd, .began = clock_now(), .results = results };

	asking.wishes = calloc(config->certificate_count + 1u, sizeof(*asking.wishes));
	if (asking.wishes) {
		ask_all(&asking);
	} else {
		log_event(LOG_ERROR, "out of memory");
		asking.status = EXIT_FAILED;
	}
	free(asking.wishes);
	if (asking.fd >= 0)
		close(asking.fd);
	if (line->json)
		output_json(json_pack("{s:O}", "certificates", results));
	return asking.status;
}

/* One that is being reloaded, or follows one that crashed, is waited for: it may have PINs and groups that we have not. */
static enum rc find_daemon(const char *state_dir, int *ret_fd, struct err *err)
{
	enum rc rc = control_connect(state_dir, ret_fd, err);
	unsigned tries = 0;

	while (rc == RC_ABSENT && store_has_daemon(state_dir)) {
		if (tries++ == FIND_TRIES || !clock_wait_until(INT64_MAX, FIND_PAUSE))
			return err_set(err, RC_RETRY,
				       "its engine is not there, and was waited for; its log says why: try again later, or end "
				       "the daemon");
		rc = control_connect(state_dir, ret_fd, err);
	}
	return rc;
}

/* False: no daemon runs. */
static bool try_daemon(const struct command_line *line, const struct config *config, enum exit_status *ret_status)
{
	struct err err = { 0 };
	int fd = -1;

	enum rc rc = find_daemon(config->state, &fd, &err);
	if (rc == RC_ABSENT)
		return false;
	if (rc == RC_OK) {
		progress_begin("the daemon");
		*ret_status = renew_by_daemon(line, config, fd);
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
