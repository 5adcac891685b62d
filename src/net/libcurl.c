/* libcurl.c -- where libcurl's functions are. */
#include "libcurl.h"

#include "library.h"

struct libcurl libcurl;

enum rc libcurl_load(struct err *err)
{
	static const struct library_function functions[] = {
#define X(name, function) { #function, offsetof(struct libcurl, name) },
		LIBCURL_FUNCTIONS(X)
#undef X
	};
	static struct library library = { .file = "libcurl.so.4",
					  .functions = functions,
					  .function_count = sizeof(functions) / sizeof(functions[0]),
					  .table = &libcurl };

	return library_load(&library, err);
}
