/*
 * library.h -- a shared library that is loaded by who uses it, and by nobody else.
 *
 * libcurl brings 25 other libraries along, libmicrohttpd eight; to link them takes longer than all else that `hwacme status` does, or
 * `hwacme renew` beside a daemon.  The file that owns such a library has a table of its functions, and fills it here.
 */
#ifndef HWA_LIBRARY_H
#define HWA_LIBRARY_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>

struct library_function {
	const char *name;
	size_t at; /* where its address goes: bytes from the beginning of the table */
};

struct library {
	const char *file; /* its soname: of the version whose header was included */
	const struct library_function *functions;
	size_t function_count;
	void *table;
	bool is_loaded;
};

/* Once; then nothing.  Safe from several threads at once.  In a sandbox that makes no memory executable it must have been loaded
 * before.  RC_RESOURCE: it is not installed, or lacks a function; then the table is as it was. */
enum rc library_load(struct library *library, struct err *err) HWA_CHECKED;

#endif /* HWA_LIBRARY_H */
