/*
 * web_server.h -- a small HTTP server on a listening socket: one thread, a bounded number of connections, none of which can
 * keep the others out.
 *
 * When all places are taken, the connection that came first is ended.  Whoever is served at once is never that one; whoever
 * opens connections and says nothing, or one byte now and then, loses them to those who come to ask.
 */
#ifndef HWA_WEB_SERVER_H
#define HWA_WEB_SERVER_H

#include <microhttpd.h>

#include "err.h"

struct web_server;

/*
 * `fd` becomes the server's own, also on failure.  `places` is how many connections there may be at once, two at least.
 * `on_request` is called in the server's thread, with `ctx`; signals are not delivered to that thread.  RC_RESOURCE.
 */
enum rc web_server_start(int fd, unsigned places, MHD_AccessHandlerCallback on_request, void *ctx, struct web_server **ret_server,
			 struct err *err) HWA_CHECKED;
/* Waits for the thread. */
void web_server_stop(struct web_server *server);

#endif /* HWA_WEB_SERVER_H */
