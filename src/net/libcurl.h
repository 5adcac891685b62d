/* libcurl.h -- the functions of libcurl that are used here, loaded when they are (library.h); in place of <curl/curl.h>. */
#ifndef HWA_LIBCURL_H
#define HWA_LIBCURL_H

/* Its checks of types are macros in the functions' names, which are not called by name here. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "err.h"

/* X(name, function) */
#define LIBCURL_FUNCTIONS(X)                   \
	X(easy_init, curl_easy_init)           \
	X(easy_cleanup, curl_easy_cleanup)     \
	X(easy_setopt, curl_easy_setopt)       \
	X(easy_getinfo, curl_easy_getinfo)     \
	X(easy_perform, curl_easy_perform)     \
	X(easy_strerror, curl_easy_strerror)   \
	X(slist_append, curl_slist_append)     \
	X(slist_free_all, curl_slist_free_all) \
	X(version_info, curl_version_info)

struct libcurl {
#define X(name, function) __typeof__(function) *name;
	LIBCURL_FUNCTIONS(X)
#undef X
};

/* Filled by libcurl_load(). */
extern struct libcurl libcurl;
enum rc libcurl_load(struct err *err) HWA_CHECKED;

#endif /* HWA_LIBCURL_H */
