/* command_run.c -- `hwacme run`: the renewal daemon, in the foreground, until SIGTERM. */
#include <stdio.h>

#include "desk.h"
#include "log.h"
#include "loop.h"
#include "supervisor.h"

static bool is_sound(void *ctx)
{
	AUTO(config) struct config *config = NULL;

	return command_config(ctx, &config);
}

static bool beat(void *ctx)
{
	return supervisor_beat(*(int *)ctx);
}

static int engine(void *ctx, int heart)
{
	AUTO(desk) struct desk desk = { 0 };
	enum exit_status status = desk_open(ctx, DESK_DAEMON, &desk);
	struct err err = { 0 };

	if (status != EXIT_DONE)
		return (int)status;
	struct renewal_desk work = {
		.config = desk.config, .processes = desk.processes, .store = desk.store, .keyring = desk.keyring
	};
	enum rc rc = desk.metrics ? metrics_server_start(desk.metrics, &err) : RC_OK;
	if (rc == RC_OK)
		rc = loop_run(&work, &(struct loop_heart){ .ctx = &heart, .beat = beat }, &err);
	if (rc == RC_OK)
		return EXIT_DONE;
	log_failure("run", &err);
	return EXIT_FAILED;
}

enum exit_status command_run(const struct command_line *line)
{
	struct command_line kept = *line;

	if (line->word_count || line->json) {
		fputs("hwacme: run takes no names, and writes no document; all certificates of the configuration are renewed\n",
		      stderr);
		return EXIT_USAGE;
	}
	/* Here, so that a mistake in it is told at once and by its exit status. */
	if (!is_sound(&kept))
		return EXIT_USAGE;
	return (enum exit_status)supervisor_run(
		&(struct supervisor_terms){ .ctx = &kept, .is_sound = is_sound, .engine = engine });
}
