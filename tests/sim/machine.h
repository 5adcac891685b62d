/*
 * machine.h -- the machine under test: a state directory that lasts, and a renewal daemon on it that can be ended and started.
 *
 * The daemon is the real one (loop, agenda, renewal, store, archive, driver, client); clock, HTTP, tokens and hooks are the
 * simulation's.  One thread does everything, so that a seed says it all.
 */
#ifndef HWA_SIM_MACHINE_H
#define HWA_SIM_MACHINE_H

#include <stdio.h>

#include "fake_ca.h"
#include "loop.h"

#define MACHINE_CERTIFICATES_MAX 5000

/* What is known of a certificate from outside: from the files that a server would read. */
struct machine_view {
	unsigned generation;
	int64_t not_before, not_after;
	int64_t failed_at_ms; /* since the machine was switched on; 0: never */
	int64_t hooked_at_ms; /* of the world; 0: never */
	unsigned renewals, failures, expired;
	enum renewal_blame blame; /* of the last failure */
	unsigned unsaved;         /* of its record */
	bool is_expired;
};

struct machine {
	char dir[64], config_path[96], roots_path[96];
	struct config *config;
	struct store *store;
	struct keyring *keyring;
	struct renewal_desk desk;
	struct loop *loop;        /* NULL: it is not running */
	unsigned orders_per_hour; /* of the first authority; 0: any number */
	struct machine_view views[MACHINE_CERTIFICATES_MAX];
	/* what happens to it */
	unsigned hook_fails_one_in;
	unsigned hook_ms; /* that a hook takes; 0: as long as ever */
	bool is_disk_full;
	bool is_disk_bad;           /* what is stored cannot be read, now and then ... */
	bool is_in_turn;            /* ... by the daemon */
	bool is_unread;             /* what is known of the authorities cannot be read at all */
	bool is_unsaved_at_switch;  /* a set goes live, and the next record cannot be written */
	bool dies_at_switch;        /* a set goes live, and nothing is stored any more ... */
	unsigned dies_after;        /* so many writes from now the machine loses its power, too; 0: it does not */
	bool is_cut_off;            /* ... as if the machine had lost its power, until this is taken back */
	int64_t records_seen_at_ms; /* of the world: before, no record that a hook placed can be seen */
	int64_t records_apart_ms;   /* that of the next certificate so much later */
	/* what came of it */
	unsigned starts, hooks, failed_hooks, turns, saves, unsaved; /* of certificates' records */
	unsigned longest_hook_gap_s;                                 /* between two runs of the deploy hook of one certificate */
	size_t most_keys;
	struct fake_times worked; /* each time that a piece of work on a certificate ended, well or not */
	char soonest_failure[256];
	unsigned soonest_failure_s; /* between two failures of one certificate; UINT_MAX: none */
	/* Called between two turns; may do to the world what it likes, and to the machine what is declared here. */
	void (*after_turn)(struct machine *machine, void *ctx);
	void *ctx;
	/* Called while a hook or a probe runs, and when a piece of work on a certificate has ended; NULL: nothing is. */
	void (*on_hook)(void);
	void (*on_done)(const struct renewal_outcome *outcome, enum rc rc);
};

/* The world around it at VIRTUAL_START: the clock, empty tokens, authorities that nobody has asked.  The first authority. */
struct fake_ca *machine_world_start(uint64_t seed);
void machine_world_stop(struct machine *machine); /* and the machine */

/* `configure` writes the file's policies and certificates; authorities ca0, ca1 ..., of which the first takes `orders_per_hour`
 * (0: any number), and tokens t0, t1 are there. */
void machine_new(struct machine *machine, unsigned orders_per_hour, void (*configure)(FILE *file, void *ctx), void *ctx);
void machine_free(struct machine *machine); /* and its directory */

/* For machine_new(): c0, c1 ... of the first authority, with keys in the first token. */
struct machine_alike {
	const char *policy; /* its options */
	unsigned certificates;
	const char *each; /* lines of every certificate; NULL: none */
};
#define MACHINE_CHALLENGED "    challenge: { dns-01: { hook: [/bin/true] } }\n"
void machine_alike(FILE *file, void *alike);

/* The daemon: it is started; it ends between two turns and leaves things as they are. */
void machine_start(struct machine *machine);
void machine_stop(struct machine *machine);
/* It is started anew with another configuration of the same certificates, as by a reload. */
void machine_reload(struct machine *machine, void (*configure)(FILE *file, void *ctx), void *ctx);
/* A daemon that is started anew, or whose clock was set, tries again what failed just before. */
void machine_failures_forget(struct machine *machine);
/* Until that time of the world (unix seconds). */
void machine_run(struct machine *machine, int64_t until);

/* Invariants, of one certificate or of all; they fail the test. */
void machine_check_live(struct machine *machine, unsigned index);
void machine_check_all(struct machine *machine);
/* Each key in a token has an owner, there are no more than one for each certificate and account beside those that wait to be erased,
 * and none of these is overdue. */
void machine_check_keys(struct machine *machine);

#endif /* HWA_SIM_MACHINE_H */
