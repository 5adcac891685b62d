/*
 * driver.h -- performs what order_step() decides, and stores what it came to before the next effect outside and before each wait.
 *
 * Nobody sleeps here: a step that must wait says until when, the wait is stored with
 * the order, and the caller comes back.  Challenge answers are out while the driver lives.
 */
#ifndef HWA_DRIVER_H
#define HWA_DRIVER_H

#include "challenge.h"
#include "client.h"
#include "config.h"
#include "order.h"

/* What a chain is refused for, as far as its order can do something about it. */
enum chain_refusal {
	CHAIN_IS_BAD,
	CHAIN_IS_ELSEWHERE, /* it is sound, but ends in a root that is not ours */
	CHAIN_IS_ANOTHERS,  /* it is for another key */
};

/* What the driver needs from its caller. */
struct driver_hooks {
	void *ctx;
	/* Stores the order: before a step that has an effect outside, and before a wait. */
	enum rc (*save)(void *ctx, const struct order *order, const char *event, struct err *err);
	/* The CSR for this order, DER, signed in the token. */
	enum rc (*csr)(void *ctx, struct buf *ret_der, struct err *err);
	/* Judges and stages a downloaded chain; *ret_refusal is set when it is refused. */
	enum rc (*accept)(void *ctx, struct span pem, enum chain_refusal *ret_refusal, struct err *err);
	/* The CA says that the certificate which `replaces` names was replaced before, or takes the order without it alone; stored with the
	 * next save. */
	void (*replaced)(void *ctx);
	/* Until when (unix time) the authorisations are valid, as the CA says.  NULL: nobody wants to know, and the CA is not asked. */
	void (*authorized)(void *ctx, int64_t until);
	/* A step went well, but the CA did not take a request that is made again later: others should hear of it.  NULL: nobody does. */
	void (*refused)(void *ctx, const struct err *why);
	/* What challenges use to run programs and to ask a Token Authority. */
	struct challenge_desk desk;
};

/* What a new order says beside its names; a NULL member is left out of the order. */
struct driver_terms {
	const char *profile;  /* draft-ietf-acme-profiles, 4; the directory has it */
	const char *replaces; /* RFC 9773, 5: certID of the certificate it takes the place of */
	unsigned attempts;    /* that failed in a row before this one */
};

struct driver;
/* Borrows all its arguments; `order` is the stored one, made by the profile of the terms (for a new order, empty and in phase START). */
enum rc driver_new(struct client *client, const struct config_certificate *certificate, const struct driver_terms *terms,
		   struct order *order, const struct driver_hooks *hooks, struct driver **ret_driver,
		   struct err *err) HWA_CHECKED;
void driver_free(struct driver *driver);

/* For a long wait between two steps: frees what can be read or asked for again, and lets go of `order`, of which only phase and waits
 * are remembered. */
void driver_rest(struct driver *driver);
/* Called after driver_rest() and before the next step, with the same order as it is stored. */
void driver_wake(struct driver *driver, struct order *order);

/* The next step is to be made when both have passed. */
struct driver_wait {
	int64_t until;     /* unix time; 0: now */
	unsigned pause_ms; /* under a second */
	bool is_heard;     /* the CA was asked in this step, and answered */
};

/*
 * Performs the next action, when it is time for it, and with it those that follow at once and are stored together.
 * RC_OK: look at order->phase (DONE: the chain was accepted, and the caller stores the order) and at *ret_wait.
 * Otherwise the order came to an end or cannot go on now: err says why; order->phase is FAILED when a new
 * order is needed, and a phase to resume from otherwise.
 */
enum rc driver_step(struct driver *driver, int64_t now, struct driver_wait *ret_wait, struct err *err) HWA_CHECKED;

AUTO_DEFINE(driver, struct driver *, driver_free);

#endif /* HWA_DRIVER_H */
