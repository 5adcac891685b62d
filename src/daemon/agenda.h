/*
 * agenda.h -- what is to be looked at, and when: the earliest first, found without looking at the others.
 *
 * Items are numbers from 0; times are milliseconds of whatever clock the caller has.  Pure; not for several threads at once.
 */
#ifndef HWA_AGENDA_H
#define HWA_AGENDA_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "scope.h"

struct agenda;

/* For the items 0 to count - 1; none of them is in it yet. */
enum rc agenda_new(unsigned count, struct agenda **ret_agenda, struct err *err) HWA_CHECKED;
void agenda_free(struct agenda *agenda);

/* Puts the item in, or moves it. */
void agenda_set(struct agenda *agenda, unsigned item, int64_t at);
/* Nothing happens when it is not in. */
void agenda_remove(struct agenda *agenda, unsigned item);
/* The earliest, which stays in.  False: the agenda is empty. */
bool agenda_first(const struct agenda *agenda, unsigned *ret_item, int64_t *ret_at);
bool agenda_has(const struct agenda *agenda, unsigned item);

AUTO_DEFINE(agenda, struct agenda *, agenda_free);

#endif /* HWA_AGENDA_H */
