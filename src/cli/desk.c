/* desk.c -- opens configuration, processes, store, keyring and sessions, and shuts the sandbox behind them. */
#include "desk.h"

#include "clock.h"
#include "log.h"
#include "progress.h"
#include "sandbox.h"

#define LOCK_PATIENCE INT64_C(30000) /* milliseconds */
#define LOCK_PAUSE    200            /* between two tries */
#define LOCK_TOLD     1000           /* then it is told for whom is waited */

enum rc desk_lock(struct store *store, int64_t patience_ms, struct err *err)
{
	int64_t began = clock_monotonic_ms(), waited = 0;
	bool is_told = false;
	struct err why = { 0 };
	enum rc rc;

	while ((rc = store_lock(store, &why)) == RC_RETRY && waited < patience_ms && clock_wait_until(INT64_MAX, LOCK_PAUSE)) {
		store_lock_want(store);
		waited = clock_monotonic_ms() - began;
		if (!is_told && waited >= LOCK_TOLD) {
			log_event(LOG_INFO, "waiting: %s", why.text);
			is_told = true;
		}
	}
	if (rc == RC_RETRY)
		return err_set(err, rc,
			       "%s, and was waited for for %lld s; `hwacme status` shows what is under way: try again later, or "
			       "end that process meanwhile, which loses nothing of it",
			       why.text, (long long)(waited / 1000));
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

/* The only daemon here, and what others reach it by.  That there is no page is no reason not to renew. */
static enum rc open_for_daemon(struct desk *desk, struct err *err)
{
	struct err why = { 0 };
	enum rc rc = store_lock_daemon(desk->store, err);

	if (rc == RC_OK && desk->config->metrics_listen && metrics_server_open(desk->config, &desk->metrics, &why) != RC_OK)
		log_failure("no status page and no metrics until the daemon is started again", &why);
	if (rc == RC_OK)
		rc = control_open(desk->config, &desk->control, err);
	if (rc == RC_OK)
		rc = foreign_files_note(desk->config, &desk->files, err);
	return rc;
}

enum exit_status desk_open(const struct command_line *line, enum desk_use use, struct desk *ret_desk)
{
	AUTO(desk) struct desk desk = { .config = TAKE(ret_desk->config) };
	struct err err = { 0 };

	enum exit_status status = desk.config ? EXIT_DONE : command_config(line, &desk.config);
	if (status != EXIT_DONE || (use == DESK_NAMES && !command_names_known(line, desk.config)))
		return exit_first(status, EXIT_USAGE);
	/* Forks: nothing may be open yet. */
	enum rc rc = processes_start(desk.config, &desk.processes, &err);
	if (rc == RC_OK)
		rc = store_open(desk.config->state, &desk.store, &err);
	if (rc == RC_OK)
		rc = use == DESK_DAEMON ? open_for_daemon(&desk, &err) : desk_lock(desk.store, LOCK_PATIENCE, &err);
	if (rc == RC_OK)
		rc = keyring_new(desk.config, processes_keyd(desk.processes), &desk.keyring, &err);
	if (rc == RC_OK)
		rc = sandbox_engine(desk.config, &err);
	if (rc == RC_OK && use != DESK_DAEMON)
		rc = authorities_new(desk.config, desk.store, desk.keyring, &desk.authorities, &err);
	if (rc != RC_OK) {
		command_failed("hwacme", &err);
		return EXIT_FAILED;
	}
	if (use != DESK_DAEMON)
		progress_begin("hwacme");
	*ret_desk = desk;
	desk = (struct desk){ 0 };
	return EXIT_DONE;
}

void desk_close(struct desk *desk)
{
	foreign_files_free(desk->files);
	metrics_server_stop(desk->metrics);
	control_stop(desk->control);
	authorities_free(desk->authorities);
	keyring_free(desk->keyring);
	store_close(desk->store);
	processes_stop(desk->processes);
	config_free(desk->config);
}

enum exit_status desk_failed(const char *what, bool by_token, const struct err *err)
{
	command_failed(what, err);
	if (by_token || err_is_token(err))
		return EXIT_TOKEN;
	if (err->rc == RC_INPUT)
		return EXIT_USAGE;
	return err->origin == ERR_ACME || err->origin == ERR_HTTP || err->origin == ERR_CURL || err->rc == RC_PROTOCOL
		       ? EXIT_AUTHORITY
		       : EXIT_FAILED;
}
