/* origin.h -- whether two URLs are of one server: a CA may send us to itself only. */
#ifndef HWA_ORIGIN_H
#define HWA_ORIGIN_H

#include <stdbool.h>

/*
 * RFC 9110, 4.2.3: both https, the same host in whatever case, and the same port, which is 443 where none is written.  Clients leave that out
 * of Host, so a server that makes its URLs of it leaves it out whatever the operator wrote; another puts it in.
 * False for what has a user in it, or a port that is none; and where `url`, which a peer has sent and people are shown, has a character
 * that cannot be printed.
 */
bool origin_is_same(const char *url, const char *other);

#endif /* HWA_ORIGIN_H */
