/*
 * rota.h -- whose turn it is: items that wait for their time, those that are under way, and those that are held until a gate opens.
 *
 * What is due while its authority can take nothing is held at the authority's gate: the first by rank, which is when it expires.  A gate
 * that opens lets one at a time go and see.  An item that was taken is nowhere until it is put somewhere again.  Times are monotonic
 * milliseconds.  Pure; not for several threads at once.
 */
#ifndef HWA_ROTA_H
#define HWA_ROTA_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "scope.h"

struct rota;

/* For the items 0 to items - 1, and the gates 0 to gates - 1; all items wait, and their time is `at`. */
enum rc rota_new(unsigned items, unsigned gates, int64_t at, struct rota **ret_rota, struct err *err) HWA_CHECKED;
void rota_free(struct rota *rota);

struct rota_gate {
	unsigned number;
	int64_t opens_at;
	int64_t rank;      /* of the item among those that are held there; the lowest goes first */
	int64_t passes_at; /* it goes then, whatever the gate does; INT64_MAX: never */
};

/* Where an item that was taken goes: each returns when something may be due for it. */
int64_t rota_wait(struct rota *rota, unsigned item, int64_t at);
int64_t rota_go_on(struct rota *rota, unsigned item, int64_t at); /* it is under way */
int64_t rota_hold(struct rota *rota, unsigned item, const struct rota_gate *gate);

/* Takes the item that is due first: of those under way, which hold memory, and perhaps an answer that the CA is looking at; then of the
 * others, unless nothing is to be begun before `begins_at` (INT64_MAX: at all).  False: none is. */
bool rota_take(struct rota *rota, int64_t now, int64_t begins_at, unsigned *ret_item);
/* When one may be due; INT64_MAX: none will be. */
int64_t rota_next(const struct rota *rota, int64_t begins_at);

/* Its time is now, wherever it is.  False: it was taken. */
bool rota_hasten(struct rota *rota, unsigned item, int64_t now);
void rota_hasten_waiting(struct rota *rota, int64_t now); /* and those that are held: their gates open */
void rota_hasten_all(struct rota *rota, int64_t now);

AUTO_DEFINE(rota, struct rota *, rota_free);

#endif /* HWA_ROTA_H */
