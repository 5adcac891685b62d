/* response_header.h -- what one header line of an answer says, for the backends of http.h. */
#ifndef HWA_RESPONSE_HEADER_H
#define HWA_RESPONSE_HEADER_H

#include "http.h"

/*
 * `line` is "Name: value", ended by CR and LF or not, and need not be followed by a NUL.  Location, Replay-Nonce, Retry-After, Link and
 * Content-Type go into *response; all others, and values longer than there is room for, are passed over.
 */
void response_header_take(const char *line, size_t len, struct http_response *response);
/* Makes whole URLs of a Location and of links that are relative, by what was asked for; one that is too long is none. */
void response_header_resolve(const char *url, struct http_response *response);

#endif /* HWA_RESPONSE_HEADER_H */
