/* remote_link.h -- one call to keyd and its answer; nothing outside tokens/remote*.c includes it. */
#ifndef HWA_REMOTE_LINK_H
#define HWA_REMOTE_LINK_H

#include "keyd.h"
#include "remote.h"
#include "wire.h"

struct remote_call {
	enum keyd_operation operation;
	void *ctx;
	/* Puts what follows the operation into the request. */
	void (*ask)(void *ctx, struct wire *request);
	/* Takes what an answer says, once for each message of it until it fails. */
	enum rc (*take)(void *ctx, enum keyd_answer kind, struct wire *answer, struct err *err);
	bool is_once;  /* not to be made again when its answer was lost */
	bool was_lost; /* out: keyd was gone before it answered; whether it did its work is not known */
};

/* keyd's error as it came, or ours when keyd is gone twice. */
enum rc remote_call(struct remote_link *link, struct remote_call *call, struct err *err) HWA_CHECKED;

#endif /* HWA_REMOTE_LINK_H */
