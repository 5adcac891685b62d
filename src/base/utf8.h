/* utf8.h -- what of a text that a peer sent can be shown: for whoever writes it into a line, a JSON string or a page. */
#ifndef HWA_UTF8_H
#define HWA_UTF8_H

#include <stddef.h>

/* The bytes of the printable character that begins at `text`, 1 to 4.  0: none does; it is the end, a control character, or no
 * UTF-8 (RFC 3629, 4): the caller writes a mark for this one byte and goes on behind it. */
size_t utf8_printable(const char *text);

/* Each byte that is no part of a printable character becomes the mark, so half a character too where a text was cut. */
void utf8_tame(char *text, char mark);

#endif /* HWA_UTF8_H */
