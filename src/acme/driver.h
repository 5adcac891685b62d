/*
 * driver.h -- performs what order_step() decides: one call, one step, its outcome stored before the next.
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

/* What the driver needs from its caller. */
struct driver_hooks {
	void *ctx;
	/* Stores the order; called before and after each step that has an effect outside. */
	enum rc (*save)(void *ctx, const struct order *order, const char *event, struct err *err);
	/* The CSR for this order, DER, signed in the token. */
	enum rc (*csr)(void *ctx, struct buf *ret_der, struct err *err);
	/* Judges and stages a downloaded chain; when it is sound but ends in a root that is not ours, *ret_is_elsewhere is set too. */
	enum rc (*accept)(void *ctx, struct span pem, bool *ret_is_elsewhere, struct err *err);
	/* The CA holds what `replaces` names for replaced; it is stored with the next save. */
	void (*replaced)(void *ctx);
	/* Where challenges have programs run and ask a Token Authority. */
	struct challenge_desk desk;
};

/* What a new order says beside its names; NULL: nothing. */
struct driver_terms {
	const char *profile;  /* draft-ietf-acme-profiles, 4; the directory has it */
	const char *replaces; /* RFC 9773, 5: certID of the certificate it takes the place of */
};

#define DRIVER_ALTERNATES_MAX 6 /* other chains looked at when the first does not end where it should */

struct driver;
/* Borrows all of them; `order` is the stored one (phase START and empty for a new order). */
enum rc driver_new(struct client *client, const struct config_certificate *certificate, const struct driver_terms *terms,
		   struct order *order, const struct driver_hooks *hooks, struct driver **ret_driver,
		   struct err *err) HWA_CHECKED;
void driver_free(struct driver *driver);

/* Nothing is to be done before both are over. */
struct driver_wait {
	int64_t until;     /* unix time; 0: now */
	unsigned pause_ms; /* under a second */
};

/*
 * Performs the next action, when it is time for it.
 * RC_OK: look at order->phase (DONE: the chain was accepted) and at *ret_wait.
 * Otherwise the order came to an end or cannot go on now: err says why; order->phase is FAILED when a new
 * order is needed, and a phase to resume from otherwise.
 */
enum rc driver_step(struct driver *driver, int64_t now, struct driver_wait *ret_wait, struct err *err) HWA_CHECKED;

AUTO_DEFINE(driver, struct driver *, driver_free);

#endif /* HWA_DRIVER_H */
