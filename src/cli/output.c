/* output.c -- prints results, and what the commands share of reading their arguments. */
#include "output.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "command.h"
#include "log.h"

void output_json(json_t *document)
{
	if (!document || json_dumpf(document, stdout, JSON_INDENT(2)) != 0)
		fputs("hwacme: the result could not be written as JSON\n", stderr);
	putchar('\n');
	json_decref(document);
}

json_t *output_time(int64_t at)
{
	char text[CLOCK_TEXT_MAX];

	return at ? json_string(clock_print(at, text)) : json_null();
}

json_t *output_text(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

void output_plan(const struct plan *plan, int64_t now, char *text, size_t room)
{
	char when[CLOCK_TEXT_MAX], away[CLOCK_TEXT_MAX];

	if (plan->what != PLAN_WAIT)
		snprintf(text, room, "due now: %s", plan->why);
	else
		snprintf(text, room, "next renewal %s (in %s): %s", clock_print(plan->when, when),
			 clock_print_duration(plan->when > now ? plan->when - now : 0, away), plan->why);
}

bool command_config(const struct command_line *line, struct config **ret_config)
{
	struct err err = { 0 };

	if (config_load(line->config_path, ret_config, &err) == RC_OK)
		return true;
	log_failure("configuration", &err);
	return false;
}

bool command_names_known(const struct command_line *line, const struct config *config)
{
	for (int i = 0; i < line->word_count; i++) {
		if (config_certificate_get(config, line->words[i]))
			continue;
		fprintf(stderr, "hwacme: no certificate \"%s\" in %s; it has:", line->words[i], config->path);
		for (unsigned at = 0; at < config->certificate_count; at++)
			fprintf(stderr, " %s", config->certificates[at].name);
		fputc('\n', stderr);
		return false;
	}
	return true;
}

bool command_names(const struct command_line *line, const char *name)
{
	for (int i = 0; i < line->word_count; i++)
		if (strcmp(line->words[i], name) == 0)
			return true;
	return line->word_count == 0;
}

enum exit_status exit_first(enum exit_status so_far, enum exit_status next)
{
	return so_far != EXIT_DONE ? so_far : next;
}

enum exit_status exit_of_blame(enum renewal_blame blame)
{
	switch (blame) {
	case BLAME_TOKEN: return EXIT_TOKEN;
	case BLAME_AUTHORITY: return EXIT_AUTHORITY;
	case BLAME_CONFIG: return EXIT_USAGE;
	case BLAME_LOCAL:
	case BLAME_NOBODY: break;
	}
	return EXIT_FAILED;
}
