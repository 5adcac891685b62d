/* libmicrohttpd.c -- where libmicrohttpd's functions are. */
#include "libmicrohttpd.h"

#include "library.h"

struct libmicrohttpd libmicrohttpd;

enum rc libmicrohttpd_load(struct err *err)
{
	static const struct library_function functions[] = {
#define X(name, function) { #function, offsetof(struct libmicrohttpd, name) },
		LIBMICROHTTPD_FUNCTIONS(X)
#undef X
	};
	static struct library library = { .file = "libmicrohttpd.so.12",
					  .functions = functions,
					  .function_count = sizeof(functions) / sizeof(functions[0]),
					  .table = &libmicrohttpd };

	return library_load(&library, err);
}
