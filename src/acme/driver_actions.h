/* driver_actions.h -- what a driver is made of, and its actions; for driver.c, which puts them in their order, and driver_actions.c. */
#ifndef HWA_DRIVER_ACTIONS_H
#define HWA_DRIVER_ACTIONS_H

#include "authorization.h"
#include "driver.h"
#include "message.h"

struct driver {
	struct client *client;
	const struct config_certificate *certificate;
	struct driver_terms terms;
	struct order *order;    /* NULL while it rests */
	enum order_phase phase; /* of it, then */
	int64_t waited_ms;
	int64_t not_before, asked_at;
	struct driver_hooks hooks;
	struct order_next next;
	int64_t now;                  /* of the step under way */
	struct message_order *answer; /* the CA's last word about the order; NULL: not known */
	struct authorizations *open;  /* answers that are out; NULL: none */
	unsigned bare;                /* answers that called it valid, and did not say where its certificate is */
	bool is_heard;                /* the CA, in the step under way */
	bool had_slip;                /* the CA had one: what failed was asked again at once */
	bool was_too_early;           /* the CA took no CSR of ours for this order, by its own word */
	bool was_asked_for;           /* a CSR of ours may have reached it */
	bool was_taken;               /* an order was another's in the end, and one more was placed for that */
	bool is_until_known;          /* hooks.authorized was told */
	bool is_unready;              /* answers are placed, and the CA was not told of them yet */
	bool is_unsaved;              /* the order changed since it was stored ... */
	const char *noted;            /* ... and this is for the journal; NULL: nothing */
	bool is_resumed;              /* the CA has said nothing of it since we were started ... */
	bool was_unanswered;          /* ... and may have looked for answers that were not there meanwhile */
	char void_for[160];           /* it has, and the order is of no use: why; else "" */
};

struct driver_action {
	/* *ret_event: what the answer says, for order_step(); status of the order, what is waited for, when to come again. */
	enum rc (*perform)(struct driver *driver, struct order_event *ret_event, struct err *err);
	bool only_asks;             /* to be cut off in it, or before, is the same: it is repeated */
	const char *before, *after; /* for the journal; NULL: not worth a line */
};
/* Not of ORDER_DO_STOP, which is none. */
const struct driver_action *driver_action(enum order_action action);

/* The order is made by the profile that is configured, as far as is known. */
void driver_note_profile(struct driver *driver);
/* What the CA said last of the order, which can be asked for again. */
void driver_answer_forget(struct driver *driver);

#endif /* HWA_DRIVER_ACTIONS_H */
