/*
 * shortage.h -- how long a listener leaves those that wait alone when it has no descriptor or memory to accept them with.
 *
 * What waits stays readable: who asked poll() at once again would do nothing else.  Each failure in a row doubles the rest, up to a
 * second.  Pure; one per listening socket.
 */
#ifndef HWA_SHORTAGE_H
#define HWA_SHORTAGE_H

#include <stdbool.h>
#include <stdint.h>

struct shortage {
	unsigned failures; /* in a row */
	int64_t until_ms;
};

/* accept4() failed with `number`, an errno.  True: a shortage begins, which is to be told; until it is over no other is. */
bool shortage_note(struct shortage *shortage, int number, int64_t now_ms);
/* accept4() gave one. */
void shortage_end(struct shortage *shortage);
/* How long not to look who waits, in ms; 0: look. */
int shortage_rest_ms(const struct shortage *shortage, int64_t now_ms);

#endif /* HWA_SHORTAGE_H */
