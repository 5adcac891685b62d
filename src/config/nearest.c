/* nearest.c -- finds the known word that is fewest edits away from what was written. */
#include "nearest.h"

#include <string.h>

#define WORD_MAX  32u
#define EDITS_MAX 2u

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance, one row at a time. */
static unsigned edits(const char *from, const char *to)
{
	unsigned row[WORD_MAX + 1];
	size_t rows = strlen(from), columns = strlen(to);

	if (rows > WORD_MAX || columns > WORD_MAX)
		return WORD_MAX;
	for (unsigned at = 0; at <= columns; at++)
		row[at] = at;
	for (unsigned i = 1; i <= rows; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= columns; j++) {
			unsigned above = row[j];

			row[j] = least(row[j] + 1, row[j - 1] + 1, corner + (from[i - 1] != to[j - 1]));
			corner = above;
		}
	}
	return row[columns];
}

const char *nearest_word(const char *word, const char *const *known, unsigned count)
{
	const char *best = NULL;
	unsigned fewest = EDITS_MAX + 1;

	for (unsigned i = 0; i < count; i++) {
		unsigned distance = edits(word, known[i]);

		/* Of a word of three letters two slips leave nothing. */
		if (distance < fewest && 2 * distance <= strlen(known[i])) {
			fewest = distance;
			best = known[i];
		}
	}
	return best;
}
