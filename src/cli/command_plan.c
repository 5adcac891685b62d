/*
 * command_plan.c -- `hwacme plan`: what will be renewed when and why, and the load of each day.
 *
 * Reads the store only, as status does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "command.h"
#include "log.h"
#include "output.h"
#include "schedule.h"

#define DAYS_DEFAULT 30
#define DAY          INT64_C(86400)
#define BAR_MAX      50 /* columns */
#define WARNING_MAX  400

static bool days_parse(const char *text, unsigned *ret_days)
{
	char *end = NULL;

	if (!text) {
		*ret_days = DAYS_DEFAULT;
		return true;
	}
	errno = 0;
	unsigned long days = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || days < 1 || days > SCHEDULE_DAYS_MAX) {
		command_refuse("--days %s: write a number of days from 1 to %d", text, SCHEDULE_DAYS_MAX);
		return false;
	}
	*ret_days = (unsigned)days;
	return true;
}

/* Days are UTC's. */
static void count_days(const struct schedule *schedule, int64_t first, unsigned days, unsigned *counts)
{
	for (size_t i = 0; i < schedule->count; i++) {
		int64_t day = (schedule->items[i].at - first) / DAY;

		if (day >= 0 && day <= (int64_t)days)
			counts[day]++;
	}
}

static const char *date_print(int64_t at, char text[CLOCK_TEXT_MAX])
{
	clock_print(at, text);
	text[strcspn(text, "T")] = '\0';
	return text;
}

static void items_text(const struct schedule *schedule, int64_t now)
{
	char at[CLOCK_TEXT_MAX];

	for (size_t i = 0; i < schedule->count; i++) {
		const struct schedule_item *item = &schedule->items[i];

		printf("%-20s  %s: %s%s\n", item->at <= now ? "now" : clock_print(item->at, at), item->certificate->name,
		       item->why, item->is_foreseen ? " (foreseen)" : "");
	}
}

static void histogram_text(const unsigned *counts, int64_t first, unsigned days)
{
	static const char bar[BAR_MAX + 1] = "##################################################";
	unsigned most = 1;
	char date[CLOCK_TEXT_MAX];

	for (unsigned day = 0; day <= days; day++)
		most = counts[day] > most ? counts[day] : most;
	for (unsigned day = 0; day <= days; day++) {
		unsigned width = most <= BAR_MAX ? counts[day] : (unsigned)((uint64_t)counts[day] * BAR_MAX / most);

		/* One is not nothing. */
		if (counts[day] && !width)
			width = 1;
		printf("%s  %.*s%s%u\n", date_print(first + day * DAY, date), (int)width, bar, width ? " " : "", counts[day]);
	}
}

static void print_text(const struct schedule *schedule, const struct config *config, const unsigned *counts, int64_t first,
		       unsigned days, int64_t now)
{
	char at[CLOCK_TEXT_MAX];
	int64_t busiest;
	size_t most = schedule_busiest_hour(schedule, NULL, &busiest);
	char warning[WARNING_MAX];

	items_text(schedule, now);
	printf("%srenewals a day, %u day%s, UTC:\n", schedule->count ? "\n" : "", days, days == 1 ? "" : "s");
	histogram_text(counts, first, days);
	if (most > 1)
		printf("%zu within one hour at the most, from %s\n", most, clock_print(busiest, at));
	if (schedule->later)
		printf("%u certificate%s later\n", schedule->later, schedule->later == 1 ? " is due" : "s are due");
	for (unsigned i = 0; i < config->authority_count; i++)
		if (schedule_overload(schedule, config, &config->authorities[i], warning, sizeof(warning)))
			printf("warning: %s\n", warning);
}

static void print_json(const struct schedule *schedule, const struct config *config, const unsigned *counts, int64_t first,
		       unsigned days)
{
	json_t *rows = json_array(), *load = json_array(), *warnings = json_array();
	char warning[WARNING_MAX];
	char date[CLOCK_TEXT_MAX];
	int64_t busiest;
	size_t most = schedule_busiest_hour(schedule, NULL, &busiest);

	for (size_t i = 0; i < schedule->count; i++) {
		const struct schedule_item *item = &schedule->items[i];

		output_row(rows, json_pack("{s:s, s:s, s:o, s:o, s:b}", "name", item->certificate->name, "authority",
					   item->certificate->authority, "at", output_time(item->at), "why",
					   output_string(item->why), "foreseen", item->is_foreseen));
	}
	for (unsigned day = 0; day <= days; day++)
		output_row(load,
			   json_pack("{s:s, s:i}", "date", date_print(first + day * DAY, date), "renewals", (int)counts[day]));
	for (unsigned i = 0; i < config->authority_count; i++)
		if (schedule_overload(schedule, config, &config->authorities[i], warning, sizeof(warning)))
			output_row(warnings, output_string(warning));
	output_json(json_pack("{s:i, s:o, s:o, s:{s:i, s:o}, s:i, s:o}", "days", (int)days, "renewals", rows, "load", load,
			      "busiest_hour", "renewals", (int)most, "from", output_time(busiest), "later", (int)schedule->later,
			      "warnings", warnings));
}

static enum rc fill(struct schedule *schedule, const struct config *config, struct store *store, int64_t now, int64_t until,
		    struct err *err)
{
	enum rc rc = RC_OK;

	for (unsigned i = 0; i < config->certificate_count && rc == RC_OK; i++) {
		const struct config_certificate *certificate = &config->certificates[i];
		struct store_certificate record;
		enum rc known = store ? store_certificate_load(store, certificate->name, &record, err) : RC_ABSENT;

		rc = known == RC_OK || known == RC_ABSENT
			     ? schedule_add(schedule, config, certificate, known == RC_OK ? &record : NULL, now, until, err)
			     : known;
	}
	schedule_sort(schedule);
	return rc;
}

enum exit_status command_plan(const struct command_line *line)
{
	AUTO(config) struct config *config = NULL;
	AUTO(store) struct store *store = NULL;
	AUTO(schedule) struct schedule schedule = { 0 };
	struct err err = { 0 };
	unsigned days, counts[SCHEDULE_DAYS_MAX + 1] = { 0 };
	int64_t now = clock_now(), first = now - now % DAY;

	if (!days_parse(line->days, &days))
		return EXIT_USAGE;
	enum exit_status status = command_config(line, &config);
	if (status != EXIT_DONE)
		return status;
	enum rc rc = store_open_readonly(config->state, &store, &err);
	/* No database yet is an answer, not a failure: nothing was ever issued. */
	if (rc == RC_ABSENT)
		rc = RC_OK;
	if (rc == RC_OK && store)
		rc = store_view_begin(store, &err);
	if (rc == RC_OK)
		rc = fill(&schedule, config, store, now, now + days * DAY, &err);
	if (rc != RC_OK) {
		command_failed("plan", &err);
		return EXIT_FAILED;
	}
	count_days(&schedule, first, days, counts);
	if (line->json)
		print_json(&schedule, config, counts, first, days);
	else
		print_text(&schedule, config, counts, first, days, now);
	return EXIT_DONE;
}
