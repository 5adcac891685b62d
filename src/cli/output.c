/* output.c -- prints results, and what the commands share of reading their arguments. */
#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "log.h"
#include "utf8.h"

#define NAMES_TOLD_MAX 20 /* a line that is still read */

static bool is_incomplete, is_printed;
static char failure[2048]; /* of the command */

bool output_is_whole(void)
{
	return !is_incomplete;
}

static void incomplete(const char *what)
{
	is_incomplete = true;
	log_event(LOG_ERROR, "%s could not be written as JSON", what);
}

void output_row(json_t *rows, json_t *row)
{
	if (json_array_append_new(rows, row) != 0)
		incomplete("one row of the result");
}

void output_json(json_t *document)
{
	if (!document || json_dumpf(document, stdout, JSON_INDENT(2)) != 0)
		incomplete("the result");
	putchar('\n');
	json_decref(document);
	is_printed = true;
}

void output_failure(int exit_status)
{
	if (!is_printed)
		output_json(json_pack("{s:o, s:i}", "error", output_text(failure), "exit_status", exit_status));
}

json_t *output_time(int64_t at)
{
	char text[CLOCK_TEXT_MAX];

	return at ? json_string(clock_print(at, text)) : json_null();
}

/* jansson takes nothing but UTF-8, and a member that it does not take would be missing: each byte that is none becomes a mark. */
static json_t *marked(const char *text)
{
	static const char MARK[] = "\xef\xbf\xbd"; /* U+FFFD */
	char *whole = malloc(strlen(text) * strlen(MARK) + 1), *to = whole;

	if (!whole)
		return NULL;
	for (size_t len; *text; text += len ? len : 1) {
		len = utf8_printable(text);
		memcpy(to, len ? text : MARK, len ? len : strlen(MARK));
		to += len ? len : strlen(MARK);
	}
	*to = '\0';
	json_t *string = json_string(whole);
	free(whole);
	return string;
}

json_t *output_string(const char *text)
{
	json_t *string = json_string(text);

	return string ? string : marked(text);
}

json_t *output_text(const char *text)
{
	return text && *text ? output_string(text) : json_null();
}

void output_plan(const struct plan *plan, int64_t now, char *text, size_t room)
{
	char when[CLOCK_TEXT_MAX], away[CLOCK_TEXT_MAX];

	if (plan->what != PLAN_WAIT)
		snprintf(text, room, "due now: %s", plan->why);
	else
		snprintf(text, room, "%s %s (in %s): %s", plan->is_begun ? "goes on" : "next renewal",
			 clock_print(plan->when, when), clock_print_duration(plan->when > now ? plan->when - now : 0, away),
			 plan->why);
}

enum exit_status command_config(const struct command_line *line, struct config **ret_config)
{
	struct err err = { 0 };
	enum rc rc = config_load(line->config_path, ret_config, &err);

	if (rc == RC_OK) {
		log_set_format((*ret_config)->log_format);
		return EXIT_DONE;
	}
	command_failed("configuration", &err);
	/* A service manager does not start us again after EXIT_USAGE; memory there may be again. */
	return rc == RC_RESOURCE ? EXIT_FAILED : EXIT_USAGE;
}

/* What there is, but not 100,000 names. */
static void names_told(const char *word, const struct config *config)
{
	unsigned shown = config->certificate_count < NAMES_TOLD_MAX ? config->certificate_count : NAMES_TOLD_MAX;

	char names[NAMES_TOLD_MAX * (STORE_NAME_MAX + 1) + 32] = "";
	size_t used = 0;

	for (unsigned i = 0; i < shown && used < sizeof(names); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, " %s", config->certificates[i].name);
	if (shown < config->certificate_count && used < sizeof(names))
		snprintf(names + used, sizeof(names) - used, " and %u others", config->certificate_count - shown);
	command_refuse("no certificate \"%s\" in %s; it has:%s", word, config->path, names);
}

void command_refuse(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(failure, sizeof(failure), fmt, args);
	va_end(args);
	fprintf(stderr, "hwacme: %s\n", failure);
}

void command_usage(const char *usage)
{
	fputs(usage, stderr);
	snprintf(failure, sizeof(failure), "%.*s", (int)strcspn(usage, "\n"), usage);
}

/* Whoever is neither root nor the user of the service learns nothing from an errno. */
void command_failed(const char *what, const struct err *err)
{
	struct err told = *err;
	size_t used = strlen(told.text);

	if (err->origin == ERR_ERRNO && (err->code == EACCES || err->code == EPERM) && geteuid() != 0)
		snprintf(told.text + used, sizeof(told.text) - used, "; run hwacme as root, or as the user of the service");
	snprintf(failure, sizeof(failure), "%s: %s", what, told.text);
	log_failure(what, &told);
}

bool command_names_known(const struct command_line *line, const struct config *config)
{
	for (int i = 0; i < line->word_count; i++) {
		if (config_certificate_get(config, line->words[i]))
			continue;
		names_told(line->words[i], config);
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
