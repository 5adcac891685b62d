/*
 * command_status.c -- `hwacme status`: what is held, until when, what comes next and what is wrong.
 *
 * Reads the store only: it sends nothing to a CA and no PIN to a token, so it may be run as often as one likes.  With --probe
 * it asks the services too, and changes nothing of what is known of them.
 */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "command.h"
#include "deploy.h"
#include "log.h"
#include "output.h"
#include "probe.h"
#include "progress.h"
#include "renewal_tell.h"
#include "service_plan.h"

struct row {
	const struct config_certificate *certificate;
	struct store_certificate record;
	struct plan plan;
	char live[4096];                     /* "" when nothing is live */
	struct err live_error;               /* "": it is as it is to be */
	const struct store_retired *overdue; /* a key of it that should be gone; NULL: none */
	struct renewal_waits waits;          /* its authority NULL: for none */
	bool is_probed, has_passed;          /* now */
	char probe_words[512];               /* of what it said, or why there was none */
};

/* What all rows are read from. */
struct source {
	const struct config *config;
	struct store *store; /* NULL: nothing was ever issued */
	struct archive_view *live;
};

static enum rc row_fill(struct row *row, const struct source *source, const struct config_certificate *certificate, int64_t now,
			struct err *err)
{
	const struct config *config = source->config;
	struct store *store = source->store;

	enum rc rc = store ? store_certificate_load(store, certificate->name, &row->record, err) : RC_ABSENT;

	/* What cannot be read is not "new". */
	if (rc != RC_OK && rc != RC_ABSENT)
		return rc;
	if (rc == RC_ABSENT) {
		row->record = (struct store_certificate){ .state = CERT_NEW };
		snprintf(row->record.name, sizeof(row->record.name), "%s", certificate->name);
	}
	row->certificate = certificate;
	row->is_probed = row->has_passed = false;
	row->live[0] = row->live_error.text[0] = row->probe_words[0] = '\0';
	if (row->record.generation) {
		snprintf(row->live, sizeof(row->live), "%s/live/%s", config->state, row->record.name);
		(void)!renewal_live_check(source->live, &row->record, &row->live_error);
	}
	row->plan = renewal_plan(config, certificate, rc == RC_OK ? &row->record : NULL, false, now);
	if (!store || !renewal_waits(store, config, certificate, &row->record, &row->plan, now, &row->waits))
		row->waits.authority = NULL;
	return RC_OK;
}

static void row_probe(struct row *row)
{
	const struct config_certificate *certificate = row->certificate;
	char words[PROGRAM_OUTPUT_MAX + 1] = "";
	struct err err = { 0 };

	if (!row->record.generation || !config_has_probe(certificate)) {
		snprintf(row->probe_words, sizeof(row->probe_words), "%s",
			 config_has_probe(certificate) ? "nothing is live yet" : "none is configured");
		return;
	}
	enum rc rc = certificate->probe.connect ? probe_connect(&certificate->probe, &row->record, &err)
						: deploy_probe(certificate, row->live, words, &err);
	row->is_probed = true;
	row->has_passed = rc == RC_OK;
	snprintf(row->probe_words, sizeof(row->probe_words), "%s", rc == RC_OK ? words : err.text);
}

static const struct store_key *row_key(const struct row *row)
{
	return row->record.live_key.token[0] ? &row->record.live_key : &row->record.next_key;
}

static json_t *names_json(const struct row *row)
{
	json_t *names = json_array();

	for (unsigned i = 0; i < row->certificate->name_count; i++)
		output_row(names, output_string(row->certificate->names[i]));
	return names;
}

/* RFC 9773: what the CA suggests, when it is asked again, and the page on which it explains. */
static json_t *suggestion_json(const struct renewal_info *info)
{
	if (!info->at)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "start", output_time(info->start), "end", output_time(info->end), "chosen",
			 output_time(info->at), "asked_again", output_time(info->check_at), "explanation",
			 output_text(info->explanation));
}

