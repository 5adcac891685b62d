/* rota.c -- three kinds of agenda: one of what waits, gates among it; one of what is under way; and one a gate of what it holds. */
#include "rota.h"

#include <stdlib.h>

#include "agenda.h"

#define NOWHERE UINT32_MAX

struct rota {
	unsigned items, gates;
	struct agenda *waiting; /* the gates come after the items; one that is held is here for itself where it may pass */
	struct agenda *under_way;
	struct agenda **held; /* by rank */
	unsigned *gate_of;    /* at which it is held; NOWHERE: at none */
};

enum rc rota_new(unsigned items, unsigned gates, int64_t at, struct rota **ret_rota, struct err *err)
{
	AUTO(rota) struct rota *rota = calloc(1, sizeof(*rota));

	if (!rota)
		return err_set(err, RC_RESOURCE, "out of memory");
	rota->items = items;
	rota->held = calloc(gates ? gates : 1, sizeof(struct agenda *));
	rota->gate_of = malloc((items ? items : 1) * sizeof(*rota->gate_of));
	if (!rota->held || !rota->gate_of)
		return err_set(err, RC_RESOURCE, "out of memory");
	rota->gates = gates;
	enum rc rc = agenda_new(items + gates, &rota->waiting, err);
	if (rc == RC_OK)
		rc = agenda_new(items, &rota->under_way, err);
	for (unsigned i = 0; rc == RC_OK && i < gates; i++)
		rc = agenda_new(items, &rota->held[i], err);
	if (rc != RC_OK)
		return rc;
	for (unsigned i = 0; i < items; i++) {
		rota->gate_of[i] = NOWHERE;
		agenda_set(rota->waiting, i, at);
	}
	*ret_rota = TAKE(rota);
	return RC_OK;
}

void rota_free(struct rota *rota)
{
	if (!rota)
		return;
	for (unsigned i = 0; i < rota->gates; i++)
		agenda_free(rota->held[i]);
	agenda_free(rota->waiting);
	agenda_free(rota->under_way);
	free(rota->held);
	free(rota->gate_of);
	free(rota);
}

int64_t rota_wait(struct rota *rota, unsigned item, int64_t at)
{
	agenda_set(rota->waiting, item, at);
	return at;
}

int64_t rota_go_on(struct rota *rota, unsigned item, int64_t at)
{
	agenda_set(rota->under_way, item, at);
	return at;
}

int64_t rota_hold(struct rota *rota, unsigned item, const struct rota_gate *gate)
{
	rota->gate_of[item] = gate->number;
	agenda_set(rota->held[gate->number], item, gate->rank);
	agenda_set(rota->waiting, rota->items + gate->number, gate->opens_at);
	if (gate->passes_at != INT64_MAX)
		agenda_set(rota->waiting, item, gate->passes_at);
	return gate->passes_at < gate->opens_at ? gate->passes_at : gate->opens_at;
}

static void let_go(struct rota *rota, unsigned item)
{
	if (rota->gate_of[item] != NOWHERE)
		agenda_remove(rota->held[rota->gate_of[item]], item);
	rota->gate_of[item] = NOWHERE;
	agenda_remove(rota->waiting, item);
}

/* The next one after it goes and sees when this one was let through, and while it is away. */
static bool gate_open(struct rota *rota, unsigned gate, int64_t now, unsigned *ret_item)
{
	int64_t unused;
	unsigned next;

	agenda_remove(rota->waiting, rota->items + gate);
	if (!agenda_first(rota->held[gate], ret_item, &unused))
		return false;
	let_go(rota, *ret_item);
	if (agenda_first(rota->held[gate], &next, &unused))
		agenda_set(rota->waiting, rota->items + gate, now);
	return true;
}

bool rota_take(struct rota *rota, int64_t now, int64_t begins_at, unsigned *ret_item)
{
	int64_t at;

	if (agenda_first(rota->under_way, ret_item, &at) && at <= now) {
		agenda_remove(rota->under_way, *ret_item);
		return true;
	}
	while (begins_at <= now && agenda_first(rota->waiting, ret_item, &at) && at <= now) {
		if (*ret_item < rota->items) {
			let_go(rota, *ret_item);
			return true;
		}
		if (gate_open(rota, *ret_item - rota->items, now, ret_item))
			return true;
	}
	return false;
}

int64_t rota_next(const struct rota *rota, int64_t begins_at)
{
	int64_t at, next = INT64_MAX;
	unsigned item;

	if (agenda_first(rota->under_way, &item, &at))
		next = at;
	if (agenda_first(rota->waiting, &item, &at)) {
		at = at > begins_at ? at : begins_at;
		next = at < next ? at : next;
	}
	return next;
}

bool rota_hasten(struct rota *rota, unsigned item, int64_t now)
{
	if (agenda_has(rota->under_way, item)) {
		agenda_set(rota->under_way, item, now);
		return true;
	}
	if (rota->gate_of[item] == NOWHERE && !agenda_has(rota->waiting, item))
		return false;
	let_go(rota, item);
	agenda_set(rota->waiting, item, now);
	return true;
}

void rota_hasten_waiting(struct rota *rota, int64_t now)
{
	for (unsigned i = 0; i < rota->items + rota->gates; i++)
		if (agenda_has(rota->waiting, i))
			agenda_set(rota->waiting, i, now);
}

void rota_hasten_all(struct rota *rota, int64_t now)
{
	rota_hasten_waiting(rota, now);
	for (unsigned i = 0; i < rota->items; i++)
		if (agenda_has(rota->under_way, i))
			agenda_set(rota->under_way, i, now);
}
