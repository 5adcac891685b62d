/*
 * fake_ca.h -- certification authorities in the test program, in place of src/net/http.c: RFC 8555 with dns-01, and RFC 9773.
 *
 * Authority number N is at https://caN.sim/dir.  It checks addresses, nonces, the order of things and what `replaces` names,
 * and issues real certificates that are valid in virtual time.  Signatures of requests are believed: others test them.
 */
#ifndef HWA_SIM_FAKE_CA_H
#define HWA_SIM_FAKE_CA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_CAS_MAX    3
#define FAKE_DAY        INT64_C(86400)
#define FAKE_CA_SERIALS UINT64_C(0x4000000000000000) /* and the number of the certificate, from 1 */

/* One request in so many ... */
struct fake_ca_mishaps {
	unsigned lost_before; /* ... does not arrive */
	unsigned lost_after;  /* ... is performed, and its answer is lost */
	unsigned bad_nonce;
	unsigned internal;  /* status 500 */
	unsigned invalid;   /* validation of a challenge fails, or finalize makes the order invalid */
	unsigned forgotten; /* the CA no longer knows the order */
	unsigned limited;   /* newOrder: 429 with Retry-After */
};

/* Growing lists of virtual milliseconds. */
struct fake_times {
	int64_t *at;
	size_t count, room;
};
void fake_times_add(struct fake_times *times, int64_t at);
/* Most of them within `ms`. */
size_t fake_times_most(const struct fake_times *times, int64_t ms);
size_t fake_times_within(const struct fake_times *times, int64_t from_ms, int64_t to_ms);

struct fake_ca {
	/* how it is */
	int64_t life;       /* seconds, of what it issues to names that do not begin with "short" */
	int64_t short_life; /* of the others */
	int64_t preauthorized; /* seconds after a name's last issuance in which it wants no challenge; 0: it always does; negative: never */
	bool has_renewal_info;
	int64_t order_life; /* seconds */
	int64_t approval;   /* seconds from CSR to certificate, for somebody has to approve it; 0: nobody has to */
	/* what happens to it */
	bool is_down;
	int64_t busy_until_ms;     /* 503 with Retry-After until then */
	unsigned challenge_busy_s; /* so is the next answer to a challenge, once, for so long */
	struct fake_ca_mishaps mishaps;
	/* RFC 9773: of what was issued before, it suggests a window that is over */
	int64_t wants_back_before;
	/* Called while it is asked for renewal information, or about an order; NULL: nothing is. */
	void (*on_renewal_info)(void);
	void (*on_order)(void);
	/* what came of it */
	struct fake_times requests, orders, revocations;
	unsigned issued, challenged, replaced, lost_orders, invalid_orders, forgotten_orders;
	unsigned too_early;       /* requests before a Retry-After of 503 was over */
	char too_early_what[160]; /* the first */
	int64_t quiet_until_ms;   /* nobody asks before; set to 0 when the asker's clock is set */
};

void fake_ca_start(void);
void fake_ca_stop(void);
struct fake_ca *fake_ca_get(unsigned number);
/* Its orders and certificates, as by a CA that was set up from an old backup: 404. */
void fake_ca_forget(unsigned number);
/* All their roots, PEM, into a file. */
void fake_ca_roots_write(const char *path);
struct fake_order_view {
	unsigned ca;
	const char *name;    /* its first identifier */
	const char *profile; /* "": none was named */
	char url[128];
	int64_t made_at_ms;
	bool is_open;        /* it waits for somebody: it is not valid and fetched, nor invalid, nor forgotten */
	bool is_answer_lost; /* to newOrder */
};
/* Of that number, as its serial has it, from 1. */
bool fake_ca_has_revoked(unsigned number, size_t certificate);
void fake_ca_orders_each(unsigned number, void (*each)(void *ctx, const struct fake_order_view *view), void *ctx);

#endif /* HWA_SIM_FAKE_CA_H */