/* What became of it once it was live; of a probe now, when that was asked for. */
static json_t *service_json(const struct row *row)
{
	const struct store_service *service = &row->record.service;
	json_t *object = json_pack("{s:o, s:o, s:o, s:i, s:o, s:o, s:o}", "token_objects", output_text(service->published),
				   "deployed_at", output_time(service->deployed_at), "probed_at", output_time(service->probed_at),
				   "attempts", (int)service->attempts, "retry_at", output_time(service->retry_at), "last_error",
				   output_text(service->last_error), "probe", json_null());

	if (object && row->is_probed)
		json_object_set_new(object, "probe",
				    json_pack("{s:b, s:o}", "passed", row->has_passed, "words", output_text(row->probe_words)));
	return object;
}

/* Of what is due: who cannot be asked for it before when. */
static json_t *waits_json(const struct renewal_waits *waits)
{
	if (!waits->authority)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:i}", "authority", output_string(waits->authority->name), "until",
			 output_time(waits->until), "down_since", output_time(waits->view.down_since), "failures",
			 (int)waits->view.failures);
}

/* Scripts rely on these keys: they are added to and not changed. */
static json_t *row_json(const struct row *row, int64_t now)
{
	const struct store_certificate *record = &row->record;
	const struct store_key *key = row_key(row);
	json_t *row_object = json_pack(
		"{s:s, s:s, s:s, s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "name", record->name, "state",
		certificate_state_name(record->state), "token", key->token[0] ? key->token : row->certificate->key.token, "key",
		output_text(key->name.label), "key_type", key_type_name(key->token[0] ? key->type : row->certificate->key.type),
		"custody", output_text(record->custody), "authority",
		record->authority[0] ? record->authority : row->certificate->authority, "serial", output_text(record->serial),
		"fingerprint", output_text(record->fingerprint), "not_before", output_time(record->not_before), "not_after",
		output_time(record->not_after), "names", names_json(row));

	json_object_set_new(row_object, "next_at", output_time(row->plan.when));
	json_object_set_new(row_object, "next_why", output_string(row->plan.why));
	json_object_set_new(row_object, "waits", waits_json(&row->waits));
	json_object_set_new(row_object, "last_error", output_text(record->last_error));
	json_object_set_new(row_object, "failed_at", output_time(record->last_error[0] ? record->failed_at : 0));
	json_object_set_new(row_object, "attempts", json_integer(record->attempts));
	json_object_set_new(row_object, "next_step", output_text(renewal_next_step(row->certificate, record, now)));
	json_object_set_new(row_object, "order_url", output_text(record->order.url));
	json_object_set_new(row_object, "profile", output_text(record->profile));
	json_object_set_new(row_object, "suggested", suggestion_json(&record->renewal_info));
	json_object_set_new(row_object, "service", service_json(row));
	json_object_set_new(row_object, "live", output_text(row->live));
	json_object_set_new(row_object, "overdue_key", output_text(row->overdue ? row->overdue->key.name.label : ""));
	json_object_set_new(row_object, "live_error", output_text(row->live_error.text));
	return row_object;
}

static void suggestion_text(const struct renewal_info *info)
{
	char start[CLOCK_TEXT_MAX], end[CLOCK_TEXT_MAX], at[CLOCK_TEXT_MAX], again[CLOCK_TEXT_MAX];

	if (info->at)
		printf("    suggested %s to %s, chosen %s; asked again %s\n", clock_print(info->start, start),
		       clock_print(info->end, end), clock_print(info->at, at), clock_print(info->check_at, again));
	if (info->explanation[0])
		printf("    explained %s\n", info->explanation);
}

