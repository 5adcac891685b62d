/* metrics_address.c -- listens there for a moment; where that cannot be, the daemon is asked whether it is who does. */
#include "metrics_address.h"

#include <unistd.h>

#include "control.h"
#include "listen.h"

#define ADDRESS_TEXT 64

enum rc metrics_address_try(const struct config *config, const char **ret_state, struct err *err)
{
	char theirs[ADDRESS_TEXT] = "";
	struct err why = { 0 };
	int fd = -1;
	enum rc rc = listen_open("metrics", config->metrics_listen, &fd, &why);

	if (rc == RC_OK) {
		close(fd);
		*ret_state = "free";
		return RC_OK;
	}
	enum rc told = control_page(config->state, theirs, sizeof(theirs), NULL);
	if (told == RC_ABSENT || (told == RC_OK && !listen_overlaps(theirs, config->metrics_listen))) {
		if (err)
			*err = why;
		return rc;
	}
	/* One of another release cannot say. */
	*ret_state = told == RC_OK ? "served by the daemon that runs" : "taken, perhaps by the daemon that runs: it does not say";
	return RC_OK;
}
