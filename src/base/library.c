/* library.c -- loads a shared library and finds its functions. */
#include "library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static enum rc fail(struct err *err)
{
	const char *why = dlerror();

	return err_set(err, RC_RESOURCE, "a library is missing: %s", why ? why : "no reason is given");
}

/* All are there before one is written. */
static enum rc functions_find(const struct library *library, void *handle, struct err *err)
{
	for (size_t i = 0; i < library->function_count; i++)
		if (!dlsym(handle, library->functions[i].name))
			return fail(err);
	for (size_t i = 0; i < library->function_count; i++) {
		void *address = dlsym(handle, library->functions[i].name);

		memcpy((char *)library->table + library->functions[i].at, &address, sizeof(address));
	}
	return RC_OK;
}

static enum rc load(struct library *library, struct err *err)
{
	/* Lazily, as if it had been linked: RTLD_NOW would look up all that its libraries might ever call.  It stays when the
	 * process ends: threads of its own may be in it. */
	void *handle = dlopen(library->file, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
	enum rc rc = handle ? functions_find(library, handle, err) : fail(err);

	if (rc != RC_OK && handle)
		dlclose(handle);
	library->is_loaded = rc == RC_OK;
	return rc;
}

enum rc library_load(struct library *library, struct err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&lock);
	enum rc rc = library->is_loaded ? RC_OK : load(library, err);
	pthread_mutex_unlock(&lock);
	return rc;
}
