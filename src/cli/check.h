/* check.h -- one run of `hwacme check`: what it looks at, and the one line or row of each thing it has found. */
#ifndef HWA_CHECK_H
#define HWA_CHECK_H

#include "command.h"
#include "output.h"

struct check {
	const struct command_line *line;
	const struct config *config;
	struct keyring *keyring;
	struct store *store; /* NULL: nothing was ever stored */
	json_t *rows;
	enum exit_status status;
};

/* `bad`: what is wrong, and decides the exit status; NULL: nothing, and `good` is told. */
void check_report(struct check *check, const char *what, const char *name, enum exit_status if_bad, const struct err *bad,
		  const char *good);

/* check_machine.c */
/* Users, programs and addresses: before the sandbox is entered, which has no list of users, no programs, and no listeners. */
void check_machine(struct check *check);
void check_clock(struct check *check);
/* Of the state, and the database in it. */
void check_disk(struct check *check);

#endif /* HWA_CHECK_H */
