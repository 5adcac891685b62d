/* link.h -- what a Link header says (RFC 8288), for the backends of http.h. */
#ifndef HWA_LINK_H
#define HWA_LINK_H

#include "http.h"

/* Adds the links of one header to the response, as many as there is room for; one that is no https:// URL and no path ("/a", "//host/a":
 * response_header_resolve()), or too long, is left out. */
void link_parse(const char *value, struct http_response *response);

#endif /* HWA_LINK_H */
