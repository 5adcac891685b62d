/*
 * command_status.c -- `hwacme status`: what is held, until when, what comes next and what is wrong.
 *
 * Reads the store only: it sends nothing to a CA and no PIN to a token, so it may be run as often as one likes.
 */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "command.h"
#include "log.h"
#include "output.h"

#define JOURNAL_SHOWN 10

struct row {
	const struct config_certificate *certificate;
	struct store_certificate record;
	struct plan plan;
	char live[4096]; /* "" when nothing is live */
};

static void row_fill(struct row *row, const struct config *config, struct store *store,
		     const struct config_certificate *certificate, int64_t now)
{
	bool known = store && store_certificate_load(store, certificate->name, &row->record, NULL) == RC_OK;

	if (!known) {
		row->record = (struct store_certificate){ .state = CERT_NEW };
		snprintf(row->record.name, sizeof(row->record.name), "%s", certificate->name);
	}
	row->certificate = certificate;
	row->live[0] = '\0';
	if (row->record.generation)
		snprintf(row->live, sizeof(row->live), "%s/live/%s", config->state, certificate->name);
	row->plan = renewal_plan(config, certificate, known ? &row->record : NULL, false, now);
}

/* Something an operator should look at: nothing live, expired, failing, or a hook that is owed. */
static bool needs_attention(const struct row *row, int64_t now)
{
	return row->record.generation == 0 || row->record.not_after <= now || row->record.attempts > 0 ||
	       row->record.state == CERT_INSTALLED;
}

static const struct store_key *row_key(const struct row *row)
{
	return row->record.live_key.token[0] ? &row->record.live_key : &row->record.next_key;
}

static json_t *names_json(const struct row *row)
{
	json_t *names = json_array();

	for (unsigned i = 0; i < row->certificate->name_count; i++)
		json_array_append_new(names, json_string(row->certificate->names[i]));
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

/* FIXED keys (DESIGN, "status --json"). */
static json_t *row_json(const struct row *row)
{
	const struct store_certificate *record = &row->record;
	const struct store_key *key = row_key(row);
	json_t *row_object = json_pack(
		"{s:s, s:s, s:s, s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "name", record->name, "state",
		certificate_state_name(record->state), "token", key->token[0] ? key->token : row->certificate->key.token, "key",
		output_text(key->name.label), "key_type", key_type_name(key->token[0] ? key->type : row->certificate->key.type),
		"custody", output_text(record->custody), "authority", row->certificate->authority, "serial",
		output_text(record->serial), "fingerprint", output_text(record->fingerprint), "not_before",
		output_time(record->not_before), "not_after", output_time(record->not_after), "names", names_json(row));

	json_object_set_new(row_object, "next_at", output_time(row->plan.when));
	json_object_set_new(row_object, "next_why", json_string(row->plan.why));
	json_object_set_new(row_object, "last_error", output_text(record->last_error));
	json_object_set_new(row_object, "attempts", json_integer(record->attempts));
	json_object_set_new(row_object, "order_url", output_text(record->order.url));
	json_object_set_new(row_object, "profile", output_text(record->profile));
	json_object_set_new(row_object, "suggested", suggestion_json(&record->renewal_info));
	json_object_set_new(row_object, "live", output_text(row->live));
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
		printf("    live      %s\n", row->live);
	}
	printf("    plan      %s\n", next);
	suggestion_text(&record->renewal_info);
	if (record->order.url[0])
		printf("    order     %s (%s)\n", record->order.url, order_phase_name(record->order.phase));
	if (record->last_error[0])
		printf("    failed    %u in a row, last %s: %s\n", record->attempts, clock_print(record->failed_at, until),
		       record->last_error);
}

static void journal_text(struct store *store, const char *name)
{
	static struct store_journal_line lines[JOURNAL_SHOWN];
	unsigned count = 0;
	char when[CLOCK_TEXT_MAX];

	if (!store || store_journal(store, name, lines, JOURNAL_SHOWN, &count, NULL) != RC_OK)
		return;
	printf("    journal, newest first:\n");
	for (unsigned i = 0; i < count; i++)
		printf("      %s  %s\n", clock_print(lines[i].at, when), lines[i].text);
}

static enum exit_status status_each(const struct command_line *line, const struct config *config, struct store *store)
{
	AUTO(json) json_t *rows = json_array();
	enum exit_status status = EXIT_DONE;
	int64_t now = clock_now();

	for (unsigned i = 0; i < config->certificate_count; i++) {
		struct row row;

		if (!command_names(line, config->certificates[i].name))
			continue;
		row_fill(&row, config, store, &config->certificates[i], now);
		if (needs_attention(&row, now))
			status = EXIT_ATTENTION;
		if (line->json) {
			json_array_append_new(rows, row_json(&row));
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
	struct err err = { 0 };

	if (!command_config(line, &config) || !command_names_known(line, config))
		return EXIT_USAGE;
	enum rc rc = store_open_readonly(config->state, &store, &err);
	/* No database yet is an answer, not a failure: nothing was ever issued. */
	if (rc != RC_OK && rc != RC_ABSENT) {
		log_failure("status", &err);
		return EXIT_FAILED;
	}
	return status_each(line, config, store);
}
