/* desk.h -- what a command that talks to a CA works with: opened in the one right order, and the sandbox entered. */
#ifndef HWA_DESK_H
#define HWA_DESK_H

#include "command.h"
#include "control.h"
#include "foreign_files.h"
#include "metrics_server.h"
#include "processes.h"

struct desk {
	struct config *config;
	struct processes *processes;
	struct store *store; /* locked: one process at a time works on a state directory, and one daemon */
	struct keyring *keyring;
	struct authorities *authorities;
	struct metrics_server *metrics; /* the daemon's, where it is configured and can be */
	struct control *control;        /* the daemon's */
	struct foreign_files *files;    /* the daemon's: others do not live to see one replaced */
};

/* Every word is a certificate, or the words are the command's own; the daemon takes lock and sessions when it has work. */
enum desk_use { DESK_NAMES, DESK_WORDS, DESK_DAEMON };
/* EXIT_DONE, or the exit status after saying why.  *ret_desk is empty, or has the configuration that was loaded already. */
enum exit_status desk_open(const struct command_line *line, enum desk_use use, struct desk *ret_desk);
void desk_close(struct desk *desk);
/* The store's lock, which a daemon holds while it takes steps; who holds it is told of when it takes a second. */
enum rc desk_lock(struct store *store, int64_t patience_ms, struct err *err) HWA_CHECKED;
/* The exit status of a failure, and the line that tells it. */
enum exit_status desk_failed(const char *what, bool by_token, const struct err *err);

AUTO_DEFINE_VALUE(desk, struct desk, desk_close);

#endif /* HWA_DESK_H */