static void service_text(const struct row *row, int64_t now)
{
	const struct store_service *service = &row->record.service;
	/* Which may be sooner than was written down, by a clock that was ahead; at once where nothing is owed any more. */
	struct service_plan wanted = service_next(row->certificate, &row->record, now);
	int64_t again = wanted.what == SERVICE_SETTLE ? now : wanted.when;
	char last[CLOCK_TEXT_MAX], next[CLOCK_TEXT_MAX];

	if (service->attempts)
		printf("    service   failed %u in a row, last %s, again %s: %s\n", service->attempts,
		       clock_print(service->failed_at, last), clock_print(again, next), service->last_error);
	else if (service->probed_at)
		printf("    service   probe passed %s\n", clock_print(service->probed_at, last));
	if (renewal_is_owed(&row->record))
		printf("    then      %s\n", renewal_next_step(row->certificate, &row->record, now));
	if (service->revoke_failures)
		printf("    revoke    of what it replaced failed %u in a row, again %s; the journal tells why\n",
		       service->revoke_failures, clock_print(service->revoke_at, next));
	if (row->is_probed)
		printf("    probe     %s%s%s\n", row->has_passed ? "passed now" : "failed now", row->probe_words[0] ? ": " : "",
		       row->probe_words);
	else if (row->probe_words[0])
		printf("    probe     %s\n", row->probe_words);
}

static void waits_text(const struct renewal_waits *waits)
{
	const struct availability_view *view = &waits->view;
	char until[CLOCK_TEXT_MAX], since[CLOCK_TEXT_MAX];

	if (!waits->authority)
		return;
	printf("    waits     for \"%s\" until %s", waits->authority->name, clock_print(waits->until, until));
	if (view->down_since)
		printf(", which has not answered since %s, %u failure%s in a row", clock_print(view->down_since, since),
		       view->failures, view->failures == 1 ? "" : "s");
	else if (waits->until != view->asked_at)
		printf(", which takes %u orders an hour", waits->authority->orders_per_hour);
	putchar('\n');
}

static void row_text(const struct row *row, int64_t now)
{
	const struct store_certificate *record = &row->record;
	char until[CLOCK_TEXT_MAX], next[256];

	output_plan(&row->plan, now, next, sizeof(next));
	printf("%s: %s\n", record->name, certificate_state_name(record->state));
	if (record->generation) {
		printf("    serial    %s, until %s, from \"%s\"\n", record->serial, clock_print(record->not_after, until),
		       record->authority);
		printf("    key       %s \"%s\" in token \"%s\": %s\n", key_type_name(record->live_key.type),
		       record->live_key.name.label, record->live_key.token, record->custody);
		if (record->service.published[0])
			printf("    objects   %s\n", record->service.published);
		printf("    live      %s\n", row->live_error.text[0] ? row->live_error.text : row->live);
	}
	service_text(row, now);
	if (row->overdue)
		printf("    erase     key \"%s\" in token \"%s\", superseded, should be gone since %s; `hwacme renew %s` tries "
		       "again and "
		       "tells why it fails\n",
		       row->overdue->key.name.label, row->overdue->key.token, clock_print(row->overdue->erase_at, until),
		       record->name);
	printf("    plan      %s\n", next);
	waits_text(&row->waits);
	if (*renewal_next_step(row->certificate, record, now) && !renewal_is_owed(record))
		printf("    then      %s\n", renewal_next_step(row->certificate, record, now));
	suggestion_text(&record->renewal_info);
	if (record->order.url[0])
		printf("    order     %s (%s)\n", record->order.url, order_phase_name(record->order.phase));
	if (record->last_error[0])
		printf("    failed    %u in a row, last %s: %s\n", record->attempts, clock_print(record->failed_at, until),
		       record->last_error);
}

/* All that is kept: what was tried, what the CA said to it, what was done. */
static const struct store_journal_line *journal(struct store *store, const char *name, unsigned *ret_count)
{
	static struct store_journal_line lines[STORE_JOURNAL_KEPT];
	struct err err = { 0 };

	*ret_count = 0;
	if (store && store_journal(store, name, lines, STORE_JOURNAL_KEPT, ret_count, &err) != RC_OK) {
		log_failure("journal", &err);
		*ret_count = 0;
	}
	return lines;
}

