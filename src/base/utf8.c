/* utf8.c -- tells characters from what only looks like them. */
#include "utf8.h"

#include <stdint.h>

/* RFC 3629, 4: by the first byte, how many follow, and the least and the most that the first of those may be, so that neither
 * overlong forms nor surrogates nor numbers above U+10FFFF pass. */
static const struct {
	uint8_t from, to;
	uint8_t following, least, most;
} FORMS[] = {
	{ 0x20, 0x7e, 0, 0, 0 },       { 0xc2, 0xc2, 1, 0xa0, 0xbf }, /* U+0080 to U+009F are controls */
	{ 0xc3, 0xdf, 1, 0x80, 0xbf }, { 0xe0, 0xe0, 2, 0xa0, 0xbf }, { 0xe1, 0xec, 2, 0x80, 0xbf },
	{ 0xed, 0xed, 2, 0x80, 0x9f }, { 0xee, 0xef, 2, 0x80, 0xbf }, { 0xf0, 0xf0, 3, 0x90, 0xbf },
	{ 0xf1, 0xf3, 3, 0x80, 0xbf }, { 0xf4, 0xf4, 3, 0x80, 0x8f },
};

size_t utf8_printable(const char *text)
{
	const uint8_t *at = (const uint8_t *)text;

	for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++) {
		if (at[0] < FORMS[i].from || at[0] > FORMS[i].to)
			continue;
		for (size_t next = 1; next <= FORMS[i].following; next++) {
			uint8_t least = next == 1 ? FORMS[i].least : 0x80, most = next == 1 ? FORMS[i].most : 0xbf;

			if (at[next] < least || at[next] > most)
				return 0;
		}
		return FORMS[i].following + 1u;
	}
	return 0;
}

void utf8_tame(char *text, char mark)
{
	for (size_t len; *text; text += len ? len : 1) {
		len = utf8_printable(text);
		if (!len)
			*text = mark;
	}
}
