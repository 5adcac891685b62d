/* agenda.c -- a binary heap that knows where each item stands in it. */
#include "agenda.h"

#include <stdlib.h>

#define NOWHERE UINT32_MAX

struct entry {
	int64_t at;
	uint32_t item;
};

struct agenda {
	struct entry *heap; /* no entry is later than the two below it */
	uint32_t *places;   /* of each item in the heap; NOWHERE: it is not in */
	uint32_t count;
};

enum rc agenda_new(unsigned count, struct agenda **ret_agenda, struct err *err)
{
	AUTO(agenda) struct agenda *agenda = calloc(1, sizeof(*agenda));
	size_t room = count ? count : 1;

	if (!agenda)
		return err_set(err, RC_RESOURCE, "out of memory");
	agenda->heap = calloc(room, sizeof(*agenda->heap));
	agenda->places = calloc(room, sizeof(*agenda->places));
	if (!agenda->heap || !agenda->places)
		return err_set(err, RC_RESOURCE, "out of memory");
	for (unsigned i = 0; i < count; i++)
		agenda->places[i] = NOWHERE;
	*ret_agenda = TAKE(agenda);
	return RC_OK;
}

void agenda_free(struct agenda *agenda)
{
	if (!agenda)
		return;
	free(agenda->heap);
	free(agenda->places);
	free(agenda);
}

static void put(struct agenda *agenda, uint32_t place, struct entry entry)
{
	agenda->heap[place] = entry;
	agenda->places[entry.item] = place;
}

static void rise(struct agenda *agenda, uint32_t place, struct entry entry)
{
	while (place > 0 && entry.at < agenda->heap[(place - 1) / 2].at) {
		put(agenda, place, agenda->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put(agenda, place, entry);
}

static void sink(struct agenda *agenda, uint32_t place, struct entry entry)
{
	for (uint32_t below = 2 * place + 1; below < agenda->count; below = 2 * place + 1) {
		if (below + 1 < agenda->count && agenda->heap[below + 1].at < agenda->heap[below].at)
			below++;
		if (entry.at <= agenda->heap[below].at)
			break;
		put(agenda, place, agenda->heap[below]);
		place = below;
	}
	put(agenda, place, entry);
}

/* Into the hole at `place`, from which it finds its way up or down. */
static void settle(struct agenda *agenda, uint32_t place, struct entry entry)
{
	if (place > 0 && entry.at < agenda->heap[(place - 1) / 2].at)
		rise(agenda, place, entry);
	else
		sink(agenda, place, entry);
}

void agenda_set(struct agenda *agenda, unsigned item, int64_t at)
{
	uint32_t place = agenda->places[item];

	settle(agenda, place == NOWHERE ? agenda->count++ : place, (struct entry){ .at = at, .item = item });
}

void agenda_remove(struct agenda *agenda, unsigned item)
{
	uint32_t place = agenda->places[item];

	if (place == NOWHERE)
		return;
	struct entry last = agenda->heap[--agenda->count];
	agenda->places[item] = NOWHERE;
	if (last.item != item)
		settle(agenda, place, last);
}

bool agenda_first(const struct agenda *agenda, unsigned *ret_item, int64_t *ret_at)
{
	if (agenda->count == 0)
		return false;
	*ret_item = agenda->heap[0].item;
	*ret_at = agenda->heap[0].at;
	return true;
}

bool agenda_has(const struct agenda *agenda, unsigned item)
{
	return agenda->places[item] != NOWHERE;
}
