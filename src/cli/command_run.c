/* command_run.c -- `hwacme run`: the renewal daemon, in the foreground, until SIGTERM. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "desk.h"
#include "log.h"
#include "loop.h"
#include "supervisor.h"

/* Between two looks at the files that others write: so often at the most is an engine relieved for their sake. */
#define FILES_LOOK_MS INT64_C(60000)

/* Heaps of the engine: with one for each worker every one of them grows to what the largest step of all has needed. */
#define ENGINE_ARENAS 2

/* The configuration that is in force.  Each engine gets it as it was read, whatever became of the file since. */
struct kept {
	const struct command_line *line;
	struct config *config;
	int mark; /* of its state directory: other commands wait for the next engine; -1: none yet */
};

/* Before an engine ends for it.  A directory that is not there yet is made by the first engine. */
static void kept_mark(struct kept *kept)
{
	struct err err = { 0 };
	int mark = -1;
	enum rc rc = store_mark_daemon(kept->config->state, &mark, &err);

	if (rc != RC_OK && rc != RC_ABSENT)
		log_failure("other commands do not see this daemon while its engine is started anew", &err);
	if (kept->mark >= 0)
		close(kept->mark);
	kept->mark = mark;
}

static enum exit_status kept_read(struct kept *kept)
{
	AUTO(config) struct config *config = NULL;
	enum exit_status status = command_config(kept->line, &config);

	if (status != EXIT_DONE)
		return status;
	config_free(kept->config);
	kept->config = TAKE(config);
	kept_mark(kept);
	return EXIT_DONE;
}

static bool is_sound(void *ctx)
{
	return kept_read(ctx) == EXIT_DONE;
}

/* Without the supervisor, or without keyd and hooks, there is nothing to go on for: another engine is started with all of it. */
struct heart {
	int fd;
	const struct desk *desk;
	int64_t looked_at; /* monotonic: at the files that others write */
};

/* A resolv.conf that is renamed into place would not be read any more, and names not be found, until the end of this engine. */
static void files_attend(struct heart *heart)
{
	int64_t now = clock_monotonic_ms();

	if (now - heart->looked_at < FILES_LOOK_MS)
		return;
	heart->looked_at = now;
	const char *lost = foreign_files_lost(heart->desk->files);
	if (!lost)
		return;
	log_event(LOG_INFO, "%s was replaced, and the sandbox is for the old one: the engine is started anew", lost);
	supervisor_relieve(heart->fd);
}

static bool beat(void *ctx)
{
	struct heart *heart = ctx;
	const struct desk *desk = heart->desk;

	if (desk->metrics)
		control_set_page(desk->control, metrics_server_attend(desk->metrics) ? desk->config->metrics_listen : NULL);
	files_attend(heart);
	return supervisor_beat(heart->fd) && processes_are_there(desk->processes);
}

static int engine(void *ctx, int fd)
{
	struct kept *kept = ctx;
	/* The mark is the supervisor's: what we start, or a module does, must not keep it. */
	if (kept->mark >= 0)
		close(kept->mark);
	/* It is this process's own: the supervisor has its memory, and we a copy of it. */
	AUTO(desk) struct desk desk = { .config = TAKE(kept->config) };
	enum exit_status status = desk_open(kept->line, DESK_DAEMON, &desk);
	struct err err = { 0 };

	if (status != EXIT_DONE)
		return (int)status;
	struct renewal_desk work = {
		.config = desk.config, .processes = desk.processes, .store = desk.store, .keyring = desk.keyring
	};
	struct heart heart = { .fd = fd, .desk = &desk, .looked_at = clock_monotonic_ms() };
	AUTO(loop) struct loop *loop = NULL;

	(void)mallopt(M_ARENA_MAX, ENGINE_ARENAS);
	enum rc rc = loop_new(&work, &loop, &err);
	if (rc == RC_OK)
		rc = control_start(desk.control, loop, &err);
	if (rc == RC_OK)
		rc = loop_run(loop, &(struct loop_heart){ .ctx = &heart, .beat = beat }, &err);
	/* It asks the loop, which ends before the desk does. */
	control_stop(TAKE(desk.control));
	if (rc == RC_OK)
		return EXIT_DONE;
	log_failure("run", &err);
	return EXIT_FAILED;
}

enum exit_status command_run(const struct command_line *line)
{
	struct kept kept = { .line = line, .mark = -1 };

	if (line->json) {
		command_refuse("run takes no --json; \"log: { format: json }\" in the configuration is what it can do");
		return EXIT_USAGE;
	}
	/* Who wants a changed configuration read while we still read the first waits; it would end us. */
	sigset_t hangup;
	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	sigprocmask(SIG_BLOCK, &hangup, NULL);
	/* Here, so that a mistake in it is told at once and by its exit status. */
	enum exit_status status = kept_read(&kept);
	if (status != EXIT_DONE)
		return status;
	status = (enum exit_status)supervisor_run(&(struct supervisor_terms){
		.ctx = &kept, .silence_ms = SUPERVISOR_SILENCE_MS, .is_sound = is_sound, .engine = engine });
	config_free(kept.config);
	if (kept.mark >= 0)
		close(kept.mark);
	return status;
}