static void journal_text(struct store *store, const char *name)
{
	char when[CLOCK_TEXT_MAX];
	unsigned count;
	const struct store_journal_line *lines = journal(store, name, &count);

	if (count)
		printf("    journal, newest first:\n");
	for (unsigned i = 0; i < count; i++)
		printf("      %s  %s\n", clock_print(lines[i].at, when), lines[i].text);
}

static json_t *journal_json(struct store *store, const char *name)
{
	json_t *array = json_array();
	unsigned count;
	const struct store_journal_line *lines = journal(store, name, &count);

	for (unsigned i = 0; i < count; i++)
		output_row(array, json_pack("{s:o, s:o}", "at", output_time(lines[i].at), "text", output_text(lines[i].text)));
	return array;
}

static bool row_needs_attention(const struct row *row, int64_t now)
{
	return renewal_needs_attention(&row->record, now) || row->live_error.text[0] || row->overdue ||
	       (row->is_probed && !row->has_passed);
}

static enum exit_status status_each(const struct command_line *line, const struct source *source)
{
	const struct config *config = source->config;
	struct store *store = source->store;
	AUTO(json) json_t *rows = json_array();
	enum exit_status status = EXIT_DONE;
	int64_t now = clock_now();
	struct store_retired overdue[RENEWAL_OVERDUE_MAX];
	unsigned overdue_count = store ? renewal_overdue(config, store, now, overdue, RENEWAL_OVERDUE_MAX) : 0;

	for (unsigned i = 0; i < config->certificate_count; i++) {
		struct row row;
		struct err err = { 0 };

		if (!command_names(line, config->certificates[i].name))
			continue;
		if (row_fill(&row, source, &config->certificates[i], now, &err) != RC_OK) {
			command_failed("status", &err);
			return EXIT_FAILED;
		}
		if (line->probe)
			row_probe(&row);
		row.overdue = renewal_overdue_of(overdue, overdue_count, config->certificates[i].name);
		if (row_needs_attention(&row, now))
			status = EXIT_ATTENTION;
		if (line->json) {
			json_t *row_object = row_json(&row, now);

			/* Of those that were named: of all together it is more than anybody reads. */
			if (line->word_count)
				json_object_set_new(row_object, "journal", journal_json(store, row.record.name));
			output_row(rows, row_object);
			continue;
		}
		row_text(&row, now);
		if (line->word_count)
			journal_text(store, row.record.name);
	}
	if (line->json)
		output_json(json_pack("{s:O}", "certificates", rows));
	return status;
}

enum exit_status command_status(const struct command_line *line)
{
	AUTO(config) struct config *config = NULL;
	AUTO(store) struct store *store = NULL;
	AUTO(archive_view) struct archive_view *live = NULL;
	struct err err = { 0 };

	enum exit_status status = command_config(line, &config);
	if (status != EXIT_DONE || !command_names_known(line, config))
		return exit_first(status, EXIT_USAGE);
	enum rc rc = store_open_readonly(config->state, &store, &err);
	/* No database yet is an answer, not a failure: nothing was ever issued. */
	if (rc == RC_ABSENT)
		rc = RC_OK;
	/* Services may take their time, and the database's log would grow all the while. */
	if (rc == RC_OK && store && !line->probe)
		rc = store_view_begin(store, &err);
	if (rc == RC_OK)
		rc = archive_view_new(config->state, &live, &err);
	if (rc != RC_OK) {
		command_failed("status", &err);
		return EXIT_FAILED;
	}
	if (line->probe)
		progress_begin("hwacme status --probe");
	return status_each(line, &(struct source){ .config = config, .store = store, .live = live });
}
