/*
 * command.h -- what every command gets and answers: one file a command, one table in main.c.
 *
 * A command prints its result on stdout (one JSON document with --json), diagnostics
 * on stderr, and returns an exit status.
 */
#ifndef HWA_COMMAND_H
#define HWA_COMMAND_H

#include <stdbool.h>

#include "config.h"
#include "err.h"
#include "renewal.h"

/* Scripts rely on these (hwacme(1), "EXIT STATUS"). */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,     /* usage or configuration */
	EXIT_TOKEN = 3,     /* token unavailable or PIN refused */
	EXIT_AUTHORITY = 4, /* authority unreachable or refusing */
	EXIT_ATTENTION = 5, /* `status`: a certificate needs attention */
};

struct command_line {
	const char *config_path;
	bool json, verbose, force;
	const char *reason; /* revoke --reason */
	const char *days;   /* plan --days */
	bool with_certificate_key;
	bool try_it, yes; /* token audit --try; token gc --yes */
	bool new_key;     /* account register --new-key */
	bool probe;       /* status --probe */
	bool config_only; /* check --config-only */
	char **words;     /* what follows the command's name */
	int word_count;
};

enum exit_status command_run(const struct command_line *line);
enum exit_status command_renew(const struct command_line *line);
enum exit_status command_status(const struct command_line *line);
enum exit_status command_plan(const struct command_line *line);
enum exit_status command_check(const struct command_line *line);
enum exit_status command_token(const struct command_line *line);
enum exit_status command_account(const struct command_line *line);
enum exit_status command_authorize(const struct command_line *line);
enum exit_status command_revoke(const struct command_line *line);
enum exit_status command_version(const struct command_line *line);

/* The whole program: parses the arguments and runs one command. */
int cli_main(int argc, char **argv);

/* Why the command ends: the line that tells people, and what the document of --json says where there is no other.  command_failed() as
 * log_failure(), and to who may not do this, who may; command_refuse() of what was written on the command line. */
void command_failed(const char *what, const struct err *err);
void command_refuse(const char *fmt, ...) HWA_PRINTF(1);
void command_usage(const char *usage); /* as it is: "usage: hwacme ...\n" */
/* Loads the configuration or says why not: EXIT_USAGE, or EXIT_FAILED where that is not the configuration's fault. */
enum exit_status command_config(const struct command_line *line, struct config **ret_config);
/* Every word must be a certificate of the configuration; false after saying which is not. */
bool command_names_known(const struct command_line *line, const struct config *config);
bool command_names(const struct command_line *line, const char *name); /* was it named, or none at all? */

/* The worse of two exit statuses, for a command that works on several things: the first failure decides. */
enum exit_status exit_first(enum exit_status so_far, enum exit_status next);
enum exit_status exit_of_blame(enum renewal_blame blame);

#endif /* HWA_COMMAND_H */
