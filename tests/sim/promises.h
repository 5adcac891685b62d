/* promises.h -- what an authority may expect of a client that can be trusted: no order forgotten, no request without work behind it. */
#ifndef HWA_SIM_PROMISES_H
#define HWA_SIM_PROMISES_H

#include "machine.h"

/* Orders that wait at an authority for somebody who has forgotten them, by why. */
struct promises_orders {
	unsigned lost;    /* the answer to newOrder was: nobody knew of it */
	unsigned unsaved; /* its record could not be written */
	unsigned moved;   /* the next one was made at another authority */
	unsigned jumped;  /* by a clock that was set meanwhile it expired */
	unsigned keyless; /* its key was lost with all that its token had */
	unsigned mistold; /* what was said of it was not of ACME */
	unsigned none;    /* ... for no reason */
	char first[128];  /* the first of these */
};
struct promises_orders promises_orders(const struct machine *machine, const struct fake_times *clock_sets,
				       const struct fake_times *key_losses);

/* What an hour's requests are for. */
#define PROMISES_REQUESTS 16 /* one piece of work: directory, nonce, order, authorisation, challenge, looks, CSR, chain */
#define PROMISES_LOOKS \
	60 /* in the first hour at an order that somebody has yet to approve; each with a nonce that is asked for */
#define PROMISES_QUESTIONS 40 /* of RFC 9773, and looks at what is under way; again each time that the clock was set in it */

/* The hour in which there were most requests beyond what is allowed for the pieces of work that ended in it or an hour around it. */
struct promises_hour {
	int64_t at; /* its end, world's seconds */
	size_t requests, works, allowed;
};
struct promises_hour promises_hour(const struct machine *machine, const struct fake_times *clock_sets);

#endif /* HWA_SIM_PROMISES_H */
