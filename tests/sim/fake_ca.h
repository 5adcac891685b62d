/*
 * fake_ca.h -- certification authorities in the test program, in place of src/net/http.c: RFC 8555 with dns-01, and RFC 9773.
 *
 * Authority number N is at https://caN.sim/dir.  It checks addresses, nonces, the order of things and what `replaces` names,
 * and issues real certificates that are valid in virtual time.  Signatures of requests are believed: others test them.
 */
#ifndef HWA_SIM_FAKE_CA_H
#define HWA_SIM_FAKE_CA_H

#include <openssl/x509.h>
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
	unsigned lapsed;    /* an authorisation that is looked at is valid no more: somebody deactivated it */
};

/* What it suggests by RFC 9773. */
enum fake_window { FAKE_WINDOW_USUAL, FAKE_WINDOW_PAST, FAKE_WINDOW_FAR, FAKE_WINDOW_INVERTED, FAKE_WINDOW_WIDE, FAKE_WINDOWS };

#define FAKE_NONSENSE 15u /* kinds of answers that are not of ACME */

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
	int64_t ahead;      /* seconds that its clock is ahead of the world's; negative: behind */
	int64_t approval;   /* seconds from CSR to certificate, for somebody has to approve it; 0: nobody has to */
	/* what happens to it */
	bool is_down;
	int64_t busy_until_ms;     /* 503 with Retry-After until then */
	unsigned challenge_busy_s; /* so is the next answer to a challenge, once, for so long */
	struct fake_ca_mishaps mishaps;
	unsigned nonsense_one_in; /* answers that are not of ACME, with or without what was asked for being done; 0: none */
	unsigned wrong_one_in;    /* certificates that are not what was asked for */
	unsigned nonsense;        /* which, from 1 to FAKE_NONSENSE; 0: any */
	enum fake_window window;
	/* RFC 9773: of what was issued before, it suggests a window that is over */
	int64_t wants_back_before;
	/* Called while it is asked for renewal information, or about an order; NULL: nothing is. */
	void (*on_renewal_info)(void);
	void (*on_order)(void);
	/* what came of it */
	struct fake_times requests, orders, revocations;
	struct fake_times looks; /* at orders that somebody has yet to approve */
	unsigned most_looks;     /* at one of them, in the first hour */
	unsigned wrong;          /* certificates */
	unsigned issued, challenged, replaced, lost_orders, invalid_orders, forgotten_orders;
	int64_t away_until_ms;    /* the last that a Retry-After asked anybody to wait for, of the world's time */
	unsigned too_early;       /* requests before a Retry-After of 503 was over */
	char too_early_what[160]; /* the first */
	int64_t quiet_until_ms;   /* nobody asks before; set to 0 when the asker's clock is set */
};

void fake_ca_start(void);
void fake_ca_stop(void);
/* Nobody gets to any of them, or they do again. */
void fake_ca_cut_off(bool is_cut_off);
struct fake_ca *fake_ca_get(unsigned number);
/* Its orders and certificates, as by a CA that was set up from an old backup: 404. */
void fake_ca_forget(unsigned number);
/* All that it knew, accounts too. */
void fake_ca_wipe(unsigned number);
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
	bool is_mistold;     /* an answer about it was not of ACME */
};
/* May a server be given it?  Whoever issued it was not told to make it wrong. */
bool fake_ca_is_sound(X509 *leaf);
/* Of that number, as its serial has it, from 1. */
bool fake_ca_has_revoked(unsigned number, size_t certificate);
void fake_ca_orders_each(unsigned number, void (*each)(void *ctx, const struct fake_order_view *view), void *ctx);

#endif /* HWA_SIM_FAKE_CA_H */
