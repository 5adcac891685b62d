/* shortage.c -- a rest that doubles while accept4() finds no room, and ends with the first that it takes. */
#include "shortage.h"

#include <errno.h>

#define REST_FIRST_MS 50
#define REST_LAST_MS  1000 /* a CA that validates waits longer than that */

bool shortage_note(struct shortage *shortage, int number, int64_t now_ms)
{
	int rest = REST_FIRST_MS;

	/* All else is of one connection, which is gone. */
	if (number != EMFILE && number != ENFILE && number != ENOBUFS && number != ENOMEM)
		return false;
	for (unsigned i = 0; i < shortage->failures && rest < REST_LAST_MS; i++)
		rest *= 2;
	if (shortage->failures < UINT32_MAX)
		shortage->failures++;
	shortage->until_ms = now_ms + (rest < REST_LAST_MS ? rest : REST_LAST_MS);
	return shortage->failures == 1;
}

void shortage_end(struct shortage *shortage)
{
	*shortage = (struct shortage){ 0 };
}

int shortage_rest_ms(const struct shortage *shortage, int64_t now_ms)
{
	return shortage->until_ms > now_ms ? (int)(shortage->until_ms - now_ms) : 0;
}
