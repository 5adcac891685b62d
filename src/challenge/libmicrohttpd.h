/* libmicrohttpd.h -- the functions of libmicrohttpd that are used here, loaded when they are (library.h); in place of <microhttpd.h>. */
#ifndef HWA_LIBMICROHTTPD_H
#define HWA_LIBMICROHTTPD_H

#include <microhttpd.h>

#include "err.h"

/* X(name, function) */
#define LIBMICROHTTPD_FUNCTIONS(X)                                      \
	X(start_daemon, MHD_start_daemon)                               \
	X(stop_daemon, MHD_stop_daemon)                                 \
	X(create_response_from_buffer, MHD_create_response_from_buffer) \
	X(destroy_response, MHD_destroy_response)                       \
	X(add_response_header, MHD_add_response_header)                 \
	X(queue_response, MHD_queue_response)                           \
	X(lookup_connection_value, MHD_lookup_connection_value)         \
	X(get_connection_info, MHD_get_connection_info)

struct libmicrohttpd {
#define X(name, function) __typeof__(function) *name;
	LIBMICROHTTPD_FUNCTIONS(X)
#undef X
};

/* Filled by libmicrohttpd_load(). */
extern struct libmicrohttpd libmicrohttpd;
/* By who starts a server: in a sandbox where nothing can be loaded, before it is entered. */
enum rc libmicrohttpd_load(struct err *err) HWA_CHECKED;

#endif /* HWA_LIBMICROHTTPD_H */
